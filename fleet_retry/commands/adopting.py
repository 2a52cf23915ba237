"""``adopt``: the devices of the CDK stack that came before this module become the module's."""

from typing import Annotated

import typer

from fleet_retry import adoption, cdk_stack, terminal
from fleet_retry.adoption import Adopted
from fleet_retry.commands import counting
from fleet_retry.commands.asking import DryRun, Yes, ask
from fleet_retry.deployment import Deployment


def adopt(
    deployment: Deployment,
    stop_original: Annotated[
        bool,
        typer.Option(
            "--stop-original",
            help="Before the CDK stack is deleted: disables its rule and ends its sleeping runs,"
            " after noting until when each device is to be away.",
        ),
    ] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Takes the devices of the CDK stack iot-firmware-update over, once the module is applied.

    Its records and backups, in the module's tables, become the module's: what was counted goes on
    counting, what was moved out comes back. Repeating is safe. Ends with 1 when something is left,
    which it says, or when you say no. The whole way is in docs/moving-from-cdk.md.

    ```
    fleet-retry adopt --stop-original
    fleet-retry adopt --dry-run
    fleet-retry adopt
    ```
    """
    is_asked = not (yes or dry_run)
    if stop_original:
        _stop(deployment, is_asked, dry_run)
    else:
        _adopt(deployment, is_asked, dry_run)


def _stop(deployment: Deployment, is_asked: bool, dry_run: bool) -> None:
    rules = cdk_stack.rules(deployment)
    under_way = cdk_stack.count_running(deployment)
    if is_asked:
        names = " and ".join(rule.name for rule in rules)
        disable = f"disable the rule {names}" if rules else "disable no rule, since none is found"
        runs = f"end those of the {under_way} runs of {cdk_stack.MACHINE} that sleep"
        ask(f"Stop the CDK stack: {disable}, and {runs}?")
    for rule in rules:
        terminal.say(f"rule {rule.name}  {_disabled(deployment, rule, dry_run)}")
    fates = counting.tell(
        cdk_stack.stop(deployment, dry_run),
        lambda run: (run[1], f"{terminal.printable(run[0], 128)}  {run[1]}"),
        doing="Stopping",
        none="No run sleeps: the CDK stack can be deleted." if rules else "No run sleeps.",
        total=under_way,
        dry_run=dry_run,
    )
    if fates[cdk_stack.Fate.BUSY]:
        terminal.remark("Some runs are busy: do this again in a minute.")
    if not rules:
        terminal.remark(
            f"No rule is called {cdk_stack.RULE} or starts {cdk_stack.MACHINE}: what does goes on"
            " counting failures. Find and stop it, before you delete the CDK stack."
        )
    if fates[cdk_stack.Fate.BUSY] or not rules:
        raise typer.Exit(1)


def _disabled(deployment: Deployment, rule: cdk_stack.Rule, dry_run: bool) -> str:
    if not rule.is_on:
        return "is disabled already"
    if dry_run:
        return "would be disabled"
    cdk_stack.disable(deployment, rule)
    return "disabled"


def _adopt(deployment: Deployment, is_asked: bool, dry_run: bool) -> None:
    number = adoption.count_left(deployment)
    if is_asked and number:
        what = "1 device" if number == 1 else f"{number} devices"
        ask(f"Adopt {what}: replace the CDK stack's records and backups by the module's?")
    fates = counting.tell(
        adoption.adopt(deployment, dry_run),
        _line,
        doing="Adopting",
        none="No device of the CDK stack is left.",
        total=number,
        dry_run=dry_run,
    )
    if fates[adoption.Fate.NEEDS_A_PERSON] or fates[adoption.Fate.CHANGED]:
        raise typer.Exit(1)


def _line(device: Adopted) -> tuple[adoption.Fate, str]:
    return device.fate, f"{device.device_id}  {device.fate}  {device.why}"
