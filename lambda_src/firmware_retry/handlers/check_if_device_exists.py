"""CheckIfDeviceExists: reject messages of unknown devices and of episodes that have ended."""

from dataclasses import asdict
from typing import Any

from firmware_retry import aws, history_table, registry, staleness
from firmware_retry.errors import EpisodeContendedError, StaleMessageError
from firmware_retry.message import Message

aws.prepare("dynamodb", "iot")

MOST_ROUNDS = 3
"""How often a message may begin an episode that another message ends before it is counted."""


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Look the device up, in the registry and in its history.

    Args:
        event: the message, see ``message``; in ``past`` the result of an earlier round, if any.
        context: Lambda's, not used.

    Returns:
        ``{"notBefore": …, "end": …, "rounds": …, "thing": …}``: messages sent before are stale,
        milliseconds since the epoch or 0; the latest end as read; the number of this round; and
        the thing as read, which saves the next step a call.

    Raises:
        ThingNotFoundError, EpisodeContendedError (too many rounds), StaleMessageError,
        InvalidMessageError, TransientError, RequestRefusedError.
    """
    message = Message.parse(event)
    rounds = event.get("past", {"rounds": 0})["rounds"] + 1
    if rounds > MOST_ROUNDS:
        raise EpisodeContendedError(f"{message.device_id}: its episode ended {MOST_ROUNDS} times")
    thing = registry.describe(message.device_id)
    latest = history_table.read_latest_end(message.device_id)
    if staleness.is_stale(message, latest):
        raise StaleMessageError(f"{message.device_id}: sent before the last episode ended")
    return {
        "notBefore": staleness.first_sent_at(message, latest),
        "end": asdict(latest),
        "rounds": rounds,
        "thing": asdict(thing),
    }
