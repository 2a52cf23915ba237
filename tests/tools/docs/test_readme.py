"""The tables and versions in the README match the code."""

import re
import tomllib
from pathlib import Path

import pytest

from docs import tables
from localcloud.project import ROOT
from tests.tools.docs import pages


def test_the_tables_of_inputs_and_outputs_are_what_the_code_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tables.main(["--check"]) == 0, capsys.readouterr().out


def test_every_module_has_its_tables() -> None:
    have = {path.parent for path in tables.readmes()}
    assert have == {ROOT, *(path.parent for path in ROOT.glob("modules/*/main.tf"))}


def test_every_version_that_is_to_be_taken_is_this_one() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    said = {
        (pages.name_of(page), ref)
        for page in pages.pages()
        for ref in re.findall(r"github\.com/OWNER/\S+?\?ref=([^\s\"`]+)", page.read_text())
    }
    assert "README.md" in {page for page, _ in said}
    assert {ref for _, ref in said} == {f"v{version}"}


@pytest.mark.parametrize("page", pages.pages(), ids=pages.name_of)
def test_no_source_is_without_a_version(page: Path) -> None:
    sources = re.findall(r'source\s*=\s*"(github\.com/\S+)"', page.read_text())
    assert [source for source in sources if "?ref=" not in source] == []
