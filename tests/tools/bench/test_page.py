"""``docs/costs.md`` says what is recorded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench import docs_writer
from pricing import recorded_usage
from pricing.prices import LOOKED_UP
from reporting.tables import Table, with_tables

TABLE = Table("Title", ("", "n"), (("row", "1"),))


PAGES = docs_writer.pages(recorded_usage.read())


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_says_what_is_recorded(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert with_tables(text, PAGES[path]) == text, 'make bench BENCH="--docs"'


def test_the_page_says_when_the_prices_were_looked_up() -> None:
    assert f"Looked up on {LOOKED_UP}" in docs_writer.PAGE.read_text(encoding="utf-8")


def test_the_page_has_a_row_for_every_handler_that_starts() -> None:
    from bench.cold_start import steps  # noqa: PLC0415

    (made,) = re.findall(
        r"<!-- cold_start -->\n(.*?)<!-- /cold_start -->",
        docs_writer.PAGE.read_text(encoding="utf-8"),
        re.DOTALL,
    )
    assert re.findall(r"^\| (\w+) \|", made, re.MULTILINE)[1:] == steps()


def test_what_was_between_the_markers_is_replaced_and_nothing_else() -> None:
    text = "before\n<!-- t -->\nold\n<!-- /t -->\nafter\n"
    made = with_tables(text, {"t": TABLE})
    assert made == (
        "before\n<!-- t -->\n|  | n |\n| --- | ---: |\n| row | 1 |\n<!-- /t -->\nafter\n"
    )
    assert with_tables(made, {"t": TABLE}) == made


@pytest.mark.parametrize("text", ["nothing", "<!-- t -->\n", "<!-- t -->\n<!-- /t -->\n" * 2])
def test_a_table_without_one_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="one place for the table t"):
        with_tables(text, {"t": TABLE})
