"""``show``: all that is known of a device."""

from typing import Any

import typer
from rich.table import Table

from firmware_retry import clock
from fleet_retry import device as devices
from fleet_retry import terminal
from fleet_retry.commands._options import AsJson, DeviceName
from fleet_retry.commands.history import make_history_table
from fleet_retry.deployment import Deployment
from fleet_retry.device import Device, Run

_SECONDS = ("dueAt", "awaySince", "usedUpAt")
_MILLISECONDS = ("startedAt", "lastSentAt", "notBefore", "endingUpTo")


def show(deployment: Deployment, device: DeviceName, as_json: AsJson = False) -> None:
    """Show all that is known of a device.

    Its record, the thing's present and original attributes, its groups, its recovery run and its
    history. Exits with 1 when there is no such device.

    ```
    fleet-retry show pump-17
    fleet-retry show pump-17 --json | jq .record
    ```
    """
    known = devices.read_device(deployment, device)
    if as_json:
        terminal.say_json(known.as_dict())
    elif known.is_known:
        _say(known)
    else:
        terminal.remark(f"There is no thing {device}, and nothing is known of it.")
    if not known.is_known:
        raise typer.Exit(1)


def _say(device: Device) -> None:
    if device.record is None:
        terminal.say(f"{device.name} is not tracked: no failure since its last update.")
    else:
        terminal.say(_make_record_table(device.record))
    if device.run is not None:
        terminal.say(f"\nexecution  {_describe_run(device.run)}")
    terminal.say("")
    if device.attributes is None:
        terminal.say("The thing is gone.")
    else:
        terminal.say(_make_attribute_table(device.attributes, device.originals))
        terminal.say(f"\ngroups  {', '.join(device.groups) or '(none)'}")
    if device.history:
        terminal.say("")
        terminal.say(make_history_table(device.history))


def _describe_run(run: Run) -> str:
    parts = (run.status, run.last_state and f"in {run.last_state}", run.console_url or run.arn)
    return " ".join(filter(None, parts))


def _make_record_table(record: dict[str, Any]) -> Table:
    table = terminal.make_table("record", "")
    for name, value in sorted(record.items()):
        table.add_row(name, _format(name, value))
    return table


def _format(name: str, value: Any) -> str:
    if name in _SECONDS:
        return f"{value} ({clock.iso(value)})"
    if name in _MILLISECONDS and value:
        return f"{value} ({clock.iso(value / 1000)})"
    if isinstance(value, list):
        return f"{len(value)}: {', '.join(value[-3:])}" if len(value) > 3 else ", ".join(value)
    return terminal.printable(str(value))


def _make_attribute_table(present: dict[str, str], originals: dict[str, str | None]) -> Table:
    table = terminal.make_table("attribute", "now", "original")
    for name in sorted({*present, *originals}):
        original = originals.get(name, present.get(name))
        table.add_row(name, present.get(name, "(none)"), "(none)" if original is None else original)
    return table
