"""Reading the module's tables."""

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


def plain(item: dict[str, Any]) -> Item:
    """An item in DynamoDB's typed JSON as JSON has it: whole numbers, and sets as sorted lists."""
    return {name: _plain(_deserialize(value)) for name, value in item.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, set):
        return sorted(value)
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return value


def scan(deployment: Deployment, table: str, **options: Any) -> Iterator[Item]:
    """All items of a table, page by page as they are taken.

    Args:
        deployment: whose table.
        table: one of ``TABLES``.
        options: of the call, such as a projection.

    Raises:
        DeploymentError: the table is not there.
    """
    yield from _items(deployment, "scan", table, options)


def query(deployment: Deployment, table: str, **options: Any) -> Iterator[Item]:
    """The items of a table that a key condition finds; otherwise like ``scan``."""
    yield from _items(deployment, "query", table, options)


def _items(
    deployment: Deployment, call: str, table: str, options: dict[str, Any]
) -> Iterator[Item]:
    name = deployment.table(table)
    pages = deployment.client("dynamodb").get_paginator(call).paginate(TableName=name, **options)
    with deployment.looking_for(f"table {name}"):
        for page in pages:
            yield from map(plain, page["Items"])


def get(deployment: Deployment, table: str, device_id: str) -> Item | None:
    """The item of a device, as it is just now; None when there is none.

    Raises:
        DeploymentError: the table is not there.
    """
    name = deployment.table(table)
    with deployment.looking_for(f"table {name}"):
        answer = deployment.client("dynamodb").get_item(
            TableName=name, Key={"deviceId": {"S": device_id}}, ConsistentRead=True
        )
    return plain(answer["Item"]) if "Item" in answer else None


def get_many(deployment: Deployment, table: str, device_ids: Sequence[str]) -> Iterator[Item]:
    """The items of those of the devices that have one, in no order.

    Raises:
        DeploymentError: the table is not there.
    """
    name = deployment.table(table)
    for first in range(0, len(device_ids), _MOST_KEYS):
        keys = [{"deviceId": {"S": of}} for of in device_ids[first : first + _MOST_KEYS]]
        wanted: dict[str, Any] = {name: {"Keys": keys}}
        with deployment.looking_for(f"table {name}"):
            # What did not fit into an answer is asked for again.
            while wanted:
                answer = deployment.client("dynamodb").batch_get_item(RequestItems=wanted)
                yield from map(plain, answer["Responses"].get(name, []))
                wanted = answer["UnprocessedKeys"]
