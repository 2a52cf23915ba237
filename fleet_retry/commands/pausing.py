"""``campaigns``, ``pause`` and ``resume``: whether a campaign's devices get another cycle."""

import time
from collections import Counter
from typing import Annotated

import typer

from fleet_retry import campaigns, records, terminal
from fleet_retry.campaigns import Campaign
from fleet_retry.commands.looking import AsJson
from fleet_retry.deployment import Deployment
from fleet_retry.records import Now, State

CampaignName = Annotated[
    str, typer.Argument(metavar="CAMPAIGN", help="A job id, or firmware where there is no job.")
]
_COUNTED = (*(state.value for state in State), "held")


def list_campaigns(deployment: Deployment, as_json: AsJson = False) -> None:
    """Lists the campaigns: how many devices each has in which state, and which are paused.

    Held are those that would be sent back for another cycle, if the campaign were not paused.

    ```
    fleet-retry campaigns
    ```
    """
    decided = campaigns.decided(deployment)
    devices = _devices(deployment, decided)
    names = sorted(
        {*devices, *(name for name, of in decided.items() if of.is_paused or of.told_at)}
    )
    rows = [(decided.get(name, Campaign(name)), devices.get(name, Counter())) for name in names]
    if as_json:
        for of, counts in rows:
            terminal.say_json(_as_dict(of, counts))
        return
    if not rows:
        terminal.say("No campaign has a device with a failure, and none is paused.")
        return
    table = terminal.table("campaign", "failed", "cooling down", "tracking", "held", "paused")
    for of, counts in rows:
        counted = [str(counts[what]) for what in _COUNTED]
        table.add_row(terminal.printable(of.name) or "(unknown)", *counted, _paused(of))
    terminal.say(table)


def _devices(deployment: Deployment, decided: dict[str, Campaign]) -> dict[str, Counter[str]]:
    now = campaigns.now(decided)
    devices: dict[str, Counter[str]] = {}
    for record in terminal.with_progress(records.read_all(deployment), "Reading records"):
        counts = devices.setdefault(record.campaign, Counter())
        counts[record.state] += 1
        counts["held"] += now.is_held(record)
    return devices


def _as_dict(of: Campaign, counts: Counter[str]) -> dict[str, object]:
    return {
        "campaign": of.name,
        **{what: counts[what] for what in _COUNTED},
        "pausedAt": of.paused_at or None,
        "pausedBy": of.paused_by or None,
        "why": of.why or None,
        "toldAt": of.told_at or None,
    }


def _paused(of: Campaign) -> str:
    if of.is_paused:
        why = f": {terminal.printable(of.why)}" if of.why else ""
        return f"by {of.paused_by} since {of.paused_at}{why}"
    return f"no; too many failed, told at {of.told_at}" if of.told_at else ""


def pause(
    deployment: Deployment,
    campaign: CampaignName,
    why: Annotated[str, typer.Option(help="Why, for whoever looks at it later.")] = "",
) -> None:
    """Holds the devices of a campaign that cool down, until the campaign is resumed.

    They are not sent back for another cycle. A success, a release or another campaign brings a
    device back all the same; failures count on, and devices that fail for good still do.

    ```
    fleet-retry pause 2.27 --why "bootloader bug, fixed in 2.28"
    ```
    """
    _refuse_unknown(campaign)
    campaigns.pause(deployment, campaign, why)
    cooling_down, _ = _waiting(deployment, campaign)
    terminal.say(
        f"{campaign} is paused. {cooling_down} of its devices cool down now, and are held until"
        f" `{deployment.command('resume', '--', campaign)}`."
    )


def resume(deployment: Deployment, campaign: CampaignName) -> None:
    """Lets the devices of a paused campaign come back.

    Also has the breaker look at the campaign anew. Ends with 1 when it was not paused.

    ```
    fleet-retry resume 2.27
    ```
    """
    _refuse_unknown(campaign)
    if not campaigns.resume(deployment, campaign):
        terminal.remark(f"{campaign} is not paused: see `{deployment.command('campaigns')}`.")
        raise typer.Exit(1)
    cooling_down, held = _waiting(deployment, campaign)
    terminal.say(
        f"{campaign} is resumed. {held} of its devices were held, and come back with the next pass"
        f" of ReconcileDevices; {cooling_down - held} still cool down."
    )


def _refuse_unknown(campaign: str) -> None:
    if not campaign:
        raise typer.BadParameter("the campaign is empty: devices that name none cannot be paused")


def _waiting(deployment: Deployment, campaign: str) -> tuple[int, int]:
    """How many devices of a campaign cool down, and of how many the cool-down is over."""
    now = Now(time.time(), frozenset({campaign}))
    everything = terminal.with_progress(records.read_all(deployment), "Reading records")
    cooling = [
        of for of in everything if of.campaign == campaign and of.state is State.COOLING_DOWN
    ]
    return len(cooling), sum(map(now.is_held, cooling))
