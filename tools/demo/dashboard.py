"""The deployed dashboard as a picture: its own widgets in their places, with the figures it shows.

Only the span of time is another: a demo lasts a minute, and CloudWatch shows five minutes as one
value.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from localcloud.process import LocalCloud

Widget = dict[str, Any]

_COLUMNS = 24
_COLUMN_INCHES = 0.58
_ROW_INCHES = 0.37
_PIXELS_PER_INCH = 90
_POINTS = 60
"""About how many values a curve has."""
_MOST_IN_LEGEND = 6
_ALARM_COLUMNS = 4
_STATE_COLOURS = {"OK": "#2e7d32", "ALARM": "#c62828", "INSUFFICIENT_DATA": "#9e9e9e"}
_INK, _FAINT = "#16191f", "#687078"


@dataclass(frozen=True)
class Curve:
    """One line of a widget."""

    label: str
    points: list[tuple[float, float]]
    """Seconds since the picture's beginning, and the value then."""


class Figures(Protocol):
    """Where the figures come from."""

    @property
    def seconds(self) -> float:
        """How long the time is that they are of."""

    def curves(self, properties: dict[str, Any]) -> list[Curve]:
        """Those of a metric widget."""

    def rows(self, query: str) -> list[dict[str, str]]:
        """Return the result of a log widget's query."""

    def states(self, arns: list[str]) -> list[tuple[str, str]]:
        """Name and state of each alarm of an alarm widget."""


class CloudFigures:
    """The figures of a local cloud between two moments, epoch seconds."""

    def __init__(self, cloud: LocalCloud, start: float, end: float) -> None:
        self._cloudwatch = cloud.client("cloudwatch")
        self._logs = cloud.client("logs")
        self._start, self._end = start, end
        self.seconds = end - start
        self._period = max(1, math.ceil((end - start) / _POINTS))

    def definition(self, name: str) -> dict[str, Any]:
        """Return the body of a deployed dashboard."""
        body = self._cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"]
        definition: dict[str, Any] = json.loads(body)
        return definition

    def curves(self, properties: dict[str, Any]) -> list[Curve]:
        """Those of a metric widget; in sums, a period without a value is one with nothing."""
        queries = [
            self._query(f"m{number}", metric, properties["stat"])
            for number, metric in enumerate(properties["metrics"])
        ]
        answer = self._cloudwatch.get_metric_data(
            MetricDataQueries=queries,
            StartTime=self._start,
            EndTime=self._end,
            ScanBy="TimestampAscending",
        )
        return [
            Curve(result["Label"], self._points(result, is_sum=properties["stat"] == "Sum"))
            for result in answer["MetricDataResults"]
            if result["Values"]
        ]

    def rows(self, query: str) -> list[dict[str, str]]:
        """Return the result of a query on the log groups that it names."""
        groups = re.findall(r"SOURCE '([^']+)'", query)
        started = self._logs.start_query(
            logGroupNames=groups,
            startTime=int(self._start),
            endTime=int(self._end) + 1,
            queryString=re.sub(r"SOURCE '[^']+'\s*\|\s*", "", query),
        )
        found = self._logs.get_query_results(queryId=started["queryId"])["results"]
        return [{field["field"]: field["value"] for field in row} for row in found]

    def states(self, arns: list[str]) -> list[tuple[str, str]]:
        """Name and state of each alarm, in the order of the widget."""
        alarms = self._cloudwatch.describe_alarms()["MetricAlarms"]
        states = {alarm["AlarmArn"]: alarm["StateValue"] for alarm in alarms}
        return [(arn.rpartition(":")[2], states[arn]) for arn in arns]

    def _query(self, identity: str, metric: list[Any], stat: str) -> dict[str, Any]:
        *names, options = metric if isinstance(metric[-1], dict) else [*metric, {}]
        if "expression" in options:
            # A search names its own period, last.
            search = re.sub(r"\d+\)$", f"{self._period})", options["expression"])
            return {"Id": identity, "Expression": search, "Period": self._period}
        namespace, name, *dimensions = names
        pairs = zip(dimensions[::2], dimensions[1::2], strict=True)
        return {
            "Id": identity,
            "Label": options.get("label", name),
            "MetricStat": {
                "Metric": {
                    "Namespace": namespace,
                    "MetricName": name,
                    "Dimensions": [{"Name": key, "Value": value} for key, value in pairs],
                },
                "Period": self._period,
                "Stat": options.get("stat", stat),
            },
        }

    def _points(self, result: dict[str, Any], *, is_sum: bool) -> list[tuple[float, float]]:
        values = {
            moment.replace(tzinfo=moment.tzinfo or UTC).timestamp(): value
            for moment, value in zip(result["Timestamps"], result["Values"], strict=True)
        }
        if is_sum:
            first = int(self._start // self._period * self._period)
            values = dict.fromkeys(range(first, int(self._end), self._period), 0.0) | values
        return [(at - self._start, value) for at, value in sorted(values.items())]


def draw(path: Path, definition: dict[str, Any], figures: Figures, title: str) -> None:
    """Draws a dashboard.

    Args:
        path: of the picture; its ending says the format, such as ``.png`` or ``.svg``.
        definition: the dashboard's body.
        figures: what its widgets show.
        title: written on top.
    """
    # Slow to import, and nobody else needs it.
    from matplotlib.figure import Figure  # noqa: PLC0415

    widgets: list[Widget] = definition["widgets"]
    height = max(widget["y"] + widget["height"] for widget in widgets) + 1.5
    picture = Figure(figsize=(_COLUMNS * _COLUMN_INCHES, height * _ROW_INCHES))
    picture.text(0.008, 1 - 0.9 / height, title, fontsize=10, color=_FAINT, va="center")
    for widget in widgets:
        axes = picture.add_axes(_place(widget, height))
        _KINDS[widget["type"]](axes, widget["properties"], figures)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, dpi=_PIXELS_PER_INCH)
    if path.suffix == ".png":
        _reduce(path)


def _reduce(path: Path) -> None:
    """Reduce a picture to 128 colors, which makes it a third as large."""
    from PIL import Image  # noqa: PLC0415 -- comes with matplotlib

    with Image.open(path) as drawn:
        reduced = drawn.convert("RGB").quantize(128)
    reduced.save(path, optimize=True)


def _place(widget: Widget, height: float) -> tuple[float, float, float, float]:
    """Left, bottom, width and height of a widget's axes, as shares of the picture."""
    left, right, above, below = (0.2, 0.2, 0.1, 0.1)
    if widget["type"] == "metric":
        left, right, above, below = (0.75, 0.25, 0.9, 1.9)
    elif widget["type"] != "text":
        left, right, above, below = (0.2, 0.2, 0.9, 0.2)
    bottom = height - 1.5 - widget["y"] - widget["height"] + below
    return (
        (widget["x"] + left) / _COLUMNS,
        bottom / height,
        (widget["width"] - left - right) / _COLUMNS,
        (widget["height"] - above - below) / height,
    )


def _draw_text(axes: Axes, properties: dict[str, Any], figures: Figures) -> None:
    heading, _, rest = properties["markdown"].partition("\n")
    axes.set_axis_off()
    axes.text(0, 0.62, heading.lstrip("# "), fontsize=14, weight="bold", color=_INK, va="center")
    axes.text(0, 0.12, rest, fontsize=9, color=_FAINT, va="center")


def _draw_metrics(axes: Axes, properties: dict[str, Any], figures: Figures) -> None:
    curves = figures.curves(properties)
    _title(axes, properties)
    axes.tick_params(labelsize=7, colors=_FAINT, length=2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#d5dbdb")
    axes.grid(axis="y", color="#eaeded", linewidth=0.8)
    if not curves:
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", color=_FAINT, size=8)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    _plot(axes, curves, is_stacked=properties["stacked"])
    for line in properties.get("annotations", {}).get("horizontal", []):
        axes.axhline(line["value"], color="#c62828", linewidth=0.9, linestyle="--")
        axes.annotate(
            line["label"],
            (1, line["value"]),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            fontsize=7,
            color="#c62828",
        )
    axes.set_ylim(bottom=0, top=None if axes.get_ylim()[1] > 1 else 1)
    axes.set_xlim(0, figures.seconds)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles[:_MOST_IN_LEGEND],
        labels[:_MOST_IN_LEGEND],
        loc="upper left",
        bbox_to_anchor=(-0.08, -0.13),
        ncols=3,
        fontsize=6.5,
        frameon=False,
        columnspacing=1.0,
        handlelength=1.2,
    )


def _plot(axes: Axes, curves: list[Curve], *, is_stacked: bool) -> None:
    # The largest first, so that the legend names those that matter.
    ordered = sorted(curves, key=lambda curve: -sum(value for _, value in curve.points))
    if is_stacked:
        times = sorted({at for curve in ordered for at, _ in curve.points})
        heights = [[dict(curve.points).get(at, 0.0) for at in times] for curve in ordered]
        axes.stackplot(times, heights, labels=[curve.label for curve in ordered], alpha=0.75)
        return
    for curve in ordered:
        at, values = zip(*curve.points, strict=True)
        axes.plot(at, values, label=curve.label, linewidth=1.3, marker=".", markersize=2.5)


def _draw_rows(axes: Axes, properties: dict[str, Any], figures: Figures) -> None:
    rows = figures.rows(properties["query"])
    _title(axes, properties)
    axes.set_axis_off()
    if not rows:
        axes.text(0.01, 0.85, "no lines", fontsize=8, color=_FAINT, va="top")
        return
    columns = list(rows[0])
    lines = [columns, *([row[column] for column in columns] for row in rows)]
    for number, line in enumerate(lines):
        for place, text in enumerate(line):
            axes.text(
                0.01 if not place else 0.3 + 0.68 * place / len(columns),
                0.94 - 0.13 * number,
                text,
                fontsize=8,
                weight="bold" if number == 0 else "normal",
                color=_INK,
                ha="right" if place else "left",
                va="top",
            )


def _draw_alarms(axes: Axes, properties: dict[str, Any], figures: Figures) -> None:
    states = figures.states(properties["alarms"])
    _title(axes, properties)
    axes.set_axis_off()
    lines = math.ceil(len(states) / _ALARM_COLUMNS)
    for number, (full_name, state) in enumerate(states):
        x = number % _ALARM_COLUMNS / _ALARM_COLUMNS
        y = 1 - (number // _ALARM_COLUMNS + 0.5) / lines
        name = full_name.partition("FirmwareRetry-")[2] or full_name
        axes.plot(x + 0.006, y, "s", color=_STATE_COLOURS[state], transform=axes.transAxes)
        axes.text(x + 0.014, y, name, fontsize=7.5, color=_INK, va="center")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


def _title(axes: Axes, properties: dict[str, Any]) -> None:
    axes.set_title(properties["title"], loc="left", fontsize=9, weight="bold", color=_INK, pad=5)


_KINDS = {
    "text": _draw_text,
    "metric": _draw_metrics,
    "log": _draw_rows,
    "alarm": _draw_alarms,
}


def draw_deployed(path: Path, cloud: LocalCloud, name: str, start: float, end: float) -> None:
    """Draws a deployed dashboard with what happened between two moments, epoch seconds."""
    figures = CloudFigures(cloud, start, end)
    day = 86_400 * cloud.time_scale
    title = f"{name}: {end - start:.0f} seconds of a local cloud in which a day lasts {day:.1f} s"
    draw(path, figures.definition(name), figures, title)
