"""``fleet-retry``: all commands, in the order of the documentation."""

from collections.abc import Callable

import typer

from fleet_retry.commands._options import on_deployment, take_deployment_options
from fleet_retry.commands.adopt import adopt
from fleet_retry.commands.campaigns import list_campaigns
from fleet_retry.commands.doctor import diagnose
from fleet_retry.commands.history import history
from fleet_retry.commands.list import list_devices
from fleet_retry.commands.pause import pause
from fleet_retry.commands.redrive import redrive
from fleet_retry.commands.release import release
from fleet_retry.commands.resume import resume
from fleet_retry.commands.show import show
from fleet_retry.commands.stop_runs import stop_runs
from fleet_retry.commands.stuck import list_stuck

# Markdown renders the fences around the examples in the docstrings.
app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown")


@app.callback()
@take_deployment_options
def main() -> None:
    """Operate a fleet whose firmware updates are retried.

    Account and region come from the environment, as for the AWS command line. The options that
    name the deployment may stand before or after the command.

    Exit status: 0 success, 1 work remains (see output), 2 error.
    """


_COMMANDS: dict[str, Callable[..., None]] = {
    "doctor": diagnose,
    "stuck": list_stuck,
    "list": list_devices,
    "show": show,
    "history": history,
    "release": release,
    "stop-runs": stop_runs,
    "campaigns": list_campaigns,
    "pause": pause,
    "resume": resume,
    "redrive": redrive,
    "adopt": adopt,
}
for name, command in _COMMANDS.items():
    app.command(name)(on_deployment(command))
