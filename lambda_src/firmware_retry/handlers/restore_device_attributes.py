"""RestoreDeviceAttributes: puts a device back into its dynamic group, for another cycle."""

import logging
from typing import Any

from firmware_retry import aws, recovery
from firmware_retry.record import Run

aws.prepare("dynamodb", "iot")
_logger = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: object) -> dict[str, list[str]]:
    """Ends the cool-down of a device.

    Args:
        event: ``{"deviceId", "trackingId", "cycle", "campaign", "reason"}`` and what earlier steps
            added.
        context: Lambda's, not used.

    Returns:
        ``{"restored": [names]}``: the attributes that were put back.

    Raises:
        RecoverySupersededError, ThingNotFoundError: the run ends quietly.
        CampaignPausedError: its campaign is paused: the device stays away, and the run ends.
        StillInGroupError: the device has left none of its groups yet: it is looked at again later.
        BackupMissingError, TransientError, RequestRefusedError: see ``recovery.restore``.
    """
    run = Run.parse(event)
    restored = recovery.restore(run)
    _logger.info(
        "device restored",
        extra={
            "deviceId": run.device_id,
            "recoveryId": run.recovery_id,
            "campaign": run.campaign,
            "restored": restored,
        },
    )
    return {"restored": restored}
