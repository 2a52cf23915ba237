"""SendSNSNotification: calls for a person, once an episode."""

import logging
from typing import Any

from firmware_retry import alerts, aws
from firmware_retry.record import Run

aws.prepare("dynamodb", "sns")
_logger = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: object) -> None:
    """Tells that the device failed for good, unless that was told already.

    Args:
        event: ``{"deviceId", "trackingId", "cycle", "campaign", "reason"}`` and what earlier steps
            added.
        context: Lambda's, not used.

    Raises:
        RecoverySupersededError: the run ends quietly.
        TransientError, RequestRefusedError: see ``alerts.tell_once``.
    """
    run = Run.parse(event)
    alerts.tell_once(run)
    _logger.info(
        "failed device reported",
        extra={
            "deviceId": run.device_id,
            "recoveryId": run.recovery_id,
            "campaign": run.campaign,
        },
    )
