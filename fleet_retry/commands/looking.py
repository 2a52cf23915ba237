"""``list``, ``show`` and ``history``: where the devices are, and how they got there."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from fleet_retry import campaigns, records, terminal, times
from fleet_retry import device as devices
from fleet_retry import history as histories
from fleet_retry.commands.selecting import ByAge, ByCampaign, ByReason, ByState
from fleet_retry.deployment import Deployment
from fleet_retry.device import Device
from fleet_retry.history import Transition
from fleet_retry.records import Now, Record, Selection, State

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
DeviceName = Annotated[str, typer.Argument(metavar="DEVICE", help="The thing's name.")]
_URGENCY = list(State)


def list_devices(  # noqa: PLR0913, PLR0917 -- options, by name
    deployment: Deployment,
    state: ByState = None,
    campaign: ByCampaign = None,
    older_than: ByAge = None,
    reason: ByReason = None,
    as_json: AsJson = False,
) -> None:
    """Lists the devices that are tracked, cooling down or failed.

    Failed ones come first, then those that have been where they are for longest. Times are UTC.

    ```
    fleet-retry list
    fleet-retry list --state failed --campaign 2.27
    fleet-retry list --state cooling_down --older-than 3d --json
    ```
    """
    now = campaigns.now(campaigns.decided(deployment))
    selection = Selection(state, campaign, older_than, reason)
    everything = terminal.with_progress(records.read_all(deployment), "Reading records")
    found = [record for record in everything if selection.has(record, now)]
    found.sort(key=lambda of: (_URGENCY.index(of.state), of.since, of.device_id))
    if as_json:
        for record in found:
            terminal.say_json(_listed(record, now))
        return
    if found:
        terminal.say(_list(found, now))
    terminal.say(_summary(found, now))


def _list(found: Sequence[Record], now: Now) -> Table:
    table = terminal.table(
        "device", "state", "cycles", "failures", "campaign", "since", "due", "last reason"
    )
    for of in found:
        table.add_row(
            of.device_id,
            of.state,
            str(of.cycles),
            str(of.failures),
            of.campaign,
            f"{times.minute(of.since)} ({times.age(now.moment - of.since)})",
            _due(of, now),
            terminal.printable(of.reason),
        )
    return table


def _due(of: Record, now: Now) -> str:
    if not of.due_at:
        return ""
    if now.is_held(of):
        return "held: its campaign is paused"
    left = of.due_at - now.moment
    distance = f"in {times.age(left)}" if left >= 0 else f"{times.age(-left)} ago"
    return f"{times.minute(of.due_at)} ({distance})"


def _listed(of: Record, now: Now) -> dict[str, Any]:
    return {
        "deviceId": of.device_id,
        "state": of.state,
        "cycles": of.cycles,
        "failures": of.failures,
        "campaign": of.campaign,
        "since": times.iso(of.since),
        "due": times.iso(of.due_at) if of.due_at else None,
        "isHeld": now.is_held(of),
        "isOverdue": now.is_overdue(of),
        "lastReason": of.reason,
    }


def _summary(found: Sequence[Record], now: Now) -> str:
    if not found:
        return "No such device."
    counts = Counter(of.state.words for of in found)
    counts["held by a paused campaign"] = sum(map(now.is_held, found))
    counts["overdue"] = sum(map(now.is_overdue, found))
    noun = "device" if len(found) == 1 else "devices"
    return f"{len(found)} {noun}: " + ", ".join(
        f"{number} {what}" for what, number in counts.items() if number
    )


def show(deployment: Deployment, device: DeviceName, as_json: AsJson = False) -> None:
    """Shows all that is known of a device.

    Its record, the thing's attributes now and before, its groups, the recovery run that holds it,
    and what happened to it. Ends with 1 when there is no such device.

    ```
    fleet-retry show pump-17
    fleet-retry show pump-17 --json | jq .record
    ```
    """
    known = devices.look_at(deployment, device)
    if as_json:
        terminal.say_json(known.as_dict())
    elif known.is_known:
        _show(known)
    else:
        terminal.remark(f"There is no thing {device}, and nothing is known of it.")
    if not known.is_known:
        raise typer.Exit(1)


def _show(device: Device) -> None:
    if device.record is None:
        terminal.say(f"{device.name} is not tracked: no failure since its last update.")
    else:
        record = terminal.table("record", "")
        for name, value in sorted(device.record.items()):
            record.add_row(name, _told(name, value))
        terminal.say(record)
    if device.run is not None:
        terminal.say(f"\nexecution  {' '.join(filter(None, _words(device.run)))}")
    terminal.say("")
    if device.attributes is None:
        terminal.say("The thing is gone.")
    else:
        terminal.say(_attributes(device, device.attributes))
        terminal.say(f"\ngroups  {', '.join(device.groups) or '(none)'}")
    if device.history:
        terminal.say("")
        terminal.say(_history(device.history))


def _words(run: devices.Run) -> tuple[str, ...]:
    return run.status, run.at and f"in {run.at}", run.console_url or run.arn


def _told(name: str, value: Any) -> str:
    if name in ("dueAt", "awaySince", "usedUpAt"):
        return f"{value} ({times.iso(value)})"
    if name in ("startedAt", "lastSentAt", "notBefore", "endingUpTo") and value:
        return f"{value} ({times.iso(value / 1000)})"
    if isinstance(value, list):
        return f"{len(value)}: {', '.join(value[-3:])}" if len(value) > 3 else ", ".join(value)
    return terminal.printable(str(value))


def _attributes(device: Device, now: dict[str, str]) -> Table:
    table = terminal.table("attribute", "now", "original")
    for name in sorted({*now, *device.originals}):
        original = device.originals.get(name, now.get(name))
        table.add_row(name, now.get(name, "(none)"), "(none)" if original is None else original)
    return table


def history(deployment: Deployment, device: DeviceName, as_json: AsJson = False) -> None:
    """Shows what happened to a device, when and why, oldest first.

    Ends with 1 when nothing is known of the device.

    ```
    fleet-retry history pump-17
    ```
    """
    known = list(histories.transitions(deployment, device))
    if not known:
        terminal.remark(f"Nothing is known of {device}: its updates never failed, or long ago.")
        raise typer.Exit(1)
    if as_json:
        for transition in known:
            terminal.say_json(transition.as_dict())
        return
    terminal.say(_history(known))


def _history(known: Sequence[Transition]) -> Table:
    table = terminal.table("when", "from", "to", "why", "campaign", "execution")
    for of in known:
        table.add_row(of.at, of.before, of.after, of.reason, of.campaign, of.execution)
    return table
