"""A device that succeeds is free: counters gone, attributes back, whatever state it was in."""

from __future__ import annotations

from localcloud import eventually
from localcloud.fleet import Fleet

SUCCESS = "SUCCEEDED"
ORIGINAL = {"model": "gw:v3", "FW": "2.26"}


def test_a_device_that_is_counted_is_free_again(second: Fleet) -> None:
    second.add_thing("healing", **ORIGINAL)
    second.fail("healing", [1])
    second.succeed("healing", 2, SUCCESS)
    assert second.record("healing") is None
    assert second.backup("healing") is None
    assert second.history("healing")[-1] == ("tracking", "free", "update succeeded")


def test_a_device_that_cools_down_is_restored_at_once(quickstart: Fleet) -> None:
    device = "healed-while-away"
    quickstart.add_thing(device, **ORIGINAL)
    with quickstart.away(device):
        quickstart.fail(device, range(1, 11))
        assert eventually(lambda: quickstart.attributes(device)["FW"] == "moveOut")
        (run,) = quickstart.recoveries(device)["cool_down"]
        quickstart.succeed(device, 11)
        assert quickstart.attributes(device) == ORIGINAL
        assert quickstart.record(device) is None

    # The run sleeps on, finds the device gone from its hands, and ends quietly.
    states = quickstart.client("stepfunctions")
    arn = run["executionArn"]
    assert eventually(lambda: states.describe_execution(executionArn=arn)["status"] == "SUCCEEDED")
    assert quickstart.states_entered(run)[-1] == "Superseded"
    assert quickstart.attributes(device) == ORIGINAL


def test_a_device_that_failed_leaves_the_failed_group_and_people_are_told(second: Fleet) -> None:
    device = "healed-after-all"
    second.add_thing(device, **ORIGINAL)
    with second.away(device):
        second.fail(device, [1, 2])
        assert eventually(lambda: "firmwareRetry" in second.attributes(device))
    assert eventually(lambda: second.record(device)["state"] == "tracking")  # type: ignore[index]
    second.fail(device, [3, 4])
    assert eventually(lambda: second.alerts(device))
    assert eventually(lambda: not second.is_running("escalation"))
    second.succeed(device, 5, SUCCESS)
    assert second.attributes(device) == ORIGINAL
    assert second.groups(device) == set()
    assert second.record(device) is None
    assert [alert["event"] for alert in second.alerts(device)] == ["failed", "healed"]


def test_a_late_failure_from_before_the_success_begins_nothing(second: Fleet) -> None:
    second.add_thing("late", **ORIGINAL)
    second.fail("late", [1])
    second.succeed("late", 10, SUCCESS)
    second.fail("late", [9])
    assert second.record("late") is None
    second.fail("late", [11])
    assert second.retry_counter("late") == 1


def test_a_success_of_a_device_that_never_failed_is_recorded_for_late_failures(
    second: Fleet,
) -> None:
    second.add_thing("fine")
    mark = second.mark()
    second.succeed("fine", 1, SUCCESS)
    reads = ["dynamodb.GetItem", "dynamodb.PutItem", "dynamodb.GetItem"]
    assert second.operations(mark) == ["lambda.Invoke", *reads]
    assert second.history("fine") == []
