"""ResetRetryCounterAndMoveOut: move a device that used up its tries out of its dynamic groups."""

import logging
from typing import Any

from firmware_retry import aws, clock, recovery
from firmware_retry.record import Run

aws.prepare("dynamodb", "iot")
_logger = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: object) -> dict[str, str]:
    """Begin the cool-down of a device.

    Args:
        event: the input of the execution, see ``Run.parse``.
        context: Lambda's, not used.

    Returns:
        ``{"dueAt": …}``: when the cool-down ends, ISO 8601 in UTC.

    Raises:
        RecoverySupersededError, ThingNotFoundError: the run ends quietly.
        TransientError, RequestRefusedError: see ``recovery``.
    """
    run = Run.parse(event)
    due_at = clock.iso(recovery.move_out(run))
    _logger.info("device moved out", extra=run.log_fields | {"dueAt": due_at})
    return {"dueAt": due_at}
