"""Time, work and calls: what the parts of the model share.

Time goes on in ticks of a second or a few. What follows at once is done within the same tick: a
state takes a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, auto

import numpy as np

from fleet_model.event_queue import EventQueue, Rows
from fleet_model.profile import Step
from fleet_model.records import Flags, Ints
from fleet_model.tally import MINUTE, Tally
from pricing.quotas import Account, Quotas

IN_PLACE = -1
"""As the number of tries: nobody tries again what ReconcileDevices does in place of a run."""


class Work(IntEnum):
    """What there is to do with a device."""

    TRY = auto()
    ARRIVE = auto()
    COUNT = auto()
    CHECK = auto()
    STORE = auto()
    CREATE = auto()
    START = auto()
    CLEAR = auto()
    MOVE_OUT = auto()
    RESTORE = auto()
    MARK_FAILED = auto()
    JOIN_GROUP = auto()
    NOTIFY = auto()
    INSPECT = auto()
    RECONCILE = auto()
    REDRIVE = auto()
    SCAN = auto()


_INSPECTING = frozenset({Work.RECONCILE, Work.SCAN})
"""What goes on for as long as other work is left, and is none itself."""


@dataclass(frozen=True)
class Batch:
    """The same work for many devices; one array a column."""

    devices: Ints
    events: Ints
    """The failure that a message reports, or ``workload.SUCCESS``."""
    tries: Ints
    """How often it was tried before, in this state."""
    since: Ints
    """When the execution began."""

    @classmethod
    def of(cls, devices: Ints, events: Ints | int = 0, tries: int = 0, since: int = 0) -> Batch:
        """Return a batch of devices; a column given as a number is the same for all."""
        size = len(devices)
        return cls(
            devices,
            np.broadcast_to(np.asarray(events, np.int32), size),
            np.full(size, tries, np.int32),
            np.full(size, since, np.int32),
        )

    def __len__(self) -> int:
        return len(self.devices)

    def __getitem__(self, which: Flags | Ints) -> Batch:
        return Batch(*(column[which] for column in self._columns))

    def fresh(self) -> Batch:
        """Return the same, not tried yet: they go on to another state."""
        return Batch(self.devices, self.events, np.zeros_like(self.tries), self.since)

    @property
    def _columns(self) -> tuple[Ints, Ints, Ints, Ints]:
        return self.devices, self.events, self.tries, self.since

    def rows(self, work: Work) -> Rows:
        """Return the rows for the event queue."""
        rows = np.empty((len(self), 5), np.int32)
        rows[:, 0] = work
        for place, column in enumerate(self._columns, 1):
            rows[:, place] = column
        return rows

    @classmethod
    def of_rows(cls, rows: Rows) -> Batch:
        """Return the batch of rows of the event queue."""
        return cls(rows[:, 1], rows[:, 2], rows[:, 3], rows[:, 4])


class Engine:
    """Lets time pass, has work done, and makes calls under the quotas of an account."""

    def __init__(
        self, quotas: Quotas, chance: np.random.Generator, tally: Tally, tick: int = 1
    ) -> None:
        self.now = 0
        """Seconds since the first device tried."""
        self.chance = chance
        self.tally = tally
        self.account = Account(quotas, tick)
        self._tick = tick
        self.workers: dict[Work, Callable[[Batch], None]] = {}
        """Who does which work."""
        self._queue = EventQueue(columns=5)
        self._left = 0
        """How much work is left, not counting what looks after others."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to do but to look whether something is."""
        return not self._left

    def schedule(self, work: Work, batch: Batch, seconds: Ints | int = 0) -> None:
        """Have work done some seconds from now, in the tick that begins then or next."""
        if not len(batch):
            return
        moments = np.full(len(batch), self.now, np.int32) + np.asarray(seconds, np.int32)
        moments += -moments % self._tick
        self._queue.add(moments, batch.rows(work))
        if work not in _INSPECTING:
            self._left += len(batch)

    def run(self, progress: Callable[[int], None] = lambda _: None) -> None:
        """Let time pass until nothing is left to do.

        Args:
            progress: called with the time, each minute in which something happens.
        """
        minute = -1
        while (second := self._queue.next()) is not None:
            if second != self.now:
                self.account.begin(second)
            self.now = second
            if second // MINUTE != minute:
                minute = second // MINUTE
                progress(second)
            self._do(self._queue.take(second))
            self.tally.sample(self.account, second)
        self.account.begin(self.now + self._tick)

    def _do(self, rows: Rows) -> None:
        kinds = np.flatnonzero(np.bincount(rows[:, 0]))
        # Nobody has a right to come first in each tick.
        for kind in self.chance.permutation(kinds):
            part = rows[rows[:, 0] == kind] if len(kinds) > 1 else rows
            work = Work(int(kind))
            if work not in _INSPECTING:
                self._left -= len(part)
            self.workers[work](Batch.of_rows(part))

    def call(self, step: Step, count: int) -> Ints:
        """Make the calls of a step for so many devices, one call after the other.

        Returns:
            How many calls each of them got through; as many as the step has where all were granted.
        """
        reached = np.full(count, len(step), np.int32)
        if not count:
            return reached
        alive: Ints = np.arange(count, dtype=np.int32)
        for place, call in enumerate(step):
            granted = self.account.take(call.takes, len(alive))
            if granted < len(alive):
                alive = self.chance.permutation(alive)
                reached[alive[granted:]] = place
                alive = alive[:granted]
            self.tally.record_calls(call, granted)
        return reached

    def record(self, name: str, count: int) -> None:
        """Record an event of so many devices, now."""
        self.tally.record_event(name, count, self.now)
