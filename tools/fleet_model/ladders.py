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
from pricing import recorded_usage
from pricing.bill import Usage
from pricing.quotas import QUOTAS, ROLLOUT_PER_MINUTE
from reporting.tables import Table, duration

MOST_DEVICES = 5_000_000
DAYS_PER_MONTH = 30
_RECONCILES_PER_DAY = 96
_EMAILS_PER_DAY = 288
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

    def make_workload(self) -> workload.Workload:
        """Draw one release on this fleet."""
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


def expect(fleet: Fleet, ladder: Ladder) -> Expected:
    """Return the shares; attempts fail independently of one another."""
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
    """Return the mean failures per cycle: attempt n happens if all before it failed."""
    return sum(fails**attempt for attempt in range(1, tries + 1))


def run(fleet: Fleet, ladder: Ladder, progress: Callable[[int], None] = lambda _: None) -> Outcome:
    """Simulate one release on one ladder.

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
    result = model.run(fleet.make_workload(), setup, progress)
    devices, waits = result.devices, _waits(result)
    usage = bill.usage_of(result.tally)
    month = usage * fleet.releases_per_month + _usage_of_others(fleet) + _fixed_usage()
    return Outcome(
        ladder=ladder,
        expected=expect(fleet, ladder),
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


def _usage_of_others(fleet: Fleet) -> Usage:
    """Return what the topic's other messages cost in a month: each is looked at by each rule."""
    looks = fleet.devices * fleet.messages_per_day * DAYS_PER_MONTH * RULES
    return Usage(rules_triggered=looks, rule_actions=looks)


def _fixed_usage() -> Usage:
    """Return what a month costs a fleet in which nothing fails, as ``make bench`` counted it."""
    recorded = recorded_usage.read()
    counts = {
        "monitoring": 1,
        "reconcile_0": _RECONCILES_PER_DAY * DAYS_PER_MONTH,
        "mail_0": _EMAILS_PER_DAY * DAYS_PER_MONTH,
    }
    usages = (recorded_usage.usage_of(recorded[name]) * times for name, times in counts.items())
    return sum(usages, Usage())


def table(fleet: Fleet, outcomes: list[Outcome]) -> Table:
    """Tabulate the ladders, one per column."""
    most = max(len(outcome.ladder) for outcome in outcomes) + 1
    rows: list[tuple[str, Callable[[Outcome], str]]] = [
        ("succeed at once", lambda outcome: _people(fleet, outcome.expected.at_once)),
        *(
            (f"recover in cycle {cycle + 1}", partial(_in_cycle, fleet, cycle))
            for cycle in range(most)
        ),
        (
            "**people get called for**",
            lambda outcome: f"**{_people(fleet, outcome.expected.called)}**",
        ),
        ("failures in all", lambda outcome: f"{outcome.expected.failures * fleet.devices:,.0f}"),
        ("called for, as simulated", lambda outcome: f"{outcome.escalated:,}"),
        ("failure to success, p50", lambda outcome: duration(outcome.hours[0])),
        ("failure to success, p95", lambda outcome: duration(outcome.hours[1])),
        ("last one recovered", lambda outcome: duration(outcome.last_recovered_at)),
        ("UpdateThing a second, at most", _most_update_thing),
        ("a release costs", lambda outcome: f"${outcome.release_dollars:,.2f}"),
        ("**a month costs**", lambda outcome: f"**${outcome.month_dollars:,.2f}**"),
    ]
    return Table(
        f"{fleet.devices:,} devices",
        ("`cool_down_seconds`", *(f"`{list(outcome.ladder)}`" for outcome in outcomes)),
        tuple((name, *map(cell, outcomes)) for name, cell in rows),
    )


def _in_cycle(fleet: Fleet, cycle: int, outcome: Outcome) -> str:
    shares = outcome.expected.in_cycle
    return _people(fleet, shares[cycle]) if cycle < len(shares) else ""


def _most_update_thing(outcome: Outcome) -> str:
    return f"{outcome.most_update_thing:,.0f} of {QUOTAS[UPDATE_THING].rate:,.0f}"


def _people(fleet: Fleet, share: float) -> str:
    count = share * fleet.devices
    if 0 < count < 0.01:
        return "< 0.01"
    return f"{count:,.0f}" if count >= 10 or not count else f"{count:.2g}"


def as_json(fleet: Fleet, outcomes: list[Outcome]) -> dict[str, object]:
    """Return all figures, JSON-ready."""
    return {
        "fleet": asdict(fleet),
        "points": POINTS,
        "percentiles": _PERCENTILES,
        "update_thing_quota": QUOTAS[UPDATE_THING].rate,
        "ladders": [
            asdict(outcome) | {"devices": _devices(fleet, outcome)} for outcome in outcomes
        ],
    }


def _devices(fleet: Fleet, outcome: Outcome) -> dict[str, object]:
    """Return the expected shares as numbers of devices, as the table has them."""
    shares = outcome.expected
    return {
        "at_once": shares.at_once * fleet.devices,
        "in_cycle": [share * fleet.devices for share in shares.in_cycle],
        "called": shares.called * fleet.devices,
        "failures": shares.failures * fleet.devices,
    }
