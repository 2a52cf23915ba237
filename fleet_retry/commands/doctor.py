"""``doctor``: diagnosis of the deployment."""

from collections import Counter
from typing import Annotated

import typer

from fleet_retry import doctor, terminal
from fleet_retry.commands._options import AsJson
from fleet_retry.deployment import Deployment
from fleet_retry.doctor.context import Context
from fleet_retry.doctor.findings import Result, Status

_LABELS = {
    Status.FINDING: ("finding", "findings"),
    Status.NOT_CHECKED: ("not checked", "not checked"),
    Status.NOTE: ("note", "notes"),
    Status.OK: ("in order", "in order"),
}


def diagnose(
    deployment: Deployment,
    ignore_group: Annotated[
        list[str] | None,
        typer.Option(
            envvar="FLEET_RETRY_IGNORE_GROUP",
            metavar="PATTERN",
            help="Dynamic groups that get no firmware updates; may be repeated.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that all that the module needs is enabled and in order.

    Changes nothing. Prints for each finding why it matters and what to type. Exits with 1 when
    there are findings; what AWS does not answer is not checked, and is not a finding.

    ```
    fleet-retry doctor
    fleet-retry doctor --ignore-group 'offline-*' --json
    ```
    """
    counts: Counter[Status] = Counter()
    for result in doctor.run_checks(Context(deployment, ignore_group or ())):
        counts[result.finding.status] += 1
        if as_json:
            terminal.say_json(result.as_dict())
        else:
            _say(result)
    if not as_json:
        terminal.say(f"\n{_summarize(counts)}")
    if counts[Status.FINDING]:
        raise typer.Exit(1)


def _summarize(counts: Counter[Status]) -> str:
    return ", ".join(
        f"{counts[status]} {labels[counts[status] != 1]}"
        for status, labels in _LABELS.items()
        if counts[status]
    )


def _say(result: Result) -> None:
    finding = result.finding
    terminal.say(f"{finding.status:<12} {result.check}: {terminal.printable(finding.what, 1000)}")
    for name, text in (("why", finding.why), ("do", finding.do)):
        if text:
            terminal.say(f"{'':<12} {name + ':':<4} {text}")
