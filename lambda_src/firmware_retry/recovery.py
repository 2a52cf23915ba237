"""What the recoveries do with a device: out of its groups, back into them, or to the failed ones.

Each step may be repeated, run twice at the same time, or die between any two calls. What keeps it
right is one order: *read the thing, decide in the record, write with the version that was read*.
A slow twin that wakes after the device went on either finds the record no longer its own, or its
version outdated.

An episode may be asked to end while a recovery holds the device: the update succeeded, another
campaign began, an operator is done with it. The wish goes into the record (``ending``), and who
comes first to where the attributes are overwritten ends it: the overwriting step itself, or whoever
asked.

All steps take the recovery run and may raise:

- RecoverySupersededError: the device is not this run's (any more)
- ThingNotFoundError: the thing is gone; so are its record and backup, then
- TransientError: the thing was changed meanwhile, or see ``aws.call``
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
    StillInGroupError,
    ThingNotFoundError,
)
from firmware_retry.record import Cause, Record, Run, State
from firmware_retry.registry import Thing
from firmware_retry.settings import settings

_logger = logging.getLogger(__name__)

MOST_CHECKS = 4
"""How often a device that is to be restored is found in its groups before that is accepted."""
CHECK_AGAIN_SECONDS = 300
"""Until the next look: dynamic groups follow their query within minutes."""


def move_out(run: Run) -> int:
    """Overwrites attributes so that the device leaves its dynamic thing groups for a while.

    Returns:
        When the cool-down ends, epoch seconds.
    """
    # Devices that failed together should not all come back in the same second.
    longer = 1 + settings().cool_down_jitter * clock.share()
    wait_seconds = int(settings().cool_down_of(run.cycle) * longer)
    return _overwrite(run, State.COOLING_DOWN, settings().move_out_attributes, wait_seconds)


def mark_failed(run: Run) -> int:
    """Overwrites attributes so that the device leaves its dynamic thing groups for good.

    Returns:
        When its groups have settled and it may be moved, epoch seconds.
    """
    return _overwrite(run, State.FAILED, settings().failed_attributes, settings().settle_seconds)


def _overwrite(run: Run, state: State, attributes: Mapping[str, str], wait_seconds: int) -> int:
    with _ended_with_its_thing(run):
        cools_down = state is State.COOLING_DOWN
        # First, since AWS allows the fewest calls of these a second: while a million devices wait,
        # what is refused here has taken nothing from the intake, which reads things as well.
        groups = registry.dynamic_groups_of(run.device_id) if cools_down else frozenset()
        thing = registry.describe(run.device_id)
        device = retries_table.claim(run, state, wait_seconds, groups)
        if not device.away_since:
            device = _move_away(run, device, thing, attributes, wait_seconds)
    if device.ending:
        finish(run)
    return device.due_at


def _move_away(
    run: Run, device: Record, thing: Thing, attributes: Mapping[str, str], wait_seconds: int
) -> Record:
    if device.due_at < int(clock.now()):
        # A run that was stopped before it got here: the wait is for the device to be away.
        retries_table.postpone(run, wait_seconds)
    backup_table.store(thing, attributes)
    registry.update(thing, attributes)
    return retries_table.mark_away(run)


def restore(run: Run) -> list[str]:
    """Puts the original attributes back, so that the device rejoins its dynamic thing groups.

    Only attributes that still hold the overwritten value are put back: what a person changed
    meanwhile stays. One that did not exist is removed again.

    Returns:
        The names of the attributes that were put back.

    Raises:
        CampaignPausedError: the device has to stay away until its campaign is resumed.
        StillInGroupError: the device did not leave its groups yet: come again.
        BackupMissingError: the originals are not in the backup table.
    """
    with _ended_with_its_thing(run):
        thing = registry.describe(run.device_id)
        device = retries_table.held(run, State.COOLING_DOWN)
        owed = _owed(run, thing)
        # Nothing is owed where this step died right after the next write: by now the device may
        # have rejoined its groups, which is what was wanted.
        is_away = owed and not device.ending
        if is_away and campaigns_table.is_paused(device.campaign):
            raise CampaignPausedError(f"{run.device_id}: {device.campaign} is paused")
        reason = _reason_to_restore(run, device) if is_away else Cause.COOLED_DOWN
        registry.update(thing, owed)
    if device.ending:
        retries_table.end(device, device.ending, device.ending_up_to)
    else:
        retries_table.release(run, reason)
    return sorted(owed)


def _reason_to_restore(run: Run, device: Record) -> str:
    """Makes sure that the device left the groups which it is to join anew.

    https://docs.aws.amazon.com/iot/latest/developerguide/dynamic-thing-groups.html : a group
    follows its query a little later, and a state that lasts too short may go unnoticed.
    """
    if not device.left_groups:
        return Cause.COOLED_DOWN
    # One that it left is enough: other groups may have nothing to do with the update.
    if device.left_groups - registry.groups_of(run.device_id):
        return Cause.COOLED_DOWN
    names = ", ".join(sorted(device.left_groups))
    if device.leave_checks < MOST_CHECKS:
        retries_table.check_again(run, CHECK_AGAIN_SECONDS)
        raise StillInGroupError(f"{run.device_id} is still in {names}")
    _logger.warning(
        "device restored although it never left its dynamic groups: their queries must not match"
        " a thing with move_out_attributes",
        extra={"deviceId": run.device_id, "recoveryId": run.recovery_id, "groups": names},
    )
    return f"{Cause.NEVER_LEFT} {names}"


def _owed(run: Run, thing: Thing) -> dict[str, str | None]:
    originals = backup_table.load(run.device_id)
    if originals is not None:
        return originals.owed(thing)
    retries_table.held(run)  # a twin may have ended the episode since it was read
    if _is_overwritten(thing):
        message = f"no backup of {run.device_id} in {settings().backup_table}: set its attributes"
        raise BackupMissingError(message)
    return {}  # a person has put them back


def _is_overwritten(thing: Thing) -> bool:
    written = (settings().move_out_attributes, settings().failed_attributes)
    return any(thing.attributes.get(name) == of[name] for of in written for name in of)


def join_failed_group(run: Run) -> None:
    """Adds the device to the static thing group for failed devices."""
    with _ended_with_its_thing(run), _out_of_the_group_unless_failed(run):
        if retries_table.held_for_good(run).is_told:
            return  # it was in the group before anybody was told; an operator may have taken it out
        registry.add_to_group(run.device_id, settings().failed_thing_group_name)
        # Somebody may have ended the episode in between.
        retries_table.held_for_good(run)


@contextmanager
def _out_of_the_group_unless_failed(run: Run) -> Iterator[None]:
    try:
        yield
    except RecoverySupersededError:
        device = retries_table.read(run.device_id)
        if device is None or device.ending or not device.has_failed:
            registry.remove_from_group(run.device_id, settings().failed_thing_group_name)
        raise


def end_episode(device: Record, cause: Cause, up_to: int) -> bool:
    """Ends the episode of a device, whatever state it is in: attributes back, counters gone.

    Args:
        device: as it was read.
        cause: why.
        up_to: messages sent before this moment are of the past, milliseconds since the epoch.

    Returns:
        Whether it has ended. If not, a recovery is just overwriting the attributes; it ends the
        episode as soon as it has.

    Raises:
        RecoverySupersededError: the device went on since it was read.
    """
    if device.state is State.TRACKING:
        retries_table.end(device, cause, up_to)
        return True
    run = device.present_run
    if not retries_table.ask_to_end(run, cause, up_to).away_since:
        return False
    finish(run)
    return True


def finish(run: Run) -> None:
    """Ends the episode of a device that a recovery holds and that was asked to end."""
    with _ended_with_its_thing(run):
        thing = registry.describe(run.device_id)
        device = retries_table.held(run)
        if device.has_failed:
            registry.remove_from_group(run.device_id, settings().failed_thing_group_name)
        registry.update(thing, _owed(run, thing))
    if device.notified_at and device.ending == Cause.SUCCEEDED:
        alerts.tell_healed(run, device)
    retries_table.end(device, device.ending, device.ending_up_to)


@contextmanager
def _ended_with_its_thing(run: Run) -> Iterator[None]:
    """A thing that vanished ends its episode: its record and backup go, and the error goes on."""
    try:
        yield
    except ThingNotFoundError:
        retries_table.forget(run)
        raise
