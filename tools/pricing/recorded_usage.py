"""Counted figures: what is recorded, compared with a later run, and paid."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from pricing.bill import Usage

Figures = dict[str, float]
"""How much of each unit, by its name in ``costs.bill.Usage``; and, beside what is billed,
``items_changed``, ``dynamodb_calls``, and ``dynamodb_reads``, which are some of these calls."""
Measured = dict[str, Figures]
"""Figures by the name of a journey."""

RECORDED = Path(__file__).with_name("recorded.json")
_UNITS = frozenset(field.name for field in fields(Usage))
_DIGITS = 9
"""So that a sum of durations is the same in whichever order it was made."""


def figures_of(usage: Usage) -> Figures:
    """Return the units that were used, without zeros.

    Durations are among them: the bill takes a fixed one for each run, so they are counts, too.
    """
    counts = {name: round(units, _DIGITS) for name, units in usage.counts().items()}
    return {name: units for name, units in counts.items() if units}


def usage_of(figures: Figures) -> Usage:
    """Return the billed units of figures."""
    return Usage(**{name: units for name, units in figures.items() if name in _UNITS})


@dataclass(frozen=True)
class Difference:
    """A figure that is not what was recorded."""

    journey: str
    name: str
    was: float
    now: float

    @property
    def is_worse(self) -> bool:
        """Whether it grew: every figure is something that costs."""
        return self.now > self.was

    def __str__(self) -> str:
        word = "worse" if self.is_worse else "better"
        return f"{word}: {self.name} of {self.journey} was {self.was:g}, is {self.now:g}"


def differences(measured: Measured, recorded: Mapping[str, Figures]) -> Iterator[Difference]:
    """Compare every figure of every journey; an absent figure is zero."""
    for journey in sorted(measured.keys() | recorded.keys()):
        before, after = recorded.get(journey, {}), measured.get(journey, {})
        for name in sorted(before.keys() | after.keys()):
            was, now = before.get(name, 0), after.get(name, 0)
            if was != now:
                yield Difference(journey, name, was, now)


def read(path: Path = RECORDED) -> Measured:
    """Return the recorded figures; none before the first recording."""
    if not path.exists():
        return {}
    recorded: Measured = json.loads(path.read_text(encoding="utf-8"))
    return recorded


def write(measured: Measured, path: Path = RECORDED) -> None:
    """Record figures."""
    path.write_text(json.dumps(measured, indent=2, sort_keys=True) + "\n", encoding="utf-8")
