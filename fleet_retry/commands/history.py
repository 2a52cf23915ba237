"""``history``: the changes of a device's state."""

from collections.abc import Sequence

import typer
from rich.table import Table

from firmware_retry.history_table import Transition
from fleet_retry import terminal
from fleet_retry.commands._options import AsJson, DeviceName
from fleet_retry.deployment import Deployment
from fleet_retry.history import read_transitions, to_json


def history(deployment: Deployment, device: DeviceName, as_json: AsJson = False) -> None:
    """Show what happened to a device, when and why, oldest first.

    Exits with 1 when nothing is known of the device.

    ```
    fleet-retry history pump-17
    ```
    """
    transitions = list(read_transitions(deployment, device))
    if not transitions:
        terminal.remark(f"Nothing is known of {device}: its updates never failed, or long ago.")
        raise typer.Exit(1)
    if as_json:
        for transition in transitions:
            terminal.say_json(to_json(transition))
        return
    terminal.say(make_history_table(transitions))


def make_history_table(transitions: Sequence[Transition]) -> Table:
    """Return a table of a device's history."""
    table = terminal.make_table("when", "from", "to", "why", "campaign", "execution")
    for transition in transitions:
        table.add_row(
            transition.at,
            transition.before,
            transition.after,
            transition.reason,
            transition.campaign,
            transition.execution,
        )
    return table
