"""``docs/costs.md``: its tables are between markers, and are written here."""

from pathlib import Path

from bench import tables
from bench.figures import Measured
from bench.tables import Table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "costs.md"


def with_tables(text: str, made: dict[str, Table]) -> str:
    """The text of a page with its tables made anew.

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


def write(measured: Measured, page: Path = PAGE) -> None:
    """Writes the tables of recorded figures into the page."""
    text = page.read_text(encoding="utf-8")
    page.write_text(with_tables(text, tables.all_tables(measured)), encoding="utf-8")


def write_one(name: str, table: Table, page: Path = PAGE) -> None:
    """Writes one table that no figures are recorded of."""
    text = page.read_text(encoding="utf-8")
    page.write_text(with_tables(text, {name: table}), encoding="utf-8")
