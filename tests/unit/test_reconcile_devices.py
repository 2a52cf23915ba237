"""ReconcileDevices: whatever state a recovery was lost in, the device goes on."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from firmware_retry import aws, clock, executions, registry
from firmware_retry.errors import ReconcileIncompleteError, RequestRefusedError, TransientError
from firmware_retry.fleet_scan import Census
from firmware_retry.handlers import (
    clear_device_record,
    increment_retry_counter,
    move_device_to_failed_group,
    reconcile_devices,
    release_device,
    reset_retry_count_to_failed_update,
    reset_retry_counter_and_move_out,
    restore_device_attributes,
)
from firmware_retry.reconcile import AT_ONCE
from firmware_retry.record import GRACE_SECONDS, Run
from firmware_retry.recovery import MOST_CHECKS

from .conftest import BACKUP, GROUP, MACHINES, RETRIES, Cloud, configure, failure, success
from .journey import (
    FAILED,
    MOVED_OUT,
    ORIGINAL,
    Handler,
    Recovery,
    Stage,
    begin,
    bring,
    handle,
    interrupt,
    use_up_a_cycle,
)

DAY, HOUR = 86_400, 3_600


@pytest.fixture
def cool_down(cloud: Cloud) -> Recovery:
    """The input of a recovery that nobody has started."""
    return bring(cloud, Stage.DUE)


@pytest.fixture
def escalation(cloud: Cloud) -> Recovery:
    """The input of an escalation that nobody has started."""
    return bring(cloud, Stage.FAILING)


def name(recovery: Recovery) -> str:
    return f"{recovery['trackingId']}-{recovery['cycle']}"


def run_in(cloud: Cloud, machine: str, recovery: Recovery) -> str:
    """Starts the run of a recovery, as the intake does; its ARN."""
    arn: str = cloud.stepfunctions.start_execution(
        stateMachineArn=MACHINES + machine, name=name(recovery), input=json.dumps(recovery)
    )["executionArn"]
    return arn


def runs_of(cloud: Cloud, machine: str) -> list[str]:
    """The names of a machine's runs."""
    runs = cloud.stepfunctions.list_executions(stateMachineArn=MACHINES + machine)["executions"]
    return [run["name"] for run in runs]


def stop(cloud: Cloud, machine: str, recovery: Recovery) -> None:
    cloud.stepfunctions.stop_execution(executionArn=run_in(cloud, machine, recovery))


def reconcile() -> dict[str, int]:
    return reconcile_devices.handler({}, None)


def test_nothing_due_is_nothing_done(
    cloud: Cloud, cool_down: Recovery, fake_time: list[float]
) -> None:
    cloud.calls.clear()
    assert reconcile() == {}
    reset_retry_counter_and_move_out.handler(cool_down, None)
    fake_time[0] += HOUR
    assert reconcile() == {}
    assert "iot.update_thing" not in cloud.calls[:1]


def test_a_recovery_that_was_never_started_is_started(
    cloud: Cloud, cool_down: Recovery, fake_time: list[float]
) -> None:
    fake_time[0] = time.time()
    cloud.calls.clear()
    assert reconcile() == {"started": 1}
    fake_time[0] += HOUR
    assert reconcile() == {"live": 1}
    assert runs_of(cloud, "CoolDown") == [name(cool_down)]
    assert "stepfunctions.describe_execution" not in cloud.calls


def test_an_escalation_that_was_never_started_is_started(
    cloud: Cloud, escalation: Recovery, fake_time: list[float]
) -> None:
    fake_time[0] += HOUR
    assert reconcile() == {"started": 1}
    assert runs_of(cloud, "Escalation") == [name(escalation)]


def test_a_live_run_is_left_alone(
    cloud: Cloud, cool_down: Recovery, fake_time: list[float]
) -> None:
    run_in(cloud, "CoolDown", cool_down)
    reset_retry_counter_and_move_out.handler(cool_down, None)
    fake_time[0] += 2 * DAY
    before = cloud.record()
    assert reconcile() == {"live": 1}
    assert (cloud.record(), cloud.attributes()) == (before, MOVED_OUT)


def test_a_run_within_its_grace_is_left_alone(
    cloud: Cloud, cool_down: Recovery, fake_time: list[float]
) -> None:
    stop(cloud, "CoolDown", cool_down)
    fake_time[0] += GRACE_SECONDS - 1
    assert reconcile() == {}
    assert reconcile_devices.handler({"graceSeconds": 0}, None) == {"moved_out": 1}


def test_a_run_stopped_before_its_first_step_is_finished(
    cloud: Cloud, cool_down: Recovery, fake_time: list[float]
) -> None:
    stop(cloud, "CoolDown", cool_down)
    fake_time[0] += HOUR
    assert reconcile() == {"moved_out": 1}
    assert cloud.attributes() == MOVED_OUT
    assert reconcile() == {}
    fake_time[0] += 2 * DAY
    assert reconcile() == {"restored": 1}
    assert cloud.attributes() == ORIGINAL
    assert reconcile() == {}


def test_a_run_stopped_while_waiting_is_finished(
    cloud: Cloud, cool_down: Recovery, fake_time: list[float]
) -> None:
    reset_retry_counter_and_move_out.handler(cool_down, None)
    stop(cloud, "CoolDown", cool_down)
    fake_time[0] += 2 * DAY
    assert reconcile() == {"restored": 1}
    item = cloud.record()
    assert item
    assert (item["state"], item["ResetRetryCount"]) == ("tracking", 1)


def test_a_device_claimed_but_never_moved_out_still_gets_its_time_away(
    cloud: Cloud, cool_down: Recovery, fake_time: list[float]
) -> None:
    """Its run was stopped after the claim, and found when the day was over."""
    interrupt(reset_retry_counter_and_move_out.handler, cool_down)
    stop(cloud, "CoolDown", cool_down)
    fake_time[0] += 2 * DAY
    assert reconcile() == {"moved_out": 1}
    assert cloud.attributes() == MOVED_OUT
    item = cloud.record()
    assert item
    assert item["dueAt"] > fake_time[0]


def test_a_device_restored_but_not_released_is_not_moved_out_again(
    cloud: Cloud, cool_down: Recovery, fake_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    reset_retry_counter_and_move_out.handler(cool_down, None)
    with monkeypatch.context() as patch:
        patch.setattr("firmware_retry.retries_table.release", refuse)
        with pytest.raises(TransientError):
            restore_device_attributes.handler(cool_down, None)
    stop(cloud, "CoolDown", cool_down)
    fake_time[0] += 2 * DAY
    assert reconcile() == {"restored": 1}
    assert cloud.attributes() == ORIGINAL


def refuse(*_: Any) -> None:
    raise TransientError("throttled")


def throttle(*_: Any, **__: Any) -> None:
    raise TransientError("throttled")


@dataclass
class Context:
    """Lambda's context, as far as it says how much time is left: less each time it is asked."""

    seconds: list[int]

    def get_remaining_time_in_millis(self) -> int:
        return 1_000 * (self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0])


IN_TIME = [900, 890]
"""For the counting of one page."""


def one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_retry.reconcile.AT_ONCE", 1)


def test_a_pass_ends_in_time(
    cloud: Cloud, cool_down: Recovery, fake_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    one_after_the_other(monkeypatch)
    for number in range(2, 5):
        bring(cloud, Stage.DUE, f"dev-{number}")
    fake_time[0] += HOUR
    context = Context([*IN_TIME, 31, 30, 29])
    assert reconcile_devices.handler({}, context) == {"started": 2, "left": 2}
    reconcile()
    assert len(runs_of(cloud, "CoolDown")) == 4


def test_a_storm_of_late_recoveries_leaves_time_for_releases(
    cloud: Cloud, cool_down: Recovery, fake_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 100 seconds after the count, the last 20: another device is started before, none after."""
    one_after_the_other(monkeypatch)
    bring(cloud, Stage.DUE, "dev-2")
    bring(cloud, Stage.NOTIFIED, "removed")
    cloud.remove_from(GROUP, "removed")
    fake_time[0] += HOUR
    context = Context([*IN_TIME, 130, 50, 49])
    assert reconcile_devices.handler({}, context) == {"started": 1, "left": 1, "released": 1}


def test_a_pass_without_failed_devices_has_all_its_time_for_recoveries(
    cloud: Cloud, cool_down: Recovery, fake_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    one_after_the_other(monkeypatch)
    bring(cloud, Stage.DUE, "dev-2")
    fake_time[0] += HOUR
    assert reconcile_devices.handler({}, Context([*IN_TIME, 31, 30])) == {"started": 2}


def test_failed_devices_are_left_for_the_next_pass_when_the_time_is_over(
    cloud: Cloud, fake_time: list[float]
) -> None:
    bring(cloud, Stage.NOTIFIED)
    cloud.remove_from(GROUP)
    fake_time[0] += HOUR
    cloud.calls.clear()
    assert reconcile_devices.handler({}, Context([*IN_TIME, 29])) == {"left": 1}
    assert "iot.list_things_in_thing_group" not in cloud.calls
    assert reconcile() == {"released": 1}


@pytest.mark.parametrize("done", range(3))
def test_an_escalation_stopped_at_any_state_is_finished(
    cloud: Cloud, escalation: Recovery, fake_time: list[float], done: int
) -> None:
    steps: list[Handler] = [
        reset_retry_count_to_failed_update.handler,
        move_device_to_failed_group.handler,
    ]
    for step in steps[:done]:
        step(escalation, None)
    stop(cloud, "Escalation", escalation)
    passes = []
    for _ in range(3):
        fake_time[0] += HOUR
        passes.append(reconcile())
    assert passes[-1] == {"failed": 1}
    assert {"told": 1} in passes
    assert cloud.attributes() == FAILED
    assert cloud.members() == ["dev-1"]
    assert len(cloud.messages()) == 1


def test_a_thing_that_vanished_ends_its_episode(
    cloud: Cloud, cool_down: Recovery, fake_time: list[float]
) -> None:
    reset_retry_counter_and_move_out.handler(cool_down, None)
    cloud.iot.delete_thing(thingName="dev-1")
    fake_time[0] += 2 * DAY
    assert reconcile() == {"gone": 1}
    assert (cloud.record(), cloud.backup()) == (None, None)


def test_one_refused_device_does_not_hold_up_the_others(
    cloud: Cloud, cool_down: Recovery, fake_time: list[float]
) -> None:
    cloud.create_thing("dev-2", **ORIGINAL)
    begin("dev-2")
    for recovery in (cool_down, use_up_a_cycle(device="dev-2")):
        reset_retry_counter_and_move_out.handler(recovery, None)
    cloud.dynamodb.Table(BACKUP).delete_item(Key={"deviceId": "dev-1"})
    fake_time[0] += 2 * DAY
    with pytest.raises(ReconcileIncompleteError, match=r"1 device\(s\) could not be reconciled"):
        reconcile()
    assert cloud.attributes("dev-2") == ORIGINAL


@pytest.mark.parametrize(
    "broken",
    [
        {"state": "paused"},
        {"state": 1},
        {"dueAt": "tomorrow"},
        {"dueAt": Decimal("1.5")},
        {"awaySince": None},
        {"timestamp": "yesterday"},
        {"timestamp": 1_711_320_300},
        {"reportedBy": "cloud"},
        {"leftGroups": ["wave"]},
        {"isFatal": "yes"},
    ],
    ids=str,
)
def test_record_that_cannot_be_read_is_logged_and_stops_no_other(
    cloud: Cloud,
    cool_down: Recovery,
    fake_time: list[float],
    caplog: pytest.LogCaptureFixture,
    environment: pytest.MonkeyPatch,
    broken: dict[str, Any],
) -> None:
    rule = {"share": 0.5, "window_seconds": 3600, "min_devices": 1, "pauses": True}
    configure(environment, BREAKER=json.dumps(rule))
    item = cloud.record()
    cloud.dynamodb.Table(RETRIES).put_item(Item={**(item or {}), "deviceId": "broken", **broken})
    fake_time[0] += HOUR
    with pytest.raises(ReconcileIncompleteError, match=r"1 device\(s\) could not be reconciled"):
        reconcile()
    assert runs_of(cloud, "CoolDown") == [name(cool_down)]
    (line,) = (record for record in caplog.records if record.msg == "device not reconciled")
    assert vars(line)["deviceId"] == "broken"


def test_unforeseen_error_of_one_device_stops_no_other(
    cloud: Cloud,
    fake_time: list[float],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for number in range(3):
        bring(cloud, Stage.DUE, f"dev-{number}")
    start = executions.start

    def start_but_one(machine: str, run: Run) -> str | None:
        if run.device_id == "dev-1":
            raise KeyError("executionArn")
        return start(machine, run)

    monkeypatch.setattr(executions, "start", start_but_one)
    fake_time[0] += HOUR
    with pytest.raises(ReconcileIncompleteError, match=r"1 device\(s\)"):
        reconcile()
    assert len(runs_of(cloud, "CoolDown")) == 2
    (line,) = (record for record in caplog.records if record.msg == "device not reconciled")
    assert vars(line)["deviceId"] == "dev-1"


def test_a_call_that_is_throttled_is_left_for_the_next_pass(
    cloud: Cloud,
    cool_down: Recovery,
    fake_time: list[float],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It passes by itself, so it wakes nobody; where it does not, it is the metric that tells."""
    fake_time[0] += HOUR
    with monkeypatch.context() as patch:
        patch.setattr(executions, "start", refuse)
        assert reconcile() == {"left": 1}
    (line,) = (record for record in caplog.records if record.msg == "device not reconciled")
    assert line.exc_info
    assert line.exc_info[0] is TransientError
    assert reconcile() == {"started": 1}


def test_what_was_done_is_logged_with_the_campaign(
    cloud: Cloud, cool_down: Recovery, fake_time: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    fake_time[0] = time.time()
    with caplog.at_level("INFO"):
        assert reconcile() == {"started": 1}
        fake_time[0] += HOUR
        assert reconcile() == {"live": 1}
    (line,) = (record for record in caplog.records if record.msg == "device reconciled")
    told = {name: getattr(line, name) for name in ("deviceId", "campaign", "done")}
    assert told == {"deviceId": "dev-1", "campaign": cool_down["campaign"], "done": "started"}


def test_many_devices_are_acted_on_at_the_same_time(
    cloud: Cloud, fake_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits until as many as may are under way."""
    together = threading.Barrier(AT_ONCE)
    start = executions.start

    def start_together(*arguments: Any) -> str | None:
        together.wait(timeout=180)
        return start(*arguments)

    monkeypatch.setattr(executions, "start", start_together)
    for number in range(AT_ONCE):
        bring(cloud, Stage.DUE, f"dev-{number}")
    fake_time[0] += HOUR
    assert reconcile() == {"started": AT_ONCE}


def test_no_thread_creates_a_client_of_its_own(
    cloud: Cloud, cool_down: Recovery, fake_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    creators, session = set(), aws._session()

    def record_creator() -> Any:
        creators.add(threading.current_thread())
        return session

    monkeypatch.setattr(aws, "_session", record_creator)
    aws.client.cache_clear()
    fake_time[0] += HOUR
    assert reconcile() == {"started": 1}
    assert creators == {threading.main_thread()}


def test_a_device_that_goes_on_while_it_is_acted_on_is_left_alone(
    cloud: Cloud, cool_down: Recovery, fake_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    reset_retry_counter_and_move_out.handler(cool_down, None)
    fake_time[0] += 2 * DAY

    def restore_in_between(*_: Any) -> bool:
        restore_device_attributes.handler(cool_down, None)
        return False

    monkeypatch.setattr(executions, "is_live", restore_in_between)
    assert reconcile() == {"superseded": 1}


def test_a_device_that_went_on_since_it_was_counted_is_left_alone(
    cloud: Cloud, cool_down: Recovery, fake_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    reset_retry_counter_and_move_out.handler(cool_down, None)
    bring(cloud, Stage.NOTIFIED, "dev-2")
    cloud.remove_from(GROUP, "dev-2")
    fake_time[0] += 2 * DAY
    act_after_count(
        monkeypatch,
        lambda: restore_device_attributes.handler(cool_down, None),
        lambda: clear_device_record.handler(success(1_000, deviceId="dev-2"), None),
    )
    assert reconcile() == {"superseded": 2}


@pytest.mark.parametrize("age_seconds", [0, GRACE_SECONDS])
def test_one_that_failed_again_since_it_was_counted_is_not_taken_for_released(
    cloud: Cloud, fake_time: list[float], monkeypatch: pytest.MonkeyPatch, age_seconds: int
) -> None:
    """The list of its group may be from before that."""
    bring(cloud, Stage.NOTIFIED)
    cloud.remove_from(GROUP)
    fake_time[0] += HOUR
    act_after_count(monkeypatch, lambda: date_change(cloud, fake_time[0] - age_seconds))
    assert reconcile() == {"superseded": 1}
    assert cloud.attributes() == FAILED


@pytest.mark.parametrize("age_seconds", [0, GRACE_SECONDS])
def test_one_that_is_due_again_since_it_was_counted_has_its_grace(
    cloud: Cloud,
    cool_down: Recovery,
    fake_time: list[float],
    monkeypatch: pytest.MonkeyPatch,
    age_seconds: int,
) -> None:
    fake_time[0] += HOUR
    act_after_count(monkeypatch, lambda: date_change(cloud, fake_time[0] - age_seconds))
    assert reconcile() == {"superseded": 1}
    assert runs_of(cloud, "CoolDown") == []


def date_change(cloud: Cloud, moment: float) -> None:
    """Write a record as if it had changed then, epoch seconds."""
    item = cloud.record()
    assert item
    cloud.dynamodb.Table(RETRIES).put_item(Item={**item, "timestamp": clock.iso(moment)})


def act_after_count(monkeypatch: pytest.MonkeyPatch, *actions: Callable[[], object]) -> None:
    """Lets something happen after the devices were counted, and before any is acted on."""
    take = Census.take

    def take_and_act(self: Census, is_over: Callable[[], bool]) -> None:
        take(self, is_over)
        for action in actions:
            action()

    monkeypatch.setattr(Census, "take", take_and_act)


def test_every_page_of_the_table_is_read(
    cloud: Cloud, cool_down: Recovery, fake_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:

    call = aws.call

    def small_pages(service: str, operation: str, **parameters: Any) -> Any:
        limit = {"Limit": 1} if operation == "scan" else {}
        return call(service, operation, **parameters, **limit)

    for number in range(4):
        cloud.create_thing(f"idle-{number}")
        begin(f"idle-{number}")
    monkeypatch.setattr(aws, "call", small_pages)
    fake_time[0] += HOUR
    assert reconcile() == {"started": 1}
    assert cloud.calls.count("dynamodb.scan") >= 5


# Failed devices, which an operator releases by taking them out of their group


def test_a_failed_device_in_its_group_is_left_alone(cloud: Cloud, fake_time: list[float]) -> None:
    bring(cloud, Stage.NOTIFIED)
    before = (cloud.record(), cloud.attributes(), cloud.history())
    fake_time[0] += HOUR
    assert reconcile() == {"failed": 1}
    assert (cloud.record(), cloud.attributes(), cloud.history()) == before


def test_a_failed_device_that_was_taken_out_of_its_group_is_released(
    cloud: Cloud, fake_time: list[float]
) -> None:
    bring(cloud, Stage.NOTIFIED)
    cloud.remove_from(GROUP)
    fake_time[0] += HOUR
    assert reconcile() == {"released": 1}
    assert (cloud.record(), cloud.backup(), cloud.attributes()) == (None, None, ORIGINAL)
    assert cloud.steps()[-1] == ("failed", "free", "released by an operator")
    assert reconcile() == {}


def test_one_that_was_told_of_just_now_may_not_be_in_the_list_of_its_group_yet(
    cloud: Cloud, fake_time: list[float]
) -> None:
    bring(cloud, Stage.NOTIFIED)
    cloud.remove_from(GROUP)
    fake_time[0] += GRACE_SECONDS
    for seconds in (GRACE_SECONDS, 0, -DAY):
        assert reconcile_devices.handler({"graceSeconds": seconds}, None) == {}
    fake_time[0] += 1
    assert reconcile() == {"released": 1}


def test_device_that_listing_of_its_group_skips_is_not_released(
    cloud: Cloud, fake_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(cloud, Stage.NOTIFIED)
    before = (cloud.record(), cloud.attributes(), cloud.history())
    monkeypatch.setattr(registry, "members_of", lambda _: frozenset({"dev-2"}))
    fake_time[0] += HOUR
    assert reconcile() == {"failed": 1}
    assert (cloud.record(), cloud.attributes(), cloud.history()) == before


@pytest.mark.parametrize("devices", [0, 1, 3])
def test_the_group_is_listed_once_a_pass_and_only_where_a_device_has_failed(
    cloud: Cloud, fake_time: list[float], devices: int
) -> None:
    for number in range(devices):
        bring(cloud, Stage.NOTIFIED, f"failed-{number}")
    bring(cloud, Stage.DUE, "due")
    fake_time[0] += HOUR
    cloud.calls.clear()
    reconcile()
    assert cloud.calls.count("iot.list_things_in_thing_group") == min(devices, 1)


def test_devices_that_are_left_alone_stand_in_nobodys_way(
    cloud: Cloud, fake_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass that gets one device done takes another than the one before."""
    one_after_the_other(monkeypatch)
    for number in range(3):
        recovery = bring(cloud, Stage.DUE, f"dev-{number}")
        if number == 0:
            run_in(cloud, "CoolDown", recovery)
            reset_retry_counter_and_move_out.handler(recovery, None)
    fake_time[0] += 2 * DAY
    orders = iter([0.1, 0.2, 0.3, 0.3, 0.2, 0.1])
    monkeypatch.setattr(clock, "share", lambda: next(orders))
    first, second = (reconcile_devices.handler({}, Context([*IN_TIME, 31, 29])) for _ in range(2))
    assert first == {"live": 1, "left": 2}
    assert second == {"started": 1, "left": 2}


def test_without_its_group_no_failed_device_is_taken_for_released(
    cloud: Cloud, fake_time: list[float]
) -> None:
    bring(cloud, Stage.NOTIFIED)
    cloud.iot.delete_thing_group(thingGroupName=GROUP)
    before = cloud.record()
    fake_time[0] += HOUR
    with pytest.raises(ReconcileIncompleteError):
        reconcile()
    assert (cloud.record(), cloud.attributes()) == (before, FAILED)


def fill_group(cloud: Cloud, devices: int) -> list[str]:
    """Bring devices into the failed group, all but the first by copies of its record."""
    bring(cloud, Stage.NOTIFIED, "failed-0")
    record, backup = cloud.record("failed-0"), cloud.backup("failed-0")
    names = [f"failed-{number}" for number in range(devices)]
    for name in names[1:]:
        cloud.create_thing(name, **FAILED)
        cloud.add_to(GROUP, name)
        thing_id = cloud.iot.describe_thing(thingName=name)["thingId"]
        copy = {**(backup or {}), "deviceId": name, "thingId": thing_id}
        cloud.dynamodb.Table(RETRIES).put_item(Item={**(record or {}), "deviceId": name})
        cloud.dynamodb.Table(BACKUP).put_item(Item=copy)
    cloud.messages()
    return names


def replace_group(cloud: Cloud, group: str = GROUP) -> None:
    cloud.iot.delete_thing_group(thingGroupName=GROUP)
    cloud.iot.create_thing_group(thingGroupName=group)


def group_id(cloud: Cloud, group: str = GROUP) -> str:
    return str(cloud.iot.describe_thing_group(thingGroupName=group)["thingGroupId"])


def alerts_of(cloud: Cloud) -> list[tuple[str, int, bool]]:
    alerts = [json.loads(message) for message in cloud.messages()]
    return [(alert["event"], alert["devices"], alert["isReplaced"]) for alert in alerts]


@pytest.mark.parametrize("group", [GROUP, "NeedsAnOperator"])
def test_replaced_group_releases_no_device_and_gets_all_of_them(
    cloud: Cloud, fake_time: list[float], environment: pytest.MonkeyPatch, group: str
) -> None:
    names = fill_group(cloud, 3)
    history = cloud.history("failed-1")
    replace_group(cloud, group)
    configure(environment, FAILED_THING_GROUP_NAME=group)
    fake_time[0] += HOUR
    assert reconcile() == {"put_back": 3}
    assert sorted(cloud.members(group)) == names
    assert cloud.attributes("failed-1") == FAILED
    assert cloud.history("failed-1") == history
    assert {(cloud.record(name) or {})["failedGroupId"] for name in names} == {
        group_id(cloud, group)
    }
    assert alerts_of(cloud) == [("failed_group_refilled", 3, True)]
    fake_time[0] += HOUR
    assert reconcile() == {"failed": 3}
    assert alerts_of(cloud) == []
    cloud.remove_from(group, "failed-2")
    assert reconcile() == {"failed": 2, "released": 1}


def test_devices_that_an_operator_moved_into_new_group_are_recorded_there_quietly(
    cloud: Cloud, fake_time: list[float]
) -> None:
    names = fill_group(cloud, 2)
    replace_group(cloud)
    for name in names:
        cloud.add_to(GROUP, name)
    fake_time[0] += HOUR
    assert reconcile() == {"failed": 2}
    assert alerts_of(cloud) == []
    fake_time[0] += HOUR
    cloud.remove_from(GROUP, "failed-1")
    assert reconcile() == {"failed": 1, "released": 1}


@pytest.mark.parametrize("is_member", [True, False])
def test_record_of_earlier_version_is_never_taken_for_released(
    cloud: Cloud, fake_time: list[float], is_member: bool
) -> None:
    fill_group(cloud, 1)
    item = cloud.record("failed-0") or {}
    del item["failedGroupId"]
    cloud.dynamodb.Table(RETRIES).put_item(Item=item)
    if not is_member:
        cloud.remove_from(GROUP, "failed-0")
    fake_time[0] += HOUR
    assert reconcile() == ({"failed": 1} if is_member else {"put_back": 1})
    assert cloud.members() == ["failed-0"]
    assert (cloud.record("failed-0") or {})["failedGroupId"] == group_id(cloud)


@pytest.mark.parametrize(("devices", "removed"), [(11, 11), (30, 11), (130, 14)])
def test_emptied_group_releases_no_device_and_gets_all_of_them_back(
    cloud: Cloud, fake_time: list[float], devices: int, removed: int
) -> None:
    names = fill_group(cloud, devices)
    for name in names[:removed]:
        cloud.remove_from(GROUP, name)
    fake_time[0] += HOUR
    done = reconcile()
    assert (done.get("put_back"), done.get("released")) == (removed, None)
    assert set(names) == registry.members_of(GROUP)
    assert alerts_of(cloud) == [("failed_group_refilled", removed, False)]


@pytest.mark.parametrize(("devices", "removed"), [(10, 10), (130, 13)])
def test_no_more_than_ten_devices_or_a_tenth_are_released_by_their_absence(
    cloud: Cloud, fake_time: list[float], devices: int, removed: int
) -> None:
    names = fill_group(cloud, devices)
    for name in names[:removed]:
        cloud.remove_from(GROUP, name)
    fake_time[0] += HOUR
    assert reconcile().get("released") == removed
    assert alerts_of(cloud) == []


def test_deleted_failed_things_do_not_count_as_emptied(
    cloud: Cloud, fake_time: list[float]
) -> None:
    deleted = 12
    names = fill_group(cloud, 30)
    for name in names[:deleted]:
        cloud.remove_from(GROUP, name)
        cloud.iot.delete_thing(thingName=name)
    cloud.remove_from(GROUP, "failed-29")
    fake_time[0] += HOUR
    assert reconcile() == {"failed": 29 - deleted, "gone": deleted, "released": 1}
    assert alerts_of(cloud) == []
    assert cloud.attributes("failed-29") == ORIGINAL


def test_alert_counts_missing_devices_that_exist(cloud: Cloud, fake_time: list[float]) -> None:
    names = fill_group(cloud, 14)
    for name in names[:12]:
        cloud.remove_from(GROUP, name)
    cloud.iot.delete_thing(thingName=names[0])
    fake_time[0] += HOUR
    assert reconcile() == {"failed": 2, "gone": 1, "put_back": 11}
    assert alerts_of(cloud) == [("failed_group_refilled", 11, False)]


def test_releases_that_cannot_be_counted_are_made(
    cloud: Cloud, fake_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_group(cloud, 2)
    cloud.remove_from(GROUP, "failed-1")
    monkeypatch.setattr("firmware_retry.history_table.count_removals", throttle)
    fake_time[0] += HOUR
    assert reconcile() == {"failed": 1, "released": 1, "left": 1}


def test_group_that_is_replaced_during_a_pass_releases_no_device(
    cloud: Cloud, fake_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_group(cloud, 2)
    members_of = registry.members_of

    def replace_and_list(group: str) -> frozenset[str]:
        replace_group(cloud)
        return members_of(group)

    with monkeypatch.context() as patch:
        patch.setattr(registry, "members_of", replace_and_list)
        fake_time[0] += HOUR
        assert reconcile() == {"failed": 2}
    assert reconcile() == {"put_back": 2}


def test_devices_are_not_put_back_before_operators_are_notified(
    cloud: Cloud, fake_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_group(cloud, 2)
    replace_group(cloud)
    fake_time[0] += HOUR
    with monkeypatch.context() as patch:
        patch.setattr("firmware_retry.alerts.notify_group_refilled", throttle)
        assert reconcile() == {"left": 2}
    assert cloud.members() == []
    assert reconcile() == {"put_back": 2}


def test_operators_are_notified_once_a_day_of_devices_that_cannot_be_put_back(
    cloud: Cloud, fake_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise RequestRefusedError("a thing is in ten groups at most", "InvalidRequestException")

    fill_group(cloud, 2)
    replace_group(cloud)
    fake_time[0] += HOUR
    cloud.messages()

    def pass_again(hours: int = 1) -> int:
        fake_time[0] += hours * HOUR
        with pytest.raises(ReconcileIncompleteError):
            reconcile()
        return len(cloud.messages())

    with monkeypatch.context() as patch:
        patch.setattr("firmware_retry.registry.add_to_group", refuse)
        assert [pass_again() for _ in range(3)] == [1, 0, 0]
        assert pass_again(hours=24) == 1
    assert reconcile() == {"put_back": 2}


def test_device_whose_episode_ends_while_it_is_put_back_leaves_group_again(
    cloud: Cloud, fake_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_group(cloud, 1)
    replace_group(cloud)
    fake_time[0] += HOUR
    add = registry.add_to_group

    def end_and_add(name: str, group: str) -> None:
        clear_device_record.handler(success(1_000, deviceId=name), None)
        add(name, group)

    monkeypatch.setattr(registry, "add_to_group", end_and_add)
    assert reconcile() == {"superseded": 1}
    assert (cloud.record("failed-0"), cloud.members()) == (None, [])


def test_a_failed_device_whose_thing_was_deleted_is_gone(
    cloud: Cloud, fake_time: list[float]
) -> None:
    bring(cloud, Stage.NOTIFIED)
    cloud.remove_from(GROUP)
    cloud.iot.delete_thing(thingName="dev-1")
    fake_time[0] += HOUR
    assert reconcile() == {"gone": 1}
    assert (cloud.record(), cloud.backup()) == (None, None)


# Episodes that were asked to end


@pytest.mark.parametrize("stage", [Stage.COOLING_DOWN, Stage.FAILED, Stage.NOTIFIED])
def test_an_end_that_somebody_asked_for_and_did_not_reach_is_made_though_the_run_sleeps(
    cloud: Cloud, fake_time: list[float], stage: Stage
) -> None:
    recovery = bring(cloud, stage)
    run_in(cloud, "CoolDown" if stage is Stage.COOLING_DOWN else "Escalation", recovery)
    interrupt(clear_device_record.handler, success(1_000))
    assert reconcile() == {}
    fake_time[0] += HOUR
    assert reconcile() == {"ended": 1}
    assert (cloud.record(), cloud.backup()) == (None, None)
    assert (cloud.attributes(), cloud.members()) == (ORIGINAL, [])
    assert cloud.steps()[-1][1:] == ("free", "update succeeded")


@pytest.mark.parametrize(
    ("stage", "machine", "done"),
    [(Stage.MOVING, "CoolDown", "moved_out"), (Stage.MARKING, "Escalation", "marked_failed")],
)
def test_an_end_that_waits_for_a_dead_run_is_made(
    cloud: Cloud, fake_time: list[float], stage: Stage, machine: str, done: str
) -> None:
    recovery = bring(cloud, stage)
    clear_device_record.handler(success(1_000), None)
    run = run_in(cloud, machine, recovery)
    fake_time[0] += HOUR
    assert reconcile() == {"live": 1}
    cloud.stepfunctions.stop_execution(executionArn=run)
    assert reconcile() == {done: 1}
    assert (cloud.record(), cloud.attributes()) == (None, ORIGINAL)


@pytest.mark.parametrize(
    ("stage", "step"),
    [
        (Stage.MOVING, reset_retry_counter_and_move_out),
        (Stage.MARKING, reset_retry_count_to_failed_update),
    ],
)
@pytest.mark.parametrize("ends_by", ["success", "release"])
def test_an_end_is_made_though_the_attributes_cannot_be_overwritten(
    cloud: Cloud,
    fake_time: list[float],
    monkeypatch: pytest.MonkeyPatch,
    stage: Stage,
    step: Any,
    ends_by: str,
) -> None:
    """A thing that has no thing type holds three attributes at most."""
    recovery = bring(cloud, stage)

    def refuse(_: object, changes: object) -> None:
        if changes:
            raise RequestRefusedError("too many attributes", "InvalidRequestException")

    monkeypatch.setattr(registry, "update", refuse)
    with pytest.raises(RequestRefusedError):
        step.handler(recovery, None)
    if ends_by == "success":
        clear_device_record.handler(success(1_000), None)
    else:
        assert release_device.handler({"deviceId": "dev-1"}, None) == {"releasing": ["dev-1"]}
    fake_time[0] += HOUR
    reconcile()
    assert (cloud.record(), cloud.backup(), cloud.attributes()) == (None, None, ORIGINAL)


# Devices that do not leave their dynamic groups


def test_a_device_that_is_still_in_its_groups_waits_on_without_its_run(
    cloud: Cloud, fake_time: list[float]
) -> None:
    recovery = bring(cloud, Stage.DUE)
    cloud.iot.create_thing_group(thingGroupName="dynamic-wave")
    cloud.add_to("dynamic-wave")
    reset_retry_counter_and_move_out.handler(recovery, None)
    stop(cloud, "CoolDown", recovery)
    fake_time[0] += 2 * DAY
    for _ in range(MOST_CHECKS):
        assert reconcile() == {"waiting": 1}
        assert reconcile() == {}
        fake_time[0] += HOUR
    assert reconcile() == {"restored": 1}
    assert cloud.attributes() == ORIGINAL


def test_a_fatal_failure_whose_escalation_was_never_started_is_escalated(
    cloud: Cloud, fake_time: list[float], environment: pytest.MonkeyPatch
) -> None:
    configure(environment, FATAL_REASONS='["wrong image"]')
    cloud.create_thing(**ORIGINAL)
    assert handle(failure(reason="wrong image")) == "escalation_due"
    fake_time[0] += HOUR
    assert reconcile() == {"started": 1}
    (run,) = cloud.stepfunctions.list_executions(stateMachineArn=f"{MACHINES}Escalation")[
        "executions"
    ]
    assert run["name"].endswith("-1")


def test_a_fatal_failure_whose_escalation_was_stopped_is_escalated_in_time(
    cloud: Cloud, fake_time: list[float], environment: pytest.MonkeyPatch
) -> None:
    """Its groups settle for a quarter of an hour."""
    configure(environment, FATAL_REASONS='["wrong image"]')
    cloud.create_thing(**ORIGINAL)
    begin()
    fatal = failure(reason="wrong image")
    recovery = increment_retry_counter.handler(fatal, None)["recovery"]
    reset_retry_count_to_failed_update.handler(recovery, None)
    stop(cloud, "Escalation", recovery)
    fake_time[0] += GRACE_SECONDS + 60
    assert reconcile() == {}
    fake_time[0] += HOUR
    assert reconcile() == {"told": 1}
