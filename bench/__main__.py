"""Deploys to a local cloud, runs journeys, and says what each took and what AWS asks for it.

Ends with 1 when a figure is worse than the recorded one or a target is missed, with 2 when it could
not run.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from rich.console import Console

from bench import cold_start, figures, page, run, stage, tables, targets
from bench.arguments import new_file, whole
from bench.cold_start import FLOOR_RATIO_AT_MOST, ColdStartError, Start
from bench.figures import Measured
from bench.journeys import BenchError
from bench.meter import Reading
from costs.bill import EXPRESS_SECONDS, LAMBDA_SECONDS
from localcloud import LocalCloud, LocalCloudError, TerraformError

Tell = Callable[[str], None]
_PAGE_WIDTH = 160
"""Where nobody looks through a window."""


def main() -> int:
    """Runs what was asked for.

    Returns:
        The exit status.
    """
    arguments = _arguments()
    console = Console()
    if not console.is_terminal:
        console.width = _PAGE_WIDTH
    try:
        return _run(console, arguments)
    except (BenchError, ColdStartError, LocalCloudError, TerraformError) as error:
        console.print(f"{error}", style="bold red", highlight=False, markup=False)
        return 2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "--json", type=new_file(), metavar="FILE", help="write all figures there, too"
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help=f"make these the figures to compare with, in {figures.RECORDED.name} and the docs",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--cold-start", action="store_true", help="measure only the cold starts")
    what.add_argument(
        "--docs", action="store_true", help="measure nothing: write the recorded figures to docs"
    )
    parser.add_argument(
        "--repetitions",
        type=whole(1, 1000),
        default=21,
        metavar="N",
        help="fresh processes of each kind for a cold start (default: %(default)s)",
    )
    return parser.parse_args()


def _run(console: Console, arguments: argparse.Namespace) -> int:
    if arguments.docs:
        page.write(figures.read())
        return 0
    document: dict[str, Any] = {}
    complaints: list[str] = []
    if not arguments.cold_start:
        measured, complaints = _run_journeys(console, arguments.record)
        document = _document(measured)
    starts = _run_cold_starts(console, arguments.repetitions, arguments.record)
    document["coldStart"] = {start.step: round(start.ratio, 3) for start in starts}
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for complaint in complaints:
        console.print(complaint, style="bold red", highlight=False, markup=False)
    return 1 if complaints else 0


def _run_journeys(console: Console, is_recorded: bool) -> tuple[Measured, list[str]]:
    """Measures, shows, and records or compares; what there is to complain of."""
    with _telling(console) as tell:
        measured, readings = _measure(tell)
    _show(console, measured, readings)
    complaints = [*targets.missed(measured), *run.grew_with_fleet(measured)]
    if not is_recorded:
        return measured, complaints + _compared(console, measured)
    figures.write(measured)
    page.write(measured)
    return measured, complaints


def _run_cold_starts(console: Console, repetitions: int, is_recorded: bool) -> list[Start]:
    with _telling(console) as tell:
        starts = cold_start.measure(repetitions, tell)
    _show_starts(console, starts)
    if is_recorded:
        page.write_one("cold_start", cold_start.table(starts))
    return starts


@contextmanager
def _telling(console: Console) -> Iterator[Tell]:
    with console.status("starting …") as status:
        yield lambda text: status.update(f"{text} …")


def _measure(tell: Tell) -> tuple[Measured, list[Reading]]:
    tell("starting a local cloud")
    with LocalCloud(
        time_scale=stage.TIME_SCALE, group_lag_seconds=stage.GROUP_LAG_SECONDS
    ) as cloud:
        tell("terraform apply of bench/terraform")
        return run.measure(stage.deploy(cloud), tell)


def _document(measured: Measured) -> dict[str, Any]:
    """What ``--json`` writes: the figures and the list price of each journey."""
    return {
        "figures": measured,
        "dollars": {name: figures.usage_of(each).dollars() for name, each in measured.items()},
    }


def _show(console: Console, measured: Measured, readings: list[Reading]) -> None:
    for table in tables.all_tables(measured).values():
        if table != tables.prices():  # the docs have it
            console.print(table.rich(), "")
    express = median(seconds for reading in readings for seconds in reading.express_seconds)
    task = median(seconds for reading in readings for seconds in reading.lambda_seconds)
    console.print(
        f"The prices take {EXPRESS_SECONDS * 1000:.0f} ms for each Express run and"
        f" {LAMBDA_SECONDS * 1000:.0f} ms for each invocation. Here, on this machine, the median"
        f" run took {express * 1000:.0f} ms and the median invocation {task * 1000:.0f} ms."
    )


def _compared(console: Console, measured: Measured) -> list[str]:
    """Says what got better; what got worse is returned, to be complained of."""
    recorded = figures.read()
    changed = list(figures.differences(measured, recorded))
    for difference in changed:
        if not difference.is_worse:
            console.print(f"{difference}", style="green", highlight=False, markup=False)
    if changed:
        console.print('If that is as it should be: make bench BENCH="--record"')
    return [str(difference) for difference in changed if difference.is_worse]


def _show_starts(console: Console, starts: list[Start]) -> None:
    console.print(cold_start.table(starts).rich())
    for start in starts:
        if start.ratio > FLOOR_RATIO_AT_MOST:
            # A time: told, and no failure.
            console.print(
                f"{start.step} takes {start.ratio:.2f} of what botocore alone takes, the target is"
                f" {FLOOR_RATIO_AT_MOST:.2f}: measure again on an idle machine",
                style="yellow",
                highlight=False,
            )


if __name__ == "__main__":
    sys.exit(main())
