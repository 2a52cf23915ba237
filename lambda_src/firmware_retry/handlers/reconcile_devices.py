"""ReconcileDevices: finishes what a lost, stopped or failed recovery left behind. Scheduled."""

import logging
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from firmware_retry import alerts, ambient, executions, record, recovery, registry
from firmware_retry.device import Cause, Record, Run, State
from firmware_retry.errors import (
    FirmwareRetryError,
    ReconcileIncompleteError,
    RecoverySupersededError,
    StillInGroupError,
    ThingNotFoundError,
)
from firmware_retry.settings import settings

_logger = logging.getLogger(__name__)

GRACE_SECONDS = 300
"""How long after the time something was due a run may take to do it."""
MOST_DEVICES = 200
"""How many devices a pass acts on at most; the rest is for the next."""
_LEFT_ALONE = frozenset({"live", "waiting", "failed", "refused"})
_LAST_SECONDS = 30
"""How long before its time is over a pass takes no further device."""


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Looks after every device where something was due and nobody acted.

    A device whose run is alive is left alone. Everything else is idempotent, so it does no harm if
    somebody redrives the run at the same time.

    Args:
        event: ``{}``, or ``{"graceSeconds": n}`` for another grace than ``GRACE_SECONDS``.
        context: Lambda's; says how much time is left.

    Returns:
        How many devices were left ``live``, ``waiting`` (still in their dynamic groups) or
        ``failed`` (in the failed group, for an operator), ``started``, ``moved_out``, ``restored``,
        ``marked_failed``, ``told``, ``ended``, ``released``, found ``gone`` or ``superseded``, and
        ``refused``.

    Raises:
        ReconcileIncompleteError: some devices were refused; the log says which and why.
        TransientError, RequestRefusedError: the table cannot be read.
    """
    moment = ambient.now() - event.get("graceSeconds", GRACE_SECONDS)
    # Listed once a pass, and only when a failed device is there.
    members = cache(partial(registry.members_of, settings().failed_thing_group_name))
    tally: Counter[str] = Counter()
    for device in record.overdue(moment):
        tally[_reconciled(device, members)] += 1
        # Those that are left as they are do not count: they must not stand in the others' way.
        acted = sum(devices for what, devices in tally.items() if what not in _LEFT_ALONE)
        if acted >= MOST_DEVICES or _seconds_left(context) < _LAST_SECONDS:
            break
    _logger.info("devices reconciled", extra={"devices": dict(tally)})
    if tally["refused"]:
        message = f"{tally['refused']} device(s) could not be reconciled"
        raise ReconcileIncompleteError(message)
    return dict(tally)


def _reconciled(device: Record, members: Callable[[], frozenset[str]]) -> str:
    """Does what is due for a device; what that was."""
    try:
        done = _finish(device, members)
    except ThingNotFoundError:
        done = "gone"
    except RecoverySupersededError:
        done = "superseded"
    except StillInGroupError:
        done = "waiting"
    except FirmwareRetryError as error:
        _logger.warning(
            "device not reconciled",
            extra={"deviceId": device.device_id, "error": type(error).__name__, "why": str(error)},
        )
        return "refused"
    if done not in _LEFT_ALONE:
        _logger.info("device reconciled", extra={"deviceId": device.device_id, "done": done})
    return done


def _finish(device: Record, members: Callable[[], frozenset[str]]) -> str:
    if device.ending and device.away_since:
        recovery.finish(device.present_run)
        return "ended"
    if device.has_failed and device.is_told:
        return _finish_failed(device, members)
    is_unclaimed = device.state is State.TRACKING
    run = device.next_run if is_unclaimed else device.present_run
    escalates = device.escalates if is_unclaimed else device.has_failed
    machine = (
        settings().escalation_state_machine_arn
        if escalates
        else settings().cool_down_state_machine_arn
    )
    live = executions.is_live(machine, run)
    if live:
        return "live"
    if live is None and is_unclaimed:
        executions.start(machine, run)
        return "started"
    if escalates:
        return _finish_escalation(run, device)
    return _finish_cool_down(run, device)


def _finish_failed(device: Record, members: Callable[[], frozenset[str]]) -> str:
    """An operator releases a device by taking it out of the failed group."""
    if device.device_id in members():
        return "failed"
    recovery.end_episode(device, Cause.RELEASED, device.present_up_to)
    return "released"


def _finish_cool_down(run: Run, device: Record) -> str:
    if not device.away_since:
        recovery.move_out(run)
        return "moved_out"
    recovery.restore(run)
    return "restored"


def _finish_escalation(run: Run, device: Record) -> str:
    if not device.away_since:
        recovery.mark_failed(run)
        return "marked_failed"
    recovery.join_failed_group(run)
    alerts.tell_once(run)
    return "told"


def _seconds_left(context: Any) -> float:
    return float("inf") if context is None else context.get_remaining_time_in_millis() / 1000
