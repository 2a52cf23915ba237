"""The recovery of a device: out of its groups, back into them, or to the failed ones.

Each step may be repeated, run twice concurrently, or crash between any two calls. One order keeps
it correct: *read the thing, decide in the record, write with the version that was read*. A stale
worker that continues after the device went on finds either the record owned by another run, or its
version outdated.

The end of an episode may be requested while a recovery owns the device: the update succeeded,
another campaign began, or an operator releases it. The request is stored in the record
(``ending``). The first to reach the point where the attributes are overwritten ends the episode:
either the overwriting step itself or the requester.

All steps take the recovery run and may raise:

- RecoverySupersededError: the run does not own the device (any more)
- ThingNotFoundError: the thing is gone; its record was deleted, and its backup kept aside if
  the attributes were overwritten
- TransientError: the thing was changed since it was read, or see ``aws.call``
- RequestRefusedError: see ``registry.update`` and ``registry.add_to_group``
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from firmware_retry import alerts, backup_table, campaigns_table, clock, registry, retries_table
from firmware_retry.errors import (
    BackupMissingError,
    CampaignPausedError,
    RecoverySupersededError,
    RequestRefusedError,
    StillInGroupError,
    ThingNotFoundError,
)
from firmware_retry.record import Cause, Record, Run, State
from firmware_retry.registry import Thing
from firmware_retry.settings import settings

_logger = logging.getLogger(__name__)

MOST_CHECKS = 4
"""How often a device may be found in its groups before it is restored regardless."""
CHECK_AGAIN_SECONDS = 300
"""Until the next check: dynamic groups follow their query within minutes."""


def move_out(run: Run) -> int:
    """Overwrite attributes so that the device leaves its dynamic thing groups for a while.

    Returns:
        When the cool-down ends, epoch seconds.
    """
    # Devices that failed together should not all return in the same second.
    longer = 1 + settings().cool_down_jitter * clock.share()
    wait_seconds = int(settings().cool_down_of(run.cycle) * longer)
    return _overwrite(run, State.COOLING_DOWN, settings().move_out_attributes, wait_seconds)


def mark_failed(run: Run) -> int:
    """Overwrite attributes so that the device leaves its dynamic thing groups for good.

    Returns:
        When its groups have settled and it may be moved, epoch seconds.
    """
    return _overwrite(run, State.FAILED, settings().failed_attributes, settings().settle_seconds)


def _overwrite(run: Run, state: State, attributes: Mapping[str, str], wait_seconds: int) -> int:
    with _end_with_thing(run):
        cools_down = state is State.COOLING_DOWN
        # First, since AWS allows fewer of these calls per second than of any other: while a million
        # devices wait, a call rejected here takes no capacity from the intake, which reads things.
        groups = registry.dynamic_groups_of(run.device_id) if cools_down else frozenset()
        thing = registry.describe(run.device_id)
        record = retries_table.claim(run, state, wait_seconds, groups)
        try:
            # Attributes that cannot be overwritten must not keep an episode from its end. A
            # concurrent worker has read the same version of the thing, and cannot either.
            if not record.away_since and _may_overwrite(record, thing, attributes):
                record = _move_away(run, record, thing, attributes, wait_seconds)
        except RequestRefusedError:
            if not record.ending:
                raise
    if record.ending:
        finish(run)
    return record.due_at


def _may_overwrite(record: Record, thing: Thing, attributes: Mapping[str, str]) -> bool:
    """Return whether to overwrite attributes, or to try it until marks of others are gone."""
    if not record.ending:
        return True
    return backup_table.can_overwrite(thing, attributes.keys(), record.recovery_id)


def _move_away(
    run: Run, record: Record, thing: Thing, attributes: Mapping[str, str], wait_seconds: int
) -> Record:
    if record.due_at < int(clock.now()):
        # The run was stopped before it got here: the wait must begin with the move.
        retries_table.postpone(run, wait_seconds)
    backup_table.store(thing, attributes, run.recovery_id)
    registry.update(thing, attributes)
    return retries_table.mark_away(run)


def restore(run: Run) -> list[str]:
    """Restore the original attributes, so that the device rejoins its dynamic thing groups.

    Only attributes that still have the value written are restored: what an operator changed since
    stays. An attribute that did not exist is removed again.

    Returns:
        The names of the attributes that were restored.

    Raises:
        CampaignPausedError: the device has to stay moved out until its campaign is resumed.
        StillInGroupError: the device has not left its groups yet: try again later.
        BackupMissingError: the originals are not in the backup table.
    """
    with _end_with_thing(run):
        thing = registry.describe(run.device_id)
        record = retries_table.read_owned(run, State.COOLING_DOWN)
        originals = _originals_to_restore(run, thing)
        # Empty where this step crashed right after the next write: by now the device may have
        # rejoined its groups, as it should.
        is_away = originals and not record.ending
        if is_away and campaigns_table.is_paused(record.campaign):
            raise CampaignPausedError(f"{run.device_id}: {record.campaign} is paused")
        reason = _reason_to_restore(run, record) if is_away else Cause.COOLED_DOWN
        registry.update(thing, originals)
    if record.ending:
        _end(record, record.ending, record.ending_up_to)
    else:
        retries_table.release(run, reason)
    return sorted(originals)


def _reason_to_restore(run: Run, record: Record) -> str:
    """Return the reason for the history, after a check that the device left the groups to rejoin.

    A group follows its query a little later, and may miss a state that lasts too short:
    https://docs.aws.amazon.com/iot/latest/developerguide/dynamic-thing-groups.html
    """
    if not record.left_groups:
        return Cause.COOLED_DOWN
    # One group left is enough: the others may have nothing to do with the update.
    if record.left_groups - registry.groups_of(run.device_id):
        return Cause.COOLED_DOWN
    names = ", ".join(sorted(record.left_groups))
    if record.leave_checks < MOST_CHECKS:
        retries_table.check_again(run, CHECK_AGAIN_SECONDS)
        raise StillInGroupError(f"{run.device_id} is still in {names}")
    _logger.warning(
        "device restored although it never left its dynamic groups: their queries must not match"
        " a thing with move_out_attributes",
        extra={"deviceId": run.device_id, "recoveryId": run.recovery_id, "groups": names},
    )
    return f"{Cause.NEVER_LEFT} {names}"


def _originals_to_restore(run: Run, thing: Thing) -> dict[str, str | None]:
    backup = backup_table.read(run.device_id)
    if backup is not None:
        return backup.originals_to_restore(thing, run.recovery_id)
    retries_table.read_owned(run)  # a concurrent duplicate may have ended the episode
    if _is_overwritten(thing):
        message = f"no backup of {run.device_id} in {settings().backup_table}: set its attributes"
        raise BackupMissingError(message)
    return {}  # an operator has restored them


def _is_overwritten(thing: Thing) -> bool:
    written = (settings().move_out_attributes, settings().failed_attributes)
    return any(thing.attributes.get(name) == values[name] for values in written for name in values)


def join_failed_group(run: Run) -> None:
    """Add the device to the static thing group for failed devices."""
    with _end_with_thing(run), _leave_group_unless_failed(run):
        if retries_table.read_failed_owned(run).is_notified:
            return  # it joined before operators were notified; they may have removed it since
        _join(run)


def rejoin_failed_group(run: Run) -> None:
    """Put a device back into the thing group for failed devices, which was replaced or emptied."""
    with _end_with_thing(run), _leave_group_unless_failed(run):
        _join(run)


def _join(run: Run) -> None:
    group = settings().failed_thing_group_name
    # First: if the group is replaced in between, the record must not have the id of the new one,
    # which the device may not be in.
    group_id = registry.group_id(group)
    registry.add_to_group(run.device_id, group)
    # Fails where the end of the episode was requested in between.
    retries_table.mark_joined(run, group_id or "")


def require_thing(run: Run) -> None:
    """Check that the thing of a run was not deleted."""
    with _end_with_thing(run):
        registry.describe(run.device_id)


def was_removed(record: Record) -> bool:
    """Return whether a device was removed from the failed group into which it had been put.

    The thing is asked: AWS does not say whether a listing of the group is consistent, and pages may
    shift while members come and go.
    https://docs.aws.amazon.com/iot/latest/apireference/API_ListThingsInThingGroup.html
    """
    group = settings().failed_thing_group_name
    with _end_with_thing(record.present_run):
        if group in registry.groups_of(record.device_id):
            return False
    # Last: a group that has the id now has existed since the device joined it.
    return registry.group_id(group) == record.failed_group_id


@contextmanager
def _leave_group_unless_failed(run: Run) -> Iterator[None]:
    try:
        yield
    except RecoverySupersededError:
        record = retries_table.read(run.device_id)
        if record is None or record.ending or not record.has_failed:
            registry.remove_from_group(run.device_id, settings().failed_thing_group_name)
        raise


def end_episode(record: Record, cause: Cause, up_to: int) -> bool:
    """End the episode of a device in any state: restore its attributes, delete its record.

    Args:
        record: as read.
        cause: the cause, for the history.
        up_to: messages sent before this moment are stale, milliseconds since the epoch.

    Returns:
        Whether it has ended. If not, a recovery is just overwriting the attributes, and ends the
        episode right after that.

    Raises:
        RecoverySupersededError: the record was changed since it was read.
    """
    if record.state is State.TRACKING:
        _end(record, cause, up_to)
        return True
    run = record.present_run
    if not retries_table.ask_to_end(run, cause, up_to).away_since:
        return False
    finish(run)
    return True


def finish(run: Run) -> None:
    """End the episode of a device that a recovery owns, after its end was requested."""
    with _end_with_thing(run):
        thing = registry.describe(run.device_id)
        record = retries_table.read_owned(run)
        if record.has_failed:
            registry.remove_from_group(run.device_id, settings().failed_thing_group_name)
        registry.update(thing, _originals_to_restore(run, thing))
    if record.is_notified and record.ending == Cause.SUCCEEDED:
        alerts.notify_healed(run, record)
    _end(record, record.ending, record.ending_up_to)


def _end(record: Record, cause: str, up_to: int) -> None:
    if record.reset_retry_count:
        # First: a copy of the thing may hold what was written over the originals.
        backup_table.keep(record.device_id)
    retries_table.end(record, cause, up_to)


@contextmanager
def _end_with_thing(run: Run) -> Iterator[None]:
    """End the episode of a thing that vanished, and raise the error again."""
    try:
        yield
    except ThingNotFoundError:
        # First: the thing may live on under another name, with its attributes overwritten.
        backup_table.keep(run.device_id)
        retries_table.forget(run)
        raise
