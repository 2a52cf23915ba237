"""What became of each failure, for the audit: noted where a message is counted or is not.

What the records hold to count a failure once is not looked at here, so that the audit sees when it
is wrong.
"""

from __future__ import annotations

from enum import IntEnum, auto

import numpy as np
from numpy.typing import NDArray

from fleet_model.records import Ints


class Fate(IntEnum):
    """What became of a failure. Of several messages, the greatest holds."""

    UNKNOWN = 0
    RECOVERED = auto()
    IN_RECOVERY = auto()
    FULL = auto()
    COUNTED = auto()


class Ledger:
    """The fate of each failure of a fleet, a byte each."""

    def __init__(self, size: int, events: int) -> None:
        """``size``: devices; ``events``: the most failures that one of them has."""
        self.fates: NDArray[np.uint8] = np.zeros((events, size), np.uint8)
        """``Fate``, by failure and device."""
        self.times = np.zeros(size, np.uint16)
        """How many counts took effect, by device."""
        self.again = 0
        """How many of them were of a failure that had been counted before."""

    def counted(self, devices: Ints, events: Ints) -> None:
        """Counts took effect; no device twice."""
        self.again += int((self.fates[events, devices] == Fate.COUNTED).sum())
        self.fates[events, devices] = Fate.COUNTED
        self.times[devices] += 1

    def not_counted(self, devices: Ints, events: Ints, fates: NDArray[np.uint8] | Fate) -> None:
        """Messages came to nothing; their failures may still count by another copy."""
        self.fates[events, devices] = np.maximum(self.fates[events, devices], np.uint8(fates))
