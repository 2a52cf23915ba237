"""What the README says is what the code does, and what the other pages say."""

import re
import tomllib
from pathlib import Path

import pytest

from docs import tables
from simulation.faults import Fault
from tests.docs import pages

ROOT = Path(__file__).resolve().parents[2]


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


# How it is known


def figures(page: str, heading: str, line: str) -> dict[str, set[str]]:
    """The numbers in each line of a list or table, by what it begins with, such as "storm"."""
    _, _, rest = (ROOT / page).read_text().partition(heading)
    lines = re.findall(line, rest.partition("\n#")[0], re.MULTILINE)
    return {name.strip().lower(): set(re.findall(r"\d[\d,]*\d|\d", text)) for name, text in lines}


README_LINES = figures("README.md", "# How this is known\n", r"^- ([a-z ]+)((?:.|\n  )*)")
RELIABILITY_LINES = figures("docs/reliability.md", "# How it is known\n", r"^\| ([\w ]+): (.*)$")


def test_the_readme_names_what_was_tried() -> None:
    assert len(README_LINES) > 8


@pytest.mark.parametrize("name", README_LINES)
def test_a_figure_is_the_same_in_the_readme_and_on_the_page_on_reliability(name: str) -> None:
    assert README_LINES[name] - RELIABILITY_LINES[name] == set()


def test_the_kinds_of_faults_are_as_many_as_the_simulator_has() -> None:
    assert str(len(Fault)) in RELIABILITY_LINES["simulator"]


# The key


KEY_IS_SAID = {
    "README.md": "- The policy of a customer key",
    "docs/security.md": "### What your key's policy must allow",
    "variables.tf": 'variable "kms_key_arn"',
}


@pytest.mark.parametrize("page", KEY_IS_SAID)
def test_whoever_must_be_let_into_a_key_is_named_wherever_it_is_said(page: str) -> None:
    text = " ".join((ROOT / page).read_text().replace("`", "").split())
    _, heading, rest = text.partition(KEY_IS_SAID[page])
    assert heading
    for word in ("CloudWatch Logs", "SNS", "alert_emails or existing_operator_topic"):
        assert word in rest[:1000]
