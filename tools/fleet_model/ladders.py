"""A user's own fleet on one ladder or several: who recovers when, who gets called, what it costs.

How many recover in which cycle, how many people get called, and how many failures there are follow
exactly from the probabilities. How long it takes, how close it comes to the quotas, and the bill
are of the simulation: of one release, on the same devices for each ladder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fleet_model import bill, model, workload
from fleet_model.audit import wrong_in
from fleet_model.intake import RULES
from fleet_model.model import Result, Setup
from fleet_model.tally import UPDATE_THING
from pricing import recorded_usage as bench_figures
from pricing.bill import Usage
from pricing.quotas import QUOTAS, ROLLOUT_PER_MINUTE
from reporting.tables import Table, duration

MOST_DEVICES = 5_000_000
DAYS_OF_A_MONTH = 30
_RECONCILES_A_DAY = 96
_MAILS_A_DAY = 288
_TICK = 5
_PERCENTILES = (50, 95)

Ladder = tuple[int, ...]
"""``cool_down_seconds``."""


@dataclass(frozen=True)
class Fleet:
    """What its owner knows of it, or guesses."""

    devices: int = 100_000
    fails: float = 0.1
    """Share of the attempts of a first cycle that fail."""
    fails_later: float = 0.1
    """The same of later cycles: after a day batteries are full and networks back."""
    never: float = 0.001
    """Share of the devices on which this release never succeeds."""
    messages_per_day: float = 0.0
    """Of a device on the topic, besides those of updates: AWS bills the rules that look at them."""
    releases_per_month: float = 1.0
    retry_limit: int = 10
    jitter: float = 0.1
    seconds_between_tries: int = 600
    """Of a device, on average."""
    copies: int = 1
    """How often each message arrives."""
    seed: int = 1

    def story(self) -> workload.Story:
        """One release on this fleet."""
        return workload.ordinary_release(
            self.devices,
            self.seed,
            fails=self.fails,
            fails_later=self.fails_later,
            never=self.never,
            tries=self.retry_limit,
            gap_seconds=self.seconds_between_tries,
            copies=self.copies,
            rollout_per_minute=ROLLOUT_PER_MINUTE,
        )


@dataclass(frozen=True)
class Expected:
    """What follows from the probabilities, as shares of all devices; exact."""

    at_once: float
    """They never fail."""
    in_cycle: tuple[float, ...]
    """They recover in the first, second, … cycle, after at least one failure."""
    called: float
    """A person gets called."""
    failures: float
    """Failures of a device, on average."""


@dataclass(frozen=True)
class Outcome:
    """One ladder, JSON-ready. Times are seconds."""

    ladder: Ladder
    expected: Expected
    escalated: int
    """In the simulation, of so many devices as the fleet has."""
    hours: tuple[float, ...]
    """From the first failure of a device until its success; see _PERCENTILES."""
    last_recovered_at: int
    """Of the devices that had failed; 0 when none recovered."""
    most_update_thing: float
    """Asked of AWS IoT in a second."""
    release_dollars: float
    month_dollars: float
    by_service: Mapping[str, float]
    wrong: tuple[str, ...]
    """What happened that must not, such as a device that was lost."""
    recovered: tuple[float, ...]
    """Share of the devices that had failed which have recovered by each of POINTS seconds."""


POINTS = tuple(int(x) for x in np.geomspace(60, 10 * 86_400, 60))
"""Seconds since a device's first failure."""


def expected(fleet: Fleet, ladder: Ladder) -> Expected:
    """The shares; attempts fail independently of one another."""
    tries, well = fleet.retry_limit, 1 - fleet.never
    left, in_cycle, failures = well, [], 0.0
    for cycle in range(len(ladder) + 1):
        fails = fleet.fails_later if cycle else fleet.fails
        all_fail = fails**tries
        in_cycle.append(left * (1 - all_fail))
        failures += left * _failures(fails, tries)
        left *= all_fail
    at_once = well * (1 - fleet.fails)
    in_cycle[0] -= at_once
    failures += fleet.never * tries * (len(ladder) + 1)
    return Expected(at_once, tuple(in_cycle), left + fleet.never, failures)


def _failures(fails: float, tries: int) -> float:
    """Failures of one cycle on average: the n-th attempt fails if all before it did."""
    return sum(fails**attempt for attempt in range(1, tries + 1))


def run(fleet: Fleet, ladder: Ladder, progress: Callable[[int], None] = lambda _: None) -> Outcome:
    """One release on one ladder.

    Args:
        fleet: whose.
        ladder: ``cool_down_seconds``.
        progress: called from time to time with the seconds of the release.
    """
    setup = Setup(
        retry_limit=fleet.retry_limit,
        cool_down_seconds=ladder,
        cool_down_jitter=fleet.jitter,
        tick=_TICK,
    )
    result = model.run(fleet.story(), setup, progress)
    devices, waits = result.devices, _waits(result)
    usage = bill.usage_of(result.tally)
    month = usage * fleet.releases_per_month + _others(fleet) + _fixed()
    return Outcome(
        ladder=ladder,
        expected=expected(fleet, ladder),
        escalated=result.audit.escalated,
        wrong=tuple(wrong_in(asdict(result.audit))),
        hours=tuple(np.percentile(waits, _PERCENTILES)) if len(waits) else (0.0, 0.0),
        last_recovered_at=int(devices.healthy_at[devices.failed_at >= 0].max(initial=0)),
        most_update_thing=result.buckets[UPDATE_THING].highest_demand,
        release_dollars=usage.dollars(),
        month_dollars=month.dollars(),
        by_service=month.by_service(),
        recovered=tuple(
            float((waits <= point).sum()) / max(1, result.audit.devices) for point in POINTS
        ),
    )


def _waits(result: Result) -> NDArray[np.int32]:
    devices = result.devices
    which = (devices.failed_at >= 0) & (devices.healthy_at >= 0)
    waits: NDArray[np.int32] = (devices.healthy_at - devices.failed_at)[which]
    return waits


def _others(fleet: Fleet) -> Usage:
    """What the topic's other messages cost in a month: each is looked at by each rule."""
    looks = fleet.devices * fleet.messages_per_day * DAYS_OF_A_MONTH * RULES
    return Usage(rules_triggered=looks, rule_actions=looks)


def _fixed() -> Usage:
    """What a month costs a fleet in which nothing fails, as ``make bench`` counted it."""
    recorded = bench_figures.read()
    counts = {
        "monitoring": 1,
        "reconcile_0": _RECONCILES_A_DAY * DAYS_OF_A_MONTH,
        "mail_0": _MAILS_A_DAY * DAYS_OF_A_MONTH,
    }
    usages = (bench_figures.usage_of(recorded[name]) * times for name, times in counts.items())
    return sum(usages, Usage())


def table(fleet: Fleet, outcomes: list[Outcome]) -> Table:
    """The ladders, a column each."""
    most = max(len(one.ladder) for one in outcomes) + 1
    rows: list[tuple[str, Callable[[Outcome], str]]] = [
        ("succeed at once", lambda one: _people(fleet, one.expected.at_once)),
        *(
            (f"recover in cycle {cycle + 1}", partial(_in_cycle, fleet, cycle))
            for cycle in range(most)
        ),
        ("**people get called for**", lambda one: f"**{_people(fleet, one.expected.called)}**"),
        ("failures in all", lambda one: f"{one.expected.failures * fleet.devices:,.0f}"),
        ("called for, as simulated", lambda one: f"{one.escalated:,}"),
        ("failure to success, p50", lambda one: duration(one.hours[0])),
        ("failure to success, p95", lambda one: duration(one.hours[1])),
        ("last one recovered", lambda one: duration(one.last_recovered_at)),
        ("UpdateThing a second, at most", _most_update_thing),
        ("a release costs", lambda one: f"${one.release_dollars:,.2f}"),
        ("**a month costs**", lambda one: f"**${one.month_dollars:,.2f}**"),
    ]
    return Table(
        f"{fleet.devices:,} devices",
        ("`cool_down_seconds`", *(f"`{list(one.ladder)}`" for one in outcomes)),
        tuple((name, *map(cell, outcomes)) for name, cell in rows),
    )


def _in_cycle(fleet: Fleet, cycle: int, one: Outcome) -> str:
    shares = one.expected.in_cycle
    return _people(fleet, shares[cycle]) if cycle < len(shares) else ""


def _most_update_thing(one: Outcome) -> str:
    return f"{one.most_update_thing:,.0f} of {QUOTAS[UPDATE_THING].rate:,.0f}"


def _people(fleet: Fleet, share: float) -> str:
    count = share * fleet.devices
    if 0 < count < 0.01:
        return "< 0.01"
    return f"{count:,.0f}" if count >= 10 or not count else f"{count:.2g}"


def as_json(fleet: Fleet, outcomes: list[Outcome]) -> dict[str, object]:
    """Everything, JSON-ready."""
    return {
        "fleet": asdict(fleet),
        "points": POINTS,
        "percentiles": _PERCENTILES,
        "update_thing_quota": QUOTAS[UPDATE_THING].rate,
        "ladders": [asdict(one) | {"devices": _devices(fleet, one)} for one in outcomes],
    }


def _devices(fleet: Fleet, one: Outcome) -> dict[str, object]:
    """The expected shares as numbers of devices, as the table has them."""
    shares = one.expected
    return {
        "at_once": shares.at_once * fleet.devices,
        "in_cycle": [share * fleet.devices for share in shares.in_cycle],
        "called": shares.called * fleet.devices,
        "failures": shares.failures * fleet.devices,
    }
