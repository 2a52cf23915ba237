"""ClearDeviceRecord: ends the episode of a device whose update succeeded, or that moved on."""

import logging
from typing import Any

from firmware_retry import aws, recovery, retries_table
from firmware_retry.errors import RecoverySupersededError, TransientError
from firmware_retry.message import Message
from firmware_retry.record import Cause, Outcome, Record

aws.prepare("dynamodb", "iot", "sns")
_logger = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: object) -> None:
    """Ends the episode that the message says is over.

    A success ends the episode that it belongs to; a failure of a later campaign ends the earlier
    one, so that its own can begin. Attributes go back, in a cool-down and after it.

    Args:
        event: the message, see ``message``.
        context: Lambda's, not used.

    Raises:
        TransientError: the device went on meanwhile, or is just being moved: look again.
        ThingNotFoundError: the thing is gone, and now its record.
        InvalidMessageError, BackupMissingError, RequestRefusedError.
    """
    message = Message.parse(event)
    device = retries_table.read(message.device_id)
    cause = _cause(device, message, event.get("kind") == "succeeded") if device else None
    if device is None or cause is None:
        return
    # Of a new campaign nothing is of the past: its first failures may come in any order.
    up_to = message.sent_at if cause is Cause.SUCCEEDED else 0
    try:
        has_ended = recovery.end_episode(device, cause, up_to)
    except RecoverySupersededError as error:
        raise TransientError(f"{device.device_id} went on meanwhile: look again") from error
    _logger.info(
        "episode ended" if has_ended else "episode ends as soon as the device is away",
        extra={
            "deviceId": device.device_id,
            "trackingId": device.tracking_id,
            "campaign": device.campaign,
            "state": device.state,
            "cause": cause,
        },
    )
    if not has_ended and cause is Cause.CAMPAIGN_CHANGED:
        raise TransientError(
            f"{device.device_id} is just being moved: its next episode has to wait"
        )


def _cause(device: Record, message: Message, has_succeeded: bool) -> Cause | None:
    if has_succeeded:
        return Cause.SUCCEEDED if device.ends_by(message) else None
    is_over = device.outcome_of(message) is Outcome.CAMPAIGN_CHANGED
    return Cause.CAMPAIGN_CHANGED if is_over else None
