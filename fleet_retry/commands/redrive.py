"""``redrive``: sends dead letters to the intake again."""

from typing import Annotated

import typer

from fleet_retry import dead_letters, terminal, undelivered
from fleet_retry.commands import _progress
from fleet_retry.commands._confirm import DryRun
from fleet_retry.dead_letters import Redriven, RedriveOutcome
from fleet_retry.deployment import Deployment


def redrive(
    deployment: Deployment,
    most: Annotated[int | None, typer.Option(min=1, help="The most letters to redrive.")] = None,
    dry_run: DryRun = False,
) -> None:
    """Send the messages of the dead-letter queue to the intake again, once the cause is fixed.

    Each message counts once, however often it is redriven. Letters that arrive during the redrive
    may be left; their number is printed. Alerts that SNS could not deliver go to the queue of the
    operators' e-mail. Exits with 1 when an unreadable letter stays in the queue.

    ```
    fleet-retry redrive --dry-run
    fleet-retry redrive
    ```
    """
    there = dead_letters.count_waiting(deployment)
    outcomes = _progress.report(
        dead_letters.redrive(deployment, most, dry_run),
        _describe,
        doing="Redriving",
        none="There is no dead letter.",
        total=there if most is None else min(most, there),
        dry_run=dry_run,
    )
    stay = outcomes.total() if dry_run else outcomes[RedriveOutcome.UNREADABLE]
    more = dead_letters.count_waiting(deployment) - stay
    if more > 0:
        terminal.say(
            f"About {more} more are in the queue. What another redrive has taken shows again"
            " within an hour."
        )
    _redrive_alerts(deployment, dry_run)
    if outcomes[RedriveOutcome.UNREADABLE]:
        raise typer.Exit(1)


def _redrive_alerts(deployment: Deployment, dry_run: bool) -> None:
    if dry_run:
        if waiting := undelivered.count_waiting(deployment):
            terminal.say(f"About {waiting} alert(s) wait that SNS could not deliver.")
    elif redriven := undelivered.redrive(deployment):
        terminal.say(f"{redriven} alert(s) that SNS could not deliver are in the next e-mail.")


def _describe(redriven: Redriven) -> tuple[RedriveOutcome, str]:
    letter, outcome = redriven
    device = terminal.printable(letter.device_id, 128) or "(no device)"
    return outcome, f"{device}  {outcome}  {letter.why}"
