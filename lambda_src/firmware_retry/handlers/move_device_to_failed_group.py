"""MoveDeviceToFailedGroup: puts a failed device where people look for it."""

import logging
from typing import Any

from firmware_retry import aws, recovery
from firmware_retry.record import Run

aws.prepare("dynamodb", "iot")
_logger = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: object) -> None:
    """Adds the device to the static thing group for failed devices.

    Args:
        event: ``{"deviceId", "trackingId", "cycle", "campaign", "reason"}`` and what earlier steps
            added.
        context: Lambda's, not used.

    Raises:
        RecoverySupersededError, ThingNotFoundError: the run ends quietly.
        TransientError, RequestRefusedError: see ``registry.add_to_group``.
    """
    run = Run.parse(event)
    recovery.join_failed_group(run)
    _logger.info(
        "device moved to the failed group",
        extra={
            "deviceId": run.device_id,
            "recoveryId": run.recovery_id,
            "campaign": run.campaign,
        },
    )
