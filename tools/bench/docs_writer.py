"""``docs/costs.md`` and README: their tables are between markers, and are written here."""

from pathlib import Path

from bench import tables
from pricing.recorded_usage import Measured
from reporting.tables import Table, with_tables

PAGE = Path(__file__).resolve().parents[2] / "docs" / "costs.md"
README = PAGE.parent.parent / "README.md"


def pages(measured: Measured) -> dict[Path, dict[str, Table]]:
    """What tables of recorded figures each page has, by the names of their places."""
    return {PAGE: tables.all_tables(measured), README: {"costs": tables.summary(measured)}}


def write(measured: Measured) -> None:
    """Writes the tables of recorded figures into the pages."""
    for page, made in pages(measured).items():
        _write(page, made)


def write_one(name: str, table: Table) -> None:
    """Writes one table of ``docs/costs.md`` that no figures are recorded of."""
    _write(PAGE, {name: table})


def _write(page: Path, made: dict[str, Table]) -> None:
    page.write_text(with_tables(page.read_text(encoding="utf-8"), made), encoding="utf-8")
