"""RestoreDeviceAttributes: return a device to its dynamic groups, for another cycle."""

import logging
from typing import Any

from firmware_retry import aws, recovery
from firmware_retry.record import Run

aws.prepare("dynamodb", "iot")
_logger = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: object) -> dict[str, list[str]]:
    """End the cool-down of a device.

    Args:
        event: the input of the execution, see ``Run.parse``, and the results of earlier steps.
        context: Lambda's, not used.

    Returns:
        ``{"restored": [names]}``: the attributes that were restored.

    Raises:
        RecoverySupersededError, ThingNotFoundError: the run ends quietly.
        CampaignPausedError: its campaign is paused: the device stays moved out, and the run ends.
        StillInGroupError: the device has left none of its groups yet: it is checked again later.
        BackupMissingError, TransientError, RequestRefusedError: see ``recovery.restore``.
    """
    run = Run.parse(event)
    restored = recovery.restore(run)
    _logger.info("device restored", extra=run.log_fields | {"restored": restored})
    return {"restored": restored}
