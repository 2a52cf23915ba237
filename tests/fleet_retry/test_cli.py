"""What all commands have in common: help with examples, options, errors, completion."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from fleet_retry.cli import app

from .conftest import Fleet

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
DOCS = Path(__file__).resolve().parents[2] / "docs/fleet-retry.md"
ADOPTING = {"adopt"}  # docs/moving-from-cdk.md


def test_the_commands() -> None:
    assert list(COMMANDS)[:9] == [
        "doctor",
        "list",
        "show",
        "history",
        "release",
        "campaigns",
        "pause",
        "resume",
        "redrive",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_has_help_with_an_example_and_the_common_options(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "100"})
    assert result.exit_code == 0
    assert f"  fleet-retry {command}" in result.output
    for option in ("prefix", "terraform-outputs", "region", "profile", "endpoint-url"):
        assert f"--{option} " in result.output


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ADOPTING])
def test_each_has_a_section_in_the_docs_with_its_options(command: str) -> None:
    _, _, section = DOCS.read_text(encoding="utf-8").partition(f"\n## {command}\n")
    section = section.partition("\n## ")[0]
    assert f"fleet-retry {command}" in section
    own = {
        option
        for parameter in COMMANDS[command].params
        for option in parameter.opts
        if option.startswith("--") and getattr(parameter, "rich_help_panel", "") is None
    }
    assert {option for option in own - {"--help"} if option not in section} == set()


def test_without_a_command_it_says_what_there_is() -> None:
    result = CliRunner().invoke(app, [])
    assert "redrive" in result.output


def test_options_come_from_the_environment_too(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_RETRY_PREFIX", "fleet-b-")
    monkeypatch.setenv("FLEET_RETRY_REGION", "eu-north-1")
    code, output = fleet.run("list")
    assert code == 2
    assert "there is no table fleet-b-FirmwareCampaigns in eu-north-1" in output


def test_the_region_is_that_of_either_variable_of_aws(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    _, output = fleet.run("list")
    assert "in eu-north-1" in output


def test_what_goes_wrong_is_one_line_on_stderr(fleet: Fleet) -> None:
    fleet.refuse("Scan")
    result = CliRunner().invoke(app, ["list"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "An error occurred (AccessDeniedException) when calling the Scan operation: no Scan"
    ]


def test_a_profile_that_is_not_there_is_said(fleet: Fleet) -> None:
    code, output = fleet.run("list", "--profile", "nobody")
    assert code == 2
    assert output == "AWS cannot be asked: The config profile (nobody) could not be found\n"


def test_no_region_is_said(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    code, output = fleet.run("list")
    assert code == 2
    assert output == "AWS cannot be asked: You must specify a region.\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_it(shell: str) -> None:
    """As the installed ``fleet-retry`` is called by the script that it prints."""
    ask = {"_FLEET_RETRY_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": "fleet-retry re"}
    words = {"COMP_WORDS": "fleet-retry re", "COMP_CWORD": "1", "_TYPER_COMPLETE_FISH_ACTION": ""}
    words["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    program = "from fleet_retry.cli import app; app(prog_name='fleet-retry')"
    completed = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **ask, **words},
        capture_output=True,
        text=True,
        check=True,
    )
    for command in ("release", "resume", "redrive"):
        assert command in completed.stdout


def test_it_prints_the_script_that_completes_it() -> None:
    program = "from fleet_retry.cli import app; app(prog_name='fleet-retry')"
    shown = subprocess.run(
        [sys.executable, "-c", program, "--show-completion", "bash"],
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "_FLEET_RETRY_COMPLETE=complete_bash" in shown.stdout
