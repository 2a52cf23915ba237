"""DynamoDB: tables of items, changed by single conditional writes and by transactions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from simulator.aws import expressions, values
from simulator.aws.errors import NotSimulatedError, client_error, only
from simulator.aws.expressions import ExpressionError
from simulator.aws.values import Item

Parameters = Mapping[str, Any]
Key = tuple[str, ...]
Write = Callable[[], Item | None]

_CONDITION = (
    "TableName",
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValuesOnConditionCheckFailure",
)
_PUT = frozenset({*_CONDITION, "Item", "ReturnValues"})
_UPDATE = frozenset({*_CONDITION, "Key", "UpdateExpression", "ReturnValues"})
_DELETE = frozenset({*_CONDITION, "Key", "ReturnValues"})
_CHECK = frozenset({*_CONDITION, "Key"})
_GET = frozenset({"TableName", "Key", "ConsistentRead"})
_TRANSACTION = frozenset({"TransactItems", "ClientRequestToken"})
_SCAN = frozenset(
    {
        "TableName",
        "ConsistentRead",
        "ExclusiveStartKey",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "FilterExpression",
        "Limit",
        "ProjectionExpression",
    }
)
_QUERY = _SCAN | {"KeyConditionExpression", "ScanIndexForward"}
_FAILED = "The conditional request failed"
_KEYS = ("ConditionExpression", "UpdateExpression", "FilterExpression", "KeyConditionExpression")


@dataclass
class Table:
    """A table: the names of its key (one or two) and its items."""

    key: tuple[str, ...]
    items: dict[Key, Item] = field(default_factory=dict)

    def key_of(self, item: Item) -> Key:
        """Return the key of an item or of a ``Key`` parameter."""
        try:
            return tuple(next(iter(item[name].values())) for name in self.key)
        except KeyError as missing:
            raise _invalid(f"One of the required keys was not given a value: {missing}") from None


@dataclass
class DynamoDB:
    """The tables of an account."""

    tables: dict[str, Table] = field(default_factory=dict)

    def get_item(self, parameters: Parameters) -> dict[str, Any]:
        """GetItem. Every read is consistent."""
        only(parameters, _GET)
        table = self._table(parameters)
        item = table.items.get(table.key_of(parameters["Key"]))
        return {} if item is None else {"Item": dict(item)}

    def list_tables(self, parameters: Parameters) -> dict[str, Any]:
        """ListTables, all in one page."""
        only(parameters, ())
        return {"TableNames": sorted(self.tables)}

    def put_item(self, parameters: Parameters) -> dict[str, Any]:
        """PutItem."""
        before, _, _ = self._now(self._put(parameters))
        return _old(parameters, before)

    def delete_item(self, parameters: Parameters) -> dict[str, Any]:
        """DeleteItem."""
        before, _, _ = self._now(self._delete(parameters))
        return _old(parameters, before)

    def update_item(self, parameters: Parameters) -> dict[str, Any]:
        """UpdateItem."""
        before, after, touched = self._now(self._update(parameters))
        wanted = parameters.get("ReturnValues", "NONE")
        if wanted == "NONE":
            return {}
        item = (before if wanted.endswith("OLD") else after) or {}
        if wanted.startswith("UPDATED"):
            names = {path.partition(".")[0] for path in touched}
            item = {name: value for name, value in item.items() if name in names}
        return {"Attributes": dict(item)} if item else {}

    def transact_write_items(self, parameters: Parameters) -> dict[str, Any]:
        """TransactWriteItems: all of the writes, or none."""
        only(parameters, _TRANSACTION)
        prepared = []
        reasons: list[dict[str, Any]] = []
        for entry in parameters["TransactItems"]:
            ((action, write),) = entry.items()
            try:
                prepared.append(self._action(action, write))
                reasons.append({"Code": "None"})
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
                response: Any = error.response
                found = {"Item": response["Item"]} if "Item" in response else {}
                reasons.append({"Code": "ConditionalCheckFailed", "Message": _FAILED, **found})
        if len(prepared) < len(reasons):
            codes = ", ".join(reason["Code"] for reason in reasons)
            raise client_error(
                "TransactionCanceledException",
                f"Transaction cancelled, please refer cancellation reasons for specific reasons "
                f"[{codes}]",
                CancellationReasons=reasons,
            )
        places = [(id(table), key) for table, key, _, _ in prepared]
        if len(set(places)) < len(places):
            raise _invalid("Transaction request cannot include multiple operations on one item")
        for write in prepared:
            self._now(write)
        return {}

    def scan(self, parameters: Parameters) -> dict[str, Any]:
        """Scan, in the order of the keys (DynamoDB's own order is none that one may rely on)."""
        only(parameters, _SCAN)
        table = self._table(parameters)
        _check_placeholders(parameters)
        return self._page(table, sorted(table.items), parameters)

    def query(self, parameters: Parameters) -> dict[str, Any]:
        """Query of a table (no indexes)."""
        only(parameters, _QUERY)
        table = self._table(parameters)
        _check_placeholders(parameters)
        wanted = expressions.condition(parameters["KeyConditionExpression"])
        names, given = _placeholders(parameters)
        keys = sorted(key for key, item in table.items.items() if wanted.test(item, names, given))
        if not parameters.get("ScanIndexForward", True):
            keys.reverse()
        return self._page(table, keys, parameters)

    # -- the writes, checked but not yet made --------------------------------------------------

    def _action(self, action: str, write: Parameters) -> "_Prepared":
        if action == "Put":
            return self._put(write)
        if action == "Delete":
            return self._delete(write)
        if action == "Update":
            return self._update(write)
        if action == "ConditionCheck":
            only(write, _CHECK)
            table, key = self._place(write, write["Key"])
            before = _check_condition(write, table.items.get(key))
            return table, key, before, (before, [])
        raise NotSimulatedError(f"transactions with {action}")

    def _put(self, parameters: Parameters) -> "_Prepared":
        only(parameters, _PUT)
        table, key = self._place(parameters, parameters["Item"])
        before = _check_condition(parameters, table.items.get(key))
        item = {name: values.normalize(value) for name, value in parameters["Item"].items()}
        return table, key, before, (item, [])

    def _delete(self, parameters: Parameters) -> "_Prepared":
        only(parameters, _DELETE)
        table, key = self._place(parameters, parameters["Key"])
        return table, key, _check_condition(parameters, table.items.get(key)), (None, [])

    def _update(self, parameters: Parameters) -> "_Prepared":
        only(parameters, _UPDATE)
        table, key = self._place(parameters, parameters["Key"])
        before = _check_condition(parameters, table.items.get(key))
        names, given = _placeholders(parameters)
        text = parameters.get("UpdateExpression")
        if text is None:
            return table, key, before, (before or dict(parameters["Key"]), [])
        try:
            after, touched = expressions.update(text).apply(
                dict(parameters["Key"]) if before is None else before, names, given
            )
        except ExpressionError as error:
            raise _invalid(str(error)) from error
        if any(name in touched for name in table.key):
            raise _invalid("Cannot update attribute. This attribute is part of the key")
        return table, key, before, (after, touched)

    def _now(self, write: "_Prepared") -> tuple[Item | None, Item | None, list[str]]:
        table, key, before, (after, touched) = write
        if after is None:
            table.items.pop(key, None)
        else:
            table.items[key] = after
        return before, after, touched

    def _place(self, parameters: Parameters, item: Item) -> tuple[Table, Key]:
        table = self._table(parameters)
        _check_placeholders(parameters)
        return table, table.key_of(item)

    def _table(self, parameters: Parameters) -> Table:
        table = self.tables.get(parameters["TableName"])
        if table is None:
            raise client_error("ResourceNotFoundException", "Requested resource not found")
        return table

    def _page(self, table: Table, keys: list[Key], parameters: Parameters) -> dict[str, Any]:
        start = parameters.get("ExclusiveStartKey")
        if start is not None:
            keys = keys[keys.index(table.key_of(start)) + 1 :] if keys else []
        limit = parameters.get("Limit", len(keys))
        names, given = _placeholders(parameters)
        read = [table.items[key] for key in keys[:limit]]
        text = parameters.get("FilterExpression")
        if text is not None:
            wanted = expressions.condition(text).test
            found = [item for item in read if wanted(item, names, given)]
        else:
            found = read
        shown = parameters.get("ProjectionExpression")
        if shown is not None:
            columns = {names.get(name.strip(), name.strip()) for name in shown.split(",")}
            found = [{n: v for n, v in item.items() if n in columns} for item in found]
        answer: dict[str, Any] = {
            "Items": [dict(item) for item in found],
            "Count": len(found),
            "ScannedCount": len(read),
        }
        if limit < len(keys):
            answer["LastEvaluatedKey"] = {name: read[-1][name] for name in table.key}
        return answer


_Prepared = tuple[Table, Key, Item | None, tuple[Item | None, list[str]]]


def _placeholders(parameters: Parameters) -> tuple[Mapping[str, str], Mapping[str, Any]]:
    return (
        parameters.get("ExpressionAttributeNames", {}),
        parameters.get("ExpressionAttributeValues", {}),
    )


def _check_condition(parameters: Parameters, item: Item | None) -> Item | None:
    text = parameters.get("ConditionExpression")
    if text is None:
        return item
    names, given = _placeholders(parameters)
    if expressions.condition(text).test(item or {}, names, given):
        return item
    more: dict[str, Any] = {}
    if item and parameters.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD":
        more = {"Item": dict(item)}
    raise client_error("ConditionalCheckFailedException", _FAILED, **more)


def _check_placeholders(parameters: Parameters) -> None:
    """Reject a name or value that is used but not given, or given but not used."""
    used: set[str] = set()
    try:
        for name in _KEYS:
            text = parameters.get(name)
            if text is None:
                continue
            made = expressions.update if name == "UpdateExpression" else expressions.condition
            used |= made(text).placeholders
    except ExpressionError as error:
        raise _invalid(str(error)) from error
    for name in parameters.get("ProjectionExpression", "").split(","):
        if name.strip().startswith("#"):
            used.add(name.strip())
    names, given = _placeholders(parameters)
    if used != names.keys() | given.keys():
        wrong = ", ".join(sorted(used ^ (names.keys() | given.keys())))
        raise _invalid(f"expression attributes that are not defined or not used: {wrong}")


def _old(parameters: Parameters, before: Item | None) -> dict[str, Any]:
    wanted = parameters.get("ReturnValues", "NONE")
    if wanted not in ("NONE", "ALL_OLD"):
        raise _invalid("ReturnValues can only be ALL_OLD or NONE")
    return {"Attributes": dict(before)} if wanted == "ALL_OLD" and before else {}


def _invalid(message: str) -> ClientError:
    return client_error("ValidationException", message)
