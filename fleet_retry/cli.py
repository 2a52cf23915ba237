"""``fleet-retry``: all commands, in the order that they are told in."""

from collections.abc import Callable

import typer

from fleet_retry.commands import adopting, examining, looking, pausing, redriving, releasing
from fleet_retry.options import on_a_deployment

# Markdown: what the fences around the examples in the docstrings are for.
app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown")


@app.callback()
def main() -> None:
    """Operates a fleet whose firmware updates are retried.

    Account and region are those of the environment, as for the AWS command line.

    A command ends with 0 when all is done, with 1 when something is left, which it says, and with
    2 when it could not be done.
    """


_COMMANDS: dict[str, Callable[..., None]] = {
    "doctor": examining.examine,
    "list": looking.list_devices,
    "show": looking.show,
    "history": looking.history,
    "release": releasing.release,
    "campaigns": pausing.list_campaigns,
    "pause": pausing.pause,
    "resume": pausing.resume,
    "redrive": redriving.redrive,
    "adopt": adopting.adopt,
}
for name, command in _COMMANDS.items():
    app.command(name)(on_a_deployment(command))
