"""The files of the hosting platform are valid, and its workflows only call make."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.project import ROOT
from tests.tools.docs.test_commands import makefile_targets

PLATFORM = ROOT / ".github"
WORKFLOWS = sorted(PLATFORM.glob("workflows/*.yml"))
FORMS = sorted(PLATFORM.glob("ISSUE_TEMPLATE/[!c]*.yml"))


def name_of(path: Path) -> str:
    return path.name


def load(path: Path) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as a boolean, GitHub as a text: the base loader keeps texts.
    loaded: dict[str, Any] = yaml.load(path.read_text(), Loader=yaml.BaseLoader)
    return loaded


def steps(workflow: Path) -> list[dict[str, Any]]:
    return [step for job in load(workflow)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name_of)
def test_workflow_runs_only_make_targets_that_exist(workflow: Path) -> None:
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    assert commands
    assert {command.removeprefix("make ") for command in commands} <= makefile_targets()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name_of)
def test_workflow_may_only_read_and_does_not_pile_up(workflow: Path) -> None:
    content = load(workflow)
    assert content["permissions"] == {"contents": "read"}
    assert content["concurrency"]["group"]
    assert all(int(job["timeout-minutes"]) > 0 for job in content["jobs"].values())


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name_of)
def test_action_is_pinned(workflow: Path) -> None:
    actions = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert [action for action in actions if not re.search(r"@(v\d+|[0-9a-f]{40})$", action)] == []


@pytest.mark.parametrize("form", FORMS, ids=name_of)
def test_issue_form_asks_for_version_region_and_doctor(form: Path) -> None:
    content = load(form)
    assert {"name", "description", "body"} <= content.keys()
    assert {"version", "region", "doctor"} <= {field.get("id") for field in content["body"]}


def test_dependabot_looks_at_folders_with_dependencies() -> None:
    manifests = {
        "github-actions": ".github/workflows/*.yml",
        "npm": "package.json",
        "pip": "*.in",
        "terraform": "versions.tf",
    }
    updates = load(PLATFORM / "dependabot.yml")["updates"]
    assert {update["package-ecosystem"] for update in updates} == manifests.keys()
    for update in updates:
        for folder in update.get("directories", [update.get("directory")]):
            pattern = manifests[update["package-ecosystem"]]
            assert list((ROOT / folder.strip("/")).glob(pattern)), folder
