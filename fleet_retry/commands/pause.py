"""``pause``: keeps a campaign's devices from returning for another cycle."""

from typing import Annotated

import typer

from fleet_retry import campaigns, terminal
from fleet_retry.commands._options import CampaignName
from fleet_retry.commands._progress import read_records
from fleet_retry.deployment import Deployment


def pause(
    deployment: Deployment,
    campaign: CampaignName,
    why: Annotated[str, typer.Option(help="The reason, for other operators.")] = "",
) -> None:
    """Hold the devices of a campaign that cool down, until the campaign is resumed.

    They do not return for another cycle. A success, a release or another campaign still brings a
    device back, failures still count, and a device that uses up its last cycle still fails.

    ```
    fleet-retry pause 2.27 --why "bootloader bug, fixed in 2.28"
    ```
    """
    campaigns.pause(deployment, campaign, why)
    cooling_down, _ = campaigns.count_cooling_down(read_records(deployment), campaign)
    terminal.say(
        f"{campaign} is paused. {cooling_down} of its devices cool down now, and are held until"
        f" `{deployment.command('resume', '--', campaign)}`."
    )
