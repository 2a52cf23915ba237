"""The table and the timeline of every device: short in the terminal, whole as a page."""

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from demo.journeys import Event, Journey

_ROW = 34
_LEFT = 96
_WIDTH = 1000
_AXIS = 28


@dataclass(frozen=True)
class Band:
    """A stretch of a device's timeline in the picture."""

    kind: str
    """``cooling`` (moved out until restored) or ``failed`` (until the end)."""
    x: float
    width: float


@dataclass(frozen=True)
class Row:
    """A device in the picture."""

    journey: Journey
    y: int
    bands: list[Band]
    marks: list[tuple[float, Event]]


def print_table(console: Console, journeys: list[Journey]) -> None:
    """Print one line per device."""
    table = Table(title="Where the devices ended", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("device")
    table.add_column("story")
    for heading in ("attempts", "out", "back", "alerts"):
        table.add_column(heading, justify="right")
    table.add_column("ended")
    for journey in journeys:
        table.add_row(
            journey.name,
            journey.story,
            str(journey.count("failed") + journey.count("updated")),
            str(journey.count("moved out")),
            str(journey.count("restored")),
            str(journey.found.notifications),
            "[green]right" if journey.is_right else "[red]WRONG",
        )
    console.print(table)
    for journey in journeys:
        if not journey.is_right:
            console.print(f"[red]{journey.name} should be {journey.wanted}, but is {journey.found}")


def write_page(path: Path, journeys: list[Journey], facts: dict[str, str]) -> None:
    """Write one self-contained HTML file: no script, no font, no request.

    Args:
        path: of the file; its folder is made.
        journeys: what is shown.
        facts: name to value, shown above the picture (time scale, duration, …).
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    end = max((event.at for journey in journeys for event in journey.events), default=1.0) + 0.5
    page = environment.get_template("report.html.j2").render(
        journeys=journeys,
        facts=facts,
        rows=[_row(journey, index, end) for index, journey in enumerate(journeys)],
        ticks=[(_x(second, end), second) for second in range(0, int(end) + 1, _tick_step(end))],
        width=_WIDTH,
        left=_LEFT,
        row=_ROW,
        height=_AXIS + _ROW * len(journeys) + 8,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _row(journey: Journey, index: int, end: float) -> Row:
    marks = [(_x(event.at, end), event) for event in journey.events]
    return Row(journey, _AXIS + _ROW * index, _bands(journey, end), marks)


def _bands(journey: Journey, end: float) -> list[Band]:
    bands = []
    since: float | None = None
    for event in journey.events:
        if event.what == "moved out":
            since = event.at
        if event.what == "restored" and since is not None:
            bands.append(_band("cooling", since, event.at, end))
            since = None
        if event.what == "marked failed":
            bands.append(_band("failed", event.at, end, end))
    return bands


def _band(kind: str, start: float, stop: float, end: float) -> Band:
    return Band(kind, _x(start, end), _x(stop, end) - _x(start, end))


def _x(second: float, end: float) -> float:
    return round(_LEFT + (_WIDTH - _LEFT - 12) * second / end, 1)


def _tick_step(end: float) -> int:
    return 5 if end < 60 else 10
