"""A table of figures, for a terminal and for a page of the docs.

``fleet_model`` makes its own with it, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.table import Table as RichTable


@dataclass(frozen=True)
class Table:
    """A title, the heads of the columns, and the rows; all text."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def rich(self) -> RichTable:
        """For a terminal: numbers to the right, and without the marks of Markdown."""
        table = RichTable(title=self.title, title_justify="left", title_style="bold")
        for number, head in enumerate(self.heads):
            table.add_column(
                _plain(head), justify="right" if number else "left", no_wrap=not number
            )
        for row in self.rows:
            table.add_row(*map(_plain, row))
        return table

    def markdown(self) -> str:
        """For a page; the title stays out, a heading there says it."""
        rules = ("---", *["---:"] * (len(self.heads) - 1))
        return "\n".join(f"| {' | '.join(row)} |" for row in (self.heads, rules, *self.rows))


def _plain(text: str) -> str:
    return text.replace("*", "").replace("`", "")


def with_tables(text: str, made: Mapping[str, Table]) -> str:
    """Return the text of a page with its tables replaced.

    Args:
        text: with ``<!-- NAME -->`` before and ``<!-- /NAME -->`` after the place of each table.
        made: the tables by name.

    Raises:
        ValueError: a table has no place, or more than one.
    """
    for name, table in made.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"the page needs one place for the table {name}: {begin}{end}")
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}{table.markdown()}\n{end}{after}"
    return text


def duration(seconds: float) -> str:
    """Seconds as a reader takes them in."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
