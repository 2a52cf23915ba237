"""Queries of CloudWatch Logs Insights that count.

AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html ; the fields of a
JSON event are there by their names, and ``strcontains`` is 1 or 0.

MiniStack 1.5.33: ignores ``stats`` and returns the events.

Here, where a query has ``stats``: ``filter`` with ``=``, ``in [...]``, ``and`` and ``or``;
``fields`` with one ``coalesce(field, field) as name``; ``stats`` of ``count(*)``, ``sum(field)``
and ``sum(strcontains(field, "text") + …)`` ``by`` fields; ``sort`` and ``limit``. Any other command
is refused.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cloudwatch_logs

from localcloud.patches.patch import around

Event = dict[str, Any]
Row = dict[str, Any]

_EQUALS = re.compile(r'(\w+)\s*=\s*"([^"]*)"')
_IN = re.compile(r"(\w+)\s+in\s+\[([^\]]*)\]")
_STATS = re.compile(r"(?P<figures>.+?)\s+by\s+(?P<fields>[\w,\s]+)")
_FIGURE = re.compile(
    r"(?P<call>count\(\*\)"
    r"|sum\((?:strcontains\([^)]*\)(?:\s\+\sstrcontains\([^)]*\))*|\w+)\))\s+as\s+(?P<name>\w+)"
)
_CONTAINS = re.compile(r'strcontains\((\w+),\s*"([^"]*)"\)')
_COALESCE = re.compile(r"coalesce\((\w+),\s*(\w+)\)\s+as\s+(\w+)")
_SORT = re.compile(r"(\w+)(?:\s+(asc|desc))?")


class QueryError(Exception):
    """A query that is not understood."""


def install() -> None:
    """Answer the queries that have ``stats``."""

    @around(cloudwatch_logs, "_start_query")
    def start(original: Any, request: dict[str, Any]) -> Any:
        response = original(request)
        if response[0] != 200 or not re.search(r"\|\s*stats\b", request["queryString"]):
            return response
        groups = cloudwatch_logs._resolve_query_log_groups(request)
        records = cloudwatch_logs._collect_query_records(
            groups, request["startTime"], request["endTime"]
        )
        events = [_read(record["@message"]) for record in records]
        try:
            rows = answer(request["queryString"], events)
        except QueryError as error:
            return error_response_json("MalformedQueryException", str(error), 400)
        results = [[{"field": k, "value": f"{v}"} for k, v in row.items()] for row in rows]
        cloudwatch_logs._queries[json.loads(response[2])["queryId"]]["results"] = results
        return response


def answer(query: str, events: list[Event]) -> list[Row]:
    """Return the rows of a query with ``stats``, in its order.

    Raises:
        QueryError: the query is not understood.
    """
    rows: list[Row] = events
    for command in query.split("|"):
        name, _, rest = command.strip().partition(" ")
        try:
            rows = _COMMANDS[name](rest.strip(), rows)
        except KeyError:
            raise QueryError(f"{name} is not supported here, beside stats") from None
    return rows


def _filter(condition: str, events: list[Event]) -> list[Event]:
    tests = [_all_of(part) for part in re.split(r"\s+or\s+", condition)]
    return [event for event in events if any(test(event) for test in tests)]


def _all_of(conditions: str) -> Callable[[Event], bool]:
    tests = [_condition(part.strip()) for part in re.split(r"\s+and\s+", conditions)]
    return lambda event: all(test(event) for test in tests)


def _condition(text: str) -> Callable[[Event], bool]:
    if equals := _EQUALS.fullmatch(text):
        return lambda event: event.get(equals[1]) == equals[2]
    if among := _IN.fullmatch(text):
        values = set(re.findall(r'"([^"]*)"', among[2]))
        return lambda event: event.get(among[1]) in values
    raise QueryError(f"filter not understood: {text}")


def _fields(text: str, events: list[Event]) -> list[Event]:
    coalesce = _COALESCE.fullmatch(text)
    if not coalesce:
        raise QueryError(f"fields not understood: {text}")
    first, second, name = coalesce.groups()
    return [{**event, name: event.get(first, event.get(second, ""))} for event in events]


def _stats(text: str, events: list[Event]) -> list[Row]:
    stats = _STATS.fullmatch(text)
    if not stats:
        raise QueryError(f"stats not understood: {text}")
    figures = list(_FIGURE.finditer(stats["figures"]))
    if ", ".join(figure[0] for figure in figures) != stats["figures"]:
        raise QueryError(f"stats not understood: {stats['figures']}")
    fields = [name.strip() for name in stats["fields"].split(",")]
    groups: dict[tuple[Any, ...], list[Event]] = defaultdict(list)
    for event in events:
        groups[tuple(event.get(name, "") for name in fields)].append(event)
    return [
        dict(zip(fields, values, strict=True))
        | {figure["name"]: _figure(figure["call"], inside) for figure in figures}
        for values, inside in groups.items()
    ]


def _figure(call: str, events: list[Event]) -> float:
    if call == "count(*)":
        return len(events)
    if contained := _CONTAINS.findall(call):
        return sum(
            text in str(event.get(field, "")) for event in events for field, text in contained
        )
    field = call.removeprefix("sum(").removesuffix(")")
    return sum(float(event.get(field, 0)) for event in events)


def _sort(text: str, rows: list[Row]) -> list[Row]:
    orders = [_SORT.fullmatch(part.strip()) for part in text.split(",")]
    for order in reversed(orders):
        if not order:
            raise QueryError(f"sort not understood: {text}")
        rows = sorted(rows, key=lambda row: row[order[1]], reverse=order[2] == "desc")
    return rows


def _limit(text: str, rows: list[Row]) -> list[Row]:
    return rows[: int(text)]


_COMMANDS = {"filter": _filter, "fields": _fields, "stats": _stats, "sort": _sort, "limit": _limit}


def _read(message: str) -> Event:
    try:
        event = json.loads(message)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
