"""Options, make targets, paths and AWS operations that the docs name exist."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from fleet_retry import cli
from localcloud.project import ROOT
from tests.tools.docs import pages
from tests.tools.docs.pages import Command

COMMANDS = sorted(set(pages.commands()))
# Those of the AWS command line itself; the others are parameters of the API.
AWS_GLOBAL = {"cli-binary-format", "cli-read-timeout", "query", "output", "region", "profile"}


def starting(program: str) -> list[Command]:
    return [command for command in COMMANDS if command.text.startswith(f"{program} ")]


def parametrize_with(commands: list[Command]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("command", commands, ids=lambda command: command.text[:60])


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))


@parametrize_with(starting("make"))
def test_a_make_target_exists(command: Command) -> None:
    assert command.text.split()[1] in makefile_targets()


def test_make_help_names_every_target() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    named = set(re.findall(r"^  make ([a-z]+) ", done.stdout, re.MULTILINE))
    assert named == makefile_targets()


@parametrize_with(starting(".venv/bin/pytest"))
def test_the_tests_that_a_reader_is_to_run_exist(command: Command) -> None:
    paths = [word for word in command.text.split()[1:] if word.startswith("tests/")]
    assert paths
    assert [path for path in paths if not (ROOT / path.partition("::")[0]).exists()] == []


@parametrize_with(starting("aws"))
def test_a_command_of_aws_exists_with_its_options(command: Command) -> None:
    known = AWS_GLOBAL | pages.aws_options(command).keys()
    options = {word[2:] for word in shlex.split(command.text) if word.startswith("--")}
    assert options <= known


@parametrize_with(
    [
        command
        for command in starting("fleet-retry")
        if not re.search("COMMAND|--install", command.text)
    ]
)
def test_a_command_of_fleet_retry_exists_with_its_options(command: Command) -> None:
    words = shlex.split(command.text)[1:]
    group = typer.main.get_command(cli.app)
    options = {opt for parameter in group.params for opt in parameter.opts}
    while (commands := getattr(group, "commands", None)) is not None:
        # The options before a command's name all take a value.
        while words and words[0] in options:
            words = words[2:]
        assert words, f"{command.page}: `{command.text}` names no command"
        assert words[0] in commands
        group = commands[words.pop(0)]
        options |= {opt for parameter in group.params for opt in parameter.opts}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options


def test_what_pip_installs_runs(tmp_path: Path) -> None:
    """Without what it depends on, which is there already, and so without a network."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--target", tmp_path, ROOT], check=True)
    environment = {"PATH": os.defpath, "PYTHONPATH": str(tmp_path)}
    tool = tmp_path / "bin" / "fleet-retry"
    done = subprocess.run(
        [tool, "--help"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert "redrive" in done.stdout
