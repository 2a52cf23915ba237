"""What the two recovery workflows do with a device: out of its groups, and back or to the failed.

Each step may be repeated, run twice at the same time, or die between any two calls. What keeps it
right is one order: *read the thing, decide in the record, write with the version that was read*.
A slow twin that wakes after the device went on either finds the record no longer its own, or its
version outdated.

All steps take the recovery run and may raise:

- RecoverySupersededError: the device is not this run's (any more)
- ThingNotFoundError: the thing is gone; so are its record and backup, then
- TransientError: the thing was changed meanwhile, or see ``aws.call``
- RequestRefusedError: see ``registry.update`` and ``registry.add_to_group``
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from firmware_retry import ambient, backup, record, registry
from firmware_retry.errors import BackupMissingError, ThingNotFoundError
from firmware_retry.record import Run, State
from firmware_retry.settings import settings


def move_out(run: Run) -> int:
    """Overwrites attributes so that the device leaves its dynamic thing groups for a while.

    Returns:
        When the cool-down ends, epoch seconds.
    """
    # Devices that failed together should not all come back in the same second.
    longer = 1 + settings().cool_down_jitter * ambient.share()
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
        thing = registry.describe(run.device_id)
        device = record.claim(run, state, wait_seconds)
        if device.away_since:
            return device.due_at
        if device.due_at < int(ambient.now()):
            # A run that was stopped before it got here: the wait is for the device to be away.
            device = record.postpone(run, wait_seconds)
        backup.store(thing, attributes)
        registry.update(thing, attributes)
    record.mark_away(run)
    return device.due_at


def restore(run: Run) -> list[str]:
    """Puts the original attributes back, so that the device rejoins its dynamic thing groups.

    Only attributes that still hold the overwritten value are put back: what a person changed
    meanwhile stays. One that did not exist is removed again.

    Returns:
        The names of the attributes that were put back.

    Raises:
        BackupMissingError: the originals are not in the backup table.
    """
    with _ended_with_its_thing(run):
        thing = registry.describe(run.device_id)
        record.held(run, State.COOLING_DOWN)
        originals = backup.load(run.device_id)
        if originals is None:
            message = f"no backup of {run.device_id} in {settings().backup_table}"
            raise BackupMissingError(message)
        owed = originals.owed(thing)
        registry.update(thing, owed)
    record.release(run)
    return sorted(owed)


def join_failed_group(run: Run) -> None:
    """Adds the device to the static thing group for failed devices."""
    record.held(run, State.FAILED)
    with _ended_with_its_thing(run):
        registry.add_to_group(run.device_id, settings().failed_thing_group_name)


@contextmanager
def _ended_with_its_thing(run: Run) -> Iterator[None]:
    """A thing that vanished ends its episode: its record and backup go, and the error goes on."""
    try:
        yield
    except ThingNotFoundError:
        record.forget(run)
        raise
