"""Strays: things that hold the marks of this instance without an episode of their own.

A thing that was renamed or created again while it was overwritten keeps its ``marks``, and no
recovery ever restores it. So a pass lists the things that hold them, and rules out those that a
record explains, of this instance or of another one over the same registry. A stray gets its
originals back where exactly one backup of the last week can be its own: of a thing of the same
name, or of one that is gone and was the same but for its name.

A thing that holds only a part of the marks, since its device wrote the others at boot, is reported
where a backup can be its own. So is one with former marks of this instance, which ``foreign_marks``
list, and it is restored where it holds all of them. Without a backup either may be what it was.

The registry answers consistently, without fleet indexing:
https://docs.aws.amazon.com/iot/latest/apireference/API_ListThings.html
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from firmware_retry import aws, backup_table, clock, history_table, marks, registry, retries_table
from firmware_retry.backup_table import Backup
from firmware_retry.errors import (
    FirmwareRetryError,
    RequestRefusedError,
    ThingNotFoundError,
    TransientError,
)
from firmware_retry.history_table import Transition
from firmware_retry.marks import Holders
from firmware_retry.record import Cause
from firmware_retry.registry import Thing
from firmware_retry.settings import settings

_logger = logging.getLogger(__name__)

MOST_PAGES = 200
"""Pages of 250 things that a pass lists of each mark."""
MOST_NAMES = 2_000
"""Things without a record of which a pass reads the records of other instances."""
MOST_STRAYS = 100
"""Things without any record that a pass looks at, with all marks and with a part of them each; the
next pass looks at others."""
_DAY, _WEEK = 86_400, 7 * 86_400
_MOST_KEYS = 100
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""

IsOver = Callable[[], bool]
Originals = Mapping[str, str | None]


@dataclass
class Marked:
    """The things that hold marks, as listed."""

    holders: Holders = field(default_factory=Holders)
    unexplained: set[str] = field(default_factory=set)
    """Those that no record of this instance explains, as far as its records were read."""
    is_partial: bool = False
    """Whether not all were listed."""
    failure: FirmwareRetryError | None = None
    """Why they could not be listed."""


def list_marked(is_over: IsOver) -> Marked:
    """List the things that hold marks: before the records are read, which then explain them.

    A device that is moved out has a claimed record before it has marks.

    Args:
        is_over: returns whether the time for the listing is over.
    """
    holders = Holders()
    is_partial = False
    try:
        for mark in marks.list_pairs(settings().known_marks):
            if not _list_holders(holders, mark, is_over):
                _logger.warning("not all things that hold marks were listed", extra={"mark": mark})
                is_partial = True
    except FirmwareRetryError as error:
        return Marked(failure=error)
    return Marked(holders, holders.whole | holders.part, is_partial)


def _list_holders(holders: Holders, mark: tuple[str, str], is_over: IsOver) -> bool:
    """Add the things that hold a mark, and return whether these are all."""
    for number, page in enumerate(registry.list_with_attribute(*mark)):
        if number == MOST_PAGES or (number and is_over()):
            return False
        holders.add(page, settings().marks)
    return True


def restore_all(marked: Marked, is_over: IsOver) -> Counter[str]:
    """Restore the strays whose originals are known, and report the others.

    Args:
        marked: the things that hold marks, without those that a record explains.
        is_over: returns whether the time of the pass is over.

    Returns:
        The number of strays by result: ``unmarked``; ``stray`` where the originals are unknown;
        ``left`` or ``refused`` after an error, for lack of time, or where there are too many.
    """
    results = Counter({"left": int(marked.is_partial)})
    try:
        if marked.failure:
            raise marked.failure
        found = _find_strays(marked, is_over, results)
        candidates = _find_candidates(found, is_over)
    except FirmwareRetryError as error:
        return Counter({_log_failure("things that hold marks", error): 1})
    results += Counter(filter(None, (_restore(thing, candidates[thing.name]) for thing in found)))
    # On each pass that looked at all it chose, so that the metric falls to 0 and no sooner.
    if results["stray"] or not results["left"]:
        _logger.info("strays counted", extra={"strays": results["stray"]})
    return results


def _choose(marked: Marked, tables: list[str], results: Counter[str]) -> list[str]:
    """Return the things to look at, in random order, so that none hides another one for ever.

    Without those that other instances hold: thousands of them would hide a stray. Count in
    ``results`` those that are left out although nothing explains them.
    """
    names = set(_shuffle(marked.unexplained)[:MOST_NAMES])
    results["left"] += len(marked.unexplained) - len(names)
    for table in tables:
        names -= _find_held(table, sorted(names), results)
    parts = names - marked.holders.whole
    chosen = _shuffle(names - parts)[:MOST_STRAYS] + _shuffle(parts)[:MOST_STRAYS]
    results["left"] += len(names) - len(chosen)
    return chosen


def _shuffle(names: set[str]) -> list[str]:
    return sorted(sorted(names), key=lambda _: clock.share())


def _find_strays(marked: Marked, is_over: IsOver, results: Counter[str]) -> list[Thing]:
    """Return the things that hold marks, and that no record explains.

    Count in ``results`` those at which it could not look.
    """
    tables = _list_other_instances() if marked.unexplained else []
    found = []
    for name in _choose(marked, tables, results):
        if is_over():
            results["left"] += 1
            continue
        try:
            if stray := _find_stray(name, tables, results):
                found.append(stray)
        except FirmwareRetryError as error:
            results[_log_failure(name, error)] += 1
    return found


def _find_stray(name: str, tables: list[str], results: Counter[str]) -> Thing | None:
    """Return the thing of a name if it holds marks, and no record explains them.

    The thing is read before and after its records. If it has the same version both times, it held
    the marks at the moment at which its records were read.
    """
    try:
        thing = registry.describe(name)
        is_marked = marks.holds_part(thing.attributes, settings().known_marks)
        is_stray = is_marked and not _is_explained(thing, tables, results)
        return thing if is_stray and registry.describe(name) == thing else None
    except ThingNotFoundError:
        return None


def _is_explained(thing: Thing, tables: list[str], results: Counter[str]) -> bool:
    item = aws.get_item(settings().retries_table, {"deviceId": {"S": thing.name}})
    is_own = marks.explains(item, thing, backup_table.read)
    return is_own or any(_find_held(table, [thing.name], results) for table in tables)


def _list_other_instances() -> list[str]:
    """Return the names of the tables of records of other instances in this account and region."""
    names = (name for page in aws.list_tables() for name in page)
    return marks.select_other_instances(names, settings().retries_table)


def _find_held(table: str, names: list[str], results: Counter[str]) -> set[str]:
    """Return the things whose marks another instance explains, or whose records cannot be read.

    Count the latter in ``results``.
    """
    keys = [{"deviceId": {"S": name}} for name in names]
    held = set()
    try:
        for first in range(0, len(keys), _MOST_KEYS):
            items, left = aws.get_items(table, keys[first : first + _MOST_KEYS])
            holding = filter(marks.may_overwrite, items)
            held |= {key["deviceId"]["S"] for key in (*holding, *left)}
            results["left"] += len(left)
    except RequestRefusedError as error:
        _logger.warning("records of another instance cannot be read", exc_info=error)
        results["left"] += len(names)
        return set(names)
    return held


def _find_candidates(found: list[Thing], is_over: IsOver) -> dict[str, list[Originals | None]]:
    """Return the different originals that each stray may have, by its name; None for unknown ones.

    Raises:
        TransientError: there is no time to look at all backups, or see ``aws.call``.
        RequestRefusedError: see ``aws.call``.
    """
    candidates: dict[str, list[Originals | None]] = {thing.name: [] for thing in found}
    if not found:
        return candidates
    read_id = cache(_read_id)
    pairs = (
        (backup, thing) for page in backup_table.read_all() for backup in page for thing in found
    )
    for backup, thing in pairs:
        if is_over():
            raise TransientError("no time was left to find the originals of strays")
        originals, known = backup.originals_over(thing), candidates[thing.name]
        if not originals or not _may_be_of(backup, thing):
            continue
        is_alive = read_id(backup.device_id) == backup.thing_id != thing.thing_id
        # The stray may be a copy of the other thing as long as that lives.
        for candidate in (originals, None) if is_alive else (originals,):
            if candidate not in known:
                known.append(candidate)
    return candidates


def _may_be_of(backup: Backup, thing: Thing) -> bool:
    """Return whether a backup can be that of a stray.

    It can if it is of this very thing and less than a day old: a late write may have overwritten
    it. Or if it is less than a week old, and of the thing that had the name before or of one that
    was the same but for its name: what renames, copies or creates things needs no longer.
    """
    age = clock.now() - backup.kept_since
    if backup.thing_id == thing.thing_id:
        return age < _DAY
    return age < _WEEK and (backup.device_id == thing.name or backup.resembles(thing))


def _read_id(name: str) -> str:
    """Return the id of the thing that has a name now, or "" where there is none."""
    try:
        return registry.describe(name).thing_id
    except ThingNotFoundError:
        return ""


def _restore(thing: Thing, candidates: list[Originals | None]) -> str:
    if not candidates and not marks.holds_any(thing.attributes, settings().marks):
        return ""
    is_whole = marks.holds_any(thing.attributes, settings().known_marks)
    originals = candidates[0] if len(candidates) == 1 else None
    if not originals or not is_whole:
        _logger.warning(
            "thing holds marks, and its originals are unknown",
            extra={"deviceId": thing.name, "candidates": len(candidates)},
        )
        return "stray"
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
