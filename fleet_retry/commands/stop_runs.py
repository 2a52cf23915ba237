"""``stop-runs``: ends the runs that keep a destroy waiting."""

import typer

from fleet_retry import records, runs, terminal
from fleet_retry.commands import _progress
from fleet_retry.commands._confirm import DryRun, Yes, confirm
from fleet_retry.deployment import Deployment, DeploymentError
from fleet_retry.runs import StopOutcome


def stop_runs(deployment: Deployment, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Stop all runs of the recoveries, so that terraform destroy can delete their state machines.

    AWS deletes a state machine only after its last run, and a run may sleep for days. Release the
    devices first: a device that is away without its run returns only with ReconcileDevices, as long
    as that is deployed. Exits with 1 when a run could not be stopped, or after the answer no.

    ```
    fleet-retry release --state cooling_down
    fleet-retry stop-runs
    ```
    """
    arns = runs.list_running(deployment)
    if not arns:
        terminal.say("No run is under way.")
        return
    needed = _count_needed(deployment, arns)
    if needed:
        terminal.remark(
            f"{needed} of them still have their devices to put back or into the failed group: see"
            f" `{deployment.command('list')}`. Without its run a device waits for ReconcileDevices."
        )
    if dry_run:
        terminal.say(f"{len(arns)} run(s) would be stopped (dry run: nothing was changed)")
        return
    if not yes:
        confirm(f"Stop {len(arns)} run(s)?")
    outcomes = _progress.report(
        runs.stop_all(deployment, arns), _describe, doing="Stopping", total=len(arns)
    )
    if outcomes[StopOutcome.REFUSED]:
        raise typer.Exit(1)


def _count_needed(deployment: Deployment, arns: list[str]) -> int:
    running = {arn.rpartition(":")[2] for arn in arns}
    try:
        return sum(record.recovery_id in running for record in records.read_all(deployment))
    except DeploymentError:  # in the middle of a destroy: nothing is left that could need them
        return 0


def _describe(stopped: tuple[str, StopOutcome, str]) -> tuple[StopOutcome, str]:
    arn, outcome, why = stopped
    name = arn.rpartition(":")[2]
    return outcome, f"{name}  {outcome}  {terminal.printable(why)}" if why else ""
