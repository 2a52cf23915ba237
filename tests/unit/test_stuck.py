"""When a thing is stuck in a job: by its latest execution, and by the state of the job."""

from datetime import UTC, datetime
from typing import Any

import pytest

from firmware_retry import stuck
from firmware_retry.stuck import ENDED_BADLY, Execution

NOW = 1_711_320_208.0


def attempt(number: int, queued: float, status: str = "FAILED", thing: str = "dev-1") -> Execution:
    return Execution(thing, number, status, NOW + queued, NOW + queued + 60, 0)


def test_execution_is_read_as_aws_lists_it() -> None:
    at = datetime.fromtimestamp(NOW, UTC)
    summary: dict[str, Any] = {"status": "TIMED_OUT", "queuedAt": at, "lastUpdatedAt": at}
    first = Execution.of("dev-1", summary | {"executionNumber": 1})
    assert first == Execution("dev-1", 1, "TIMED_OUT", NOW, NOW, retries=0)
    assert Execution.of("dev-1", summary | {"executionNumber": 9, "retryAttempt": 3}).retries == 3


@pytest.mark.parametrize(
    ("executions", "number"),
    [
        pytest.param([attempt(1, 0), attempt(2, 100)], 2, id="the one queued last"),
        pytest.param([attempt(2, 100), attempt(1, 0)], 2, id="in any order"),
        pytest.param([attempt(9, 0), attempt(3, 100)], 3, id="whose number is lower"),
        pytest.param([attempt(1, 0), attempt(2, 0)], 2, id="of those queued in one second"),
    ],
)
def test_latest_execution_of_a_thing(executions: list[Execution], number: int) -> None:
    assert stuck.find_latest(executions)["dev-1"].number == number


def test_each_thing_has_a_latest_execution_of_its_own() -> None:
    found = stuck.find_latest([attempt(1, 0), attempt(1, 0, thing="dev-2")])
    assert found.keys() == {"dev-1", "dev-2"}


@pytest.mark.parametrize(
    ("status", "seconds_ago", "is_exhausted"),
    [
        ("FAILED", 0, True),
        ("TIMED_OUT", 10, True),
        ("FAILED", -1, False),
        ("REJECTED", 10, False),
        ("SUCCEEDED", 10, False),
        ("QUEUED", 10, False),
    ],
)
def test_execution_is_exhausted_that_failed_or_timed_out_before_the_grace(
    status: str, seconds_ago: int, *, is_exhausted: bool
) -> None:
    execution = Execution("dev-1", 1, status, NOW - 100, NOW - seconds_ago, 0)
    assert execution.is_exhausted(ENDED_BADLY, before=NOW) is is_exhausted


@pytest.mark.parametrize(
    ("selection", "status", "is_open"),
    [
        ("CONTINUOUS", "IN_PROGRESS", True),
        ("CONTINUOUS", "SCHEDULED", True),
        ("CONTINUOUS", "CANCELED", False),
        ("CONTINUOUS", "COMPLETED", False),
        ("SNAPSHOT", "IN_PROGRESS", False),
    ],
)
def test_job_is_open_to_things_that_join(selection: str, status: str, *, is_open: bool) -> None:
    assert stuck.is_open({"targetSelection": selection, "status": status}) is is_open


TIMEOUT = {"timeoutConfig": {"inProgressTimeoutInMinutes": 30}}
ALL = [{"failureType": "ALL", "numberOfRetries": 10}]
FAILED = [{"failureType": "FAILED", "numberOfRetries": 3}]
NONE = [{"failureType": "ALL", "numberOfRetries": 0}]


@pytest.mark.parametrize(
    ("job", "traps"),
    [
        (TIMEOUT | {"jobExecutionsRetryConfig": {"criteriaList": ALL}}, []),
        ({"jobExecutionsRetryConfig": {"criteriaList": FAILED}}, ["no timeout"]),
        (TIMEOUT | {"jobExecutionsRetryConfig": {"criteriaList": FAILED}}, ["TIMED_OUT is not"]),
        (
            TIMEOUT | {"jobExecutionsRetryConfig": {"criteriaList": NONE}},
            ["FAILED is", "TIMED_OUT"],
        ),
        ({}, ["no timeout", "FAILED is not"]),
        (
            TIMEOUT
            | {"jobExecutionsRetryConfig": {"criteriaList": ALL}}
            | {"abortConfig": {"criteriaList": [{"action": "CANCEL"}]}},
            ["abort criteria"],
        ),
    ],
)
def test_job_may_be_a_trap(job: dict[str, Any], traps: list[str]) -> None:
    found = sorted(stuck.find_traps(job))
    assert len(found) == len(traps)
    assert all(trap.startswith(begin) for trap, begin in zip(found, sorted(traps), strict=True))
