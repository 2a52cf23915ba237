"""The shape that a registry asks of a module, and people of its submodules."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
import pytest

from localcloud.project import ROOT

MODULES = [ROOT, *sorted(path.parent for path in ROOT.glob("modules/*/main.tf"))]
NAMES = [str(module.relative_to(ROOT)) for module in MODULES]
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/main.tf"))

STANDARD_FILES = {"main.tf", "outputs.tf", "versions.tf", "README.md"}

in_every_module = pytest.mark.parametrize("module", MODULES, ids=NAMES)


@cache
def parse(path: Path) -> dict[str, Any]:
    """Parse a file once: the parser takes seconds for a long one."""
    with path.open(encoding="utf-8") as file:
        return hcl2.load(file)


def blocks(module: Path, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The blocks of a kind that have one label, by it."""
    for path in sorted(module.glob("*.tf")):
        for block in parse(path).get(kind, []):
            yield from ((label.strip('"'), body) for label, body in block.items())


@in_every_module
def test_it_has_the_standard_files(module: Path) -> None:
    assert {*STANDARD_FILES, "variables.tf"} - {path.name for path in module.iterdir()} == set()


@in_every_module
def test_every_variable_has_a_description_and_a_type(module: Path) -> None:
    bare = [
        name for name, body in blocks(module, "variable") if not {"description", "type"} <= {*body}
    ]
    assert bare == []


@in_every_module
def test_every_output_has_a_description(module: Path) -> None:
    assert [name for name, body in blocks(module, "output") if "description" not in body] == []


@in_every_module
def test_it_asks_for_lower_bounds_only(module: Path) -> None:
    """An upper bound would keep a landing zone from upgrading anything else."""
    versions = (module / "versions.tf").read_text()
    assert re.search(r'required_version\s*=\s*">= 1\.9"', versions)
    assert re.findall(r'\bversion\s*=\s*"(.*)"', versions) == [">= 5.100.0"]


@in_every_module
def test_it_configures_no_provider(module: Path) -> None:
    """A module that does cannot be used with count or for_each, nor ever be removed."""
    assert list(blocks(module, "provider")) == []


def test_data_is_read_in_one_module_only() -> None:
    """Elsewhere it would be unknown in a call with depends_on, and so would all that is made of it.

    ``changes.tftest.hcl`` shows that the one module keeps what it has read.
    """
    reads = {name for module, name in zip(MODULES, NAMES, strict=True) if _reads_data(module)}
    assert reads == {"modules/names"}


def _reads_data(module: Path) -> bool:
    return any(parse(path).get("data") for path in module.glob("*.tf"))


def test_no_partition_account_or_region_is_written_down() -> None:
    """Whatever is in an ARN comes from the provider; what the mocks say is in the tests."""
    fixed = re.compile(r"arn:aws(?!\[)|\b\d{12}\b|\b(us|eu|ap|cn|sa|ca|me|af)-[a-z]+-\d\b")
    sources = [
        *(path for module in [*MODULES, *EXAMPLES] for path in module.glob("*.tf")),
        *ROOT.glob("stepfunctions/*.tftpl"),
        *ROOT.glob("lambda_src/firmware_retry/**/*.py"),
    ]
    assert len(sources) > 50
    written = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sources
        for line in path.read_text().splitlines()
        if fixed.search(line) and not line.lstrip().startswith(("#", "error_message"))
    ]
    assert written == []


# Examples


def test_complete_shows_every_option() -> None:
    (module,) = parse(ROOT / "examples/complete/main.tf")["module"]
    (shown,) = module.values()
    options = {name for name, _ in blocks(ROOT, "variable")}
    assert options - shown.keys() == set()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_has_the_standard_files(example: Path) -> None:
    """All but variables.tf: not each has something to ask."""
    assert STANDARD_FILES - {path.name for path in example.iterdir()} == set()
    assert (example / "versions.tf").read_text() == (ROOT / "versions.tf").read_text()
