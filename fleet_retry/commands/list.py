"""``list``: the devices that are tracked, cooling down or failed."""

from collections import Counter
from collections.abc import Sequence
from math import inf
from typing import Any

from rich.table import Table

from firmware_retry import clock
from firmware_retry.record import Record
from fleet_retry import records, terminal, times
from fleet_retry.commands._options import AsJson
from fleet_retry.commands._progress import read_records
from fleet_retry.commands._selection import ByAge, ByCampaign, ByReason, ByState
from fleet_retry.deployment import Deployment
from fleet_retry.records import URGENCY, Now, Selection


def list_devices(  # noqa: PLR0913, PLR0917 -- options, by name
    deployment: Deployment,
    state: ByState = None,
    campaign: ByCampaign = None,
    older_than: ByAge = None,
    reason: ByReason = None,
    as_json: AsJson = False,
) -> None:
    """List the devices that are tracked, cooling down or failed.

    Failed devices come first, then those that entered their state longest ago. Times are UTC.

    ```
    fleet-retry list
    fleet-retry list --state failed --campaign 2.27
    fleet-retry list --state cooling_down --older-than 3d --json
    ```
    """
    now = Now.read(deployment)
    selection = Selection(state, campaign, older_than, reason)
    everything = read_records(deployment)
    selected = [record for record in everything if selection.includes(record, now.moment)]
    selected.sort(key=_rank)
    if as_json:
        for record in selected:
            terminal.say_json(_to_json(record, now))
        return
    if selected:
        terminal.say(_make_table(selected, now))
    terminal.say(_summarize(selected, now))


def _rank(record: Record) -> tuple[int, float, str]:
    return URGENCY.index(record.state), records.since(record), record.device_id


def _make_table(selected: Sequence[Record], now: Now) -> Table:
    table = terminal.make_table(
        "device", "state", "cycles", "failures", "campaign", "since", "due", "last reason"
    )
    for record in selected:
        since = records.since(record)
        table.add_row(
            record.device_id,
            record.state,
            str(record.reset_retry_count),
            str(record.retry_counter),
            record.campaign,
            f"{times.format_minute(since)} ({times.format_age(now.moment - since)})",
            _describe_due(record, now),
            terminal.printable(record.last_reason),
        )
    return table


def _describe_due(record: Record, now: Now) -> str:
    if now.is_not_away(record):
        return "not away: its attributes could not be overwritten"
    due_since = now.due_since(record)
    if due_since == inf:
        return ""
    if now.is_held(record):
        return "held: its campaign is paused"
    left = due_since - now.moment
    distance = f"in {times.format_age(left)}" if left >= 0 else f"{times.format_age(-left)} ago"
    return f"{times.format_minute(due_since)} ({distance})"


def _to_json(record: Record, now: Now) -> dict[str, Any]:
    due_since = now.due_since(record)
    return {
        "deviceId": record.device_id,
        "state": record.state,
        "cycles": record.reset_retry_count,
        "failures": record.retry_counter,
        "campaign": record.campaign,
        "since": clock.iso(records.since(record)),
        "due": None if due_since == inf else clock.iso(due_since),
        "isHeld": now.is_held(record),
        "isOverdue": now.is_overdue(record),
        "isNotAway": now.is_not_away(record),
        "lastReason": record.last_reason,
    }


def _summarize(selected: Sequence[Record], now: Now) -> str:
    if not selected:
        return "No such device."
    counts = Counter(records.describe_state(record.state) for record in selected)
    counts["held by a paused campaign"] = sum(map(now.is_held, selected))
    counts["overdue"] = sum(map(now.is_overdue, selected))
    counts["not away"] = sum(map(now.is_not_away, selected))
    noun = "device" if len(selected) == 1 else "devices"
    return f"{len(selected)} {noun}: " + ", ".join(
        f"{number} {what}" for what, number in counts.items() if number
    )
