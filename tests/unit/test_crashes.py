"""Every step may crash after any of its calls; run again, it ends in the same state."""

import gc
import json
import os
import pickle
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import pytest

from firmware_retry import aws, clock
from firmware_retry.errors import RecoverySupersededError
from firmware_retry.handlers import (
    clear_device_record,
    move_device_to_failed_group,
    reconcile_devices,
    release_device,
    reset_retry_count_to_failed_update,
    reset_retry_counter_and_move_out,
    restore_device_attributes,
    send_sns_notification,
)
from firmware_retry.record import GRACE_SECONDS

from .conftest import GROUP, Cloud, failure, success
from .journey import Handler, Recovery, Stage, bring, handle, interrupt

WAVE = "dynamic-wave"
LATER = 1_000
"""The number of a message that is sent after those of the journey."""

T = TypeVar("T")
DEVICE = "dev-1"
Step = Callable[[Recovery], Any]
Preparation = Callable[[Cloud, str], Any]


class CrashError(BaseException):
    """The process crashes here, which no handler catches."""


def make_step(handler: Handler) -> Step:
    return lambda recovery: handler(recovery, None)


def succeed(recovery: Recovery) -> None:
    handle(success(LATER, device=recovery["deviceId"]))


def change_campaign(recovery: Recovery) -> None:
    handle(failure(LATER, recovery["deviceId"], fw="2.28"))


def reconcile(_: Recovery) -> None:
    later = clock.now() + 2 * GRACE_SECONDS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: later)
        reconcile_devices.handler({"graceSeconds": -1}, None)


def join_dynamic_group(cloud: Cloud, device: str) -> None:
    cloud.add_to(WAVE, device)


def end_episode(_: Cloud, device: str) -> None:
    clear_device_record.handler(success(LATER, device=device), None)


def leave_episode_unfinished(_: Cloud, device: str) -> None:
    interrupt(clear_device_record.handler, success(LATER, device=device))


def take_out_of_failed_group(cloud: Cloud, device: str) -> None:
    cloud.remove_from(GROUP, device)


# Where the device is, the step that is run, and what happens to the device before.
MOVE_OUT = make_step(reset_retry_counter_and_move_out.handler)
RESTORE = make_step(restore_device_attributes.handler)
MARK = make_step(reset_retry_count_to_failed_update.handler)
JOIN = make_step(move_device_to_failed_group.handler)
NOTIFY = make_step(send_sns_notification.handler)
RELEASE = make_step(release_device.handler)
STEPS: dict[str, tuple[Stage, Step, Preparation | None]] = {
    "move out": (Stage.DUE, MOVE_OUT, join_dynamic_group),
    "restore": (Stage.COOLING_DOWN, RESTORE, None),
    "mark failed": (Stage.FAILING, MARK, None),
    "join the failed group": (Stage.FAILED, JOIN, None),
    "notify": (Stage.FAILED, NOTIFY, None),
    "succeed while tracked": (Stage.TRACKED, succeed, None),
    "succeed while being moved": (Stage.MOVING, succeed, None),
    "succeed while away": (Stage.COOLING_DOWN, succeed, None),
    "succeed while settling": (Stage.FAILED, succeed, None),
    "succeed while failed": (Stage.NOTIFIED, succeed, None),
    "move out one that succeeded": (Stage.MOVING, MOVE_OUT, end_episode),
    "mark one that succeeded": (Stage.MARKING, MARK, end_episode),
    "restore one that succeeded": (Stage.COOLING_DOWN, RESTORE, leave_episode_unfinished),
    "change campaign while tracked": (Stage.BACK, change_campaign, None),
    "change campaign while away": (Stage.COOLING_DOWN, change_campaign, None),
    "change campaign while failed": (Stage.NOTIFIED, change_campaign, None),
    "release while tracked": (Stage.DUE, RELEASE, None),
    "release while away": (Stage.COOLING_DOWN, RELEASE, None),
    "release while failed": (Stage.NOTIFIED, RELEASE, None),
    "reconcile one that was taken out": (Stage.NOTIFIED, reconcile, take_out_of_failed_group),
    "reconcile one that succeeded": (Stage.NOTIFIED, reconcile, leave_episode_unfinished),
}


# Each crash happens in a fork of the prepared account, which costs less than another journey there.
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("name", STEPS)
def test_step_that_crashed_after_any_call_can_run_again(cloud: Cloud, name: str) -> None:
    stage, step, prepare = STEPS[name]
    recovery = bring(cloud, stage, DEVICE)
    cloud.iot.create_thing_group(thingGroupName=WAVE)
    if prepare:
        prepare(cloud, DEVICE)

    def run_undisturbed() -> tuple[int, dict[str, Any]]:
        return calls_of(step, recovery), state_of(cloud)

    def crash_and_run_again(fatal: int) -> dict[str, Any]:
        with pytest.raises(CrashError):
            calls_of(step, recovery, fatal)
        # A run that crashed after its very last call has done its work.
        with suppress(*[RecoverySupersededError] * (fatal == calls)):
            step(recovery)
        return state_of(cloud)

    calls, expected = run_in_fork(run_undisturbed)
    assert calls > 0
    states = {
        fatal: run_in_fork(partial(crash_and_run_again, fatal)) for fatal in range(1, calls + 1)
    }
    assert states == dict.fromkeys(states, expected)


def run_in_fork(work: Callable[[], T]) -> T:
    """Run a function in a copy of this process, which leaves this one's account as it is."""
    read_end, write_end = os.pipe()
    # The child's collections would copy every page that both processes share:
    # https://docs.python.org/3/library/gc.html#gc.freeze
    gc.freeze()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        try:
            answer: tuple[bool, Any] = (True, work())
        except BaseException:  # noqa: BLE001 -- the parent raises it
            answer = (False, traceback.format_exc())
        with os.fdopen(write_end, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)
    gc.unfreeze()
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        has_returned, value = pickle.load(pipe)
    os.waitpid(child, 0)
    assert has_returned, value
    returned: T = value
    return returned


def calls_of(step: Step, recovery: Recovery, fatal: int = 0) -> int:
    """Runs a step, whose process dies when its ``fatal``-th call took effect; how many it made."""
    made = 0
    call = aws.call

    def crashing(*arguments: Any, **parameters: Any) -> Any:
        nonlocal made
        made += 1
        try:
            return call(*arguments, **parameters)
        finally:
            if made == fatal:
                raise CrashError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aws, "call", crashing)
        step(recovery)
    return made


def state_of(cloud: Cloud) -> dict[str, Any]:
    """Return all that can be seen of the device, without ids."""
    return {
        "record": without_names(cloud.record(DEVICE)),
        "backup": without_names(cloud.backup(DEVICE)),
        "attributes": cloud.attributes(DEVICE),
        "has failed": DEVICE in cloud.members(),
        "history": cloud.steps(DEVICE),
        "alerts": [json.loads(message)["event"] for message in cloud.messages()],
    }


def without_names(item: dict[str, Any] | None) -> dict[str, Any]:
    names = {"deviceId", "trackingId", "recoveryId", "thingId", "thingVersion"}
    return {name: value for name, value in (item or {}).items() if name not in names}
