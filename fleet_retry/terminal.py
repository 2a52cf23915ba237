"""What the commands print: results on stdout, and what is only for whoever watches on stderr."""

import json
import sys
from collections.abc import Generator, Iterable
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

_AS_WIDE_AS_NEEDED = 100_000
"""In a pipe there is no width to fit a table into: each row is one line."""
T = TypeVar("T")


def say(what: Any) -> None:
    """Prints a line, or a table, of the result."""
    width = None if sys.stdout.isatty() else _AS_WIDE_AS_NEEDED
    Console(highlight=False, markup=False, soft_wrap=True, width=width).print(what)


def remark(text: str) -> None:
    """Prints a line that is not part of the result."""
    Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(text)


def say_json(what: Any) -> None:
    """Prints a value as JSON, on one line."""
    sys.stdout.write(json.dumps(what) + "\n")


def table(*columns: str) -> Table:
    """A table without lines, for people and for awk."""
    return Table(*columns, box=None, pad_edge=False, header_style="bold")


def printable(text: str, most: int = 300) -> str:
    """What anybody may have sent: no control characters, not endless."""
    return ascii(text[:most])[1:-1]


def with_progress(
    items: Iterable[T], doing: str, total: int | None = None
) -> Generator[T, None, None]:
    """Passes items on, and shows on a terminal how many there were.

    Args:
        items: what is worked on.
        doing: what happens to them.
        total: how many there will be; None where nobody knows.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(doing, total=total)
        for item in items:
            yield item
            bar.advance(task)
