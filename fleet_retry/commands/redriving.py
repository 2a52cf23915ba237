"""``redrive``: what is in the dead-letter queue goes on its way again."""

from collections import Counter
from typing import Annotated

import typer

from fleet_retry import dead_letters, terminal
from fleet_retry.dead_letters import Fate
from fleet_retry.deployment import Deployment


def redrive(
    deployment: Deployment,
    most: Annotated[int | None, typer.Option(min=1, help="At most so many letters.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only shows what is in the queue.")
    ] = False,
) -> None:
    """Sends what is in the dead-letter queue on its way again, once the cause is gone.

    Each message is counted once, however often it is redriven. Ends with 1 when a letter could not
    be read and stays in the queue.

    ```
    fleet-retry redrive --dry-run
    fleet-retry redrive
    ```
    """
    fates: Counter[Fate] = Counter()
    letters = dead_letters.redrive(deployment, most, dry_run)
    for letter, fate in terminal.with_progress(letters, "Redriving"):
        fates[fate] += 1
        device = terminal.printable(letter.device_id, 128) or "(no device)"
        terminal.say(f"{device}  {fate}  {letter.why}")
    intent = " (dry run: nothing was changed)" if dry_run else ""
    counted = ", ".join(f"{number} {fate}" for fate, number in sorted(fates.items()))
    terminal.say(f"{counted or 'The dead-letter queue is empty.'}{intent}")
    if fates[Fate.UNREADABLE]:
        raise typer.Exit(1)
