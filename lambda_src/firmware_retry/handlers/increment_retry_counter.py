"""IncrementRetryCounter: count one failure message.

The hot path: one conditional write, no read.
"""

from typing import Any

from firmware_retry import aws, intake
from firmware_retry.message import Message

aws.prepare("dynamodb")


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Count the message.

    Args:
        event: the message, see ``message``.
        context: Lambda's, not used.

    Returns:
        ``{"outcome": …}``, a ``record.Outcome``; when a recovery is due also ``recoveryId`` (the
        name of its execution) and ``recovery`` (its input).

    Raises:
        InvalidMessageError: the message cannot be counted.
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    return intake.count_failure(Message.parse(event))
