"""StoreDeviceAttributes: back up the attributes of the thing that may get overwritten."""

from typing import Any

from firmware_retry import aws, backup_table
from firmware_retry.message import Message
from firmware_retry.registry import Thing

aws.prepare("dynamodb")


def handler(event: dict[str, Any], context: object) -> None:
    """Store the original attributes of the device, from the registry and not from the message.

    Args:
        event: the message, see ``message``; in ``past`` the result of CheckIfDeviceExists.
        context: Lambda's, not used.

    Raises:
        InvalidMessageError, TransientError, RequestRefusedError.
    """
    Message.parse(event)
    backup_table.store(Thing(**event["past"]["thing"]))
