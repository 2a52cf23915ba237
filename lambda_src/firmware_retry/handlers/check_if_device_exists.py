"""CheckIfDeviceExists: nothing is recorded for a device that is unknown, or of what is over."""

from dataclasses import asdict
from typing import Any

from firmware_retry import aws, history_table, registry
from firmware_retry.errors import EpisodeContendedError, StaleMessageError
from firmware_retry.message import Message

aws.prepare("dynamodb", "iot")

MOST_ROUNDS = 3
"""How often one message may begin an episode that another ends before it is counted there."""


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Looks the device up, in the registry and in its history.

    Args:
        event: the message, see ``message``; in ``past`` what this returned before, if it did.
        context: Lambda's, not used.

    Returns:
        ``{"notBefore": …, "rounds": …, "thing": …}``: messages sent before are of an episode that
        has ended, milliseconds since the epoch, 0 where none has; how often the intake came by
        here; and the thing as it was read, for the next step: AWS counts the readings.

    Raises:
        ThingNotFoundError: there is no such thing.
        EpisodeContendedError: the intake came by too often.
        StaleMessageError: the message was sent before the device's last episode ended.
        InvalidMessageError, TransientError, RequestRefusedError.
    """
    message = Message.parse(event)
    rounds = event.get("past", {"rounds": 0})["rounds"] + 1
    if rounds > MOST_ROUNDS:
        raise EpisodeContendedError(f"{message.device_id}: its episode ended {MOST_ROUNDS} times")
    thing = registry.describe(message.device_id)
    not_before = history_table.ended_up_to(message.device_id)
    if message.sent_at < not_before:
        raise StaleMessageError(f"{message.device_id}: sent before the last episode ended")
    return {"notBefore": not_before, "rounds": rounds, "thing": asdict(thing)}
