"""The pre-commit hooks run what `make lint` and the tests check, and nothing from elsewhere."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import ROOT

CONFIG = ROOT / ".pre-commit-config.yaml"
PRE_COMMIT = Path(sys.executable).with_name("pre-commit")
# Checked by tests instead of by `make lint`: which.
BY_TESTS = {
    "terraform fmt -recursive": "tests/terraform/test_terraform.py",
    ".venv/bin/pytest -p no:terraform -q tests/terraform/test_terraform.py -k 'warning or usage'": (
        "tests/terraform/test_terraform.py"
    ),
    ".venv/bin/python docs/tables.py": "tests/docs/test_readme.py",
}
QUICK = ["ruff-check", "ruff-format", "package", "tables", "terraform-fmt"]


def hooks() -> list[dict[str, Any]]:
    repositories = yaml.safe_load(CONFIG.read_text())["repos"]
    return [hook for repository in repositories for hook in repository["hooks"]]


def entries() -> set[str]:
    """What the hooks run, whether it mends or only checks."""
    return {hook["entry"].removesuffix(" --check") for hook in hooks()}


def test_pre_commit_takes_it() -> None:
    subprocess.run([PRE_COMMIT, "validate-config", CONFIG], check=True)


def test_nothing_is_fetched() -> None:
    assert {repository["repo"] for repository in yaml.safe_load(CONFIG.read_text())["repos"]} == {
        "local"
    }
    assert {hook["language"] for hook in hooks()} == {"system"}


def test_they_run_all_that_make_lint_runs_and_what_the_tests_check() -> None:
    printed = subprocess.run(
        ["make", "--dry-run", "lint"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lint = {
        line.removesuffix(" --check")
        for line in printed.stdout.splitlines()
        if line.startswith((".venv/bin/", ".venv-checkov/bin/")) and "/pip " not in line
    }
    assert lint
    assert entries() == lint | set(BY_TESTS)


@pytest.mark.parametrize("hook", QUICK)
def test_a_hook_runs(hook: str, tmp_path: Path) -> None:
    """The slow ones are those of `make lint`, which every run of CI has just run."""
    copy = tmp_path / "copy"
    subprocess.run(["git", "clone", "--quiet", "--shared", ROOT, copy], check=True)
    for environment in (".venv", ".venv-checkov"):
        (copy / environment).symlink_to(ROOT / environment)
    (copy / CONFIG.name).write_bytes(CONFIG.read_bytes())
    subprocess.run(["git", "add", CONFIG.name], cwd=copy, check=True)
    done = subprocess.run(
        [PRE_COMMIT, "run", hook, "--all-files"],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Failed" not in done.stdout, done.stdout
    assert "Passed" in done.stdout, done.stdout + done.stderr
