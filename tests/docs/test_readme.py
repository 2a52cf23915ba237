"""What the README says is what the code does."""

from pathlib import Path

import pytest

from docs import tables

ROOT = Path(__file__).resolve().parents[2]


def test_the_tables_of_inputs_and_outputs_are_what_the_code_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tables.main(["--check"]) == 0, capsys.readouterr().out


def test_every_module_has_its_tables() -> None:
    have = {path.parent for path in tables.readmes()}
    assert have == {ROOT, *(path.parent for path in ROOT.glob("modules/*/main.tf"))}
