"""What AWS lets one account do in one region, by default, in us-east-1.

Every rate can be raised on request; a new account may start with less. AWS does not publish how
much more than a second's worth the registry takes at once; here it is one second's worth.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

_IOT = "https://docs.aws.amazon.com/general/latest/gr/iot-core.html"
_STATES = "https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"
_LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html"
_DYNAMODB = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput-scenarios.html"
_PARTITION = (
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"
)
_SNS = "https://docs.aws.amazon.com/general/latest/gr/sns.html"

LOOKED_UP = "2026-11-24"


@dataclass(frozen=True)
class Quota:
    """How often something may be done."""

    rate: float
    """A second; infinite where nothing is known that would limit it."""
    burst: float
    """At once, after a rest."""
    page: str
    """Where AWS says so."""
    grows: bool = False
    """Whether AWS adds capacity by itself: up to twice of what was used half an hour before."""


def _rate(rate: float, page: str) -> Quota:
    return Quota(rate, rate, page)


QUOTAS: Mapping[str, Quota] = {
    "iot.rules": _rate(20_000, _IOT),
    "iot.describe_thing": _rate(350, _IOT),
    "iot.update_thing": _rate(100, _IOT),
    "iot.list_thing_groups_for_thing": _rate(100, _IOT),
    "iot.describe_thing_group": _rate(100, _IOT),
    "iot.add_thing_to_thing_group": _rate(100, _IOT),
    "iot.remove_thing_from_thing_group": _rate(100, _IOT),
    # Express: the intake, started by the IoT rule.
    "states.start_express": _rate(6_000, _STATES),
    # Standard: the recoveries, started by the intake.
    "stepfunctions.start_execution": Quota(300, 1_300, _STATES),
    "stepfunctions.describe_execution": Quota(15, 300, _STATES),
    "states.transition": _rate(5_000, _STATES),
    # Ten times the concurrency of 1,000; at 50 ms each, the concurrency itself allows more.
    "lambda.invoke": _rate(10_000, _LAMBDA),
    # Of a FIFO topic whose throughput scope is the message group, as the module's is.
    "sns.publish": _rate(30_000, _SNS),
    # A new on-demand table; one that was busy lately takes more. The keys of these three are the
    # devices, so the work is spread evenly over a table's partitions, of which each takes 1,000
    # writes and 3,000 reads: as a whole they take what the table does, and no single one is met.
    "write.retries": Quota(4_000, 4_000, _DYNAMODB, grows=True),
    "write.backup": Quota(4_000, 4_000, _DYNAMODB, grows=True),
    "write.history": Quota(4_000, 4_000, _DYNAMODB, grows=True),
    "read.retries": Quota(12_000, 12_000, _DYNAMODB, grows=True),
    "read.backup": Quota(12_000, 12_000, _DYNAMODB, grows=True),
    "read.history": Quota(12_000, 12_000, _DYNAMODB, grows=True),
    # All devices of a release read the item of its campaign: one partition's reads, however large
    # the table, and nothing divides a single item any further.
    "read.campaigns": _rate(3_000, _PARTITION),
}
"""By the call that it limits, or the table and the kind of its units."""

OPEN_EXECUTIONS = 1_000_000
"""Standard executions that may be open at the same time; adjustable. With so many open, a start is
refused (ExecutionLimitExceeded).
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""
ROLLOUT_PER_MINUTE = 1_000
"""Devices that one job of AWS IoT Jobs reaches in a minute, of those that are in its group when it
is made; not adjustable. Who joins the group of a continuous job later gets its execution at once.
A run of ``storm`` and each of ``ladders`` begins at this rate.
https://docs.aws.amazon.com/iot/latest/developerguide/job-limits.html,
https://docs.aws.amazon.com/iot/latest/developerguide/jobs-configurations-details.html
"""
GROWTH_SECONDS = 1_800
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html"""

Quotas = Mapping[str, Quota]


def scale(quotas: Quotas, share: float) -> Quotas:
    """Return the quotas of a smaller account: this share of each rate."""
    return {
        name: replace(quota, rate=quota.rate * share, burst=max(1.0, quota.burst * share))
        for name, quota in quotas.items()
    }


def only(quotas: Quotas, names: Iterable[str]) -> Quotas:
    """Return some of the quotas; the others then limit nothing."""
    return {name: quotas[name] for name in names}


class Bucket:
    """A token bucket: what is left of a quota, second by second."""

    def __init__(self, quota: Quota, tick: int) -> None:
        """``tick``: seconds between two looks at the time; so many seconds' worth fits into it."""
        self.quota = quota
        self.served = 0.0
        """All that was asked for and granted."""
        self.refused = 0.0
        self.highest_demand = 0.0
        """The most that was asked for a second, in any tick."""
        self.highest_served = 0.0
        self._tick = tick
        self._tokens = max(quota.burst, quota.rate * tick)
        self._since = 0
        self._demand = 0.0
        self._granted = 0.0
        self._rate = quota.rate
        self._peaks: deque[tuple[int, float]] = deque()
        """When more was used than ever before, and how much; of the last half hour."""

    def begin(self, second: int) -> None:
        """Begin a tick: account for the tokens used in the previous one and add new ones."""
        self.highest_demand = max(self.highest_demand, self._demand / self._tick)
        if self._granted > self.highest_served * self._tick:
            self.highest_served = self._granted / self._tick
            self._peaks.append((self._since, self.highest_served))
        self._demand = self._granted = 0.0
        if self.quota.grows:
            self._grow(second)
        burst = max(self.quota.burst, self._rate * self._tick)
        self._tokens = min(burst, self._tokens + self._rate * (second - self._since))
        self._since = second

    def _grow(self, second: int) -> None:
        while self._peaks and self._peaks[0][0] <= second - GROWTH_SECONDS:
            _, used = self._peaks.popleft()
            self._rate = max(self._rate, 2 * used)

    def take(self, count: int, units: float = 1) -> int:
        """How many of some calls are granted, each of which takes so many units."""
        granted = min(count, int(self._tokens / units + 1e-9))
        self._tokens -= granted * units
        self._demand += count * units
        self._granted += granted * units
        self.served += granted * units
        self.refused += (count - granted) * units
        return granted


class Account:
    """The buckets of an account."""

    def __init__(self, quotas: Quotas, tick: int = 1) -> None:
        self.buckets = {name: Bucket(quota, tick) for name, quota in quotas.items()}

    def begin(self, second: int) -> None:
        """Begin a tick."""
        for bucket in self.buckets.values():
            bucket.begin(second)

    def take(self, takes: Iterable[tuple[str, float]], count: int) -> int:
        """How many of some calls are granted, in all that each of them takes.

        Args:
            takes: the quotas that a call takes from, and how many units of each.
            count: how many calls there are.
        """
        for name, units in takes:
            bucket = self.buckets.get(name)
            if bucket is not None:
                count = bucket.take(count, units)
        return count
