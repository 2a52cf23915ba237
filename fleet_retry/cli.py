"""The commands of ``fleet-retry``."""

from collections import Counter
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from fleet_retry import dead_letters
from fleet_retry.dead_letters import Fate
from fleet_retry.deployment import Deployment, DeploymentError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
_console = Console(highlight=False, markup=False, soft_wrap=True)

Prefix = Annotated[str, typer.Option(envvar="FLEET_RETRY_PREFIX", help="The module's name_prefix.")]
EndpointUrl = Annotated[
    str | None, typer.Option(help="Another AWS than the real one, such as a local cloud.")
]


@app.callback()
def main() -> None:
    """Operates a fleet whose firmware updates are retried.

    Account and region are those of the environment, as for the AWS command line.
    """


@app.command()
def redrive(
    prefix: Prefix = "",
    endpoint_url: EndpointUrl = None,
    most: Annotated[int | None, typer.Option(min=1, help="At most so many letters.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Only show what is in the queue.")] = False,
) -> None:
    """Sends what is in the dead-letter queue on its way again, once the cause is gone.

    Each message is counted once, however often it is redriven. Ends with 1 when a letter could not
    be read and stays in the queue, with 2 when the module is not there.

    Example: fleet-retry redrive --dry-run
    """
    fates: Counter[Fate] = Counter()
    try:
        for letter, fate in dead_letters.redrive(Deployment(prefix, endpoint_url), most, dry_run):
            fates[fate] += 1
            # What names the device may be anything that somebody sent: no control characters.
            device = ascii(letter.device_id[:128])[1:-1] or "(no device)"
            _console.print(f"{device}  {fate}  {letter.why}")
    except (DeploymentError, ClientError, BotoCoreError) as error:
        _console.print(f"{error}")
        raise typer.Exit(2) from error
    intent = " (dry run: nothing was changed)" if dry_run else ""
    counted = ", ".join(f"{number} {fate}" for fate, number in sorted(fates.items()))
    _console.print(f"{counted or 'The dead-letter queue is empty.'}{intent}")
    if fates[Fate.UNREADABLE]:
        raise typer.Exit(1)
