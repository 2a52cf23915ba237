"""``docs/costs.md`` and README: their tables are between markers, and are written here."""

from pathlib import Path

from bench import tables
from localcloud.project import ROOT
from pricing.recorded_usage import Measured
from reporting.tables import Table, with_tables

PAGE = ROOT / "docs" / "costs.md"
README = ROOT / "README.md"


def pages(measured: Measured) -> dict[Path, dict[str, Table]]:
    """Return the tables of recorded figures by page and by the name of their place."""
    return {PAGE: tables.all_tables(measured), README: {"costs": tables.summary(measured)}}


def write(measured: Measured) -> None:
    """Write the tables of recorded figures into the pages."""
    for page, made in pages(measured).items():
        _write(page, made)


def write_one(name: str, table: Table) -> None:
    """Write one table of ``docs/costs.md`` that has no recorded figures."""
    _write(PAGE, {name: table})


def _write(page: Path, made: dict[str, Table]) -> None:
    page.write_text(with_tables(page.read_text(encoding="utf-8"), made), encoding="utf-8")
