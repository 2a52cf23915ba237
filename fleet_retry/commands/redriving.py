"""``redrive``: what is in the dead-letter queue goes on its way again."""

from typing import Annotated

import typer

from fleet_retry import dead_letters, terminal
from fleet_retry.commands import counting
from fleet_retry.commands.asking import DryRun
from fleet_retry.dead_letters import Fate, Outcome
from fleet_retry.deployment import Deployment


def redrive(
    deployment: Deployment,
    most: Annotated[int | None, typer.Option(min=1, help="At most so many letters.")] = None,
    dry_run: DryRun = False,
) -> None:
    """Sends what is in the dead-letter queue on its way again, once the cause is gone.

    Each message is counted once, however often it is redriven. What comes meanwhile may be left,
    and it says how many are. Ends with 1 when a letter could not be read and stays in the queue.

    ```
    fleet-retry redrive --dry-run
    fleet-retry redrive
    ```
    """
    there = dead_letters.waiting(deployment)
    fates = counting.tell(
        dead_letters.redrive(deployment, most, dry_run),
        _line,
        doing="Redriving",
        none="There is no dead letter.",
        total=there if most is None else min(most, there),
        dry_run=dry_run,
    )
    stay = fates.total() if dry_run else fates[Fate.UNREADABLE]
    more = dead_letters.waiting(deployment) - stay
    if more > 0:
        terminal.say(
            f"About {more} more are in the queue. What another redrive has taken shows again"
            " within an hour."
        )
    if fates[Fate.UNREADABLE]:
        raise typer.Exit(1)


def _line(outcome: Outcome) -> tuple[Fate, str]:
    letter, fate = outcome
    device = terminal.printable(letter.device_id, 128) or "(no device)"
    return fate, f"{device}  {fate}  {letter.why}"
