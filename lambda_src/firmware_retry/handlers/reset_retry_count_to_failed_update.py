"""ResetRetryCountToFailedUpdate: mark a device that used up its last cycle as failed."""

import logging
from typing import Any

from firmware_retry import aws, clock, recovery
from firmware_retry.record import Run

aws.prepare("dynamodb", "iot")
_logger = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: object) -> dict[str, str]:
    """Begin the escalation of a device.

    Args:
        event: the input of the execution, see ``Run.parse``.
        context: Lambda's, not used.

    Returns:
        ``{"dueAt": …}``: when its groups have settled and it may be moved, ISO 8601 in UTC.

    Raises:
        RecoverySupersededError, ThingNotFoundError: the run ends quietly.
        TransientError, RequestRefusedError: see ``recovery``.
    """
    run = Run.parse(event)
    due_at = clock.iso(recovery.mark_failed(run))
    _logger.info("device marked as failed", extra=run.log_fields | {"dueAt": due_at})
    return {"dueAt": due_at}
