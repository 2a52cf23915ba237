"""ReleaseDevice: an operator is done with a device; it gets its attributes back and is free."""

import logging
from typing import Any

from firmware_retry import aws, clock, recovery, registry, retries_table
from firmware_retry.errors import (
    FirmwareRetryError,
    InvalidMessageError,
    RecoverySupersededError,
    ThingNotFoundError,
    TransientError,
)
from firmware_retry.message import thing_name
from firmware_retry.record import Cause, Record
from firmware_retry.settings import settings

aws.prepare("dynamodb", "iot", "sns")
_logger = logging.getLogger(__name__)

Fates = dict[str, list[str] | dict[str, str]]
"""Device names by what became of them; those that were refused with why."""


def handler(event: dict[str, Any], context: object) -> Fates:
    """Releases devices: out of the failed group, attributes as they were, counters gone.

    Args:
        event: ``{"deviceId": "…"}`` or ``{"deviceIds": ["…"]}`` of an operator; or the membership
            event of AWS IoT that says that a thing was removed from the failed group, see
            ``message``.
        context: Lambda's, not used.

    Returns:
        Device names by what became of them: ``released``, ``releasing`` (a recovery is just moving
        the device, and releases it then), ``not_tracked`` and ``gone``; for a membership event
        also ``not_settled``, where it was not an operator who removed the thing. For a list also
        ``refused``, ``{"<name>": "<error>: <why>"}``: those that could not be released, while the
        others were. Repeating is safe.

    Raises:
        InvalidMessageError: the event names no device, or something that cannot be one.
        TransientError, BackupMissingError, RequestRefusedError: the one device of an event could
            not be released: the intake has to try again.
    """
    if event.get("kind") == "removed":
        name = thing_name(event.get("deviceId"))
        return {_noticed(name, event): [name]}
    if "deviceIds" not in event:
        name = thing_name(event.get("deviceId"))
        return {_released(name): [name]}
    if not isinstance(event["deviceIds"], list):
        raise InvalidMessageError("deviceIds is not a list")
    return _released_all([thing_name(name) for name in event["deviceIds"]])


def _released_all(names: list[str]) -> Fates:
    done: dict[str, list[str]] = {}
    refused: dict[str, str] = {}
    for name in names:
        try:
            done.setdefault(_released(name), []).append(name)
        except FirmwareRetryError as error:
            refused[name] = f"{type(error).__name__}: {error}"
    if not refused:
        return {**done}
    _logger.warning("devices not released", extra={"refused": refused})
    return {**done, "refused": refused}


def _released(name: str) -> str:
    device = retries_table.read(name)
    if device is not None:
        return _ended(device)
    try:
        registry.remove_from_group(name, settings().failed_thing_group_name)
    except ThingNotFoundError:
        return "gone"
    return "not_tracked"


def _noticed(name: str, event: dict[str, Any]) -> str:
    device = retries_table.read(name)
    if device is None:
        return "not_tracked"
    if not _was_removed_by_operator(device, int(event["timestamp"])):
        return "not_settled"
    return _ended(device)


def _was_removed_by_operator(device: Record, removed_at: int) -> bool:
    """Nobody else removes it once people were told, but who is just ending the episode.

    ``removed_at``: milliseconds since the epoch.
    """
    if device.ending or not (device.has_failed and device.is_told):
        return False
    return _told_at(device) <= removed_at


def _told_at(device: Record) -> int:
    """Milliseconds since the epoch."""
    return int(clock.epoch(device.notified_at) * 1000)


def _ended(device: Record) -> str:
    try:
        has_ended = recovery.end_episode(device, Cause.RELEASED, device.present_up_to)
    except ThingNotFoundError:
        return "gone"
    except RecoverySupersededError as error:
        raise TransientError(f"{device.device_id} went on meanwhile: look again") from error
    _logger.info(
        "device released" if has_ended else "device is released as soon as it is away",
        extra={
            "deviceId": device.device_id,
            "trackingId": device.tracking_id,
            "campaign": device.campaign,
        },
    )
    return "released" if has_ended else "releasing"
