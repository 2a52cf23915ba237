"""CreateDeviceRecord: begin the episode of a device."""

import logging
from typing import Any

from firmware_retry import aws, retries_table
from firmware_retry.history_table import LatestEnd
from firmware_retry.message import Message

aws.prepare("dynamodb")
_logger = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: object) -> None:
    """Begin an episode with counters at zero, unless one has begun or ended since the last step.

    Args:
        event: the message, see ``message``; in ``past`` the result of CheckIfDeviceExists.
        context: Lambda's, not used.

    Raises:
        InvalidMessageError, TransientError, RequestRefusedError.
    """
    message = Message.parse(event)
    past = event["past"]
    tracking_id = retries_table.create(message, past["notBefore"], LatestEnd(**past["end"]))
    _logger.info(
        "episode begun" if tracking_id else "episode has begun or ended already",
        extra={
            "deviceId": message.device_id,
            "trackingId": tracking_id,
            "campaign": message.campaign,
        },
    )
