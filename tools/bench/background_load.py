"""Many devices at once, without sending their messages: what a large fleet looks like at rest."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from localcloud.fleet import Fleet

_BATCH = 25
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html"""


def forget_all(fleet: Fleet) -> None:
    """Delete all records."""
    table = fleet.outputs["retries_table_name"]
    pages = fleet.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    keys = [{"deviceId": item["deviceId"]} for page in pages for item in page["Items"]]
    _write(fleet, [{"DeleteRequest": {"Key": key}} for key in keys])


def add_records(fleet: Fleet, like: str, names: list[str]) -> None:
    """Copy the record of a device at rest, for which nothing is due, to other devices.

    Args:
        fleet: whose.
        like: the device with the record.
        names: the devices.
    """
    client = fleet.client("dynamodb")
    key = {"deviceId": {"S": like}}
    item = client.get_item(TableName=fleet.outputs["retries_table_name"], Key=key)["Item"]
    _write(fleet, [{"PutRequest": {"Item": {**item, "deviceId": {"S": name}}}} for name in names])


def add_things(fleet: Fleet, names: list[str]) -> None:
    """Register devices that need no update."""
    fleet.client("iot")  # made once, before the threads ask for it
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: fleet.add_thing(name, model="wo:v8", FW="2.28"), names))


def _write(fleet: Fleet, requests: list[dict[str, Any]]) -> None:
    table, client = fleet.outputs["retries_table_name"], fleet.client("dynamodb")
    for batch in _batches(requests):
        client.batch_write_item(RequestItems={table: batch})


def _batches(requests: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    remaining = iter(requests)
    while batch := list(islice(remaining, _BATCH)):
        yield batch
