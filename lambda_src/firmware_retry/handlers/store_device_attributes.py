"""StoreDeviceAttributes: keeps what the registry has of the attributes that may get overwritten."""

from typing import Any

from firmware_retry import backup, registry
from firmware_retry.message import Message


def handler(event: dict[str, Any], context: object) -> None:
    """Stores the original attributes of the device, from the registry and not from the message.

    Args:
        event: the message, see ``message``.
        context: Lambda's, not used.

    Raises:
        ThingNotFoundError: there is no such thing.
        InvalidMessageError, TransientError, RequestRefusedError.
    """
    backup.store(registry.describe(Message.parse(event).device_id))
