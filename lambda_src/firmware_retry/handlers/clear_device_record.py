"""ClearDeviceRecord: end the episode of a device whose update succeeded, or that moved on."""

from typing import Any

from firmware_retry import aws, clear
from firmware_retry.message import Message

aws.prepare("dynamodb", "iot", "sns")


def handler(event: dict[str, Any], context: object) -> None:
    """End the episode of the device if the message implies that it is over.

    Args:
        event: the message, see ``message``; ``kind`` tells a success from a failure.
        context: Lambda's, not used.

    Raises:
        TransientError: the record was changed by another run, or a recovery is just moving the
            device: try again.
        ThingNotFoundError: the thing is gone, and now its record.
        InvalidMessageError, BackupMissingError, RequestRefusedError.
    """
    clear.end_episode(Message.parse(event), has_succeeded=event.get("kind") == "succeeded")
