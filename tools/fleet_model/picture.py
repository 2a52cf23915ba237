"""Pictures of a storm and of ladders, for the docs."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fleet_model.ladders import POINTS, Fleet, Outcome
from fleet_model.million import Report
from fleet_model.tally import UPDATE_THING
from pricing.quotas import OPEN_EXECUTIONS, QUOTAS

_HOUR = 3600
_RATES = (
    ("failures", "failures", "#8c8c8c"),
    ("limit reached", "limit reached", "#d1495b"),
    ("moved out", "moved out", "#edae49"),
    ("restored", "restored", "#3a7d44"),
    ("escalated", "people told", "#30638e"),
)
_MOST_HOURS = 60


def storm(report: Report, path: Path) -> None:
    """Draw what happened when, against the quotas.

    Args:
        report: a run.
        path: where to; ``.svg`` or ``.png``.
    """
    figure = Figure(figsize=(9, 8.5), layout="constrained")
    what, things, levels = figure.subplots(3, sharex=True)
    for name, label, colour in _RATES:
        what.plot(*_points(report, name), label=label, color=colour, linewidth=1.4)
    what.set_yscale("symlog", linthresh=1)
    _dress(what, "devices a second")
    things.plot(*_points(report, "asked"), label="asked", color="#d1495b", linewidth=1)
    things.plot(*_points(report, "granted"), label="granted", color="#3a7d44", linewidth=1.4)
    _limit(things, QUOTAS[UPDATE_THING].rate, "quota")
    _dress(things, "UpdateThing a second")
    levels.plot(
        *_points(report, "away"), label="out of their groups", color="#edae49", linewidth=1.4
    )
    levels.plot(*_points(report, "open"), label="open executions", color="#30638e", linewidth=1.4)
    _limit(levels, OPEN_EXECUTIONS, "quota of open executions")
    levels.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    _dress(levels, "at the same time")
    levels.set_xlabel("hours since the first failure")
    figure.suptitle(f"A bad release on {report.audit['devices']:,} devices: {report.name}")
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the same bytes each time."""
    with mpl.rc_context({"svg.hashsalt": "fleet", "svg.fonttype": "none"}):
        figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None)


def _points(report: Report, name: str) -> tuple[list[float], list[float]]:
    hours = report.point_seconds / _HOUR
    values = report.curves[name][: int(_MOST_HOURS / hours)]
    return [hours * place for place in range(len(values))], list(values)


def _limit(axes: Axes, value: float, label: str) -> None:
    axes.axhline(value, color="black", linestyle="--", linewidth=0.8, label=label)


def _dress(axes: Axes, label: str) -> None:
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    axes.legend(loc="center right", frameon=False)


def ladders(fleet: Fleet, outcomes: list[Outcome], path: Path) -> None:
    """Draw ladders side by side: how soon devices recover, and how many escalate.

    Args:
        fleet: whose.
        outcomes: a ladder each.
        path: where to; ``.svg`` or ``.png``.
    """
    figure = Figure(figsize=(9, 4), layout="constrained")
    soon, called = figure.subplots(1, 2, width_ratios=(3, 2))
    names = [str(list(outcome.ladder)) for outcome in outcomes]
    hours = [point / _HOUR for point in POINTS]
    for name, outcome in zip(names, outcomes, strict=True):
        soon.plot(hours, [100 * share for share in outcome.recovered], label=name, linewidth=1.5)
    soon.set_xscale("log")
    soon.set_xlabel("hours since a device's first failure")
    _dress(soon, "recovered, % of those that failed")
    soon.legend(loc="lower right", frameon=False)
    bars = called.bar(
        names, [outcome.expected.called * fleet.devices for outcome in outcomes], width=0.5
    )
    called.bar_label(bars, fmt="{:,.0f}")
    called.set_ylabel("devices that people get called for")
    called.tick_params(axis="x", labelrotation=20)
    figure.suptitle(f"{fleet.devices:,} devices, cool_down_seconds compared")
    save(figure, path)
