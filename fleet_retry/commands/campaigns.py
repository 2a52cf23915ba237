"""``campaigns``: the campaigns' devices, and which campaigns are paused."""

from collections import Counter

from firmware_retry.campaigns_table import Campaign
from fleet_retry import terminal
from fleet_retry.commands._options import AsJson
from fleet_retry.commands._progress import read_records
from fleet_retry.deployment import Deployment
from fleet_retry.records import URGENCY, Now

_COUNTED = (*(state.value for state in URGENCY), "held")


def list_campaigns(deployment: Deployment, as_json: AsJson = False) -> None:
    """List the campaigns: how many devices each has in which state, and which are paused.

    Held devices would return for another cycle if the campaign were not paused.

    ```
    fleet-retry campaigns
    ```
    """
    now = Now.read(deployment)
    devices = _count_devices(deployment, now)
    known = now.campaigns
    decided = (
        name for name, campaign in known.items() if campaign.is_paused or campaign.notified_at
    )
    rows = [
        (known.get(name, Campaign(name)), devices.get(name, Counter()))
        for name in sorted({*devices, *decided})
    ]
    if as_json:
        for campaign, counts in rows:
            terminal.say_json(_to_json(campaign, counts))
        return
    if not rows:
        terminal.say("No campaign has a device with a failure, and none is paused.")
        return
    table = terminal.make_table("campaign", "failed", "cooling down", "tracking", "held", "paused")
    for campaign, counts in rows:
        counted = [str(counts[what]) for what in _COUNTED]
        name = terminal.printable(campaign.name) or "(unknown)"
        table.add_row(name, *counted, _describe_pause(campaign))
    terminal.say(table)


def _count_devices(deployment: Deployment, now: Now) -> dict[str, Counter[str]]:
    devices: dict[str, Counter[str]] = {}
    for record in read_records(deployment):
        counts = devices.setdefault(record.campaign, Counter())
        counts[record.state] += 1
        counts["held"] += now.is_held(record)
    return devices


def _to_json(campaign: Campaign, counts: Counter[str]) -> dict[str, object]:
    return {
        "campaign": campaign.name,
        **{what: counts[what] for what in _COUNTED},
        "pausedAt": campaign.paused_at or None,
        "pausedBy": campaign.paused_by or None,
        "why": campaign.why or None,
        "toldAt": campaign.notified_at or None,
    }


def _describe_pause(campaign: Campaign) -> str:
    if campaign.is_paused:
        why = f": {terminal.printable(campaign.why)}" if campaign.why else ""
        return f"by {campaign.paused_by} since {campaign.paused_at}{why}"
    return f"no; too many failed, told at {campaign.notified_at}" if campaign.notified_at else ""
