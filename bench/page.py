"""``docs/costs.md``: its tables are between markers, and are written here."""

from pathlib import Path

from bench import tables
from bench.figures import Measured
from bench.sheet import Table, with_tables

PAGE = Path(__file__).resolve().parent.parent / "docs" / "costs.md"


def write(measured: Measured, page: Path = PAGE) -> None:
    """Writes the tables of recorded figures into the page."""
    text = page.read_text(encoding="utf-8")
    page.write_text(with_tables(text, tables.all_tables(measured)), encoding="utf-8")


def write_one(name: str, table: Table, page: Path = PAGE) -> None:
    """Writes one table that no figures are recorded of."""
    text = page.read_text(encoding="utf-8")
    page.write_text(with_tables(text, {name: table}), encoding="utf-8")
