"""The table of records as arrays, a place a device, and the package's rules by which it changes.

Names follow ``firmware_retry.retries_table`` and ``firmware_retry.record``. No method
takes a device twice in one call: in a table, too, writes come one after the other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Flags = NDArray[np.bool_]

FREE, TRACKING, COOLING_DOWN, FAILED = range(4)
"""The states; free is who has no record."""
NOT_YET = -1
"""As a moment."""


class Records:
    """The records of a fleet, by device."""

    def __init__(self, size: int, retry_limit: int, cool_down_seconds: tuple[int, ...]) -> None:
        self.retry_limit = retry_limit
        self.cool_down_seconds = cool_down_seconds
        self.state = np.full(size, FREE, np.uint8)
        self.counter = np.zeros(size, np.uint16)
        """``RetryCounter``."""
        self.cycle = np.zeros(size, np.uint8)
        """``ResetRetryCount``: cycles used up."""
        self.counted = np.zeros((size, -(-retry_limit * self.cycles // 8)), np.uint8)
        """``countedEvents``: a bit for each failure."""
        self.due_at = np.full(size, NOT_YET, np.int32)
        self.is_away = np.zeros(size, np.bool_)
        """``awaySince``: the attributes are overwritten."""
        self.notifications = np.zeros(size, np.uint8)
        """How often people were told that it failed."""
        self.has_ended = np.zeros(size, np.bool_)
        """In the history: its episode ended, and what was sent before is of the past."""
        self.counted_before = np.zeros(size, np.uint16)
        """How many failures that episode had counted."""

    @property
    def cycles(self) -> int:
        """How many cycles a device has."""
        return len(self.cool_down_seconds) + 1

    @property
    def most_events(self) -> int:
        """How many failures of a device can be told from one another."""
        return 8 * self.counted.shape[1]

    def is_used_up(self, devices: Ints) -> Flags:
        """Return whether a recovery is due for tracked devices."""
        full: Flags = self.counter[devices] >= self.retry_limit
        full &= self.state[devices] == TRACKING
        return full

    def escalates(self, devices: Ints) -> Flags:
        """Return whether no further try follows when their cycle is used up."""
        is_last: Flags = self.cycle[devices] + 1 >= self.cycles
        return is_last

    def create(self, devices: Ints) -> None:
        """Begin the episodes of devices that have none."""
        self.state[devices[self.state[devices] == FREE]] = TRACKING

    def count(self, devices: Ints, events: Ints) -> Flags:
        """Count failures, each once; which were counted."""
        counts: Flags = self.state[devices] == TRACKING
        counts &= self.counter[devices] < self.retry_limit
        counts &= ~self.is_counted(devices, events)
        devices, events = devices[counts], events[counts]
        self.counter[devices] += 1
        self.counted[devices, events >> 3] |= (1 << (events & 7)).astype(np.uint8)
        return counts

    def is_counted(self, devices: Ints, events: Ints) -> Flags:
        """Return whether failures were counted before in this episode."""
        bits = self.counted[devices, events >> 3] >> (events & 7).astype(np.uint8)
        is_counted: Flags = (bits & 1).astype(np.bool_)
        return is_counted

    def count_all(self, devices: Ints) -> NDArray[np.uint16]:
        """Return how many failures the records say were counted, over all cycles."""
        counted: NDArray[np.uint16] = (
            self.cycle[devices].astype(np.uint16) * self.retry_limit + self.counter[devices]
        )
        return counted

    def claim(self, devices: Ints, state: int, due_at: Ints) -> None:
        """Take devices for their recovery runs; a claimed device stays as it is."""
        mine = self.is_used_up(devices)
        devices = devices[mine]
        self.state[devices] = state
        self.due_at[devices] = due_at[mine]
        self.counter[devices] = 0
        self.cycle[devices] += 1

    def mark_away(self, devices: Ints) -> None:
        """Note that the attributes are overwritten."""
        self.is_away[devices] = True

    def release(self, devices: Ints) -> None:
        """End cool-downs: devices are tracked again, for their next cycle."""
        self.state[devices] = TRACKING
        self.is_away[devices] = False
        self.due_at[devices] = NOT_YET

    def mark_notified(self, devices: Ints) -> None:
        """Note that operators were notified; nothing more is due."""
        self.notifications[devices] += 1
        self.due_at[devices] = NOT_YET

    def end(self, devices: Ints) -> None:
        """End episodes: the records go, the history stays."""
        self.counted_before[devices] += self.count_all(devices)
        self.has_ended[devices] = True
        self.state[devices] = FREE
        self.counter[devices] = 0
        self.cycle[devices] = 0
        self.counted[devices] = 0
        self.is_away[devices] = False
        self.due_at[devices] = NOT_YET
