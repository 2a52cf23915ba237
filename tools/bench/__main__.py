"""Deploys to a local cloud, runs journeys, and says what each took and what AWS asks for it.

Ends with 1 when a figure is worse than the recorded one or a target is missed, with 2 when it could
not run.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from statistics import median
from typing import Any

from rich.console import Console

from bench import cold_start, deployment, docs_writer, run, tables, targets
from bench.cdk_baseline import NINE, TWENTY
from bench.cold_start import FLOOR_RATIO_AT_MOST, ColdStartError, Start
from bench.journeys import BenchError
from bench.meter import Reading
from localcloud import LocalCloud, LocalCloudError, TerraformError
from pricing import recorded_usage
from pricing.bill import CALL_SECONDS, EXPRESS_SECONDS, LAMBDA_SECONDS
from pricing.prices import LOOKED_UP
from pricing.recorded_usage import Measured
from reporting.arguments import new_file, whole

Tell = Callable[[str], None]
_PAGE_WIDTH = 160
"""Where nobody looks through a window."""


def main() -> int:
    """Run the measurements that the arguments ask for.

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
        help=f"record these figures in {recorded_usage.RECORDED.name} and the docs",
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
        docs_writer.write(recorded_usage.read())
        return 0
    document: dict[str, Any] = {}
    complaints: list[str] = []
    if not arguments.cold_start:
        with _show_status(console) as tell:
            measured, readings = _measure(tell)
        _show(console, measured, readings)
        document = _document(measured, readings)
        complaints = _complaints(console, measured, is_recorded=arguments.record)
    with _show_status(console) as tell:
        starts = cold_start.measure(arguments.repetitions, tell)
    _show_starts(console, starts)
    document["coldStart"] = {
        start.step: {"botocore": round(start.ratio, 3), "boto3": round(start.boto3_ratio, 3)}
        for start in starts
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for complaint in complaints:
        console.print(complaint, style="bold red", highlight=False, markup=False)
    if arguments.record and not complaints:
        if not arguments.cold_start:
            recorded_usage.write(measured)
            docs_writer.write(measured)
        docs_writer.write_one("cold_start", cold_start.table(starts))
    return 1 if complaints else 0


def _complaints(console: Console, measured: Measured, *, is_recorded: bool) -> list[str]:
    """Whatever is not to be; what is about to be recorded may be worse than what was."""
    missed = [*targets.find_missed(measured), *run.grew_with_fleet(measured)]
    return missed if is_recorded else missed + _compare(console, measured)


@contextmanager
def _show_status(console: Console) -> Iterator[Tell]:
    with console.status("starting …") as status:
        yield lambda text: status.update(f"{text} …")


def _measure(tell: Tell) -> tuple[Measured, dict[str, Reading]]:
    tell("starting a local cloud")
    with LocalCloud(
        time_scale=deployment.TIME_SCALE, group_lag_seconds=deployment.GROUP_LAG_SECONDS
    ) as cloud:
        tell("terraform apply of tools/bench/terraform")
        return run.measure(deployment.deploy(cloud), tell)


def _document(measured: Measured, readings: dict[str, Reading]) -> dict[str, Any]:
    """Return the content of ``--json``: figures, list prices, and durations on this machine."""
    return {
        "figures": measured,
        "dollars": {
            name: recorded_usage.usage_of(reading).dollars() for name, reading in measured.items()
        },
        "pricesOf": LOOKED_UP,
        "original": [asdict(reading) for reading in (NINE, TWENTY)],
        "timesAsMuch": tables.times_as_much(measured),
        "secondsHere": {
            name: {"express": list(reading.express_seconds), "lambda": list(reading.lambda_seconds)}
            for name, reading in readings.items()
        },
    }


def _show(console: Console, measured: Measured, readings: dict[str, Reading]) -> None:
    for table in tables.all_tables(measured).values():
        if table != tables.prices():  # the docs have it
            console.print(table.rich(), "")
    journeys = [reading for name, reading in readings.items() if not run.is_scheduled(name)]
    express = median(seconds for reading in journeys for seconds in reading.express_seconds)
    task = median(seconds for reading in journeys for seconds in reading.lambda_seconds)
    console.print(
        f"The prices take {EXPRESS_SECONDS * 1000:.0f} ms for each Express run and"
        f" {LAMBDA_SECONDS * 1000:.0f} ms for each invocation, of a scheduled function"
        f" {CALL_SECONDS * 1000:.0f} ms for each of its calls if that is more. Here, on this"
        f" machine, the median run took {express * 1000:.0f} ms, the median invocation"
        f" {task * 1000:.0f} ms, and a pass:"
    )
    for name, reading in readings.items():
        if run.is_scheduled(name):
            console.print(f"  {name}: {reading.lambda_seconds[0] * 1000:.0f} ms", highlight=False)


def _compare(console: Console, measured: Measured) -> list[str]:
    """Says what got better; what got worse is returned, to be complained of."""
    recorded = recorded_usage.read()
    changed = list(recorded_usage.differences(measured, recorded))
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
