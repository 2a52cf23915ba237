"""Tells what becomes of many things, and how many there were, however a command ends."""

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from enum import StrEnum
from typing import Any, TypeVar

from fleet_retry import terminal

T = TypeVar("T")


def tell(  # noqa: PLR0913 -- options, by name
    done: Generator[T, None, None],
    line: Callable[[T], tuple[StrEnum, str]],
    *,
    doing: str,
    none: str = "",
    total: int | None = None,
    dry_run: bool = False,
) -> Counter[Any]:
    """Says a line for each thing as it is done, and at the end how many have which fate.

    That is said too when it is interrupted, or fails.

    Args:
        done: the things; closed in any case.
        line: the fate of a thing, and what is said of it; empty where that says enough.
        doing: what happens to them.
        none: what is said where there are none.
        total: how many there will be; None where nobody knows.
        dry_run: nothing was changed.

    Returns:
        How many have which fate.
    """
    fates: Counter[StrEnum] = Counter()
    intent = " (dry run: nothing was changed)" if dry_run else ""
    try:
        with closing(done), closing(terminal.with_progress(done, doing, total)) as shown:
            for one in shown:
                fate, said = line(one)
                fates[fate] += 1
                if said:
                    terminal.say(said)
    except BaseException:
        terminal.say(f"{_counted(fates) or 'none'}, and then it ended early{intent}")
        terminal.remark("A few more may be done than are counted. Repeating is safe.")
        raise
    terminal.say(f"{_counted(fates) or none}{intent}")
    return fates


def _counted(fates: Counter[StrEnum]) -> str:
    return ", ".join(f"{number} {fate}" for fate, number in sorted(fates.items()))
