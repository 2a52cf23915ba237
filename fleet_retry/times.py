"""Moments and ages, as people write and read them. Moments are epoch seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGE = re.compile(r"([0-9]{1,6})([smhdw])")


def seconds(age: str) -> float:
    """Reads an age such as ``2h`` or ``3d``; ValueError when it is none."""
    read = _AGE.fullmatch(age.strip())
    if read is None:
        raise ValueError(f"{age!r} is no age: write a number and s, m, h, d or w, such as 2h or 3d")
    return int(read[1]) * _UNITS[read[2]]


def age(of: float) -> str:
    """Writes seconds in the largest unit of which there are at least two: ``90m``, ``3d``."""
    unit = next((unit for unit in "dhm" if of >= 2 * _UNITS[unit]), "s")
    return f"{int(of // _UNITS[unit])}{unit}"


def iso(moment: float) -> str:
    """ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(int(moment), UTC).isoformat().replace("+00:00", "Z")


def minute(moment: float) -> str:
    """For a table: UTC, to the minute."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M")


def moment(iso_8601: str) -> float:
    """Reads ISO 8601; what has no time zone is in UTC."""
    read = datetime.fromisoformat(iso_8601)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
