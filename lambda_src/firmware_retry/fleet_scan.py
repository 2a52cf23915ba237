"""The whole fleet, counted in one look at its records: how many are where, and what is overdue."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from firmware_retry import clock, retries_table
from firmware_retry.breaker import Window
from firmware_retry.campaigns_table import Campaign
from firmware_retry.record import Record, State

_logger = logging.getLogger(__name__)


@dataclass
class Sample:
    """Some of many names, each with the same chance, so that memory has a bound.

    https://en.wikipedia.org/wiki/Reservoir_sampling
    """

    most: int = 50_000
    """More than a pass gets done, and some ten megabytes."""
    seen: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Takes one more into account."""
        self.seen += 1
        if len(self.names) < self.most:
            self.names.append(name)
            return
        place = int(clock.share() * self.seen)
        if place < self.most:
            self.names[place] = name

    def shuffled(self) -> list[str]:
        """The names in another order each time, so that none stands in others' way for ever."""
        return sorted(self.names, key=lambda _: clock.share())


@dataclass
class Census:
    """What the records say."""

    moment: float
    """What was due before, and is not done, is overdue; epoch seconds."""
    campaigns: Mapping[str, Campaign]
    """Those that are known, by name."""
    window: Window | None
    """What the breaker looks at; None when it is off."""
    states: Counter[State] = field(default_factory=Counter)
    held: int = 0
    """Devices whose time away is over, and whose campaign is paused."""
    oldest: float = field(default_factory=clock.now)
    """When what is longest overdue was due, epoch seconds; now, when nothing is."""
    is_partial: bool = False
    """Whether there was no time to read all records."""
    overdue: Sample = field(default_factory=Sample)
    """Devices for which something is to be done."""
    settled: Sample = field(default_factory=Sample)
    """Devices that have failed: an operator may have taken them out of their group."""

    def take(self, is_over: Callable[[], bool]) -> None:
        """Reads all records, while there is time.

        Args:
            is_over: whether the time is over.

        Raises:
            TransientError, RequestRefusedError: the table cannot be read.
        """
        started = clock.now()
        for page in retries_table.everyone():
            if is_over():
                self.is_partial = True
                break
            for device in page:
                self._add(device)
        _logger.info(
            "fleet counted",
            extra={
                **{str(state): self.states[state] for state in State},
                "held": self.held,
                "overdue": self.overdue.seen,
                "oldestOverdueSeconds": max(0, int(started - self.oldest)),
                "isPartial": self.is_partial,
            },
        )

    def _add(self, device: Record) -> None:
        self.states[device.state] += 1
        if self.window:
            self.window.add(device)
        if device.settled_since < self.moment:
            self.settled.add(device.device_id)
        if device.due_since < self.moment:
            self._add_overdue(device)

    def _add_overdue(self, device: Record) -> None:
        since, campaign = device.due_since, self.campaigns.get(device.campaign)
        if device.is_to_return and campaign:
            if campaign.is_paused:
                self.held += 1
                return
            # Until it was resumed nobody was to bring the device back.
            since = max(since, campaign.resumed_since)
        self.overdue.add(device.device_id)
        self.oldest = min(self.oldest, since)
