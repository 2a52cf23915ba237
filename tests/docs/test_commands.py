"""Every command in the docs is run by a test, or it is said why not."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from fleet_retry import cli
from tests.docs import pages
from tests.docs.commands import BY_HAND, ON_PAGE, RUN_BY
from tests.docs.pages import ROOT, Command

COMMANDS = sorted(set(pages.commands()))
# Those of the AWS command line itself; the others are parameters of the API.
AWS_GLOBAL = {"cli-binary-format", "cli-read-timeout", "query", "output", "region", "profile"}


def starting(program: str) -> list[Command]:
    return [command for command in COMMANDS if command.text.startswith(f"{program} ")]


def each(commands: list[Command]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("command", commands, ids=lambda command: command.text[:60])


def known_as(command: Command) -> str | None:
    """The longest beginning of the command that the lists have."""
    words = re.sub(r"^(\w+=\S+ )+", "", command.text)
    lists = ON_PAGE.get(command.page) if command.text.startswith("terraform ") else None
    known = lists or RUN_BY | BY_HAND
    return max((one for one in known if f"{words} ".startswith(f"{one} ")), key=len, default=None)


@each(COMMANDS)
def test_a_command_is_run_by_a_test_or_it_is_said_why_not(command: Command) -> None:
    assert known_as(command), f"{command.page}: add `{command.text}` to tests/docs/commands.py"


def test_nothing_is_listed_that_no_page_says() -> None:
    assert set(RUN_BY | BY_HAND) - {known_as(command) for command in COMMANDS} == set()


@pytest.mark.parametrize("page", ON_PAGE)
def test_nothing_is_listed_of_a_page_that_it_does_not_say(page: str) -> None:
    assert set(ON_PAGE[page]) - {known_as(one) for one in COMMANDS if one.page == page} == set()


EXAMPLES = sorted(map(pages.name_of, ROOT.glob("examples/*/README.md")))


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_applied_by_a_test_of_its_own(example: str) -> None:
    """That another can be applied says nothing of it."""
    others = {test for page in EXAMPLES if page != example for test in ON_PAGE[page].values()}
    assert ON_PAGE[example]["terraform apply"] not in others


ALL_TESTS = set(RUN_BY.values()).union(*(of.values() for of in ON_PAGE.values()))


@pytest.mark.parametrize("test", sorted(ALL_TESTS))
def test_the_tests_that_are_named_exist(test: str) -> None:
    file, _, function = test.partition("::")
    assert (f"def {function}(" if function else "def test_") in (ROOT / file).read_text()


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))


@each(starting("make"))
def test_a_make_target_exists(command: Command) -> None:
    assert command.text.split()[1] in makefile_targets()


def test_make_help_names_every_target() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    named = set(re.findall(r"^  make ([a-z]+) ", done.stdout, re.MULTILINE))
    assert named == makefile_targets()


def test_make_test_is_what_ci_runs() -> None:
    assert "\nmake test\n" in (ROOT / ".ci/run").read_text()
    parts = "lint undeployed localcloud deployed examples"
    assert re.search(rf"^test: .*\n.* {parts}$", (ROOT / "Makefile").read_text(), re.MULTILINE)


@each(starting(".venv/bin/pytest"))
def test_the_tests_that_a_reader_is_to_run_exist(command: Command) -> None:
    paths = [word for word in command.text.split()[1:] if word.startswith("tests/")]
    assert paths
    assert [path for path in paths if not (ROOT / path.partition("::")[0]).exists()] == []


@each(starting("aws"))
def test_a_command_of_aws_exists_with_its_options(command: Command) -> None:
    known = AWS_GLOBAL | pages.aws_options(command).keys()
    options = {word[2:] for word in shlex.split(command.text) if word.startswith("--")}
    assert options <= known


@each([one for one in starting("fleet-retry") if known_as(one) not in BY_HAND])
def test_a_command_of_fleet_retry_exists_with_its_options(command: Command) -> None:
    words = shlex.split(command.text)[1:]
    group = typer.main.get_command(cli.app)
    options = {opt for parameter in group.params for opt in parameter.opts}
    while (commands := getattr(group, "commands", None)) is not None:
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
