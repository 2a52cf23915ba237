"""Counted units of AWS's services, and what they cost.

Counts are exact. Durations are not: they differ from run to run, so the bill takes one fixed
duration for every run and every invocation, and two bills differ only where the counts do.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, fields
from typing import Self

from pricing.prices import PRICES

EXPRESS_SECONDS = 0.3
EXPRESS_MEGABYTES = 64
"""An Express run: what the intake takes with one handler in it, and the least that is billed."""
LAMBDA_SECONDS = 0.05
LAMBDA_MEGABYTES = 128
"""An invocation of a warm function, in the module's default memory."""
CALL_SECONDS = 0.01
"""A call, in a pass of a scheduled function, as if one came after the other: an assumption."""

_EXPRESS_CHUNK_SECONDS = 0.1
_EXPRESS_CHUNK_MEGABYTES = 64
_LAMBDA_CHUNK_SECONDS = 0.001
_MEGABYTES_OF_A_GB = 1024


@dataclass(frozen=True)
class Usage:
    """How many units of each kind were used; ``costs.prices.PRICES`` says what each is and costs.

    ``a + b`` is both together, ``a - b`` what ``a`` has more, ``a * n`` is n times ``a``.
    """

    standard_transitions: float = 0
    express_requests: float = 0
    express_gb_seconds: float = 0
    lambda_invocations: float = 0
    lambda_gb_seconds: float = 0
    write_units: float = 0
    read_units: float = 0
    rules_triggered: float = 0
    rule_actions: float = 0
    registry_operations: float = 0
    index_updates: float = 0
    fifo_publishes: float = 0
    fifo_published_bytes: float = 0
    fifo_deliveries: float = 0
    fifo_delivered_bytes: float = 0
    publishes: float = 0
    mails: float = 0
    fifo_queue_requests: float = 0
    schedule_invocations: float = 0
    log_bytes: float = 0
    alarm_months: float = 0
    metric_months: float = 0
    dashboard_months: float = 0
    table_gb_months: float = 0
    backup_gb_months: float = 0

    def counts(self) -> dict[str, float]:
        """Return all units by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __add__(self, other: Usage) -> Self:
        more = other.counts()
        return type(self)(**{name: units + more[name] for name, units in self.counts().items()})

    def __sub__(self, other: Usage) -> Self:
        return self + other * -1

    def __mul__(self, times: float) -> Self:
        return type(self)(**{name: units * times for name, units in self.counts().items()})

    __rmul__ = __mul__

    def costs(self) -> dict[str, float]:
        """Dollars by the name of the unit, of those that were used."""
        return {name: units * PRICES[name].of_one for name, units in self.counts().items() if units}

    def by_service(self) -> dict[str, float]:
        """Dollars by service, dearest first."""
        services: Counter[str] = Counter()
        for name, dollars in self.costs().items():
            services[PRICES[name].service] += dollars  # type: ignore[assignment]
        return dict(services.most_common())

    def dollars(self) -> float:
        """Return the bill at list price, in dollars."""
        return math.fsum(self.costs().values())


def express_runs(
    count: float = 1, seconds: float = EXPRESS_SECONDS, megabytes: float = EXPRESS_MEGABYTES
) -> Usage:
    """Return the usage of a number of Express runs of the same length.

    Args:
        count: how many.
        seconds: how long each takes; billed in steps of 100 ms.
        megabytes: the memory of each; billed in steps of 64 MB.
    """
    billed_seconds = _round_up(seconds, _EXPRESS_CHUNK_SECONDS)
    billed = billed_seconds * _express_gigabytes(megabytes)
    return Usage(express_requests=1, express_gb_seconds=billed) * count


def express_waits(seconds: float, megabytes: float = EXPRESS_MEGABYTES) -> Usage:
    """Return the usage of Express runs that wait, besides their own ``express_runs``.

    Args:
        seconds: how long they wait, all together; each in whole steps of 100 ms.
        megabytes: the memory of each; billed in steps of 64 MB.
    """
    return Usage(express_gb_seconds=seconds * _express_gigabytes(megabytes))


def _express_gigabytes(megabytes: float) -> float:
    return _round_up(megabytes, _EXPRESS_CHUNK_MEGABYTES) / _MEGABYTES_OF_A_GB


def invocations(
    count: float = 1, seconds: float = LAMBDA_SECONDS, megabytes: float = LAMBDA_MEGABYTES
) -> Usage:
    """Return the usage of a number of invocations of the same length.

    Args:
        count: how many.
        seconds: how long each takes; billed in steps of 1 ms.
        megabytes: the memory of the function.
    """
    billed_seconds = _round_up(seconds, _LAMBDA_CHUNK_SECONDS)
    gigabytes = megabytes / _MEGABYTES_OF_A_GB
    return Usage(lambda_invocations=1, lambda_gb_seconds=billed_seconds * gigabytes) * count


def price_pass(calls: int, megabytes: float) -> Usage:
    """Return the usage of one pass of a scheduled function.

    Args:
        calls: how many it makes; a pass with few takes as long as any other invocation.
        megabytes: the memory of the function.
    """
    seconds = max(LAMBDA_SECONDS, calls * CALL_SECONDS)
    return Usage(schedule_invocations=1) + invocations(1, seconds, megabytes)


def _round_up(amount: float, chunk: float) -> float:
    # 0.3 / 0.1 is a little less than 3, and 0.7 / 0.1 a little more than 7.
    return math.ceil(round(amount / chunk, 6)) * chunk
