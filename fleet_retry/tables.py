"""Reads of the module's tables. Items are in DynamoDB's typed JSON, as AWS returns them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from fleet_retry.deployment import Deployment

Item = dict[str, Any]
_deserialize = TypeDeserializer().deserialize
_MOST_KEYS = 100
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""


def to_plain(item: Item) -> dict[str, Any]:
    """Convert an item to JSON-ready values: whole numbers, and sets as sorted lists."""
    return {name: _to_plain(_deserialize(value)) for name, value in item.items()}


def _to_plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, set):
        return sorted(value)
    if isinstance(value, dict):
        return {name: _to_plain(field) for name, field in value.items()}
    return value


def scan(deployment: Deployment, table: str, **options: Any) -> Iterator[Item]:
    """Read all items of a table, page by page as they are consumed.

    Args:
        deployment: the owner of the table.
        table: its name.
        options: further parameters of the call, such as a projection.

    Raises:
        DeploymentError: the table does not exist.
    """
    yield from _read_pages(deployment, "scan", table, options)


def query(deployment: Deployment, table: str, **options: Any) -> Iterator[Item]:
    """Read the items that match a key condition; otherwise like ``scan``."""
    yield from _read_pages(deployment, "query", table, options)


def _read_pages(
    deployment: Deployment, operation: str, table: str, options: dict[str, Any]
) -> Iterator[Item]:
    paginator = deployment.client("dynamodb").get_paginator(operation)
    with deployment.report_missing(f"table {table}"):
        for page in paginator.paginate(TableName=table, **options):
            yield from page["Items"]


def get(deployment: Deployment, table: str, device_id: str) -> Item | None:
    """Read the item of a device consistently; None when there is none.

    Raises:
        DeploymentError: the table does not exist.
    """
    with deployment.report_missing(f"table {table}"):
        answer = deployment.client("dynamodb").get_item(
            TableName=table, Key={"deviceId": {"S": device_id}}, ConsistentRead=True
        )
    item: Item | None = answer.get("Item")
    return item


def get_many(deployment: Deployment, table: str, device_ids: Sequence[str]) -> Iterator[Item]:
    """Read the items of devices, in no order; devices without an item are left out.

    Raises:
        DeploymentError: the table does not exist.
    """
    for first in range(0, len(device_ids), _MOST_KEYS):
        batch = device_ids[first : first + _MOST_KEYS]
        wanted: dict[str, Any] = {table: {"Keys": [{"deviceId": {"S": name}} for name in batch]}}
        with deployment.report_missing(f"table {table}"):
            # An answer holds at most 16 MB: the rest is requested again.
            while wanted:
                answer = deployment.client("dynamodb").batch_get_item(RequestItems=wanted)
                yield from answer["Responses"].get(table, [])
                wanted = answer["UnprocessedKeys"]
