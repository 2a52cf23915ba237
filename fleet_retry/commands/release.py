"""``release``: ends the episodes of devices that an operator has dealt with."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

from firmware_retry import clock
from firmware_retry.errors import InvalidMessageError
from firmware_retry.message import THING_NAMES, parse_thing_name
from firmware_retry.record import Record
from fleet_retry import records, releases, terminal
from fleet_retry.commands import _progress
from fleet_retry.commands._confirm import DryRun, Yes, confirm
from fleet_retry.commands._options import read_text
from fleet_retry.commands._selection import ByAge, ByCampaign, ByReason, ByState
from fleet_retry.deployment import Deployment, DeploymentError
from fleet_retry.records import Selection
from fleet_retry.releases import Release, ReleaseOutcome, Targets


def release(  # noqa: PLR0913, PLR0917 -- options, by name
    deployment: Deployment,
    device: Annotated[
        list[str] | None, typer.Argument(metavar="DEVICE", help="Names of things.")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A file of names, one per line; - is stdin."),
    ] = None,
    state: ByState = None,
    campaign: ByCampaign = None,
    older_than: ByAge = None,
    reason: ByReason = None,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Release devices: out of the failed group, attributes restored, counters deleted.

    The run of such a device is stopped, since it would sleep on for nothing. The device's next
    failure starts a new episode. Repeating is safe. Exits with 1 when some releases were refused,
    or after the answer no.

    ```
    fleet-retry release pump-17 pump-18
    fleet-retry release --file fixed.txt --yes
    fleet-retry release --state failed --campaign 2.27 --dry-run
    ```
    """
    selection = Selection(state, campaign, older_than, reason)
    are_named = bool(device) or file is not None
    if are_named == (selection != Selection()):
        raise typer.BadParameter("name devices, or select them with options such as --state")
    targets = (
        _find(deployment, _collect_names(device or [], file))
        if are_named
        else _select(deployment, selection)
    )
    if not targets:
        terminal.say("No such device.")
        return
    if dry_run:
        _say_targets(targets)
        return
    if not yes:
        _ask(targets, is_stdin_taken=file == "-")
    _release(deployment, targets)


def _collect_names(arguments: Iterable[str], file: str | None) -> list[str]:
    """Collect the given names without duplicates.

    Raises:
        DeploymentError: a name is not valid for a thing.
    """
    lines = read_text(file).splitlines() if file is not None else []
    names = list(dict.fromkeys(filter(None, map(str.strip, [*arguments, *lines]))))
    for name in names:
        try:
            parse_thing_name(name)
        except InvalidMessageError as error:
            raise DeploymentError(
                f"{terminal.printable(name)!r} is not a thing's name: {THING_NAMES}"
            ) from error
    return names


def _find(deployment: Deployment, names: Sequence[str]) -> Targets:
    tracked = {record.device_id: record for record in records.read(deployment, names)}
    return {name: tracked.get(name) for name in names}


def _select(deployment: Deployment, selection: Selection) -> Targets:
    now, everything = clock.now(), _progress.read_records(deployment)
    selected = [record for record in everything if selection.includes(record, now)]
    selected.sort(key=lambda record: record.device_id)
    return {record.device_id: record for record in selected}


def _describe_state(record: Record | None) -> str:
    return records.describe_state(record.state) if record else "not tracked"


def _summarize(targets: Targets) -> str:
    states = Counter(map(_describe_state, targets.values()))
    noun = "device" if len(targets) == 1 else "devices"
    return f"{len(targets)} {noun} ({', '.join(f'{n} {what}' for what, n in states.items())})"


def _say_targets(targets: Targets) -> None:
    for name, record in targets.items():
        terminal.say(f"{name}  {_describe_state(record)}")
    terminal.say(f"{_summarize(targets)} would be released (dry run: nothing was changed)")


def _ask(targets: Targets, is_stdin_taken: bool) -> None:
    if is_stdin_taken:
        raise DeploymentError("the names come from stdin, where nobody can answer: add --yes")
    confirm(f"Release {_summarize(targets)}?")


def _release(deployment: Deployment, targets: Targets) -> None:
    outcomes = _progress.report(
        releases.release(deployment, targets), _describe, doing="Releasing", total=len(targets)
    )
    if outcomes[ReleaseOutcome.REFUSED]:
        terminal.remark("Some were refused; what was done stays done, so it can be repeated.")
        raise typer.Exit(1)


def _describe(release: Release) -> tuple[ReleaseOutcome, str]:
    outcome = release.outcome
    why = terminal.printable(release.why)
    if outcome is ReleaseOutcome.RELEASED:
        return outcome, f"{release.device_id}  released, its run goes on  {why}" if why else ""
    return outcome, f"{release.device_id}  {outcome}  {why}".rstrip()
