"""Strays: things that hold the marks of this instance without an episode of their own.

A thing that was renamed or created again while it was overwritten keeps its ``marks``, and no
recovery ever restores it. So a pass lists the things that hold them, and rules out those that a
record explains, of this instance or of another one over the same registry. A stray gets its
originals back where exactly one backup can be its own: of a thing of the same name, or of one that
is gone and was the same but for its name.

The registry answers consistently, without fleet indexing:
https://docs.aws.amazon.com/iot/latest/apireference/API_ListThings.html
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from firmware_retry import aws, backup_table, clock, history_table, marks, registry, retries_table
from firmware_retry.backup_table import Backup
from firmware_retry.errors import (
    FirmwareRetryError,
    RequestRefusedError,
    ThingNotFoundError,
    TransientError,
)
from firmware_retry.history_table import Transition
from firmware_retry.marks import Marks
from firmware_retry.record import Cause
from firmware_retry.registry import Thing
from firmware_retry.settings import settings

_logger = logging.getLogger(__name__)

MOST_PAGES = 200
"""Pages of 250 things that a pass lists of each kind of marks."""
MOST_STRAYS = 100
"""Things without a record that a pass looks at; the next pass looks at others."""

IsOver = Callable[[], bool]
Originals = Mapping[str, str | None]


@dataclass
class Marked:
    """The things that hold marks, as listed."""

    names: set[str] = field(default_factory=set)
    unexplained: set[str] = field(default_factory=set)
    """Those that no record of this instance explains, as far as its records were read."""
    failure: FirmwareRetryError | None = None
    """Why they could not be listed."""


def list_marked() -> Marked:
    """List the things that hold marks: before the records are read, which then explain them.

    A device that is moved out has a claimed record before it has marks.
    """
    marked = Marked()
    try:
        for kind in settings().marks:
            marked.names.update(_list_holders(kind))
    except FirmwareRetryError as error:
        return Marked(failure=error)
    marked.unexplained = set(marked.names)
    return marked


def _list_holders(kind: Marks) -> Iterator[str]:
    pages = marks.list_holders(kind, registry.list_with_attribute)
    for number, names in enumerate(pages, start=1):
        yield from names
        if number == MOST_PAGES:
            _logger.warning("not all things that hold marks were listed", extra={"marks": kind})
            return


def restore_all(marked: Marked, is_over: IsOver) -> Counter[str]:
    """Restore the strays whose originals are known, and report the others.

    Args:
        marked: the things that hold marks, without those that a record explains.
        is_over: returns whether the time of the pass is over.

    Returns:
        The number of strays by result: ``unmarked``; ``stray`` where the originals are unknown;
        ``left`` or ``refused`` after an error.
    """
    results: Counter[str] = Counter()
    try:
        if marked.failure:
            raise marked.failure
        found = _find_strays(marked.unexplained, is_over, results)
        candidates = _find_candidates(found, marked.names)
    except FirmwareRetryError as error:
        return Counter({_log_failure("things that hold marks", error): 1})
    results += Counter(_restore(thing, candidates[thing.name]) for thing in found)
    # On each pass that looked at all it chose, so that the metric falls to 0 and no sooner.
    if results["stray"] or not results["left"]:
        _logger.info("strays counted", extra={"strays": results["stray"]})
    return results


def _choose(names: set[str]) -> list[str]:
    """Return names in random order, so that none keeps the others waiting for ever."""
    return sorted(sorted(names), key=lambda _: clock.share())[:MOST_STRAYS]


def _find_strays(names: set[str], is_over: IsOver, results: Counter[str]) -> list[Thing]:
    """Return the things that hold marks, and that no record explains.

    Count in ``results`` those at which it could not look.
    """
    tables = _list_other_instances() if names else []
    found = []
    for name in _choose(names):
        if is_over():
            results["left"] += 1
            continue
        try:
            if stray := _find_stray(name, tables):
                found.append(stray)
        except FirmwareRetryError as error:
            results[_log_failure(name, error)] += 1
    return found


def _find_stray(name: str, tables: list[str]) -> Thing | None:
    """Return the thing of a name if it holds marks, and no record explains them.

    The thing is read before and after its records. If it has the same version both times, it held
    the marks at the moment at which its records were read.
    """
    try:
        thing = registry.describe(name)
        is_marked = marks.holds_any(thing, settings().marks)
        is_stray = is_marked and not _is_explained(thing, tables)
        return thing if is_stray and registry.describe(name) == thing else None
    except ThingNotFoundError:
        return None


def _is_explained(thing: Thing, tables: list[str]) -> bool:
    item = aws.get_item(settings().retries_table, {"deviceId": {"S": thing.name}})
    is_own = marks.explains(item, thing, backup_table.read)
    return is_own or any(_may_overwrite(table, thing.name) for table in tables)


def _list_other_instances() -> list[str]:
    """Return the names of the tables of records of other instances in this account and region."""
    names = (name for page in aws.list_tables() for name in page)
    return marks.select_other_instances(names, settings().retries_table)


def _may_overwrite(table: str, name: str) -> bool:
    """Return whether the record of another instance explains the marks, or cannot be read."""
    try:
        item = aws.get_item(table, {"deviceId": {"S": name}})
    except RequestRefusedError as error:
        _logger.warning("records of another instance cannot be read", exc_info=error)
        return True
    return marks.may_overwrite(item)


def _find_candidates(found: list[Thing], marked: set[str]) -> dict[str, list[Originals]]:
    """Return the different originals that each stray may have, by its name."""
    candidates: dict[str, list[Originals]] = {thing.name: [] for thing in found}
    if not found:
        return candidates
    pairs = (
        (backup, thing) for page in backup_table.read_all() for backup in page for thing in found
    )
    for backup, thing in pairs:
        originals, known = backup.originals_over(thing), candidates[thing.name]
        if originals and originals not in known and _may_be_of(backup, thing, marked):
            known.append(originals)
    return candidates


def _may_be_of(backup: Backup, thing: Thing, marked: set[str]) -> bool:
    """Return whether a backup can be that of a stray.

    It can if it has the name of the thing, or is of a thing that is gone and was the same but for
    its name.
    """
    if backup.device_id == thing.name:
        return True
    return backup.resembles(thing) and (
        backup.is_orphan or (backup.device_id not in marked and _is_gone(backup.device_id))
    )


def _is_gone(name: str) -> bool:
    try:
        registry.describe(name)
    except ThingNotFoundError:
        return True
    return False


def _restore(thing: Thing, candidates: list[Originals]) -> str:
    if len(candidates) != 1:
        _logger.warning(
            "thing holds marks, and its originals are unknown",
            extra={"deviceId": thing.name, "candidates": len(candidates)},
        )
        return "stray"
    (originals,) = candidates
    try:
        registry.update(thing, originals)
        _write_history(thing.name)
    except ThingNotFoundError:
        return "gone"
    except FirmwareRetryError as error:
        return _log_failure(thing.name, error)
    _logger.info("stray restored", extra={"deviceId": thing.name, "restored": sorted(originals)})
    return "unmarked"


def _write_history(name: str) -> None:
    record = retries_table.read(name)
    state = record.state if record else history_table.FREE
    tracking_id, campaign = (record.tracking_id, record.campaign) if record else ("", "")
    history_table.write(Transition(name, tracking_id, campaign, state, state, Cause.STRAY))


def _log_failure(name: str, error: FirmwareRetryError) -> str:
    _logger.warning("stray not restored", extra={"deviceId": name}, exc_info=error)
    return "left" if isinstance(error, TransientError) else "refused"
