"""What all commands have in common: help with examples, options, errors, completion."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from fleet_retry.cli import app
from fleet_retry.deployment import Deployment

from .conftest import Fleet

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
DOCS = Path(__file__).resolve().parents[2] / "docs/fleet-retry.md"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_has_help_with_an_example_and_the_common_options(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "100"})
    assert result.exit_code == 0
    assert f"  fleet-retry {command}" in result.output
    for option in ("prefix", "terraform-outputs", "region", "profile", "endpoint-url"):
        assert f"--{option} " in result.output


def test_the_docs_have_a_section_for_each_in_the_same_order() -> None:
    sections = re.findall(r"^## (\S+)$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sections == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_docs_say_what_each_may_do(command: str) -> None:
    _, _, table = DOCS.read_text(encoding="utf-8").partition("\n| command | permissions |\n")
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")]
    assert f"`{command}`" in ", ".join(rows)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_that_is_a_switch_only_switches_on(command: str) -> None:
    """``--no-dry-run`` is a trap."""
    off = [of for parameter in COMMANDS[command].params for of in parameter.secondary_opts]
    assert off == []


@pytest.mark.parametrize("command", COMMANDS)
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
    assert "there is no function fleet-b-ReconcileDevices in eu-north-1" in output


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


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "none of this module in this version (KeyError('RETRY_LIMIT')"),
        ({"Variables": {"RETRY_LIMIT": "many"}}, "invalid literal"),
        ({"Error": {"ErrorCode": "x", "Message": "no kms:Decrypt"}}, "no kms:Decrypt"),
    ],
)
def test_a_function_whose_settings_cannot_be_read_is_said(
    fleet: Fleet, environment: dict[str, Any], said: str
) -> None:
    fleet.answers["GetFunctionConfiguration"] = {"Environment": environment}
    code, output = fleet.run("doctor")
    assert code == 2
    assert "ReconcileDevices" in output
    assert said in output


def test_the_commands_that_are_shown_act_on_the_same_deployment() -> None:
    words = shlex.split(
        Deployment("a-", "http://x", "eu-north-1", "me").command("show", "--", "-p")
    )
    with COMMANDS["show"].make_context("show", words[2:]) as read:
        assert read.params == {
            "device": "-p",
            "as_json": False,
            "prefix": "a-",
            "endpoint_url": "http://x",
            "region": "eu-north-1",
            "profile": "me",
            "terraform_outputs": None,
        }


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
