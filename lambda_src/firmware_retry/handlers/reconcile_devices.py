"""ReconcileDevices: finishes what a lost, stopped or failed recovery left behind. Scheduled.

A pass counts the fleet, looks whether a campaign is to blame, and then acts on what is overdue for
as long as its time lasts. It reads each device anew before it acts: since it was counted, minutes
may have passed.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from firmware_retry import (
    alerts,
    aws,
    campaigns_table,
    clock,
    executions,
    recovery,
    registry,
    retries_table,
)
from firmware_retry.breaker import Window
from firmware_retry.errors import (
    CampaignPausedError,
    FirmwareRetryError,
    ReconcileIncompleteError,
    RecoverySupersededError,
    StillInGroupError,
    ThingNotFoundError,
    TransientError,
)
from firmware_retry.fleet_scan import Census
from firmware_retry.record import Cause, Record, Run, State
from firmware_retry.settings import settings

aws.prepare("dynamodb", "iot", "sns", "stepfunctions")
_logger = logging.getLogger(__name__)

GRACE_SECONDS = 300
"""How long after the time something was due a run may take to do it."""
AT_ONCE = 8
"""How many devices are acted on at the same time; botocore keeps 10 connections to a service."""
_LEFT_ALONE = frozenset({"live", "waiting", "held", "failed", "refused", "left"})
_LAST_SECONDS = 30
"""How long before its time is over a pass takes no further device."""

IsOver = Callable[[], bool]


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Looks after every device where something was due and nobody acted.

    A device whose run is alive is left alone, and so is one whose campaign is paused. Everything
    else is idempotent, so it does no harm if somebody redrives the run at the same time.

    Args:
        event: ``{}``, or ``{"graceSeconds": n}`` for another grace than ``GRACE_SECONDS``.
        context: Lambda's; says how much time is left.

    Returns:
        How many devices were left ``live``, ``waiting`` (still in their dynamic groups), ``held``
        (their campaign is paused) or ``failed`` (in the failed group, for an operator),
        ``started``, ``moved_out``, ``restored``, ``marked_failed``, ``told``, ``ended``,
        ``released``, found ``gone`` or ``superseded``, ``refused``, and ``left`` for the next pass
        because of trouble that passes, or because the time was over; and how many campaigns
        ``tripped`` the breaker.

    Raises:
        ReconcileIncompleteError: something was refused; the log says what and why.
        TransientError, RequestRefusedError: a table cannot be read.
    """
    known, rule, now = campaigns_table.known(), settings().breaker, clock.now()
    window = Window(rule, known, now) if rule else None
    census = Census(now - event.get("graceSeconds", GRACE_SECONDS), known, window)
    half = clock.seconds_left(context) / 2
    census.take(lambda: clock.seconds_left(context) < half)
    # Before anything is done: whom the breaker holds back is not to come back in this very pass.
    tally = Counter({"held": census.held}) + _looked(window)
    is_over = partial(_is_over, context)
    tally += _each(partial(_finish_overdue, census.moment), census.overdue.shuffled(), is_over)
    tally += _each_settled(census.moment, census.settled.shuffled(), is_over)
    _logger.info("devices reconciled", extra={"devices": dict(tally)})
    if tally["refused"]:
        message = f"{tally['refused']} device(s) could not be reconciled"
        raise ReconcileIncompleteError(message)
    return dict(tally)


def _looked(window: Window | None) -> Counter[str]:
    """Has the breaker look; what it cannot tell now, it tells in the next pass."""
    try:
        return Counter({"tripped": window.look() if window else 0})
    except FirmwareRetryError as error:
        return Counter({_not_done("campaign", error): 1})


def _each(act: Callable[[Record], str], devices: list[str], is_over: IsOver) -> Counter[str]:
    """Acts on devices while there is time; how many came to what."""
    return Counter(at_once(lambda device: "left" if is_over() else _done(act, device), devices))


def at_once(act: Callable[[str], str], devices: list[str]) -> Iterable[str]:
    """Acts on several devices at the same time: a million must not take days.

    Returns:
        What each came to.
    """
    if not devices:
        return []
    for service in ("iot", "stepfunctions"):
        aws.client(service)  # elsewhere than on Lambda, each thread would make its own
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(act, devices))


def _done(act: Callable[[Record], str], name: str) -> str:
    """Does what is due for a device; what that was."""
    device = None
    try:
        device = retries_table.read(name)
        done = act(device) if device else "superseded"
    except ThingNotFoundError:
        done = "gone"
    except RecoverySupersededError:
        done = "superseded"
    except StillInGroupError:
        done = "waiting"
    except CampaignPausedError:
        done = "held"
    except FirmwareRetryError as error:
        done = _not_done(name, error)
    if done not in _LEFT_ALONE:
        campaign = device.campaign if device else ""
        _logger.info(
            "device reconciled", extra={"deviceId": name, "campaign": campaign, "done": done}
        )
    return done


def _not_done(name: str, error: FirmwareRetryError) -> str:
    """Logs why something was not done; whether that needs a person, or the next pass may do it."""
    _logger.warning("device not reconciled", extra={"deviceId": name}, exc_info=error)
    return "left" if isinstance(error, TransientError) else "refused"


def _finish_overdue(moment: float, device: Record) -> str:
    if device.due_since >= moment:
        return "superseded"
    if device.ending and device.away_since:
        recovery.finish(device.present_run)
        return "ended"
    is_unclaimed = device.state is State.TRACKING
    run = device.next_run if is_unclaimed else device.present_run
    escalates = device.escalates if is_unclaimed else device.has_failed
    machine = (
        settings().escalation_state_machine_arn
        if escalates
        else settings().cool_down_state_machine_arn
    )
    # Asked for first: AWS takes 300 starts a second, but only 15 looks at what was started.
    if is_unclaimed and (found := executions.start(machine, run)):
        return found
    if executions.is_live(machine, run):
        return "live"
    if escalates:
        return _finish_escalation(run, device)
    return _finish_cool_down(run, device)


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


def _each_settled(moment: float, devices: list[str], is_over: IsOver) -> Counter[str]:
    """An operator releases a device by taking it out of the failed group."""
    if not devices or is_over():
        return Counter({"left": len(devices)})
    group = settings().failed_thing_group_name
    try:
        members = registry.members_of(group)
    except FirmwareRetryError as error:
        return Counter({_not_done(f"all in {group}", error): len(devices)})
    taken_out = [device for device in devices if device not in members]
    stayed = Counter({"failed": len(devices) - len(taken_out)})
    return stayed + _each(partial(_release, moment), taken_out, is_over)


def _release(moment: float, device: Record) -> str:
    if device.settled_since >= moment:
        return "superseded"
    recovery.end_episode(device, Cause.RELEASED, device.present_up_to)
    return "released"


def _is_over(context: Any) -> bool:
    return clock.seconds_left(context) < _LAST_SECONDS
