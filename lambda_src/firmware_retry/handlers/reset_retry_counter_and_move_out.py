"""ResetRetryCounterAndMoveOut: takes a device that used up its tries out of its dynamic group."""

import logging
from typing import Any

from firmware_retry import ambient, recovery
from firmware_retry.record import Run, State
from firmware_retry.settings import settings

_logger = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: object) -> dict[str, str]:
    """Begins the cool-down of a device.

    Args:
        event: ``{"deviceId", "trackingId", "cycle"}``, the input of the execution.
        context: Lambda's, not used.

    Returns:
        ``{"dueAt": …}``: when the cool-down ends, ISO 8601 in UTC.

    Raises:
        RecoverySupersededError, ThingNotFoundError: the run ends quietly.
        TransientError, RequestRefusedError: see ``recovery.overwrite``.
    """
    run = Run.parse(event)
    due_at = recovery.overwrite(
        run, State.COOLING_DOWN, settings().move_out_attributes, _wait_seconds(run.cycle)
    )
    _logger.info(
        "device moved out",
        extra={"deviceId": run.device_id, "recoveryId": run.recovery_id, "dueAt": due_at},
    )
    return {"dueAt": due_at}


def _wait_seconds(cycle: int) -> int:
    # Devices that failed together should not all come back in the same second.
    longer = 1 + settings().cool_down_jitter * ambient.share()
    return int(settings().cool_down_of(cycle) * longer)
