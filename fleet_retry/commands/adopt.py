"""``adopt``: takes over the devices of the CDK stack that preceded this module."""

from typing import Annotated

import typer

from fleet_retry import adoption, cdk_stack, terminal
from fleet_retry.adoption import Adopted, AdoptionOutcome
from fleet_retry.cdk_stack import StopOutcome
from fleet_retry.commands import _progress
from fleet_retry.commands._confirm import DryRun, Yes, confirm
from fleet_retry.deployment import Deployment


def adopt(
    deployment: Deployment,
    stop_original: Annotated[
        bool,
        typer.Option(
            "--stop-original",
            help="Before the CDK stack is deleted: disable its rule and stop its sleeping runs,"
            " after recording until when each device stays away.",
        ),
    ] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Take over the devices of the CDK stack iot-firmware-update, once the module is applied.

    Its records and backups, in the module's tables, become the module's: counters continue, and
    devices that were moved out return. Repeating is safe. Exits with 1 when work remains, which
    the output names, or after the answer no. See docs/migrating-from-cdk.md for all steps.

    ```
    fleet-retry adopt --stop-original
    fleet-retry adopt --dry-run
    fleet-retry adopt
    ```
    """
    asks = not (yes or dry_run)
    if stop_original:
        _stop(deployment, asks, dry_run)
    else:
        _adopt(deployment, asks, dry_run)


def _stop(deployment: Deployment, asks: bool, dry_run: bool) -> None:
    rules = cdk_stack.list_rules(deployment)
    running = cdk_stack.count_running(deployment)
    if asks:
        names = " and ".join(rule.name for rule in rules)
        disable = f"disable the rule {names}" if rules else "disable no rule, since none is found"
        runs = f"end those of the {running} runs of {cdk_stack.MACHINE} that sleep"
        confirm(f"Stop the CDK stack: {disable}, and {runs}?")
    for rule in rules:
        terminal.say(f"rule {rule.name}  {_disable(deployment, rule, dry_run)}")
    outcomes = _progress.report(
        cdk_stack.stop(deployment, dry_run),
        lambda run: (run[1], f"{terminal.printable(run[0], 128)}  {run[1]}"),
        doing="Stopping",
        none="No run sleeps: the CDK stack can be deleted." if rules else "No run sleeps.",
        total=running,
        dry_run=dry_run,
    )
    if outcomes[StopOutcome.BUSY]:
        terminal.remark("Some runs are busy: do this again in a minute.")
    if not rules:
        terminal.remark(
            f"No rule is called {cdk_stack.RULE} or starts {cdk_stack.MACHINE}: what does goes on"
            " counting failures. Find and stop it, before you delete the CDK stack."
        )
    if outcomes[StopOutcome.BUSY] or not rules:
        raise typer.Exit(1)


def _disable(deployment: Deployment, rule: cdk_stack.Rule, dry_run: bool) -> str:
    if not rule.is_on:
        return "is disabled already"
    if dry_run:
        return "would be disabled"
    cdk_stack.disable(deployment, rule)
    return "disabled"


def _adopt(deployment: Deployment, asks: bool, dry_run: bool) -> None:
    number = adoption.count_left(deployment)
    if asks and number:
        devices = "1 device" if number == 1 else f"{number} devices"
        confirm(f"Adopt {devices}: replace the CDK stack's records and backups by the module's?")
    outcomes = _progress.report(
        adoption.adopt(deployment, dry_run),
        _describe,
        doing="Adopting",
        none="No device of the CDK stack is left.",
        total=number,
        dry_run=dry_run,
    )
    if outcomes[AdoptionOutcome.NEEDS_A_PERSON] or outcomes[AdoptionOutcome.CHANGED]:
        raise typer.Exit(1)


def _describe(adopted: Adopted) -> tuple[AdoptionOutcome, str]:
    return adopted.outcome, f"{adopted.device_id}  {adopted.outcome}  {adopted.why}"
