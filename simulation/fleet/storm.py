"""A bad release hits a million devices: what the module makes of it, under the quotas of AWS."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.sheet import Table, duration
from simulation.fleet import bill, model, recoveries, story
from simulation.fleet.backoff import Backoff
from simulation.fleet.model import Result, Setup
from simulation.fleet.quotas import QUOTAS, Quotas
from simulation.fleet.tally import MINUTE

FORMER = Backoff(interval=2, rate=2, longest=900, attempts=20)
"""How the recoveries were retried before they were held against a million devices."""
RAISED: Mapping[str, float] = {"stepfunctions.start_execution": 1000}
"""A quota that a fleet of this size should have raised, and to what."""
BEFORE = "raised, the retry before"
"""The run that is there to be compared with; the others are of today's retry."""
PERCENTILES = (50, 95, 99)
_POINT_MINUTES = 10
"""A point of a curve is the mean of so many minutes."""
_CURVES = ("failures", "limit reached", "moved out", "restored", "escalated")
_LEVELS = ("away", "open")
_NEVER: Mapping[str, str] = {
    "lost": "devices were lost",
    "counted_twice": "failures were counted twice",
    "told_twice": "devices were told of twice",
}
"""What must not happen, by its name in ``audit.Audit``."""


@dataclass(frozen=True)
class Storm:
    """What hits the fleet."""

    devices: int = 1_000_000
    seed: int = 1
    within_seconds: int = 3600
    tick: int = 1

    def story(self) -> story.Story:
        """What happens to each device."""
        return story.bad_release(self.devices, self.seed, within_seconds=self.within_seconds)


@dataclass(frozen=True)
class Rate:
    """How a quota was used."""

    name: str
    quota: float
    """A second, by default or as raised."""
    asked: float
    """The most that was asked for in a second."""
    granted: float
    """The most that was granted in a second."""
    refused: float
    """All that was refused."""


@dataclass(frozen=True)
class Report:
    """What became of a storm, JSON-ready. Times are seconds."""

    name: str
    audit: Mapping[str, int]
    events: Mapping[str, int]
    waits: tuple[float, ...]
    """From the failure that used up the first cycle until the device was out; see PERCENTILES."""
    moved_out_at: int
    """When the last one was out."""
    restored_at: int
    """When the last one was back."""
    ended_at: int
    """When there was nothing left to do."""
    most_open: int
    rates: tuple[Rate, ...]
    dollars: float
    retries_dollars: float
    waits_dollars: float
    by_service: Mapping[str, float]
    point_seconds: int
    curves: Mapping[str, tuple[float, ...]]
    seconds: float
    """How long it took to simulate."""
    megabytes: float
    """The most memory that it took."""


def setups(tick: int = 1) -> dict[str, Setup]:
    """What is compared, by name."""
    now = Setup(tick=tick)
    former = dict(now.backoffs) | {name: FORMER for _, name in recoveries.STATES.values()}
    return {
        "default quotas": now,
        "StartExecution raised": replace(now, quotas=raised(RAISED)),
        "raised, no jitter": replace(now, quotas=raised(RAISED), cool_down_jitter=0.0),
        BEFORE: replace(now, quotas=raised(RAISED), backoffs=former),
    }


def raised(rates: Mapping[str, float]) -> Quotas:
    """The quotas of an account for which some were raised."""
    return {
        name: replace(quota, rate=rates[name], burst=max(quota.burst, rates[name]))
        if name in rates
        else quota
        for name, quota in QUOTAS.items()
    }


Progress = Callable[[str, int], None]
"""Takes the name of a run and how far it is, in seconds of its own time."""


def run(storm: Storm, jobs: int, progress: Progress = lambda *_: None) -> list[Report]:
    """Runs all that is compared.

    Args:
        storm: what hits the fleet.
        jobs: processes.
        progress: called from time to time.
    """
    work = [(name, storm) for name in setups()]
    context = multiprocessing.get_context("spawn")
    told = context.SimpleQueue()
    # A process a run, so that the most memory that one took can be told.
    with context.Pool(jobs, _share, (told,), maxtasksperchild=1) as pool:
        reports = pool.starmap_async(_reported, work, chunksize=1)
        while not reports.ready():
            reports.wait(0.2)
            while not told.empty():
                progress(*told.get())
        return reports.get()


_told: list[Any] = []


def _share(told: Any) -> None:
    _told.append(told)


def _reported(name: str, storm: Storm) -> Report:
    return report(
        name, storm, setups(storm.tick)[name], lambda second: _told[0].put((name, second))
    )


def report(
    name: str, storm: Storm, setup: Setup, progress: Callable[[int], None] = lambda _: None
) -> Report:
    """Runs one storm on one setup."""
    began = time.perf_counter()
    result = model.run(storm.story(), setup, progress)
    tally = result.tally
    usage = bill.usage_of(tally)
    return Report(
        name=name,
        audit=asdict(result.audit),
        events=dict(tally.events),
        waits=tuple(float(wait) for wait in np.percentile(tally.waits(0), PERCENTILES)),
        moved_out_at=int(tally.moved_at[0].max()),
        restored_at=int(tally.restored_at.max()),
        ended_at=tally.ended_at,
        most_open=tally.most_open,
        rates=tuple(_rates(result)),
        dollars=usage.dollars(),
        retries_dollars=bill.retries(tally).dollars(),
        waits_dollars=bill.waits(tally).dollars(),
        by_service=usage.by_service(),
        point_seconds=_POINT_MINUTES * MINUTE,
        curves=_curves(result),
        seconds=time.perf_counter() - began,
        megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def _rates(result: Result) -> Iterator[Rate]:
    for name, bucket in result.buckets.items():
        if bucket.highest_demand:
            yield Rate(
                name,
                bucket.quota.rate,
                bucket.highest_demand,
                bucket.highest_served,
                bucket.refused,
            )


def _curves(result: Result) -> dict[str, tuple[float, ...]]:
    tally = result.tally
    curves = {name: tally.curve(name) for name in _CURVES}
    curves |= {name: tally.level(name) for name in _LEVELS}
    for name in ("asked", "granted"):
        curves[name] = np.diff(tally.level(name), prepend=0) / MINUTE
    return {name: _points(curve) for name, curve in curves.items()}


def _points(curve: NDArray[np.float64]) -> tuple[float, ...]:
    padded = np.pad(curve, (0, -len(curve) % _POINT_MINUTES), mode="edge")
    return tuple(float(f"{x:.4g}") for x in padded.reshape(-1, _POINT_MINUTES).mean(axis=1))


def complaints(reports: list[Report]) -> list[str]:
    """What happened that must not, with today's retry; a line each."""
    return [
        f"{one.name}: {one.audit[figure]:,} {text}"
        for one in reports
        if one.name != BEFORE
        for figure, text in _NEVER.items()
        if one.audit[figure]
    ]


def figures(reports: list[Report]) -> Table:
    """What became of the devices, a column a run."""
    rows: list[tuple[str, Callable[[Report], str]]] = [
        ("devices that failed", lambda one: f"{one.audit['devices']:,}"),
        ("recovered in a later cycle", lambda one: f"{one.audit['recovered']:,}"),
        ("in the failed group, people told", lambda one: f"{one.audit['escalated']:,}"),
        ("**lost**", lambda one: f"**{one.audit['lost']:,}**"),
        ("**failures counted twice**", lambda one: f"**{one.audit['counted_twice']:,}**"),
        ("messages arrived", lambda one: f"{one.events['arrived']:,}"),
        ("failures counted", lambda one: f"{one.events['counted']:,}"),
        *((f"moved out, p{p}", partial(_wait, place)) for place, p in enumerate(PERCENTILES)),
        ("first failure to all moved out", lambda one: duration(one.moved_out_at)),
        ("first failure to all restored", lambda one: duration(one.restored_at)),
        ("recoveries: attempts repeated", lambda one: f"{one.events.get('retried', 0):,}"),
        ("recoveries: runs that gave up", lambda one: f"{one.events.get('runs failed', 0):,}"),
        ("dead letters", lambda one: f"{one.events.get('dead letters', 0):,}"),
        ("executions open at most", lambda one: f"{one.most_open:,}"),
        ("the bill", lambda one: f"${one.dollars:,.0f}"),
        ("of it for attempts repeated", lambda one: f"${one.retries_dollars:,.0f}"),
        ("of it for intakes that waited", lambda one: f"${one.waits_dollars:,.0f}"),
        ("the bill a device", lambda one: f"${one.dollars / one.audit['devices']:.6f}"),
    ]
    return Table(
        "A bad release",
        ("", *(one.name for one in reports)),
        tuple((name, *map(cell, reports)) for name, cell in rows),
    )


def _wait(place: int, one: Report) -> str:
    return duration(one.waits[place])


def efforts(reports: list[Report]) -> Table:
    """What it took to simulate them, a column a run."""
    return Table(
        "What the runs took",
        ("", *(one.name for one in reports)),
        (
            ("time", *(duration(one.seconds) for one in reports)),
            ("memory", *(f"{one.megabytes:,.0f} MB" for one in reports)),
        ),
    )


def rates(one: Report) -> Table:
    """How close a run came to each quota."""
    return Table(
        f"Quotas: {one.name}",
        ("a second", "quota", "asked at most", "granted at most", "refused in all"),
        tuple(
            (
                f"`{rate.name}`",
                f"{rate.quota:,.0f}",
                f"{rate.asked:,.0f}",
                f"{rate.granted:,.0f}",
                f"{rate.refused:,.0f}",
            )
            for rate in one.rates
        ),
    )
