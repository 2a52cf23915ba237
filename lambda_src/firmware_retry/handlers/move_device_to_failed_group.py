"""MoveDeviceToFailedGroup: put a failed device where operators look for it."""

import logging
from typing import Any

from firmware_retry import aws, recovery
from firmware_retry.record import Run

aws.prepare("dynamodb", "iot")
_logger = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: object) -> None:
    """Add the device to the static thing group for failed devices.

    Args:
        event: the input of the execution, see ``Run.parse``, and the results of earlier steps.
        context: Lambda's, not used.

    Raises:
        RecoverySupersededError, ThingNotFoundError: the run ends quietly.
        TransientError, RequestRefusedError: see ``registry.add_to_group``.
    """
    run = Run.parse(event)
    recovery.join_failed_group(run)
    _logger.info("device moved to the failed group", extra=run.log_fields)
