"""What a device costs: the counting path runs for every message of a whole fleet.

Counted as ``make bench`` does; what is measured there in full is held to its targets here.
"""

from __future__ import annotations

import pytest

from bench import journeys, targets
from bench.journeys import Journey
from bench.meter import Meter
from localcloud import eventually
from tests.deployed.fleet import Fleet

COUNTING = {"lambda.Invoke": 1, "dynamodb.UpdateItem": 1}
JOURNEYS = {
    journey.name: journey
    for journey in (*journeys.MESSAGES, journeys.ESCALATED)
    if journey.name in targets.AT_MOST
}


def test_every_target_is_held_to() -> None:
    assert JOURNEYS.keys() == targets.AT_MOST.keys()


@pytest.mark.parametrize("journey", JOURNEYS.values(), ids=JOURNEYS)
def test_a_device_takes_no_more_than_its_target(quickstart: Fleet, journey: Journey) -> None:
    reading = journey.run(quickstart, f"cost-{journey.name}")
    assert targets.missed_by(journey.name, reading.figures()) == []


def test_counting_a_failure_is_one_invocation_and_one_write(quickstart: Fleet) -> None:
    reading = journeys.counted(quickstart, "cost-one-write")
    assert reading.operations == COUNTING
    assert reading.items_changed == 1
    assert quickstart.counted("cost-one-write") == 2


def test_a_failure_of_a_failed_device_is_one_invocation_and_one_refused_write(
    second: Fleet,
) -> None:
    second.add_thing("cost-failed")
    for numbers in ([1, 2], [3, 4]):
        second.fail("cost-failed", numbers)
        assert eventually(lambda: second.counted("cost-failed") == 0 and not _runs(second))
    assert eventually(lambda: second.alerts("cost-failed"))
    meter = Meter(second)
    second.fail("cost-failed", [9])
    reading = meter.read()
    assert reading.operations == COUNTING
    assert reading.items_changed == 0


def _runs(fleet: Fleet) -> int:
    return len(fleet.runs("cool_down", "RUNNING")) + len(fleet.runs("escalation", "RUNNING"))
