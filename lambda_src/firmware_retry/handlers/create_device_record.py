"""CreateDeviceRecord: begins the episode of a device."""

from typing import Any

from firmware_retry import record
from firmware_retry.message import FailureMessage


def handler(event: dict[str, Any], context: object) -> None:
    """Begins an episode with counters at zero, unless one is on already.

    Args:
        event: the message, see ``message``.
        context: Lambda's, not used.

    Raises:
        InvalidMessageError, TransientError, RequestRefusedError.
    """
    record.create(FailureMessage.parse(event))
