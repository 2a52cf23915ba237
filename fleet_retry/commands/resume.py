"""``resume``: lets a paused campaign's devices return."""

import typer

from fleet_retry import campaigns, terminal
from fleet_retry.commands._options import CampaignName
from fleet_retry.commands._progress import read_records
from fleet_retry.deployment import Deployment


def resume(deployment: Deployment, campaign: CampaignName) -> None:
    """Let the devices of a paused campaign return.

    The breaker evaluates the campaign again. Exits with 1 when it was not paused.

    ```
    fleet-retry resume 2.27
    ```
    """
    if not campaigns.resume(deployment, campaign):
        terminal.remark(f"{campaign} is not paused: see `{deployment.command('campaigns')}`.")
        raise typer.Exit(1)
    cooling_down, held = campaigns.count_cooling_down(read_records(deployment), campaign)
    terminal.say(
        f"{campaign} is resumed. {held} of its devices were held, and come back with the next pass"
        f" of ReconcileDevices; {cooling_down - held} still cool down."
    )
