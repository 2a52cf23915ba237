"""Terraform's own checks of the module, without any server."""

import subprocess
from pathlib import Path

import pytest

from localcloud.terraform import Terraform

ROOT = Path(__file__).resolve().parents[2]
ROOTS = [".", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("examples/*/"))]


def test_every_file_is_formatted() -> None:
    Terraform(ROOT).run("fmt", "-check", "-recursive", "-diff")


@pytest.mark.parametrize("root", ROOTS)
def test_every_root_is_valid_and_free_of_warnings(copy: Path, root: str) -> None:
    terraform = Terraform(copy / root)
    terraform.init()
    assert "Warning" not in terraform.run("validate")


def test_logic_and_validations(copy: Path) -> None:
    """``tests/terraform/*.tftest.hcl``, with a mock provider."""
    terraform = Terraform(copy)
    terraform.init("-test-directory=tests/terraform")
    print(terraform.run("test", "-test-directory=tests/terraform"))


def test_nothing_of_terraforms_is_checked_in() -> None:
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    left = [name for name in files if ".terraform" in name or ".tfstate" in name]
    assert left == []
