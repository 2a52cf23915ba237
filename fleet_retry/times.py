"""Ages and moments as operators write and read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGE = re.compile(r"([0-9]{1,6})([smhdw])")


def parse_age(age: str) -> float:
    """Parse an age such as ``2h`` or ``3d`` into seconds.

    Raises:
        ValueError: it is not an age.
    """
    read = _AGE.fullmatch(age.strip())
    if read is None:
        raise ValueError(
            f"{age!r} is not an age: write a number and s, m, h, d or w, such as 2h or 3d"
        )
    return int(read[1]) * _UNITS[read[2]]


def format_age(seconds: float) -> str:
    """Format seconds in the largest unit of which there are at least two: ``90m``, ``3d``."""
    unit = next((unit for unit in "dhm" if seconds >= 2 * _UNITS[unit]), "s")
    return f"{int(seconds // _UNITS[unit])}{unit}"


def format_minute(moment: float) -> str:
    """Format epoch seconds for a table: UTC, to the minute."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M")
