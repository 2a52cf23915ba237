"""A device that succeeds is free: counters gone, attributes back, whatever state it was in."""

from __future__ import annotations

import time
from typing import Any

from localcloud import Device, eventually
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


def test_a_success_wins_whatever_the_order_in_which_a_burst_is_handled(quickstart: Fleet) -> None:
    """A device keeps its messages while it is offline and sends all of them as it reconnects."""
    now, minutes = int(time.time() * 1000), 60_000
    devices = [f"drains-{number}" for number in range(6)]
    for device in devices:
        quickstart.add_thing(device, **ORIGINAL)
        with quickstart.connect(device) as connection:
            for ago in range(60, 10, -5):
                _drain(quickstart, connection, str(now - ago * minutes))
            done = {"status": "succeeded", "FW": "2.28"}
            _drain(quickstart, connection, str(now - minutes), **done)
    quickstart.settle()
    # A device that is just being moved out gets its attributes back right after that.
    assert eventually(lambda: not any(map(quickstart.record, devices)))
    assert [quickstart.attributes(device) for device in devices] == [ORIGINAL] * len(devices)


def _drain(fleet: Fleet, connection: Device, sent: str, **other: str) -> None:
    message = fleet.message(connection.client_id, 0, timestamp=sent, jobId="fw-228", **other)
    fleet.publish(connection, message)


def test_an_intake_that_was_overtaken_by_the_success_reopens_nothing(quickstart: Fleet) -> None:
    """The steps of two intakes in the order that they may take side by side."""
    device = "overtaken"
    quickstart.add_thing(device, **ORIGINAL)
    early, late = (_event(quickstart, device, number) for number in (0, 1))
    late["past"] = quickstart.invoke("CheckIfDeviceExists", **late)
    early["past"] = quickstart.invoke("CheckIfDeviceExists", **early)
    for step in ("StoreDeviceAttributes", "CreateDeviceRecord", "IncrementRetryCounter"):
        quickstart.invoke(step, **early)
    assert quickstart.retry_counter(device) == 1
    quickstart.invoke("ClearDeviceRecord", **_event(quickstart, device, 9, kind="succeeded"))
    quickstart.invoke("CreateDeviceRecord", **late)
    assert quickstart.record(device) is None
    assert quickstart.invoke("IncrementRetryCounter", **late) == {"outcome": "not_tracked"}
    answer = quickstart.invoke("CheckIfDeviceExists", **late)
    assert answer["errorType"] == "StaleMessageError"


def _event(fleet: Fleet, device: str, number: int, kind: str = "failed") -> dict[str, Any]:
    """Return what the rule makes of a message that has just arrived."""
    message = fleet.message(device, number, jobId="fw-228")
    return {**message, "kind": kind, "deviceId": device, "receivedAt": int(time.time() * 1000)}


def test_a_success_ends_what_a_clock_of_1970_began_though_its_own_is_minutes_behind(
    quickstart: Fleet,
) -> None:
    quickstart.add_thing("minutes-behind", **ORIGINAL)
    quickstart.fail("minutes-behind", [0], timestamp="1970-01-01T00:00:03")
    sent = str(int(time.time() * 1000) - 180_000)
    quickstart.succeed("minutes-behind", 0, timestamp=sent)
    assert quickstart.record("minutes-behind") is None


def test_a_success_of_new_firmware_ends_the_episode_though_it_set_the_clock_back_by_days(
    second: Fleet,
) -> None:
    second.add_thing("set-back", **ORIGINAL)
    second.fail("set-back", [1])
    sent = str(int((time.time() - 10 * 86_400) * 1000))
    second.succeed("set-back", 2, status="SUCCEEDED", timestamp=sent, FW="9.9")
    assert second.record("set-back") is None
