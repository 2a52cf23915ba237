"""What the two recovery workflows do with a device's attributes: overwrite them and put them back.

Each step may be repeated, run twice at the same time, or die between any two calls. What keeps it
right is one order: *read the thing, decide in the record, write with the version that was read*.
A slow twin that wakes after the device went on either finds the record no longer its own, or its
version outdated.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from firmware_retry import ambient, backup, record, registry
from firmware_retry.errors import BackupMissingError, ThingNotFoundError
from firmware_retry.record import Run, State
from firmware_retry.settings import settings


def overwrite(run: Run, state: State, attributes: Mapping[str, str], wait_seconds: int) -> str:
    """Claims a device and overwrites its attributes, so that it leaves its dynamic thing groups.

    Args:
        run: the recovery run.
        state: where the device goes: cooling down or failed.
        attributes: name to the value that is written over the original.
        wait_seconds: how long the run will wait then.

    Returns:
        When the wait ends, ISO 8601 in UTC.

    Raises:
        RecoverySupersededError: the device is not at the end of this run's cycle.
        ThingNotFoundError: the thing is gone; so are its record and backup, then.
        TransientError: the thing was changed meanwhile, or see ``aws.call``.
        RequestRefusedError: see ``registry.update``.
    """
    with ended_with_its_thing(run):
        thing = registry.describe(run.device_id)
        due_at = record.claim(run, state, wait_seconds)
        backup.store(thing)
        registry.update(thing, attributes)
    return ambient.iso(due_at)


def restore(run: Run) -> list[str]:
    """Puts the original attributes of a device back, so that it rejoins its dynamic thing groups.

    Only attributes that still hold the overwritten value are put back: what a person changed
    meanwhile stays. One that did not exist is removed again.

    Returns:
        The names of the attributes that were put back.

    Raises:
        RecoverySupersededError: the device is not this run's (any more).
        ThingNotFoundError: the thing is gone; so are its record and backup, then.
        BackupMissingError: the originals are not in the backup table.
        TransientError: the thing was changed meanwhile, or see ``aws.call``.
    """
    with ended_with_its_thing(run):
        thing = registry.describe(run.device_id)
        record.held(run)
        originals = backup.load(run.device_id)
        if originals is None:
            raise BackupMissingError(f"no backup of {run.device_id} in {settings().backup_table}")
        changes = {
            name: value
            for name, value in originals.attributes.items()
            if settings().is_overwritten(name, thing.attributes.get(name))
        }
        registry.update(thing, changes)
    record.release(run)
    return sorted(changes)


@contextmanager
def ended_with_its_thing(run: Run) -> Iterator[None]:
    """A thing that vanished ends its episode: its record and backup go, and the error goes on."""
    try:
        yield
    except ThingNotFoundError:
        record.forget(run)
        raise
