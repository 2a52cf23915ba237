"""``adopt``: the devices of the CDK stack that came before this module become the module's."""

from collections import Counter
from typing import Annotated

import typer

from fleet_retry import adoption, original, terminal
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
    dry_run: Annotated[bool, typer.Option(help="Only says what would be done.")] = False,
) -> None:
    """Takes the devices of the CDK stack iot-firmware-update over, once the module is applied.

    Its records and backups, in the module's tables, become the module's: what was counted goes on
    counting, what was moved out comes back. Repeating is safe. Ends with 1 when something is left,
    which it says. The whole way is in docs/moving-from-cdk.md.

    ```
    fleet-retry adopt --stop-original
    fleet-retry adopt --dry-run
    fleet-retry adopt
    ```
    """
    if stop_original:
        _stop(deployment, dry_run)
    else:
        _adopt(deployment, dry_run)


def _stop(deployment: Deployment, dry_run: bool) -> None:
    fates: Counter[original.Fate] = Counter()
    for device_id, fate in terminal.with_progress(original.stop(deployment, dry_run), "Stopping"):
        fates[fate] += 1
        terminal.say(f"{terminal.printable(device_id, 128)}  {fate}")
    _sum_up(fates, "No run sleeps: the CDK stack can be deleted.", dry_run)
    if fates[original.Fate.BUSY]:
        terminal.remark("Some runs are busy: do this again in a minute.")
        raise typer.Exit(1)


def _adopt(deployment: Deployment, dry_run: bool) -> None:
    fates: Counter[adoption.Fate] = Counter()
    for device in terminal.with_progress(adoption.adopt(deployment, dry_run), "Adopting"):
        fates[device.fate] += 1
        terminal.say(f"{device.device_id}  {device.fate}  {device.why}")
    _sum_up(fates, "No device of the CDK stack is left.", dry_run)
    if fates[adoption.Fate.NEEDS_A_PERSON] or fates[adoption.Fate.CHANGED]:
        raise typer.Exit(1)


def _sum_up(
    fates: Counter[adoption.Fate] | Counter[original.Fate], none: str, dry_run: bool
) -> None:
    counted = ", ".join(f"{number} {fate}" for fate, number in sorted(fates.items()))
    intent = " (dry run: nothing was changed)" if dry_run else ""
    terminal.say(f"{counted or none}{intent}")
