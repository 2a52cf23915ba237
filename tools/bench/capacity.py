"""The capacity of DynamoDB that calls took, from their parameters and the items they were about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from localcloud import Call
from pricing import dynamodb
from pricing.bill import Usage

Key = tuple[str, ...]
Items = Mapping[str, Mapping[Key, dynamodb.Item]]
"""Items by table and key."""


def key_of(item: dynamodb.Item, names: list[str]) -> Key:
    """Return the values of an item's key."""
    return tuple(next(iter(item[name].values())) for name in names)


class Capacity:
    """The units of DynamoDB calls, each item taken as large as it was seen at its largest."""

    def __init__(self, calls: list[Call], before: Items, after: Items) -> None:
        self._calls = [call for call in calls if call.service == "dynamodb"]
        self._before = before
        self._seen: Counter[tuple[str, Key]] = Counter()
        for items in (before, after):
            for table, of_table in items.items():
                for key, item in of_table.items():
                    size = dynamodb.item_bytes(item)
                    self._seen[table, key] = max(self._seen[table, key], size)

    def usage(self) -> Usage:
        """All of them."""
        priced = (call for call in self._calls if call.operation != "ListTables")
        return sum(map(self._of, priced), Usage())

    def _of(self, call: Call) -> Usage:
        parameters = call.parameters
        match call.operation:
            case "TransactWriteItems":
                writes = (next(iter(action.values())) for action in parameters["TransactItems"])
                sizes = [self._item_size(write) for write in writes]
                return Usage(write_units=sum(dynamodb.write_units(size, True) for size in sizes))
            case "UpdateItem" | "PutItem" | "DeleteItem":
                return Usage(write_units=dynamodb.write_units(self._item_size(parameters)))
            case "GetItem":
                return self._read(self._size_at(parameters["TableName"], parameters["Key"]), call)
            case "Query":
                return self._read(self._query_bytes(parameters), call)
            case "Scan" if "ExclusiveStartKey" in parameters:
                return Usage()  # counted with the first page
            case "Scan":
                sizes = [dynamodb.item_bytes(item) for item in self._table(call).values()]
                is_consistent = parameters.get("ConsistentRead", False)
                return Usage(read_units=dynamodb.scan_units(sizes, is_consistent))
        raise ValueError(f"no units are known for dynamodb.{call.operation}: add them to the meter")

    def _read(self, size: int, call: Call) -> Usage:
        is_consistent = call.parameters.get("ConsistentRead", False)
        return Usage(read_units=dynamodb.read_units(size, is_consistent))

    def _table(self, call: Call) -> Mapping[Key, dynamodb.Item]:
        return self._before.get(call.parameters["TableName"], {})

    def _item_size(self, write: dict[str, Any]) -> int:
        if "Item" in write:
            return dynamodb.item_bytes(write["Item"])
        return self._size_at(write["TableName"], write["Key"])

    def _size_at(self, table: str, key: dynamodb.Item) -> int:
        return self._seen[table, key_of(key, list(key))]

    def _query_bytes(self, parameters: dict[str, Any]) -> int:
        """Bytes of what a query for one device reads: at most its largest items."""
        wanted = {next(iter(v.values())) for v in parameters["ExpressionAttributeValues"].values()}
        sizes = sorted(
            (
                size
                for (table, key), size in self._seen.items()
                if table == parameters["TableName"] and key[0] in wanted
            ),
            reverse=True,
        )
        return sum(sizes[: parameters.get("Limit", len(sizes))])
