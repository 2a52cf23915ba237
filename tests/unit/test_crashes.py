"""Every step may die after any of its calls; run again, it ends in the same state."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from firmware_retry import aws
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

from .conftest import GROUP, Cloud, failure, success
from .journey import Handler, Recovery, Stage, bring, handle, interrupted

WAVE = "dynamic-wave"
LATER = 1_000
"""The number of a message that is sent after those of the journey."""

Step = Callable[[Recovery], Any]
Preparation = Callable[[Cloud, str], Any]


class CrashError(Exception):
    """The process dies here."""


def of(handler: Handler) -> Step:
    return lambda recovery: handler(recovery, None)


def succeed(recovery: Recovery) -> None:
    handle(success(LATER, device=recovery["deviceId"]))


def change_campaign(recovery: Recovery) -> None:
    handle(failure(LATER, recovery["deviceId"], fw="2.28"))


def reconcile(_: Recovery) -> None:
    reconcile_devices.handler({"graceSeconds": -1}, None)


def in_a_dynamic_group(cloud: Cloud, device: str) -> None:
    cloud.add_to(WAVE, device)


def succeeded(_: Cloud, device: str) -> None:
    clear_device_record.handler(success(LATER, device=device), None)


def succeeded_and_nobody_finished(_: Cloud, device: str) -> None:
    interrupted(clear_device_record.handler, success(LATER, device=device))


def taken_out_of_the_failed_group(cloud: Cloud, device: str) -> None:
    cloud.remove_from(GROUP, device)


# Where the device is, the step that is run, and what happens to the device before.
MOVE_OUT = of(reset_retry_counter_and_move_out.handler)
RESTORE = of(restore_device_attributes.handler)
MARK = of(reset_retry_count_to_failed_update.handler)
JOIN = of(move_device_to_failed_group.handler)
TELL = of(send_sns_notification.handler)
RELEASE = of(release_device.handler)
STEPS: dict[str, tuple[Stage, Step, Preparation | None]] = {
    "move out": (Stage.DUE, MOVE_OUT, in_a_dynamic_group),
    "restore": (Stage.COOLING_DOWN, RESTORE, None),
    "mark failed": (Stage.FAILING, MARK, None),
    "join the failed group": (Stage.FAILED, JOIN, None),
    "tell": (Stage.FAILED, TELL, None),
    "succeed while tracked": (Stage.TRACKED, succeed, None),
    "succeed while being moved": (Stage.MOVING, succeed, None),
    "succeed while away": (Stage.COOLING_DOWN, succeed, None),
    "succeed while settling": (Stage.FAILED, succeed, None),
    "succeed while failed": (Stage.TOLD, succeed, None),
    "move out one that succeeded": (Stage.MOVING, MOVE_OUT, succeeded),
    "mark one that succeeded": (Stage.MARKING, MARK, succeeded),
    "restore one that succeeded": (Stage.COOLING_DOWN, RESTORE, succeeded_and_nobody_finished),
    "change campaign while tracked": (Stage.BACK, change_campaign, None),
    "change campaign while away": (Stage.COOLING_DOWN, change_campaign, None),
    "change campaign while failed": (Stage.TOLD, change_campaign, None),
    "release while tracked": (Stage.DUE, RELEASE, None),
    "release while away": (Stage.COOLING_DOWN, RELEASE, None),
    "release while failed": (Stage.TOLD, RELEASE, None),
    "reconcile one that was taken out": (Stage.TOLD, reconcile, taken_out_of_the_failed_group),
    "reconcile one that succeeded": (Stage.TOLD, reconcile, succeeded_and_nobody_finished),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_that_died_after_any_call_can_run_again(cloud: Cloud, name: str) -> None:
    stage, step, prepare = STEPS[name]
    cloud.iot.create_thing_group(thingGroupName=WAVE)

    def ready(device: str) -> Recovery:
        recovery = bring(cloud, stage, device)
        if prepare:
            prepare(cloud, device)
        return recovery

    undisturbed = ready("undisturbed")
    calls = calls_of(step, undisturbed)
    assert calls > 0
    expected = state_of(cloud, "undisturbed")
    for fatal in range(1, calls + 1):
        recovery = ready(f"died-{fatal}")
        with pytest.raises(CrashError):
            calls_of(step, recovery, fatal)
        # The run that died after its very last call has done what it had to.
        with suppress(*[RecoverySupersededError] * (fatal == calls)):
            step(recovery)
        assert state_of(cloud, f"died-{fatal}") == expected, f"died after call {fatal} of {calls}"


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


def state_of(cloud: Cloud, device: str) -> dict[str, Any]:
    """All that can be seen of a device, without the names that are its own."""
    return {
        "record": without_names(cloud.record(device)),
        "backup": without_names(cloud.backup(device)),
        "attributes": cloud.attributes(device),
        "has failed": device in cloud.members(),
        "history": cloud.steps(device),
        "told": [json.loads(message)["event"] for message in cloud.messages()],
    }


def without_names(item: dict[str, Any] | None) -> dict[str, Any]:
    names = {"deviceId", "trackingId", "recoveryId", "thingId", "thingVersion"}
    return {name: value for name, value in (item or {}).items() if name not in names}
