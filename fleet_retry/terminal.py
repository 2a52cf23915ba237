"""Output of the commands: results on stdout, remarks and progress on stderr."""

import json
import sys
from collections.abc import Generator, Iterable
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

_UNLIMITED_WIDTH = 100_000
"""Columns in a pipe, so that each row of a table is a single line."""
T = TypeVar("T")


def say(result: Any) -> None:
    """Print a line, or a table, of the result."""
    width = None if sys.stdout.isatty() else _UNLIMITED_WIDTH
    Console(highlight=False, markup=False, soft_wrap=True, width=width).print(result)


def remark(text: str) -> None:
    """Print a line that is not part of the result."""
    Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(text)


def say_json(result: Any) -> None:
    """Print a value as JSON, on one line."""
    sys.stdout.write(json.dumps(result) + "\n")


def make_table(*columns: str) -> Table:
    """Return a table without lines, readable by operators and by awk."""
    return Table(*columns, box=None, pad_edge=False, header_style="bold")


def printable(text: str, most: int = 300) -> str:
    """Return untrusted text without control characters, cut to ``most`` characters."""
    return ascii(text[:most])[1:-1]


def show_progress(
    items: Iterable[T], doing: str, total: int | None = None
) -> Generator[T, None, None]:
    """Yield the items, and show on a terminal how many were processed.

    Args:
        items: the items.
        doing: the label of the bar.
        total: the number of items; None when unknown.
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
