"""``release``: an operator is done with devices."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

from fleet_retry import records, releases, terminal
from fleet_retry.commands import counting
from fleet_retry.commands.asking import DryRun, Yes, ask
from fleet_retry.commands.selecting import ByAge, ByCampaign, ByReason, ByState
from fleet_retry.deployment import Deployment, DeploymentError
from fleet_retry.options import text_of
from fleet_retry.records import Now, Record, Selection
from fleet_retry.releases import Fate, Release


def release(  # noqa: PLR0913, PLR0917 -- options, by name
    deployment: Deployment,
    device: Annotated[
        list[str] | None, typer.Argument(metavar="DEVICE", help="Names of things.")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A file of names, one a line; - is stdin."),
    ] = None,
    state: ByState = None,
    campaign: ByCampaign = None,
    older_than: ByAge = None,
    reason: ByReason = None,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Releases devices: out of the failed group, attributes as they were, counters gone.

    The next failure of such a device is the first of a fresh episode. Repeating is safe. Ends with
    1 when some were refused, or when you say no.

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
        _named(deployment, _names(device or [], file))
        if are_named
        else _selected(deployment, selection)
    )
    if not targets:
        terminal.say("No such device.")
        return
    if dry_run:
        _say_which(targets)
        return
    if not yes:
        _ask(targets, is_stdin_taken=file == "-")
    _released(deployment, list(targets))


def _names(arguments: Iterable[str], file: str | None) -> list[str]:
    """The names that were given, each once.

    Raises:
        DeploymentError: one of them cannot be a thing's.
    """
    lines = text_of(file).splitlines() if file is not None else []
    names = list(dict.fromkeys(filter(None, map(str.strip, [*arguments, *lines]))))
    for name in names:
        if not releases.is_thing_name(name):
            raise DeploymentError(
                f"{terminal.printable(name)!r} is no thing's name: 1 to 128 of a-z A-Z 0-9 : _ -"
            )
    return names


def _named(deployment: Deployment, names: Sequence[str]) -> dict[str, Record | None]:
    tracked = {of.device_id: of for of in records.read(deployment, names)}
    return {name: tracked.get(name) for name in names}


def _selected(deployment: Deployment, selection: Selection) -> dict[str, Record | None]:
    now = Now(time.time())
    everything = terminal.with_progress(records.read_all(deployment), "Reading records")
    found = [of for of in everything if selection.has(of, now)]
    return {of.device_id: of for of in sorted(found, key=lambda of: of.device_id)}


def _state(record: Record | None) -> str:
    return record.state.words if record else "not tracked"


def _counted(targets: dict[str, Record | None]) -> str:
    states = Counter(map(_state, targets.values()))
    noun = "device" if len(targets) == 1 else "devices"
    return f"{len(targets)} {noun} ({', '.join(f'{n} {what}' for what, n in states.items())})"


def _say_which(targets: dict[str, Record | None]) -> None:
    for name, record in targets.items():
        terminal.say(f"{name}  {_state(record)}")
    terminal.say(f"{_counted(targets)} would be released (dry run: nothing was changed)")


def _ask(targets: dict[str, Record | None], is_stdin_taken: bool) -> None:
    if is_stdin_taken:
        raise DeploymentError("the names come from stdin, where nobody can answer: add --yes")
    ask(f"Release {_counted(targets)}?")


def _released(deployment: Deployment, names: Sequence[str]) -> None:
    done = releases.release(deployment, names)
    fates = counting.tell(done, _line, doing="Releasing", total=len(names))
    if fates[Fate.REFUSED]:
        terminal.remark("Some were refused; what was done stays done, so it can be repeated.")
        raise typer.Exit(1)


def _line(of: Release) -> tuple[Fate, str]:
    if of.fate is Fate.RELEASED:
        return of.fate, ""
    return of.fate, f"{of.device_id}  {of.fate}  {terminal.printable(of.why)}".rstrip()
