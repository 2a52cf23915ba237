"""What a failure costs: the counting path runs for every message of a whole fleet."""

from __future__ import annotations

import pytest

from localcloud import eventually
from tests.deployed.fleet import Fleet

COUNTING = ["lambda.Invoke", "dynamodb.UpdateItem"]


def test_counting_a_failure_is_one_invocation_and_one_write(quickstart: Fleet) -> None:
    quickstart.add_thing("cost-counted")
    quickstart.fail("cost-counted", [1])
    mark = quickstart.mark()
    quickstart.fail("cost-counted", [2])
    assert quickstart.operations(mark) == COUNTING
    assert quickstart.counted("cost-counted") == 2


def test_a_duplicate_is_one_invocation_and_one_refused_write(quickstart: Fleet) -> None:
    quickstart.add_thing("cost-twice")
    quickstart.fail("cost-twice", [1])
    before, mark = quickstart.record("cost-twice"), quickstart.mark()
    quickstart.fail("cost-twice", [1])
    assert quickstart.operations(mark) == COUNTING
    assert quickstart.record("cost-twice") == before


@pytest.mark.parametrize(("device", "failures"), [("cost-cooling", 2), ("cost-failed", 4)])
def test_a_failure_of_a_device_in_recovery_is_one_invocation_and_one_refused_write(
    second: Fleet, device: str, failures: int
) -> None:
    second.add_thing(device)
    second.fail(device, [1, 2])
    assert eventually(lambda: second.record(device)["state"] == "cooling_down")  # type: ignore[index]
    if failures == 4:
        assert eventually(lambda: second.counted(device) == 0 and not _runs(second), 20)
        second.fail(device, [3, 4])
        assert eventually(lambda: second.alerts(device), 20)
        assert eventually(lambda: not _runs(second))
    before, mark = second.record(device), second.mark()
    second.fail(device, [9])
    assert second.operations(mark) == COUNTING
    assert second.record(device) == before


def _runs(fleet: Fleet) -> int:
    return len(fleet.runs("cool_down", "RUNNING")) + len(fleet.runs("escalation", "RUNNING"))
