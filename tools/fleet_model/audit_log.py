"""What became of each failure, for the audit: noted where a message is counted or is not.

What the records hold to count a failure once is not looked at here, so that the audit sees when it
is wrong.
"""

from __future__ import annotations

from enum import IntEnum, auto

import numpy as np
from numpy.typing import NDArray

from fleet_model.records import Ints


class CountOutcome(IntEnum):
    """What became of a failure. Of several messages, the greatest holds."""

    UNKNOWN = 0
    RECOVERED = auto()
    IN_RECOVERY = auto()
    FULL = auto()
    COUNTED = auto()


class AuditLog:
    """The outcome of each failure of a fleet, a byte each."""

    def __init__(self, size: int, events: int) -> None:
        """``size``: devices; ``events``: the most failures that one of them has."""
        self.outcomes: NDArray[np.uint8] = np.zeros((events, size), np.uint8)
        """``CountOutcome``, by failure and device."""
        self.times = np.zeros(size, np.uint16)
        """How many counts took effect, by device."""
        self.again = 0
        """How many of them were of a failure that had been counted before."""

    def add_counts(self, devices: Ints, events: Ints) -> None:
        """Count took effect; no device twice."""
        self.again += int((self.outcomes[events, devices] == CountOutcome.COUNTED).sum())
        self.outcomes[events, devices] = CountOutcome.COUNTED
        self.times[devices] += 1

    def add_rejections(
        self, devices: Ints, events: Ints, outcomes: NDArray[np.uint8] | CountOutcome
    ) -> None:
        """Note messages that were not counted; another copy may still count."""
        self.outcomes[events, devices] = np.maximum(
            self.outcomes[events, devices], np.uint8(outcomes)
        )
