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

from fleet_model import bill, model, recoveries, workload
from fleet_model.audit import wrong_in
from fleet_model.backoff import Backoff
from fleet_model.model import Result, Setup
from fleet_model.tally import MINUTE
from pricing.quotas import QUOTAS, ROLLOUT_PER_MINUTE, Quotas
from reporting.tables import Table, duration

FORMER = Backoff(interval=2, rate=2, longest=900, attempts=20)
"""How the recoveries were retried before they were held against a million devices."""
RAISED: Mapping[str, float] = {"stepfunctions.start_execution": 1000}
"""A quota that a fleet of this size should have raised, and to what."""
DEFAULT = "default quotas"
NO_JITTER = "no jitter"
ONE_JOB = "one job"
"""Of these two, the rest is as with the default quotas."""
_ONE_JOB_TICK = 5
"""Seconds a step: it takes so much longer than the others, and nothing in it waits for its turn."""
GROWN = "StartExecution raised"
BEFORE = "raised, the retry before"
"""The run that is there to be compared with; the others are of today's retry."""
PERCENTILES = (50, 95, 99)
_POINT_MINUTES = 10
"""A point of a curve is the mean of so many minutes."""
_CURVES = ("failures", "limit reached", "moved out", "restored", "escalated")
_LEVELS = ("away", "open")
_BY_DESIGN: Mapping[str, str] = {
    "after_success": "came after its success",
    "in_recovery": "its device was in recovery",
    "cycle_full": "its cycle was full",
}
"""Why a failure was not to count, by its name in ``audit.Audit``."""
_OPEN = "open executions, in all"


@dataclass(frozen=True)
class Storm:
    """What hits the fleet."""

    devices: int = 1_000_000
    seed: int = 1
    within_seconds: int = 3600
    tick: int = 1
    rollout_per_minute: float | None = None
    """Devices that one job reaches; None: all begin ``within_seconds``, of several jobs or because
    they joined the group of a continuous one."""

    def make_workload(self) -> workload.Workload:
        """Draw what happens to each device."""
        return workload.bad_release(
            self.devices,
            self.seed,
            within_seconds=self.within_seconds,
            rollout_per_minute=self.rollout_per_minute,
        )


@dataclass(frozen=True)
class Rate:
    """How a quota was used."""

    name: str
    quota: float
    """A second, by default or as raised; of the open executions, at the same time."""
    asked: float
    """The most that was asked for in a second, or was to be open."""
    granted: float
    """The most that was granted in a second, or was open."""
    refused: float
    """All that was refused."""


@dataclass(frozen=True)
class Report:
    """What became of a storm, JSON-ready. Times are seconds."""

    name: str
    audit: Mapping[str, int]
    events: Mapping[str, int]
    waits: tuple[Mapping[str, float], ...]
    """From the device's last failure of a cycle, when it happened and not when it was counted,
    until it was out: by cycle and percentile (p50, …); empty where none was moved out."""
    moved_out_at: int
    """When the last one was out."""
    restored_at: int
    """When the last one was back."""
    ended_at: int
    """When there was nothing left to do."""
    most_open: int
    rates: tuple[Rate, ...]
    dollars: float
    dollars_per_device: float
    retries_dollars: float
    waits_dollars: float
    passes_dollars: float
    by_service: Mapping[str, float]
    point_seconds: int
    curves: Mapping[str, tuple[float, ...]]
    seconds: float
    """How long it took to simulate."""
    megabytes: float
    """The most memory that it took."""


def setups(tick: int = 1) -> dict[str, Setup]:
    """Return what is compared, by name."""
    now = Setup(tick=tick)
    former = dict(now.backoffs) | {name: FORMER for _, name in recoveries.STATES.values()}
    return {
        DEFAULT: now,
        NO_JITTER: replace(now, cool_down_jitter=0.0),
        ONE_JOB: now,
        GROWN: replace(now, quotas=raise_quotas(RAISED)),
        BEFORE: replace(now, quotas=raise_quotas(RAISED), backoffs=former),
    }


def raise_quotas(rates: Mapping[str, float]) -> Quotas:
    """Return the quotas of an account for which some were raised."""
    return {
        name: replace(quota, rate=rates[name], burst=max(quota.burst, rates[name]))
        if name in rates
        else quota
        for name, quota in QUOTAS.items()
    }


Progress = Callable[[str, int], None]
"""Takes the name of a run and how far it is, in seconds of its own time."""


def run(storm: Storm, jobs: int, progress: Progress = lambda *_: None) -> list[Report]:
    """Run all that is compared.

    Args:
        storm: what hits the fleet.
        jobs: processes.
        progress: called from time to time.
    """
    # The longest first, or a process waits for the other at the end.
    work = [(name, storm) for name in sorted(setups(), key=lambda name: name != ONE_JOB)]
    context = multiprocessing.get_context("spawn")
    updates = context.SimpleQueue()
    # A process a run, so that the most memory that one took can be updates.
    with context.Pool(jobs, _share_queue, (updates,), maxtasksperchild=1) as pool:
        reports = pool.starmap_async(_simulate_in_pool, work, chunksize=1)
        while not reports.ready():
            reports.wait(0.2)
            while not updates.empty():
                progress(*updates.get())
        by_name = {report.name: report for report in reports.get()}
    return [by_name[name] for name in setups()]


_updates: list[Any] = []


def _share_queue(updates: Any) -> None:
    _updates.append(updates)


def _simulate_in_pool(name: str, storm: Storm) -> Report:
    attack = _with_one_job(storm) if name == ONE_JOB else storm
    return simulate(
        name, attack, setups(attack.tick)[name], lambda second: _updates[0].put((name, second))
    )


def _with_one_job(storm: Storm) -> Storm:
    tick = max(storm.tick, _ONE_JOB_TICK)
    return replace(storm, rollout_per_minute=ROLLOUT_PER_MINUTE, tick=tick)


def simulate(
    name: str, storm: Storm, setup: Setup, progress: Callable[[int], None] = lambda _: None
) -> Report:
    """Run one storm on one setup."""
    began = time.perf_counter()
    result = model.run(storm.make_workload(), setup, progress)
    tally = result.tally
    usage = bill.usage_of(tally)
    return Report(
        name=name,
        audit=asdict(result.audit),
        events=dict(tally.events),
        waits=tuple(_percentiles(tally.waits_of_failure(c)) for c in range(result.records.cycles)),
        moved_out_at=int(tally.moved_at[0].max()),
        restored_at=int(tally.restored_at.max()),
        ended_at=tally.ended_at,
        most_open=tally.most_open,
        rates=(*_rates(result), _open_executions(result, setup)),
        dollars=usage.dollars(),
        dollars_per_device=usage.dollars() / storm.devices,
        retries_dollars=bill.retries(tally).dollars(),
        waits_dollars=bill.waits(tally).dollars(),
        passes_dollars=bill.passes(tally).dollars(),
        by_service=usage.by_service(),
        point_seconds=_POINT_MINUTES * MINUTE,
        curves=_curves(result),
        seconds=time.perf_counter() - began,
        megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def _percentiles(waits: NDArray[np.int32]) -> dict[str, float]:
    if not len(waits):
        return {}
    return {f"p{p}": float(np.percentile(waits, p)) for p in PERCENTILES}


def _open_executions(result: Result, setup: Setup) -> Rate:
    tally = result.tally
    refused = tally.events["too many open"]
    return Rate(_OPEN, setup.open_executions, tally.most_to_open, tally.most_open, refused)


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
    """List what must not happen with today's retry, one line per finding."""
    return [
        f"{report.name}: {wrong}"
        for report in reports
        if report.name != BEFORE
        for wrong in wrong_in(report.audit)
    ]


def figures(reports: list[Report]) -> Table:
    """Tabulate what became of the devices, one run per column."""
    rows: list[tuple[str, Callable[[Report], str]]] = [
        ("devices that failed", lambda report: f"{report.audit['devices']:,}"),
        ("recovered in a later cycle", lambda report: f"{report.audit['recovered']:,}"),
        ("in the failed group, notified", lambda report: f"{report.audit['escalated']:,}"),
        ("**devices lost**", lambda report: f"**{report.audit['lost']:,}**"),
        ("messages arrived", lambda report: f"{report.events['arrived']:,}"),
        ("failures that happened", lambda report: f"{report.audit['failures']:,}"),
        ("counted", lambda report: f"{report.audit['counted']:,}"),
        *(
            (f"not counted, by design: {reason}", partial(_audit_cell, name))
            for name, reason in _BY_DESIGN.items()
        ),
        ("**lost counts**", lambda report: f"**{report.audit['lost_counts']:,}**"),
        ("**failures counted twice**", lambda report: f"**{report.audit['counted_twice']:,}**"),
        *(
            (f"last failure to moved out, cycle {cycle + 1}, p{p}", partial(_wait, cycle, f"p{p}"))
            for cycle in range(len(reports[0].waits))
            for p in PERCENTILES
        ),
        ("first failure to all moved out", lambda report: duration(report.moved_out_at)),
        ("first failure to all restored", lambda report: duration(report.restored_at)),
        ("recoveries: attempts repeated", lambda report: f"{report.events.get('retried', 0):,}"),
        (
            "recoveries: runs that gave up",
            lambda report: f"{report.events.get('runs failed', 0):,}",
        ),
        ("dead letters", lambda report: f"{report.events.get('dead letters', 0):,}"),
        ("the bill", lambda report: f"${report.dollars:,.0f}"),
        ("of it for attempts repeated", lambda report: f"${report.retries_dollars:,.0f}"),
        ("of it for intakes that waited", lambda report: f"${report.waits_dollars:,.0f}"),
        ("of it for ReconcileDevices", lambda report: f"${report.passes_dollars:,.2f}"),
        ("the bill per device", lambda report: f"${report.dollars_per_device:.6f}"),
    ]
    return Table(
        "A bad release",
        ("", *(report.name for report in reports)),
        tuple((name, *map(cell, reports)) for name, cell in rows),
    )


def _audit_cell(figure: str, report: Report) -> str:
    return f"{report.audit[figure]:,}"


def _wait(cycle: int, percentile: str, report: Report) -> str:
    waits = report.waits[cycle]
    return duration(waits[percentile]) if waits else ""


def efforts(reports: list[Report]) -> Table:
    """Tabulate what the simulation took, one run per column."""
    return Table(
        "What the runs took",
        ("", *(report.name for report in reports)),
        (
            ("time", *(duration(report.seconds) for report in reports)),
            ("memory", *(f"{report.megabytes:,.0f} MB" for report in reports)),
        ),
    )


def rates(reports: list[Report]) -> Table:
    """Tabulate per run how close it came to each quota: asked and granted."""
    return Table(
        "Quotas: asked / granted a second, at most",
        ("", "quota", *(report.name for report in reports)),
        tuple((f"`{name}`", _limits(uses), *map(_use, uses)) for name, uses in _by_quota(reports)),
    )


def rejections(reports: list[Report]) -> Table:
    """Tabulate the rejections in all, one run per column, of the quotas that rejected anything."""
    return Table(
        "Quotas: refused in all",
        ("", *(report.name for report in reports)),
        tuple(
            (f"`{name}`", *(f"{use.refused if use else 0:,.0f}" for use in uses))
            for name, uses in _by_quota(reports)
            if any(use and use.refused for use in uses)
        ),
    )


def _by_quota(reports: list[Report]) -> Iterator[tuple[str, list[Rate | None]]]:
    """Yield the uses of each quota, by run; None where nothing was asked of it."""
    runs = [{rate.name: rate for rate in report.rates} for report in reports]
    for name in (*QUOTAS, _OPEN):
        uses = [run.get(name) for run in runs]
        if any(uses):
            yield name, uses


def _limits(uses: list[Rate | None]) -> str:
    return " or ".join(f"{limit:,.0f}" for limit in dict.fromkeys(u.quota for u in uses if u))


def _use(use: Rate | None) -> str:
    return f"{use.asked:,.0f} / {use.granted:,.0f}" if use else "0 / 0"
