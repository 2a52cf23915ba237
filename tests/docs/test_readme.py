"""What the README says is what the code does."""

import re
from pathlib import Path

import pytest

from docs import tables

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_the_tables_of_inputs_and_outputs_are_what_the_code_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tables.main(["--check"]) == 0, capsys.readouterr().out


def test_every_module_has_its_tables() -> None:
    have = {path.parent for path in tables.readmes()}
    assert have == {ROOT, *(path.parent for path in ROOT.glob("modules/*/main.tf"))}


def test_every_link_within_the_project_leads_somewhere() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("*/*/README.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_make_target_it_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z]+)", README))
    assert named
    assert named <= targets
