"""What a device costs: the counting path runs for every message of a whole fleet.

Counted as ``make bench`` does; what is measured there in full is held to its targets here.
"""

from __future__ import annotations

import pytest

from bench import journeys, targets
from bench.journeys import Journey
from bench.meter import Meter
from localcloud import eventually
from localcloud.fleet import Fleet
from pricing import recorded_usage
from pricing.recorded_usage import Figures

COUNTING = {"lambda.Invoke": 1, "dynamodb.UpdateItem": 1}
COUNTS = {
    "rules_triggered",
    "standard_transitions",
    "express_requests",
    "lambda_invocations",
    "write_units",
    "read_units",
    "dynamodb_calls",
    "dynamodb_reads",
    "items_changed",
}
DEVICES = 3
"""Tried at most: on a busy machine a task runs into its time limit, and Step Functions tries it
again, which is no cost of the journey."""
JOURNEYS = {
    journey.name: journey
    for journey in (*journeys.MESSAGES, journeys.ESCALATED)
    if journey.name in targets.AT_MOST
}


def test_every_target_is_held_to() -> None:
    assert JOURNEYS.keys() == targets.AT_MOST.keys()


@pytest.mark.parametrize("journey", JOURNEYS.values(), ids=JOURNEYS)
def test_a_device_takes_no_more_than_its_target_and_than_is_recorded(
    quickstart: Fleet, journey: Journey
) -> None:
    for device in range(DEVICES):
        reading = journey.run(quickstart, f"cost-{journey.name}-{device}").figures()
        complaints = [*targets.find_missed_by(journey.name, reading), *worse(journey.name, reading)]
        if not complaints:
            return
    assert complaints == []


def worse(name: str, reading: Figures) -> list[str]:
    """What got worse since it was recorded, of what does not depend on names and subscribers."""
    found = recorded_usage.differences({name: reading}, {name: recorded_usage.read()[name]})
    return [
        str(difference) for difference in found if difference.is_worse and difference.name in COUNTS
    ]


def test_counting_a_failure_is_one_invocation_and_one_write(quickstart: Fleet) -> None:
    reading = journeys.count_failure(quickstart, "cost-one-write")
    assert reading.operations == COUNTING
    assert reading.items_changed == 1
    assert quickstart.retry_counter("cost-one-write") == 2


def test_a_failure_of_a_failed_device_is_one_invocation_and_one_refused_write(
    second: Fleet,
) -> None:
    second.add_thing("cost-failed")
    for numbers in ([1, 2], [3, 4]):
        second.fail("cost-failed", numbers)
        assert eventually(lambda: second.retry_counter("cost-failed") == 0 and not _runs(second))
    assert eventually(lambda: second.alerts("cost-failed"))
    meter = Meter(second)
    second.fail("cost-failed", [9])
    reading = meter.read()
    assert reading.operations == COUNTING
    assert reading.items_changed == 0


def _runs(fleet: Fleet) -> int:
    return len(fleet.runs("cool_down", "RUNNING")) + len(fleet.runs("escalation", "RUNNING"))
