"""Time and chance: everything that the package does not compute from its input.

In one place, so that a simulation can replace them and a failing run can be replayed exactly.
"""

import random
import uuid
from datetime import UTC, datetime
from typing import Any


def now() -> float:
    """Return the present time, in seconds since the epoch (UTC)."""
    return datetime.now(UTC).timestamp()


def share() -> float:
    """Return a random number, 0 <= x < 1, for jitter. Not for secrets."""
    return random.random()  # noqa: S311


def unique_id() -> str:
    """Return a new unique id, 32 hexadecimal characters."""
    return uuid.uuid4().hex


def iso(epoch_seconds: float) -> str:
    """Return a moment as ISO 8601 in UTC, to the second: ``2026-11-24T05:21:00Z``.

    The form that the ``TimestampPath`` of a Wait state takes:
    https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html
    """
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch(moment: str) -> float:
    """Return a moment in ISO 8601, with or without milliseconds, in seconds since the epoch."""
    return datetime.fromisoformat(moment).timestamp()


def iso_milliseconds(epoch_seconds: float) -> str:
    """Return a moment as ISO 8601 in UTC, to the millisecond: ``2026-11-24T05:21:00.123Z``."""
    moment = datetime.fromtimestamp(epoch_seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_left(context: Any) -> float:
    """Return the seconds until Lambda stops the function; infinity without a context.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """
    return float("inf") if context is None else context.get_remaining_time_in_millis() / 1000
