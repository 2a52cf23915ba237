"""IncrementRetryCounter: counts one failure message.

The hot path: one conditional write, no read.
"""

import logging
from typing import Any

from firmware_retry import aws, retries_table
from firmware_retry.message import Message
from firmware_retry.record import Outcome
from firmware_retry.settings import settings

aws.prepare("dynamodb")
_logger = logging.getLogger(__name__)
_DUE = (Outcome.COOL_DOWN_DUE, Outcome.ESCALATION_DUE)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Counts the message.

    Args:
        event: the message, see ``message``.
        context: Lambda's, not used.

    Returns:
        ``{"outcome": …}``, one of ``device.Outcome``; when a recovery is due also ``recoveryId``
        (the name of its execution) and ``recovery`` (its input).

    Raises:
        InvalidMessageError: the message cannot be counted.
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    message = Message.parse(event)
    if message.has_reason_among(settings().ignored_reasons):
        outcome, device = Outcome.IGNORED, None
    else:
        is_fatal = message.has_reason_among(settings().fatal_reasons)
        outcome, device = retries_table.count(message, is_fatal)
        if device and outcome is Outcome.TAKEN_OVER:
            outcome, device = retries_table.take_over(device, message, is_fatal)
    _logger.info(
        "failure message handled",
        extra={
            "deviceId": message.device_id,
            "campaign": device.campaign if device else message.campaign,
            "outcome": outcome,
            "RetryCounter": device.retry_counter if device else 0,
            "ResetRetryCount": device.reset_retry_count if device else 0,
        },
    )
    if device is None or outcome not in _DUE:
        return {"outcome": outcome}
    run = device.next_run
    return {"outcome": outcome, "recoveryId": run.recovery_id, "recovery": run.state_input}
