"""ReconcileDevices: whatever state a recovery was lost in, the device goes on."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from firmware_retry import aws
from firmware_retry.errors import ReconcileIncompleteError, TransientError
from firmware_retry.handlers import (
    create_device_record,
    increment_retry_counter,
    move_device_to_failed_group,
    reconcile_devices,
    reset_retry_count_to_failed_update,
    reset_retry_counter_and_move_out,
    restore_device_attributes,
    store_device_attributes,
)

from .conftest import BACKUP, GROUP, LIMIT, MACHINES, Cloud, failure

ORIGINAL = {"model": "wo:v8", "FW": "2.26", "site": "7"}
MOVED_OUT = {"model": "moveOut", "FW": "moveOut", "site": "7"}
FAILED = {"model": "failedtoupdate", "FW": "failedtoupdate", "site": "7"}
DAY, HOUR = 86_400, 3_600

Recovery = dict[str, Any]


def use_up_a_cycle(device: str = "dev-1", first: int = 0) -> Recovery:
    for number in range(first, first + LIMIT):
        answer = increment_retry_counter.handler(failure(number, device), None)
    recovery: Recovery = answer["recovery"]
    return recovery


@pytest.fixture
def cooling(cloud: Cloud) -> Recovery:
    """The input of a recovery that nobody has started."""
    cloud.create_thing(**ORIGINAL)
    store_device_attributes.handler(failure(), None)
    create_device_record.handler(failure(), None)
    return use_up_a_cycle()


@pytest.fixture
def failing(cooling: Recovery) -> Recovery:
    """The input of an escalation that nobody has started."""
    reset_retry_counter_and_move_out.handler(cooling, None)
    restore_device_attributes.handler(cooling, None)
    return use_up_a_cycle(first=100)


def name(recovery: Recovery) -> str:
    return f"{recovery['trackingId']}-{recovery['cycle']}"


def run_in(cloud: Cloud, machine: str, recovery: Recovery) -> str:
    """Starts the run of a recovery, as the intake does; its ARN."""
    arn: str = cloud.stepfunctions.start_execution(
        stateMachineArn=MACHINES + machine, name=name(recovery), input=json.dumps(recovery)
    )["executionArn"]
    return arn


def stop(cloud: Cloud, machine: str, recovery: Recovery) -> None:
    cloud.stepfunctions.stop_execution(executionArn=run_in(cloud, machine, recovery))


def reconcile() -> dict[str, int]:
    return reconcile_devices.handler({}, None)


def test_nothing_due_is_nothing_done(cloud: Cloud, cooling: Recovery, clock: list[float]) -> None:
    cloud.calls.clear()
    assert reconcile() == {}
    reset_retry_counter_and_move_out.handler(cooling, None)
    clock[0] += HOUR
    assert reconcile() == {}
    assert "iot.update_thing" not in cloud.calls[:1]


def test_a_recovery_that_was_never_started_is_started(
    cloud: Cloud, cooling: Recovery, clock: list[float]
) -> None:
    clock[0] += HOUR
    assert reconcile() == {"started": 1}
    (run,) = cloud.stepfunctions.list_executions(stateMachineArn=f"{MACHINES}CoolDown")[
        "executions"
    ]
    assert run["name"] == name(cooling)
    assert reconcile() == {"live": 1}


def test_an_escalation_that_was_never_started_is_started(
    cloud: Cloud, failing: Recovery, clock: list[float]
) -> None:
    clock[0] += HOUR
    assert reconcile() == {"started": 1}
    (run,) = cloud.stepfunctions.list_executions(stateMachineArn=f"{MACHINES}Escalation")[
        "executions"
    ]
    assert run["name"] == name(failing)


def test_a_live_run_is_left_alone(cloud: Cloud, cooling: Recovery, clock: list[float]) -> None:
    run_in(cloud, "CoolDown", cooling)
    reset_retry_counter_and_move_out.handler(cooling, None)
    clock[0] += 2 * DAY
    before = cloud.record()
    assert reconcile() == {"live": 1}
    assert (cloud.record(), cloud.attributes()) == (before, MOVED_OUT)


def test_a_run_within_its_grace_is_left_alone(
    cloud: Cloud, cooling: Recovery, clock: list[float]
) -> None:
    stop(cloud, "CoolDown", cooling)
    clock[0] += reconcile_devices.GRACE_SECONDS - 1
    assert reconcile() == {}
    assert reconcile_devices.handler({"graceSeconds": 0}, None) == {"moved_out": 1}


def test_a_run_stopped_before_its_first_step_is_finished(
    cloud: Cloud, cooling: Recovery, clock: list[float]
) -> None:
    stop(cloud, "CoolDown", cooling)
    clock[0] += HOUR
    assert reconcile() == {"moved_out": 1}
    assert cloud.attributes() == MOVED_OUT
    assert reconcile() == {}
    clock[0] += 2 * DAY
    assert reconcile() == {"restored": 1}
    assert cloud.attributes() == ORIGINAL
    assert reconcile() == {}


def test_a_run_stopped_while_waiting_is_finished(
    cloud: Cloud, cooling: Recovery, clock: list[float]
) -> None:
    reset_retry_counter_and_move_out.handler(cooling, None)
    stop(cloud, "CoolDown", cooling)
    clock[0] += 2 * DAY
    assert reconcile() == {"restored": 1}
    item = cloud.record()
    assert item
    assert (item["state"], item["ResetRetryCount"]) == ("tracking", 1)


def test_a_device_claimed_but_never_moved_out_still_gets_its_time_away(
    cloud: Cloud, cooling: Recovery, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run was stopped after the claim, and found when the day was over."""
    with monkeypatch.context() as patch:
        patch.setattr("firmware_retry.registry.update", refuse)
        with pytest.raises(TransientError):
            reset_retry_counter_and_move_out.handler(cooling, None)
    stop(cloud, "CoolDown", cooling)
    clock[0] += 2 * DAY
    assert reconcile() == {"moved_out": 1}
    assert cloud.attributes() == MOVED_OUT
    item = cloud.record()
    assert item
    assert item["dueAt"] > clock[0]


def test_a_device_restored_but_not_released_is_not_moved_out_again(
    cloud: Cloud, cooling: Recovery, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    reset_retry_counter_and_move_out.handler(cooling, None)
    with monkeypatch.context() as patch:
        patch.setattr("firmware_retry.record.release", refuse)
        with pytest.raises(TransientError):
            restore_device_attributes.handler(cooling, None)
    stop(cloud, "CoolDown", cooling)
    clock[0] += 2 * DAY
    assert reconcile() == {"restored": 1}
    assert cloud.attributes() == ORIGINAL


def refuse(*_: Any) -> None:
    raise TransientError("throttled")


class Context:
    """Lambda's context, as far as it says how much time is left."""

    def get_remaining_time_in_millis(self) -> int:
        return 1_000


def test_a_pass_ends_in_time(cloud: Cloud, cooling: Recovery, clock: list[float]) -> None:
    cloud.create_thing("dev-2", **ORIGINAL)
    create_device_record.handler(failure(device="dev-2"), None)
    use_up_a_cycle("dev-2")
    clock[0] += HOUR
    assert reconcile_devices.handler({}, Context()) == {"started": 1}


Step = Callable[[Recovery, object], object]


@pytest.mark.parametrize("done", range(3))
def test_an_escalation_stopped_at_any_state_is_finished(
    cloud: Cloud, failing: Recovery, clock: list[float], done: int
) -> None:
    steps: list[Step] = [
        reset_retry_count_to_failed_update.handler,
        move_device_to_failed_group.handler,
    ]
    for step in steps[:done]:
        step(failing, None)
    stop(cloud, "Escalation", failing)
    passes = []
    for _ in range(3):
        clock[0] += HOUR
        passes.append(reconcile())
    assert passes[-1] == {}
    assert {"told": 1} in passes
    assert cloud.attributes() == FAILED
    assert cloud.iot.list_things_in_thing_group(thingGroupName=GROUP)["things"] == ["dev-1"]
    assert len(cloud.messages()) == 1


def test_a_thing_that_vanished_ends_its_episode(
    cloud: Cloud, cooling: Recovery, clock: list[float]
) -> None:
    reset_retry_counter_and_move_out.handler(cooling, None)
    cloud.iot.delete_thing(thingName="dev-1")
    clock[0] += 2 * DAY
    assert reconcile() == {"gone": 1}
    assert (cloud.record(), cloud.backup()) == (None, None)


def test_one_refused_device_does_not_hold_up_the_others(
    cloud: Cloud, cooling: Recovery, clock: list[float]
) -> None:
    cloud.create_thing("dev-2", **ORIGINAL)
    store_device_attributes.handler(failure(device="dev-2"), None)
    create_device_record.handler(failure(device="dev-2"), None)
    for recovery in (cooling, use_up_a_cycle("dev-2")):
        reset_retry_counter_and_move_out.handler(recovery, None)
    cloud.dynamodb.Table(BACKUP).delete_item(Key={"deviceId": "dev-1"})
    clock[0] += 2 * DAY
    with pytest.raises(ReconcileIncompleteError, match=r"1 device\(s\) could not be reconciled"):
        reconcile()
    assert cloud.attributes("dev-2") == ORIGINAL


def test_a_pass_acts_on_a_limited_number_of_devices(
    cloud: Cloud, cooling: Recovery, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile_devices, "MOST_DEVICES", 1)
    cloud.create_thing("dev-2", **ORIGINAL)
    create_device_record.handler(failure(device="dev-2"), None)
    use_up_a_cycle("dev-2")
    clock[0] += HOUR
    assert reconcile() == {"started": 1}
    assert reconcile()["started"] == 1


def test_every_page_of_the_table_is_read(
    cloud: Cloud, cooling: Recovery, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:

    call = aws.call

    def small_pages(service: str, operation: str, **parameters: Any) -> Any:
        limit = {"Limit": 1} if operation == "scan" else {}
        return call(service, operation, **parameters, **limit)

    for number in range(4):
        create_device_record.handler(failure(device=f"idle-{number}"), None)
    monkeypatch.setattr(aws, "call", small_pages)
    clock[0] += HOUR
    assert reconcile() == {"started": 1}
    assert cloud.calls.count("dynamodb.scan") >= 5
