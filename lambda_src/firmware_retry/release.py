"""The release by an operator: out of the failed group, attributes restored, record deleted."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from firmware_retry import (
    clock,
    failed_group,
    history_table,
    recovery,
    registry,
    retries_table,
)
from firmware_retry.errors import (
    FirmwareRetryError,
    RecoverySupersededError,
    ThingNotFoundError,
    TransientError,
)
from firmware_retry.record import Cause, Record
from firmware_retry.settings import settings

_logger = logging.getLogger(__name__)

Results = dict[str, list[str] | dict[str, str]]
"""Device names by result; under ``refused`` the reason by device name."""


def release_all(names: list[str]) -> Results:
    """Release several devices; an error of one does not stop the others.

    Returns:
        Device names by result, see ``release_one``; those that could not be released under
        ``refused``, as ``{"<name>": "<error>: <reason>"}``.
    """
    results: dict[str, list[str]] = {}
    refused: dict[str, str] = {}
    for name in names:
        try:
            results.setdefault(release_one(name), []).append(name)
        except FirmwareRetryError as error:
            refused[name] = f"{type(error).__name__}: {error}"
    if not refused:
        return {**results}
    _logger.warning("devices not released", extra={"refused": refused})
    return {**results, "refused": refused}


def release_one(name: str) -> str:
    """Release a device.

    Returns:
        ``released``; ``releasing`` when a recovery is just moving the device, and will release it;
        ``not_tracked`` when it has no record; ``gone`` when there is no such thing.

    Raises:
        TransientError, BackupMissingError, RequestRefusedError: the device was not released.
    """
    record = retries_table.read(name)
    if record is not None:
        return _end_episode(record)
    try:
        registry.remove_from_group(name, settings().failed_thing_group_name)
    except ThingNotFoundError:
        return "gone"
    return "not_tracked"


def release_removed(name: str, removed_at: int) -> str:
    """Release a device that was removed from the failed group, if an operator removed it.

    Args:
        name: the thing's name.
        removed_at: when it was removed, milliseconds since the epoch.

    Returns:
        As ``release_one``, or ``not_settled`` when it was not an operator who removed the thing, or
        when nothing proves that: the group is empty, or many were released lately, so it may have
        been deleted, replaced or emptied. ReconcileDevices compares it with all failed devices.

    Raises:
        TransientError, BackupMissingError, RequestRefusedError: the device was not released.
    """
    record = retries_table.read(name)
    if record is None:
        return "not_tracked"
    if not _may_be_removed_by_operator(record, removed_at):
        return "not_settled"
    try:
        with _superseded_as_transient(record):
            if not recovery.was_removed(record):
                return "not_settled"
    except ThingNotFoundError:
        return "gone"
    has_others = registry.has_members(settings().failed_thing_group_name)
    if not has_others or not history_table.reserve_removal(name, failed_group.MOST_REMOVED):
        return "not_settled"
    return _end_episode(record)


def _may_be_removed_by_operator(record: Record, removed_at: int) -> bool:
    """Return whether nothing but an operator can have removed the thing from the failed group.

    Once operators were notified, the package itself removes it only to end its episode.
    """
    if record.ending or not record.is_notified:
        return False
    return clock.epoch(record.notified_at) * 1000 <= removed_at


def _end_episode(record: Record) -> str:
    try:
        with _superseded_as_transient(record):
            has_ended = recovery.end_episode(record, Cause.RELEASED, record.present_up_to)
    except ThingNotFoundError:
        return "gone"
    _logger.info(
        "device released" if has_ended else "device is released as soon as it is away",
        extra=record.log_fields,
    )
    return "released" if has_ended else "releasing"


@contextmanager
def _superseded_as_transient(record: Record) -> Iterator[None]:
    """Have the caller look again at a record that was changed since it was read."""
    try:
        yield
    except RecoverySupersededError as error:
        raise TransientError(f"{record.device_id} went on meanwhile: look again") from error
