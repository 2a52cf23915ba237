"""What calls and executions count for."""

from __future__ import annotations

from typing import Any

import pytest

from bench.capacity import Capacity, Items
from bench.meter import transitions
from localcloud import Call
from pricing.bill import Usage

KEY = {"deviceId": {"S": "d"}}
SMALL = {**KEY, "text": {"S": "x" * 100}}
LARGE = {**KEY, "text": {"S": "x" * 5000}}
"""5 write units, 2 read units."""


def usage(
    operation: str,
    parameters: dict[str, Any],
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> Usage:
    """Of one call, on a table ``t`` with one item or none."""
    items: list[Items] = [{"t": {("d",): item} if item else {}} for item in (before, after)]
    call = Call(1, 0.0, "dynamodb", operation, {"TableName": "t", **parameters}, "function")
    return Capacity([call], *items).usage()


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [(SMALL, SMALL, 1), (LARGE, SMALL, 5), (SMALL, LARGE, 5), (None, None, 1)],
)
def test_a_write_takes_units_of_the_item_before_or_after_it(
    before: dict[str, Any] | None, after: dict[str, Any] | None, units: int
) -> None:
    assert usage("UpdateItem", {"Key": KEY}, before, after) == Usage(write_units=units)


def test_an_item_that_is_gone_again_counts_as_it_was_written() -> None:
    assert usage("PutItem", {"Item": LARGE}) == Usage(write_units=5)


def test_in_a_transaction_each_write_takes_twice_as_much() -> None:
    put = {"Put": {"TableName": "t", "Item": LARGE}}
    update = {"Update": {"TableName": "t", "Key": KEY}}
    writes = {"TransactItems": [put, update]}
    assert usage("TransactWriteItems", writes, after=SMALL) == Usage(write_units=2 * 5 + 2)


@pytest.mark.parametrize(("is_consistent", "units"), [(True, 2), (False, 1)])
def test_a_read_takes_half_when_it_is_not_consistent(is_consistent: bool, units: float) -> None:
    query = {
        "ExpressionAttributeValues": {":device": {"S": "d"}},
        "ConsistentRead": is_consistent,
    }
    key = {"Key": KEY, "ConsistentRead": is_consistent}
    assert usage("GetItem", key, LARGE) == Usage(read_units=units)
    assert usage("Query", query, LARGE) == Usage(read_units=units)
    assert usage("Scan", {"ConsistentRead": is_consistent}, LARGE) == Usage(read_units=units)


def test_a_query_reads_no_more_than_its_limit() -> None:
    query = {"ExpressionAttributeValues": {":device": {"S": "d"}}, "Limit": 1}
    history: Items = {"t": {("d", str(number)): SMALL for number in range(100)}}
    call = Call(1, 0.0, "dynamodb", "Query", {"TableName": "t", **query}, "function")
    assert Capacity([call], history, history).usage() == Usage(read_units=0.5)


def test_an_unknown_call_is_not_free() -> None:
    with pytest.raises(ValueError, match="BatchGetItem"):
        usage("BatchGetItem", {})


def test_a_transition_is_a_state_entered_and_a_retry() -> None:
    types = [
        "ExecutionStarted",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskFailed",
        "TaskScheduled",
        "TaskSucceeded",
        "TaskStateExited",
        "WaitStateEntered",
        "WaitStateExited",
        "ExecutionSucceeded",
    ]
    assert transitions([{"type": kind} for kind in types]) == 3
