"""What happens to the devices, whoever counts it: when each tries, fails, recovers, and says so.

Chance here is a function of the seed, the device and the event, and not of the order in which
somebody asks: so the model and the package's handlers can be told the same story.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]

NEVER = 2**31 - 1
"""As the number of failures before a success: it never succeeds."""
SUCCESS = -1
"""As an event: the update succeeded. Failures are numbered from 0, over all cycles."""


@dataclass(frozen=True)
class Workload:
    """A release, and how it goes on each device.

    AWS IoT Jobs gives a device ``tries`` attempts; it gets as many again when it comes back to its
    group. What it sends may arrive more than once, and not in order.
    """

    seed: int
    starts: Ints
    """The second of each device's first attempt."""
    failures: Ints
    """How many attempts of each device fail before one succeeds; ``NEVER``."""
    tries: int = 10
    gap_seconds: int = 600
    """Between two attempts of a device; each gap is between half and one and a half of it."""
    copies: int = 2
    """How often each message arrives."""
    resend_seconds: int = 5
    """Until a device that got no acknowledgement sends again."""
    late_share: float = 0.1
    """Of the copies: so many take up to ``late_seconds``, and overtake one another."""
    late_seconds: int = 900
    astray_share: float = 0.001
    """Of the second copies: so many take up to ``astray_seconds``, into another cycle."""
    astray_seconds: int = 2 * 86_400
    indexing_seconds: int = 30
    """How far dynamic groups lag behind the registry."""

    @property
    def size(self) -> int:
        """How many devices there are."""
        return len(self.starts)

    def gaps(self, devices: Ints, tried: Ints) -> Ints:
        """Return seconds until the next attempt of devices that have tried so often."""
        share = 0.5 + self._chance("gap", devices, tried)
        return np.maximum(1, self.gap_seconds * share).astype(np.int32)

    def delays(self, devices: Ints, events: Ints, copy: int) -> Ints:
        """Return seconds that a copy of a message takes to arrive."""
        draw = self._chance(f"late {copy}", devices, events)
        long = self._chance(f"delay {copy}", devices, events)
        delays = self.resend_seconds * copy + 2 * long
        delays = np.where(draw < self.late_share, self.late_seconds * long, delays)
        if copy:
            delays = np.where(draw < self.astray_share, self.astray_seconds * long, delays)
        return delays.astype(np.int32)

    def chance(self, purpose: str, devices: Ints) -> NDArray[np.float64]:
        """Return a number of each device, 0 <= x < 1."""
        return self._chance(purpose, devices, np.zeros_like(devices))

    def _chance(self, purpose: str, devices: Ints, events: Ints) -> NDArray[np.float64]:
        return _uniform(_hash(self.seed, purpose), devices, events)


def ordinary_release(  # noqa: PLR0913 -- what a fleet owner knows of the fleet
    devices: int,
    seed: int = 1,
    *,
    fails: float,
    fails_later: float,
    never: float,
    tries: int,
    gap_seconds: int = 600,
    copies: int = 1,
    rollout_per_minute: float = 1000.0,
) -> Workload:
    """Return a release that fails on some devices, as a job of AWS IoT Jobs reaches them.

    Messages arrive at once and in order.

    Args:
        devices: how many.
        seed: another story each.
        fails: the share of the attempts that fail, of those in the first cycle.
        fails_later: the same of those in later cycles.
        never: the share of the devices that never recovers.
        tries: attempts a cycle.
        gap_seconds: between two attempts of a device, on average.
        copies: how often each message arrives.
        rollout_per_minute: how many devices the job reaches in a minute.
    """
    everyone = np.arange(devices, dtype=np.int32)
    which, first, later = (
        _uniform(_hash(seed, purpose), everyone, np.zeros_like(everyone))
        for purpose in ("never", "first cycle", "later cycles")
    )
    first_failures = _failures(first, fails)
    more = tries + np.minimum(_failures(later, fails_later), NEVER // 2)
    both = np.where(first_failures < tries, first_failures, more)
    failures: Ints = np.where(which < never, NEVER, both).astype(np.int32)
    starts = _roll_out(everyone, rollout_per_minute)
    return Workload(
        seed, starts, failures, tries, gap_seconds, copies, late_share=0.0, astray_share=0.0
    )


def _roll_out(everyone: Ints, per_minute: float) -> Ints:
    """Return when a job reaches each device, seconds."""
    return (everyone * (60 / per_minute)).astype(np.int32)


def _failures(chance: NDArray[np.float64], fails: float) -> NDArray[np.int64]:
    """Return how many attempts fail before one succeeds, each with the same chance."""
    if fails >= 1:
        return np.full(len(chance), NEVER // 2, np.int64)
    if fails <= 0:
        return np.zeros(len(chance), np.int64)
    counts: NDArray[np.int64] = (np.log1p(-chance) / np.log(fails)).astype(np.int64)
    return counts


def bad_release(  # noqa: PLR0913 -- what makes a release bad
    devices: int,
    seed: int = 1,
    *,
    within_seconds: int = 3600,
    never: float = 0.2,
    tries: int = 10,
    cycles: int = 2,
    rollout_per_minute: float | None = None,
) -> Workload:
    """Return a release that fails on every device: all use up their first cycle.

    Args:
        devices: how many.
        seed: another story each.
        within_seconds: the first attempts of all are within so many.
        never: the share that never recovers; the others do so at some attempt of a later cycle.
        tries: attempts a cycle.
        cycles: how many there are.
        rollout_per_minute: how many devices one job reaches in a minute; then the first attempts
            are as it reaches them, whatever ``within_seconds`` says.
    """
    everyone = np.arange(devices, dtype=np.int32)
    begins, which, when = (
        _uniform(_hash(seed, purpose), everyone, np.zeros_like(everyone))
        for purpose in ("start", "never", "recovery")
    )
    later = tries + (when * tries * (cycles - 1)).astype(np.int32)
    failures: Ints = np.where(which < never, NEVER, later).astype(np.int32)
    starts = (begins * within_seconds).astype(np.int32)
    if rollout_per_minute is not None:
        starts = _roll_out(everyone, rollout_per_minute)
    return Workload(seed, starts, failures, tries)


def _hash(seed: int, purpose: str) -> int:
    """Return a number that stands for a purpose; Python's own hash is another in each process."""
    value = seed
    for letter in purpose.encode():
        value = (value * 1_000_003 ^ letter) & 0xFFFF_FFFF_FFFF_FFFF
    return value


def _uniform(stream: int, devices: Ints, events: Ints) -> NDArray[np.float64]:
    """Mix a counter as SplitMix64 does: https://prng.di.unimi.it/splitmix64.c"""
    mixed = devices.astype(np.uint64) << np.uint64(20)
    mixed += events.astype(np.uint64)
    mixed *= np.uint64(0x9E3779B97F4A7C15)
    mixed += np.uint64(stream)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53
