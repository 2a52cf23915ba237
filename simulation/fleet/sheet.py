"""A table, for a terminal and for a page of the docs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True)
class Sheet:
    """A title, the heads of the columns, and the rows; all text."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def rich(self) -> Table:
        """For a terminal, without the marks of Markdown."""
        table = Table(title=self.title, title_justify="left", title_style="bold")
        for place, head in enumerate(self.heads):
            plain = head.replace("`", "")
            table.add_column(plain, justify="right" if place else "left", no_wrap=not place)
        for row in self.rows:
            table.add_row(*(cell.replace("*", "").replace("`", "") for cell in row))
        return table

    def markdown(self) -> str:
        """For a page, where a heading stands above it."""
        rules = ("---", *["---:"] * (len(self.heads) - 1))
        return "\n".join(f"| {' | '.join(row)} |" for row in (self.heads, rules, *self.rows))


def written(text: str, sheets: Mapping[str, Sheet]) -> str:
    """The text of a page, with tables between their markers.

    Args:
        text: with ``<!-- NAME -->`` before and ``<!-- /NAME -->`` after the place of each table.
        sheets: by name.

    Raises:
        ValueError: a table has no place there.
    """
    for name, sheet in sheets.items():
        begin, end = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"the page has no place for {name}: {begin.strip()} … {end.strip()}")
        text = f"{before}{begin}{sheet.markdown()}{end}{after}"
    return text


def duration(seconds: float) -> str:
    """Seconds as a reader takes them in."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
