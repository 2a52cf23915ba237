"""SendSNSNotification: calls for a person, once an episode."""

import logging
from typing import Any

from firmware_retry import alerts, record
from firmware_retry.record import Run

_logger = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: object) -> None:
    """Tells that the device failed for good, unless that was told already.

    Args:
        event: ``{"deviceId", "trackingId", "cycle"}`` and what earlier steps added.
        context: Lambda's, not used.

    Raises:
        RecoverySupersededError: the run ends quietly.
        TransientError, RequestRefusedError: see ``alerts.publish_failed_device``.
    """
    run = Run.parse(event)
    device = record.held(run)
    if device.notified_at:
        return
    alerts.publish_failed_device(run, device)
    # Told first, marked then: a death in between tells twice at worst, and never not at all.
    record.mark_notified(run)
    _logger.info(
        "failed device reported",
        extra={"deviceId": run.device_id, "recoveryId": run.recovery_id},
    )
