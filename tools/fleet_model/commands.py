"""``python -m fleet_model million`` and ``python -m fleet_model ladders``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from fleet_model import ladders, million, picture
from fleet_model.ladders import Fleet, Ladder
from localcloud.project import ROOT
from reporting.arguments import new_file, whole
from reporting.tables import Table, with_tables

PAGE = ROOT / "docs" / "internals" / "fleet-model.md"
STORM_PICTURE = ROOT / "docs" / "images" / "million.svg"
LADDERS_PICTURE = ROOT / "docs" / "images" / "ladders.svg"
DRAWN = ROOT / ".local"
"""Where pictures go for which no other place was named."""
EXAMPLE = Fleet(devices=100_000, fails=0.7, fails_later=0.5, never=0.001, messages_per_day=24)
EXAMPLE_LADDERS: tuple[Ladder, ...] = ((86_400,), (3_600, 86_400), ())
_MOST_LADDERS = 6
_LONGEST_WAIT = 150 * 86_400
_MOST_WAITS = 10
"""Of a ladder: what the module's ``cool_down_seconds`` may be, in ``variables.tf``."""
_any_seed = whole(0, 2**32 - 1)
_picture = new_file(".svg", ".png")

Parsers = Any
"""What argparse gives for subcommands; it has no public name."""


def add(commands: Parsers) -> None:
    """Add the commands to those of ``python -m fleet_model``."""
    million = commands.add_parser(
        "million", help="a bad release hits a million devices, under the quotas of AWS"
    )
    million.add_argument("--devices", type=whole(1, 5_000_000), default=1_000_000)
    million.add_argument("--seed", type=_any_seed, default=1)
    million.add_argument("--jobs", type=whole(1, 64), default=2, help="processes")
    million.add_argument(
        "--tick", type=whole(1, 60), default=1, help="seconds a step: more are faster, less exact"
    )
    _add_outputs(million)
    million.add_argument(
        "--docs",
        action="store_true",
        help="write docs/internals/fleet-model.md and its picture",
    )
    million.set_defaults(run=_million)
    fleet = commands.add_parser("ladders", help="your own fleet on one ladder, or on several")
    _add_fleet(fleet)
    fleet.set_defaults(run=_ladders)


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=new_file(), metavar="FILE", help="write all figures there")
    parser.add_argument("--picture", type=_picture, metavar="FILE", help=".svg or .png (in .local)")


def _add_fleet(parser: argparse.ArgumentParser) -> None:
    fallback = Fleet()
    for option, kind, default, text in (
        ("--devices", whole(1, ladders.MOST_DEVICES), fallback.devices, "how many there are"),
        ("--failure-probability", _share, fallback.fails, "of an attempt, 0 to 1"),
        ("--never-recovers", _share, fallback.never, "share of the devices, 0 to 1"),
        ("--messages-per-day", _amount, fallback.messages_per_day, "others, of a device"),
        ("--releases-per-month", _amount, fallback.releases_per_month, "how many"),
        ("--retry-limit", whole(1, 10), fallback.retry_limit, "failures of a cycle"),
        ("--cool-down-jitter", _share, fallback.jitter, "0 to 1"),
        (
            "--seconds-between-tries",
            whole(1, 86_400),
            fallback.seconds_between_tries,
            "of a device, on average",
        ),
        ("--copies", whole(1, 5), fallback.copies, "how often each message arrives"),
        ("--seed", _any_seed, fallback.seed, "another fleet each"),
    ):
        parser.add_argument(option, type=kind, default=default, help=f"{text} (%(default)s)")
    parser.add_argument(
        "--failure-probability-later",
        type=_share,
        help="of an attempt after a cool-down, 0 to 1 (the same)",
    )
    parser.add_argument(
        "--cool-down",
        type=ladder,
        action="append",
        metavar="SECONDS,…",
        help='cool_down_seconds, such as 3600,86400; "" for none; again for another ladder (86400)',
    )
    _add_outputs(parser)
    parser.add_argument(
        "--docs",
        action="store_true",
        help="write the example of docs/internals/fleet-model.md, with its own fleet",
    )


def _million(given: argparse.Namespace) -> int:
    console = Console()
    attack = million.Storm(devices=given.devices, seed=given.seed, tick=given.tick)
    with _show_progress(console) as progress:
        reports = million.run(attack, given.jobs, progress)
    tables = {
        "storm": million.figures(reports),
        "runs": million.efforts(reports),
        "quotas": million.rates(reports),
        "refused": million.rejections(reports),
    }
    _show(console, tables)
    _draw(console, given.picture or DRAWN / "million.svg", partial(picture.storm, reports[0]))
    complaints = million.complaints(reports)
    _complain(console, complaints)
    if given.json:
        _write(given.json, [asdict(report) for report in reports])
    if given.docs and not complaints:
        _write_page(tables)
        picture.storm(reports[0], STORM_PICTURE)
    return 1 if complaints else 0


def _ladders(given: argparse.Namespace) -> int:
    console = Console()
    fleet = EXAMPLE if given.docs else _fleet_of(given)
    wanted = EXAMPLE_LADDERS if given.docs else tuple(given.cool_down or [(86_400,)])
    if len(wanted) > _MOST_LADDERS:
        console.print(f"--cool-down was given {len(wanted)} times: {_MOST_LADDERS} at most")
        return 2
    with _show_progress(console) as progress:
        outcomes = [
            ladders.run(fleet, ladder, partial(progress, str(list(ladder)))) for ladder in wanted
        ]
    tables = {"ladders": ladders.table(fleet, outcomes)}
    _show(console, tables)
    _draw(
        console, given.picture or DRAWN / "ladders.svg", partial(picture.ladders, fleet, outcomes)
    )
    complaints = [
        f"{list(outcome.ladder)}: {wrong}" for outcome in outcomes for wrong in outcome.wrong
    ]
    _complain(console, complaints)
    if given.json:
        _write(given.json, ladders.as_json(fleet, outcomes))
    if given.docs and not complaints:
        _write_page(tables)
        picture.ladders(fleet, outcomes, LADDERS_PICTURE)
    return 1 if complaints else 0


def _fleet_of(given: argparse.Namespace) -> Fleet:
    later = given.failure_probability_later
    return Fleet(
        devices=given.devices,
        fails=given.failure_probability,
        fails_later=given.failure_probability if later is None else later,
        never=given.never_recovers,
        messages_per_day=given.messages_per_day,
        releases_per_month=given.releases_per_month,
        retry_limit=given.retry_limit,
        jitter=given.cool_down_jitter,
        seconds_between_tries=given.seconds_between_tries,
        copies=given.copies,
        seed=given.seed,
    )


# -- what is printed and written ---------------------------------------------------------------


@contextmanager
def _show_progress(console: Console) -> Iterator[Callable[[str, int], None]]:
    """Show a line per run, with how far it is in its own time."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        lines: dict[str, Any] = {}

        def update(name: str, second: int) -> None:
            if name not in lines:
                lines[name] = bar.add_task(name, total=None)
            bar.update(lines[name], description=f"{name}: hour {second / 3600:.1f}")

        yield update


def _show(console: Console, tables: dict[str, Table]) -> None:
    for table in tables.values():
        console.print(table.rich())


def _complain(console: Console, complaints: list[str]) -> None:
    for complaint in complaints:
        console.print(complaint, style="bold red", highlight=False, markup=False)


def _draw(console: Console, path: Path, draw: Callable[[Path], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(path)
    console.print(f"The picture: {path.resolve().as_uri()}", soft_wrap=True)


def _write(path: Path, what: Any) -> None:
    path.write_text(json.dumps(what, indent=2) + "\n", encoding="utf-8")


def _write_page(tables: dict[str, Table]) -> None:
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), tables), encoding="utf-8")


# -- what is given -------------------------------------------------------------------------------


def _share(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share: write 0.2 for 20 %")
    return value


def _amount(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 0 to 1,000,000")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def ladder(text: str) -> Ladder:
    """Return the waits of ``cool_down_seconds``, within what the module takes; for ``argparse``."""
    waits = [part.strip() for part in text.split(",")] if text.strip() else []
    if not all(wait.isdecimal() and 1 <= int(wait) <= _LONGEST_WAIT for wait in waits):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no ladder: write the seconds of each wait, 1 to {_LONGEST_WAIT}, such as"
            ' 3600,86400, or "" for none'
        )
    if len(waits) > _MOST_WAITS:
        raise argparse.ArgumentTypeError(f"{text!r} has {len(waits)} waits: {_MOST_WAITS} at most")
    return tuple(int(wait) for wait in waits)
