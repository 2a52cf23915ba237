"""The commands of ``fleet-retry``."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table

from fleet_retry import dead_letters
from fleet_retry import history as device_history
from fleet_retry.dead_letters import Fate
from fleet_retry.deployment import Deployment, DeploymentError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
# In a pipe there is no width to fit a table into.
_console = Console(
    highlight=False, markup=False, soft_wrap=True, width=None if sys.stdout.isatty() else 240
)

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
    with _said_plainly():
        for letter, fate in dead_letters.redrive(Deployment(prefix, endpoint_url), most, dry_run):
            fates[fate] += 1
            # What names the device may be anything that somebody sent: no control characters.
            device = ascii(letter.device_id[:128])[1:-1] or "(no device)"
            _console.print(f"{device}  {fate}  {letter.why}")
    intent = " (dry run: nothing was changed)" if dry_run else ""
    counted = ", ".join(f"{number} {fate}" for fate, number in sorted(fates.items()))
    _console.print(f"{counted or 'The dead-letter queue is empty.'}{intent}")
    if fates[Fate.UNREADABLE]:
        raise typer.Exit(1)


@app.command()
def history(
    device: Annotated[str, typer.Argument(help="The thing's name.")],
    prefix: Prefix = "",
    endpoint_url: EndpointUrl = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Shows what happened to a device, when and why, oldest first.

    Ends with 1 when nothing is known of the device, with 2 when the module is not there.

    Example: fleet-retry history pump-17
    """
    with _said_plainly():
        known = list(device_history.transitions(Deployment(prefix, endpoint_url), device))
    if not known:
        _console.print(f"Nothing is known of {device}: its updates never failed, or long ago.")
        raise typer.Exit(1)
    if as_json:
        for transition in known:
            _console.print(json.dumps(transition.as_dict()))
        return
    table = Table("when", "from", "to", "why", "campaign", "execution", box=None)
    for of in known:
        table.add_row(of.at, of.before, of.after, of.reason, of.campaign, of.execution)
    _console.print(table)


@contextmanager
def _said_plainly() -> Iterator[None]:
    """What goes wrong in AWS is told in one line, and ends the command with 2."""
    try:
        yield
    except (DeploymentError, ClientError, BotoCoreError) as error:
        _console.print(f"{error}")
        raise typer.Exit(2) from error
