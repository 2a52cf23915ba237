"""The pass of ReconcileDevices: finish what a lost, stopped or failed recovery left undone.

A pass counts the fleet, checks whether a campaign is to blame, and then acts on overdue devices
until its time is over. It reads each record again before it acts, since minutes may have passed
since the count.
"""

import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from firmware_retry import (
    alerts,
    aws,
    campaigns_table,
    clock,
    executions,
    failed_group,
    history_table,
    recovery,
    retries_table,
    strays,
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
from firmware_retry.failed_group import Review, Settled
from firmware_retry.fleet_scan import Census
from firmware_retry.record import GRACE_SECONDS, Cause, Record, Run, State
from firmware_retry.settings import settings

_logger = logging.getLogger(__name__)

AT_ONCE = 8
"""How many devices are acted on at the same time; botocore keeps 10 connections to a service."""
_NO_ACTION = frozenset({"live", "waiting", "held", "failed", "refused", "left"})
_LAST_SECONDS = 30
"""How long before its time is over a pass starts on no further device."""
_SHARE_OF_RELEASES = 0.2
"""The part of the time after the count that is kept for releases, however many are overdue."""

Action = Callable[[Record], str]
"""Acts on a record and returns the result, as ``reconcile_fleet`` lists them."""
IsOver = Callable[[], bool]


def reconcile_fleet(grace_seconds: float, seconds_left: Callable[[], float]) -> dict[str, int]:
    """Act on every device for which something was due and nobody acted.

    A device whose run is live is left alone, and so is one whose campaign is paused. Everything
    else is idempotent, so an operator may redrive the run at the same time.

    Args:
        grace_seconds: how long after the due time a run may still act. A failed device counts as
            settled after ``GRACE_SECONDS`` at least.
        seconds_left: returns the time that is left for the pass.

    Returns:
        The number of devices by result: left ``live``, ``waiting`` (still in their dynamic groups),
        ``held`` (their campaign is paused) or ``failed`` (in the failed group, for an operator);
        ``started``, ``moved_out``, ``restored``, ``marked_failed``, ``told`` (operators were
        notified), ``ended``, ``released``, ``put_back`` (into the failed group, which was replaced
        or emptied); found ``gone`` or ``superseded``; ``refused``; ``left``
        for the next pass after a transient error or for lack of time. ``tripped`` is the number of
        campaigns that tripped the breaker; ``unmarked`` and ``stray`` are things that held marks
        without an episode, see ``strays``.

    Raises:
        ReconcileIncompleteError: something was refused; the log contains each reason.
        TransientError, RequestRefusedError: a table cannot be read.
    """
    campaigns, rule, now = campaigns_table.read_all(), settings().breaker, clock.now()
    window = Window(rule, campaigns, now) if rule else None
    settled_moment = now - max(grace_seconds, GRACE_SECONDS)
    time = seconds_left()
    marked = strays.list_marked(lambda: seconds_left() < 3 / 4 * time)
    census = Census(now - grace_seconds, settled_moment, campaigns, window, marked.unexplained)
    census.take(lambda: seconds_left() < time / 2)
    # First of all: the devices of a campaign that trips now must not come back in this very pass.
    tally = Counter({"held": census.on_hold, "refused": census.unreadable})
    tally += _run_breaker(window)
    is_over = partial(_is_over, seconds_left)
    finish = partial(_finish_overdue, census.moment)
    settled = census.settled.shuffle()
    # An operator's release must not wait until a storm of late recoveries ends.
    kept = _SHARE_OF_RELEASES * (seconds_left() - _LAST_SECONDS) if settled else 0
    tally += _act_on_all(finish, census.overdue.shuffle(), partial(_is_over, seconds_left, kept))
    tally += _look_after_settled(settled_moment, settled, is_over)
    tally += strays.restore_all(marked, is_over)
    _logger.info("devices reconciled", extra={"devices": dict(tally)})
    if tally["refused"]:
        message = f"{tally['refused']} device(s) could not be reconciled"
        raise ReconcileIncompleteError(message)
    return dict(tally)


def _is_over(seconds_left: Callable[[], float], kept: float = 0) -> bool:
    return seconds_left() < _LAST_SECONDS + kept


def _run_breaker(window: Window | None) -> Counter[str]:
    """Trip the campaigns that are to blame; after an error the next pass tries again."""
    try:
        return Counter({"tripped": window.trip_campaigns() if window else 0})
    except FirmwareRetryError as error:
        return Counter({_log_failure("campaign", error): 1})


def _act_on_all(action: Action, names: list[str], is_over: IsOver) -> Counter[str]:
    """Act on devices until the time is over, and return their number by result."""
    return Counter(
        map_concurrently(lambda name: "left" if is_over() else _act_on(action, name), names)
    )


def map_concurrently(act: Callable[[str], str], names: list[str]) -> list[str]:
    """Act on ``AT_ONCE`` devices at the same time, and return the results in order."""
    for service in ("iot", "stepfunctions"):
        aws.client(service)  # outside Lambda, each thread would create its own
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(act, names))


def _act_on(action: Action, name: str) -> str:
    """Act on the record of a device, log what was done, and return the result."""
    record = None
    try:
        record = retries_table.read(name)
        result = action(record) if record else "superseded"
    except ThingNotFoundError:
        result = "gone"
    except RecoverySupersededError:
        result = "superseded"
    except StillInGroupError:
        result = "waiting"
    except CampaignPausedError:
        result = "held"
    except Exception as error:  # noqa: BLE001 -- of one device, so that it stops no other
        result = _log_failure(name, error)
    if result not in _NO_ACTION:
        campaign = record.campaign if record else ""
        _logger.info(
            "device reconciled", extra={"deviceId": name, "campaign": campaign, "done": result}
        )
    return result


def _log_failure(name: str, error: Exception) -> str:
    """Log an error; return ``left`` if the next pass may succeed, ``refused`` if it cannot."""
    _logger.warning("device not reconciled", extra={"deviceId": name}, exc_info=error)
    return "left" if isinstance(error, TransientError) else "refused"


def _finish_overdue(moment: float, record: Record) -> str:
    if record.due_since >= moment:
        return "superseded"
    if record.ending and record.away_since:
        recovery.finish(record.present_run)
        return "ended"
    is_unclaimed = record.state is State.TRACKING
    run = record.next_run if is_unclaimed else record.present_run
    escalates = record.escalates if is_unclaimed else record.has_failed
    machine = (
        settings().escalation_state_machine_arn
        if escalates
        else settings().cool_down_state_machine_arn
    )
    # Started without a look before: AWS allows 300 starts a second, but only 15 descriptions.
    if is_unclaimed and (result := executions.start(machine, run)):
        return result
    if executions.is_live(machine, run):
        return "live"
    if escalates:
        return _finish_escalation(run, record)
    return _finish_cool_down(run, record)


def _finish_cool_down(run: Run, record: Record) -> str:
    if not record.away_since:
        recovery.move_out(run)
        return "moved_out"
    recovery.restore(run)
    return "restored"


def _finish_escalation(run: Run, record: Record) -> str:
    if not record.away_since:
        recovery.mark_failed(run)
        return "marked_failed"
    recovery.join_failed_group(run)
    alerts.notify_failed(run)
    return "told"


def _look_after_settled(moment: float, settled: list[Settled], is_over: IsOver) -> Counter[str]:
    """Release the failed devices that an operator removed from the failed group.

    Where the group was replaced or emptied, put them back and notify operators.
    """
    if not settled or is_over():
        return Counter({"left": len(settled)})
    try:
        group = failed_group.read()
        review = failed_group.sort(settled, group)
        # A deleted thing does not prove that somebody emptied its group.
        gone = _find_gone(moment, review.missing, is_over)
        review = failed_group.sort([item for item in settled if item.device_id not in gone], group)
        is_notified = _notify_of_missing(review)
    except FirmwareRetryError as error:
        name = settings().failed_thing_group_name
        return Counter({_log_failure(f"all in {name}", error): len(settled)})
    tally = Counter({"failed": len(review.members), "gone": len(gone)})
    put_back = partial(_unless_changed, moment, _put_back)
    results = _act_on_all(put_back, review.missing, is_over)
    if is_notified and (missing := results["refused"] + results["left"]):
        results += _record_missing(review.group_id, missing)
    tally += results
    for act, names in (
        (_release, review.removed),
        (partial(_record_group, review.group_id), review.unrecorded),
    ):
        tally += _act_on_all(partial(_unless_changed, moment, act), names, is_over)
    return tally + _count_removals(tally["released"])


def _record_missing(group_id: str, missing: int) -> Counter[str]:
    """Record how many devices could not be put back: operators know of these."""
    try:
        history_table.record_missing(group_id, missing)
    except FirmwareRetryError as error:
        return Counter({_log_failure("number of missing devices", error): 1})
    return Counter()


def _count_removals(released: int) -> Counter[str]:
    """Count releases for the next passes: a group may be emptied slowly."""
    try:
        if released:
            history_table.count_removals(released)
    except FirmwareRetryError as error:
        return Counter({_log_failure("number of releases", error): 1})
    return Counter()


def _find_gone(moment: float, names: list[str], is_over: IsOver) -> set[str]:
    """Return the devices whose things were deleted, and end their episodes."""
    look = partial(_unless_changed, moment, _look_at_thing)
    results = map_concurrently(lambda name: "left" if is_over() else _act_on(look, name), names)
    return {name for name, result in zip(names, results, strict=True) if result == "gone"}


def _look_at_thing(record: Record) -> str:
    recovery.require_thing(record.present_run)
    return "failed"


def _notify_of_missing(review: Review) -> bool:
    """Notify operators first: a crash in between notifies them twice at worst.

    Returns:
        Whether they were notified. Of devices that could not be put back they are once a day.
    """
    devices = len(review.missing)
    if not devices or devices <= history_table.read_missing(review.group_id):
        return False
    alerts.notify_group_refilled(review.group_id, devices, is_replaced=review.is_replaced)
    _logger.error(
        "failed devices are missing from their group: none is released, all are put back",
        extra={"devices": devices, "isReplaced": review.is_replaced},
    )
    return True


def _unless_changed(moment: float, act: Action, record: Record) -> str:
    return "superseded" if record.awaits_operator_since >= moment else act(record)


def _put_back(record: Record) -> str:
    recovery.rejoin_failed_group(record.present_run)
    return "put_back"


def _record_group(group_id: str, record: Record) -> str:
    retries_table.mark_joined(record.present_run, group_id)
    return "failed"


def _release(record: Record) -> str:
    # The listing only nominates.
    if not recovery.was_removed(record):
        return "failed"
    recovery.end_episode(record, Cause.RELEASED, record.present_up_to)
    return "released"
