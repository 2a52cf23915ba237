"""What was counted while a fleet ran: calls, moments, and curves by the minute."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
from numpy.typing import NDArray

from fleet_model.profile import Call
from pricing.quotas import Account

MINUTE = 60
UPDATE_THING = "iot.update_thing"


class Tally:
    """Everything that a report is made of."""

    def __init__(self, devices: int, cycles: int) -> None:
        self.units: defaultdict[str, float] = defaultdict(float)
        """What was granted, by quota: calls, or units of a table."""
        self.calls: Counter[str] = Counter()
        """How many calls of each kind were granted."""
        self.events: Counter[str] = Counter()
        """What happened, by name: ``counted``, ``moved out``, ``retried``, …"""
        self.curves: defaultdict[str, Counter[int]] = defaultdict(Counter)
        """How much of what happened in which minute."""
        self.gauges: defaultdict[str, dict[int, int]] = defaultdict(dict)
        """How many were somewhere at the end of a minute in which something happened."""
        self.reached_at = np.full((cycles, devices), -1, np.int32)
        """When the failure was counted that reached the limit, by cycle and device; -1: never."""
        self.tried_out_at = np.full((cycles, devices), -1, np.int32)
        """When the last try of a cycle failed, whenever that was counted."""
        self.moved_at = np.full((cycles, devices), -1, np.int32)
        """When it was out of its group."""
        self.restored_at = np.full((cycles, devices), -1, np.int32)
        """When it was back."""
        self.intakes_waited = 0
        """Seconds that runs of the intake waited to try again, all together."""
        self.most_open = 0
        """Standard executions at the same time."""
        self.most_to_open = 0
        """The same, with those that AWS would not have open."""
        self.passes = 0
        """Of ReconcileDevices."""
        self.pass_seconds = 0.0
        """How long they took, all together."""
        self.pass_read_units = 0.0
        """What they read to count the fleet; what they read of a device is among ``units``."""
        self.ended_at = 0
        """The second of the last event."""

    def record_event(self, name: str, count: int, second: int) -> None:
        """Record an event of so many devices."""
        if count:
            self.events[name] += count
            self.curves[name][second // MINUTE] += count

    def gauge(self, name: str, value: int, second: int) -> None:
        """Record how many devices are somewhere now."""
        self.gauges[name][second // MINUTE] = value

    def record_calls(self, call: Call, granted: int) -> None:
        """Record granted calls."""
        self.calls[call.name] += granted
        for name, units in call.takes:
            self.units[name] += granted * units

    def record_pass(self, seconds: float, read_units: float) -> None:
        """Record a run of ReconcileDevices: its seconds, and its reads to count the fleet."""
        self.passes += 1
        self.pass_seconds += seconds
        self.pass_read_units += read_units

    def sample(self, account: Account, second: int) -> None:
        """Record what was asked of UpdateThing so far, and what was granted."""
        self.ended_at = second
        bucket = account.buckets.get(UPDATE_THING)
        if bucket is not None:
            self.gauge("asked", int(bucket.served + bucket.refused), second)
            self.gauge("granted", int(bucket.served), second)

    def waits(self, cycle: int) -> NDArray[np.int32]:
        """Return seconds per device from the count that reached the limit to the move out."""
        return self._until_moved(self.reached_at, cycle)

    def waits_of_failure(self, cycle: int) -> NDArray[np.int32]:
        """Return seconds from the device's last failure of a cycle until it was out.

        Longer than ``waits`` by the time that a message took and the intake waited.
        """
        return self._until_moved(self.tried_out_at, cycle)

    def _until_moved(self, since: NDArray[np.int32], cycle: int) -> NDArray[np.int32]:
        which = (self.moved_at[cycle] >= 0) & (since[cycle] >= 0)
        waits: NDArray[np.int32] = (self.moved_at[cycle] - since[cycle])[which]
        return waits

    def curve(self, name: str) -> NDArray[np.float64]:
        """Return how often something happened a second, minute by minute."""
        return self._by_minute(self.curves[name]) / MINUTE

    def level(self, name: str) -> NDArray[np.float64]:
        """Return how many were somewhere, minute by minute."""
        known = self.gauges[name]
        values = np.zeros(self.minutes)
        value = 0
        for minute in range(self.minutes):
            value = known.get(minute, value)
            values[minute] = float(value)
        return values

    @property
    def minutes(self) -> int:
        """How long it took, begun minutes."""
        return self.ended_at // MINUTE + 1

    def _by_minute(self, counts: Counter[int]) -> NDArray[np.float64]:
        values = np.zeros(self.minutes)
        for minute, count in counts.items():
            values[minute] = count
        return values
