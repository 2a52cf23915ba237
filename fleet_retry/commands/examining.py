"""``doctor``: whether all that the module needs is switched on, and in order."""

from collections import Counter
from typing import Annotated

import typer

from fleet_retry import doctor, terminal
from fleet_retry.commands.looking import AsJson
from fleet_retry.deployment import Deployment
from fleet_retry.doctor.context import Patient
from fleet_retry.doctor.findings import Result, Status

_NUMBERED = {
    Status.FINDING: ("finding", "findings"),
    Status.NOT_CHECKED: ("not checked", "not checked"),
    Status.NOTE: ("note", "notes"),
    Status.OK: ("in order", "in order"),
}


def examine(
    deployment: Deployment,
    ignore_group: Annotated[
        list[str] | None,
        typer.Option(
            envvar="FLEET_RETRY_IGNORE_GROUP",
            metavar="PATTERN",
            help="Dynamic groups that no firmware updates go to; may be given several times.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Looks whether all that the module needs is switched on, and in order.

    Changes nothing. Says for each finding why it matters and what to type. Ends with 0 when all is
    in order, with 1 when there are findings; what AWS does not answer is not checked, and no
    finding.

    ```
    fleet-retry doctor
    fleet-retry doctor --ignore-group 'offline-*' --json
    ```
    """
    counts: Counter[Status] = Counter()
    for result in doctor.examine(Patient(deployment, ignore_group or ())):
        counts[result.finding.status] += 1
        if as_json:
            terminal.say_json(result.as_dict())
        else:
            _say(result)
    if not as_json:
        numbered = (
            f"{counts[status]} {words[counts[status] != 1]}"
            for status, words in _NUMBERED.items()
            if counts[status]
        )
        terminal.say(f"\n{', '.join(numbered)}")
    if counts[Status.FINDING]:
        raise typer.Exit(1)


def _say(result: Result) -> None:
    finding = result.finding
    terminal.say(f"{finding.status:<12} {result.check}: {terminal.printable(finding.what, 1000)}")
    for name, text in (("why", finding.why), ("do", finding.do)):
        if text:
            terminal.say(f"{'':<12} {name + ':':<4} {text}")
