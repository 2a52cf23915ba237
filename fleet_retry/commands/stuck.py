"""``stuck``: the things that AWS IoT Jobs does not try again, by its own records."""

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Annotated, Any

import typer
from rich.table import Table

from firmware_retry import clock
from firmware_retry.stuck import ENDED_BADLY, GRACE_SECONDS, find_traps
from fleet_retry import jobs, terminal, times
from fleet_retry.commands._options import AsJson
from fleet_retry.commands._selection import parse_age_option
from fleet_retry.deployment import Deployment, DeploymentError
from fleet_retry.jobs import Calls, Search, Stuck

_MOST_EXAMPLES = 3
_COLUMNS = ("jobId", "deviceId", "status", "since", "executionNumber", "retries", "reason")


def list_stuck(  # noqa: PLR0913, PLR0917 -- options, by name
    deployment: Deployment,
    job: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Jobs with a matching id: `'fw-*'`; may be repeated."),
    ] = None,
    since: Annotated[
        float | None,
        typer.Option(
            parser=parse_age_option,
            metavar="AGE",
            help="Things whose last attempt ended no longer ago: 12h, 7d.",
        ),
    ] = None,
    grace_seconds: Annotated[
        int, typer.Option(min=0, help="How long AWS IoT Jobs may take to queue a retry.")
    ] = GRACE_SECONDS,
    rejected: Annotated[
        bool,
        typer.Option(
            "--rejected", help="Also things that rejected the job: they ask for no other try."
        ),
    ] = False,
    namespaces: Annotated[
        bool,
        typer.Option(
            "--namespaces", help="Also jobs with a namespace, such as those of Greengrass."
        ),
    ] = False,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="One line of CSV per thing.")] = False,
) -> None:
    """List the things that are stuck in a job: AWS IoT Jobs does not try their update again.

    Reads AWS IoT Jobs alone and changes nothing: the module need not be deployed. A thing is stuck
    if its latest execution in a continuous job failed or timed out, and the thing is still in a
    target group of the job. Times are UTC.

    ```
    fleet-retry stuck
    fleet-retry stuck --job 'fw-*' --since 7d
    fleet-retry stuck --csv > stuck.csv
    ```
    """
    if as_json and as_csv:
        raise DeploymentError("choose --json or --csv")
    now = clock.now()
    search = Search(
        patterns=job or ("*",),
        statuses=ENDED_BADLY | ({"REJECTED"} if rejected else set()),
        before=now - grace_seconds,
        since=now - since if since is not None else 0,
        namespaces=namespaces,
    )
    calls = Calls(deployment)
    searched = jobs.list_open(calls, search)
    shown = terminal.show_progress(searched, "jobs", total=len(searched))
    found = [stuck for one in shown for stuck in one.find_stuck(search)]
    if as_json or as_csv:
        _print_lines(map(_to_line, found), as_json=as_json)
    elif found:
        terminal.say(_make_table(found, now))
    for one in searched:
        for trap in find_traps(one.described):
            terminal.remark(f"{one.job_id}: {trap}.")
    summary = f"{_count_things(found)} stuck in {len({stuck.job_id for stuck in found})}"
    terminal.remark(f"{summary} of {len(searched)} job(s); {calls.number} calls of AWS IoT.")


def _count_things(found: Sequence[Stuck]) -> str:
    things = len({stuck.execution.thing for stuck in found})
    return "1 thing is" if things == 1 else f"{things} things are"


def _make_table(found: Sequence[Stuck], now: float) -> Table:
    table = terminal.make_table(
        "job", "status", "things", "longest since", "retries", "why", "things such as"
    )
    for (job_id, status), entries in groupby(sorted(found, key=_rank), key=_kind):
        group = list(entries)
        since = group[0].execution.updated_at
        table.add_row(
            job_id,
            status,
            str(len(group)),
            f"{times.format_minute(since)} ({times.format_age(now - since)})",
            _span([stuck.execution.retries for stuck in group]),
            _describe_reasons(group),
            ", ".join(stuck.execution.thing for stuck in group[:_MOST_EXAMPLES]),
        )
    return table


def _kind(stuck: Stuck) -> tuple[str, str]:
    return stuck.job_id, stuck.execution.status


def _rank(stuck: Stuck) -> tuple[str, str, float]:
    return *_kind(stuck), stuck.execution.updated_at


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def _describe_reasons(group: Sequence[Stuck]) -> str:
    reasons = Counter(stuck.reason for stuck in group if stuck.reason)
    if not reasons:
        return "no reason given"
    ((reason, number),) = reasons.most_common(1)
    looked_at = min(len(group), jobs.MOST_REASONS)
    return f"{terminal.printable(reason, 80)} ({number} of {looked_at})"


def _to_line(stuck: Stuck) -> dict[str, Any]:
    execution = stuck.execution
    return {
        "jobId": stuck.job_id,
        "deviceId": execution.thing,
        "status": execution.status,
        "since": clock.iso(execution.updated_at),
        "executionNumber": execution.number,
        "retries": execution.retries,
        "reason": terminal.printable(stuck.reason),
    }


def _print_lines(lines: Iterable[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        for line in lines:
            terminal.say_json(line)
        return
    writer = csv.DictWriter(sys.stdout, _COLUMNS)
    writer.writeheader()
    writer.writerows(lines)
