"""The journey of a device by the entry points of its steps: tests begin somewhere on it."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest

from firmware_retry import clock, registry
from firmware_retry.errors import StaleMessageError, TransientError
from firmware_retry.handlers import (
    check_if_device_exists,
    clear_device_record,
    create_device_record,
    increment_retry_counter,
    move_device_to_failed_group,
    reset_retry_count_to_failed_update,
    reset_retry_counter_and_move_out,
    restore_device_attributes,
    send_sns_notification,
    store_device_attributes,
)
from firmware_retry.settings import settings

from .conftest import LIMIT, Cloud, backends, failure, restore

ORIGINAL = {"model": "wo:v8", "FW": "2.26", "site": "7"}
MOVED_OUT = {"model": "moveOut", "FW": "moveOut", "site": "7"}
FAILED = {"model": "failedtoupdate", "FW": "failedtoupdate", "site": "7"}

Recovery = dict[str, Any]
"""The input of a recovery run."""
Handler = Callable[[dict[str, Any], object], Any]


class Stage(StrEnum):
    """Where on its journey a device is; in the order in which it comes by."""

    TRACKED = "tracked"
    """One failure was counted."""
    DUE = "limit reached"
    MOVING = "being moved out"
    """Claimed by its run, the attributes not yet overwritten."""
    COOLING_DOWN = "cooling down"
    BACK = "back for its last cycle"
    FAILING = "last limit reached"
    MARKING = "being marked failed"
    FAILED = "failed, its groups settling"
    NOTIFIED = "failed, and operators notified"


def begin(device: str = "dev-1") -> None:
    """Starts an episode, without counting anything."""
    _begin(failure(device=device))


def _begin(event: dict[str, Any]) -> None:
    event = {**event, "past": check_if_device_exists.handler(event, None)}
    store_device_attributes.handler(event, None)
    create_device_record.handler(event, None)


def use_up_a_cycle(first: int = 0, device: str = "dev-1") -> Recovery:
    """Counts failures up to the limit; the input of the recovery that follows."""
    for number in range(first, first + LIMIT):
        answer = increment_retry_counter.handler(failure(number, device), None)
    recovery: Recovery = answer["recovery"]
    return recovery


def handle(event: dict[str, Any]) -> str:
    """Handles a message in the way of the intake; what became of it."""
    if event["kind"] == "succeeded":
        clear_device_record.handler(event, None)
        return "succeeded"
    while True:
        outcome: str = increment_retry_counter.handler(event, None)["outcome"]
        if outcome == "campaign_changed":
            clear_device_record.handler(event, None)
        elif outcome != "not_tracked":
            return outcome
        try:
            _begin(event)
        except StaleMessageError:
            return "of the past"


def interrupt(step: Handler, recovery: Recovery) -> None:
    """Run an overwriting step that fails where it would overwrite the attributes."""

    def refuse(*_: object) -> None:
        raise TransientError("throttled")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "update", refuse)
        with pytest.raises(TransientError, match="throttled"):
            step(recovery, None)


def bring(
    cloud: Cloud,
    stage: Stage,
    device: str = "dev-1",
    original: Mapping[str, str] = ORIGINAL,
) -> Recovery:
    """Bring a new device to the stage; return the input of the run that is due or under way.

    Half of the tests begin with it, so the account of the first one that brings a device there is
    kept, and copied for the others with the same settings and time. Queues cannot be copied: the
    last stage, which sends an alert, is always reached.
    """
    kept = min(stage, Stage.FAILED, key=list(Stage).index)
    if not cloud.is_untouched():
        return _walk(cloud, stage, device, original)
    key = kept, device, tuple(original.items()), repr(settings()), clock.now(), clock.share()
    if key in _arrived:
        recovery = _arrived[key].restore(cloud)
    else:
        recovery = _walk(cloud, kept, device, original)
        _arrived[key] = Arrival.of(cloud, recovery)
    return recovery if stage is kept else _WAY[stage](recovery) or recovery


def _walk(cloud: Cloud, stage: Stage, device: str, original: Mapping[str, str]) -> Recovery:
    cloud.create_thing(device, **original)
    begin(device)
    recovery: Recovery = {"deviceId": device}
    for reached, step in _WAY.items():
        recovery = step(recovery) or recovery
        if reached is stage:
            break
    return recovery


@dataclass(frozen=True)
class Arrival:
    """An account in which one device has come to a stage."""

    account: dict[str, Any]
    recovery: Recovery
    calls: list[str]
    ids: int
    """How many unique ids were taken."""

    @classmethod
    def of(cls, cloud: Cloud, recovery: Recovery) -> "Arrival":
        """Copy the account as it is."""
        taken = int(clock.unique_id()[:8], 16)
        return cls(deepcopy(backends()), deepcopy(recovery), list(cloud.calls), taken)

    def restore(self, cloud: Cloud) -> Recovery:
        """Bring an untouched account there; return the input of the run."""
        restore(self.account)
        cloud.began_at = -1  # a further device must not bring its account, without this one
        cloud.calls.extend(self.calls)
        for _ in range(self.ids):
            clock.unique_id()
        return deepcopy(self.recovery)


_arrived: dict[tuple[object, ...], Arrival] = {}


def _join_and_notify(recovery: Recovery) -> None:
    move_device_to_failed_group.handler(recovery, None)
    send_sns_notification.handler(recovery, None)


def _count_one(recovery: Recovery) -> None:
    increment_retry_counter.handler(failure(0, recovery["deviceId"]), None)


def _discard_result(step: Handler) -> Callable[[Recovery], None]:
    def run(recovery: Recovery) -> None:
        step(recovery, None)

    return run


_WAY: Mapping[Stage, Callable[[Recovery], Recovery | None]] = {
    Stage.TRACKED: _count_one,
    Stage.DUE: lambda recovery: use_up_a_cycle(0, recovery["deviceId"]),
    Stage.MOVING: lambda recovery: interrupt(reset_retry_counter_and_move_out.handler, recovery),
    Stage.COOLING_DOWN: _discard_result(reset_retry_counter_and_move_out.handler),
    Stage.BACK: _discard_result(restore_device_attributes.handler),
    Stage.FAILING: lambda recovery: use_up_a_cycle(100, recovery["deviceId"]),
    Stage.MARKING: lambda recovery: interrupt(reset_retry_count_to_failed_update.handler, recovery),
    Stage.FAILED: _discard_result(reset_retry_count_to_failed_update.handler),
    Stage.NOTIFIED: _join_and_notify,
}
