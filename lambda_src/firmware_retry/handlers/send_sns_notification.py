"""SendSNSNotification: notify operators of a failed device, once per episode."""

import logging
from typing import Any

from firmware_retry import alerts, aws
from firmware_retry.record import Run

aws.prepare("dynamodb", "sns")
_logger = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: object) -> None:
    """Publish an alert that the device failed for good, unless that was done already.

    Args:
        event: the input of the execution, see ``Run.parse``, and the results of earlier steps.
        context: Lambda's, not used.

    Raises:
        RecoverySupersededError: the run ends quietly.
        TransientError, RequestRefusedError: see ``alerts.notify_failed``.
    """
    run = Run.parse(event)
    alerts.notify_failed(run)
    _logger.info("failed device reported", extra=run.log_fields)
