"""The census of the fleet, from one scan of its records: devices by state, and what is overdue."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Generic, TypeVar

from firmware_retry import clock, retries_table
from firmware_retry.breaker import Window
from firmware_retry.campaigns_table import Campaign
from firmware_retry.failed_group import Settled
from firmware_retry.record import Record, State

_logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass
class Sample(Generic[T]):
    """A random sample of devices, each with the same chance, so that memory is bounded.

    https://en.wikipedia.org/wiki/Reservoir_sampling
    """

    most: int = 50_000
    """More than a pass can act on, and some ten megabytes."""
    seen: int = 0
    devices: list[T] = field(default_factory=list)

    def add(self, device: T) -> None:
        """Take another device into account."""
        self.seen += 1
        if len(self.devices) < self.most:
            self.devices.append(device)
            return
        place = int(clock.share() * self.seen)
        if place < self.most:
            self.devices[place] = device

    def shuffle(self) -> list[T]:
        """Return the devices in a new random order, so that none blocks the others for ever."""
        return sorted(self.devices, key=lambda _: clock.share())


@dataclass
class Census:
    """The fleet according to its records."""

    moment: float
    """A record that was due before is overdue; epoch seconds."""
    settled_moment: float
    """A device of which operators were notified before may have been released; epoch seconds."""
    campaigns: Mapping[str, Campaign]
    """Those that have an item, by name."""
    window: Window | None
    """The breaker's window; None when it is off."""
    marked: set[str] = field(default_factory=set)
    """Things that hold marks; those that a record explains are removed."""
    states: Counter[State] = field(default_factory=Counter)
    on_hold: int = 0
    """Devices whose cool-down is over, and whose campaign is paused."""
    oldest: float = field(default_factory=clock.now)
    """When the device that is longest overdue was due, epoch seconds; now, when none is."""
    not_away: int = 0
    """Devices that a recovery claimed, and whose attributes it did not overwrite in time."""
    unreadable: int = 0
    """Items that are no record of this version."""
    is_partial: bool = False
    """Whether there was no time to read all records."""
    overdue: Sample[str] = field(default_factory=Sample)
    """Devices on which to act."""
    settled: Sample[Settled] = field(default_factory=Sample)
    """Devices that have failed: an operator may have removed them from their group."""

    def take(self, is_over: Callable[[], bool]) -> None:
        """Read all records until the time is over, and log the counts.

        Args:
            is_over: returns whether the time is over.

        Raises:
            TransientError, RequestRefusedError: the table cannot be read.
        """
        started = clock.now()
        for page in retries_table.read_all():
            if is_over():
                self.is_partial = True
                break
            for item in page:
                self._add_item(item)
        _logger.info(
            "fleet counted",
            extra={
                **{str(state): self.states[state] for state in State},
                "held": self.on_hold,
                "notAway": self.not_away,
                "overdue": self.overdue.seen,
                "oldestOverdueSeconds": max(0, int(started - self.oldest)),
                "isPartial": self.is_partial,
            },
        )

    def _add_item(self, item: dict[str, Any]) -> None:
        """Add the record of an item; one that cannot be read must not end the pass for others."""
        try:
            self._add(Record.of(item))
        except Exception as error:
            self.unreadable += 1
            name = item["deviceId"]["S"]
            _logger.warning("device not reconciled", extra={"deviceId": name}, exc_info=error)

    def _add(self, record: Record) -> None:
        self.states[record.state] += 1
        if record.away_since:
            self.marked.discard(record.device_id)
        self.not_away += record.not_away_since < self.moment
        if self.window:
            self.window.add(record)
        if record.awaits_operator_since < self.settled_moment:
            self.settled.add(Settled(record.device_id, record.failed_group_id))
        if record.due_since < self.moment:
            self._add_overdue(record)

    def _add_overdue(self, record: Record) -> None:
        campaign = self.campaigns.get(record.campaign) or Campaign(record.campaign)
        allowed_since = campaign.allows_since(record)
        if allowed_since == inf:
            self.on_hold += 1
            return
        self.overdue.add(record.device_id)
        self.oldest = min(self.oldest, max(record.due_since, allowed_since))
