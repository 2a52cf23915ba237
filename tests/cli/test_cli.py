"""What all commands have in common: help with examples, options, errors, completion."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from fleet_retry.cli import app
from fleet_retry.commands import _options
from fleet_retry.deployment import Deployment, DeploymentError

from .conftest import ENVIRONMENT, Fleet

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
DOCS = Path(__file__).resolve().parents[2] / "docs/operations/fleet-retry.md"
WHICH = {
    "prefix": "a-",
    "terraform_outputs": "outputs.json",
    "region": "eu-north-1",
    "profile": "me",
    "endpoint_url": "http://localhost:1",
}
"""A value for each option that names the deployment."""


def flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def variable(option: str) -> str:
    return f"FLEET_RETRY_{option.upper()}"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    """Reads a command line; returns the options that name the deployment and have a value."""
    found: dict[str, str | None] = {}

    def find(**options: str | None) -> Deployment:
        found.update(options)
        raise DeploymentError("not needed")

    def invoke(*arguments: str) -> dict[str, str]:
        found.clear()
        assert CliRunner().invoke(app, arguments).exit_code == 2
        assert found.keys() == WHICH.keys()
        return {option: value for option, value in found.items() if value is not None}

    monkeypatch.setattr(_options, "find_deployment", find)
    return invoke


@pytest.mark.parametrize("command", COMMANDS)
def test_each_has_help_with_an_example_and_the_common_options(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "100"})
    assert result.exit_code == 0
    assert f"  fleet-retry {command}" in result.output
    for option in ("prefix", "terraform-outputs", "region", "profile", "endpoint-url"):
        assert f"--{option} " in result.output


def test_help_without_a_command_shows_the_common_options() -> None:
    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "100"})
    for option in WHICH:
        assert f"{flag(option)} " in result.output
        assert f"[env var: {variable(option)}]" in result.output


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
    off = [name for parameter in COMMANDS[command].params for name in parameter.secondary_opts]
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


@pytest.mark.parametrize(("option", "value"), WHICH.items())
def test_option_is_accepted_before_and_after_the_command(
    read: Callable[..., dict[str, str]], option: str, value: str
) -> None:
    assert read(flag(option), value, "list") == {option: value}
    assert read("list", flag(option), value) == {option: value}


@pytest.mark.parametrize("option", WHICH)
def test_option_after_the_command_wins(read: Callable[..., dict[str, str]], option: str) -> None:
    assert read(flag(option), "before", "list", flag(option), "after") == {option: "after"}
    assert read(flag(option), "before", "list", flag(option), "") == {option: ""}


@pytest.mark.parametrize("option", WHICH)
def test_option_in_either_place_wins_over_the_environment(
    read: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv(variable(option), "environment")
    assert read("list") == {option: "environment"}
    assert read(flag(option), "before", "list") == {option: "before"}
    assert read("list", flag(option), "after") == {option: "after"}


def test_options_before_and_after_the_command_add_up(
    read: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable("profile"), "me")
    mixed = read("--prefix", "a-", "--region", "eu-west-1", "list", "--region", "eu-north-1")
    assert mixed == {"prefix": "a-", "region": "eu-north-1", "profile": "me"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--prefix", "a-", "--region", "eu-north-1", "list"),
        ("list", "--prefix", "a-", "--region", "eu-north-1"),
        ("--region", "eu-north-1", "list", "--prefix", "a-"),
        ("--prefix", "b-", "list", "--prefix", "a-", "--region", "eu-north-1"),
    ],
    ids=" ".join,
)
def test_the_deployment_is_looked_up_where_the_options_say(
    fleet: Fleet, arguments: tuple[str, ...]
) -> None:
    code, output = fleet.run(*arguments)
    assert code == 2
    assert "there is no function a-ReconcileDevices in eu-north-1" in output


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
        ({}, "is not of this version of the module (KeyError("),
        ({"Variables": {**ENVIRONMENT, "RETRY_LIMIT": "many"}}, "invalid literal"),
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


@pytest.mark.parametrize("typed", ["fleet-retry re", "fleet-retry --prefix a- re"])
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_it(shell: str, typed: str) -> None:
    """As the installed ``fleet-retry`` is called by the script that it prints."""
    ask = {"_FLEET_RETRY_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": typed}
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
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
