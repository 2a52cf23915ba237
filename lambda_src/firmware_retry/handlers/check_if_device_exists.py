"""CheckIfDeviceExists: nothing is recorded for a device that the registry does not know."""

from typing import Any

from firmware_retry import registry
from firmware_retry.message import FailureMessage


def handler(event: dict[str, Any], context: object) -> None:
    """Looks the device up.

    Args:
        event: the message, see ``message``.
        context: Lambda's, not used.

    Raises:
        ThingNotFoundError: there is no such thing.
        InvalidMessageError, TransientError, RequestRefusedError.
    """
    registry.describe(FailureMessage.parse(event).device_id)
