"""What a function loads before its first answer: counted, since times differ."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.cold_start import steps
from tests.tools.bench.test_cold_start import services

SOURCE = Path(__file__).resolve().parents[2] / "lambda_src"
START = """
import importlib, json, sys
before = set(sys.modules)
importlib.import_module("firmware_retry.handlers." + sys.argv[1])
new = {name: module for name, module in sys.modules.items() if name not in before}
from firmware_retry import aws
made = aws.client.cache_info().currsize
for service in sys.argv[2:]:
    aws.client(service)
files = {name: str(getattr(module, "__file__", "")) for name, module in new.items()}
print(json.dumps([files, made, aws.client.cache_info().currsize]))
"""
LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME": "OneOfThem", "AWS_DEFAULT_REGION": "us-east-1"}
OF_BOTOCORE = {"botocore", "certifi", "dateutil", "jmespath", "six", "urllib3"}
"""botocore and what it loads itself, certifi where that is installed."""


class Start(NamedTuple):
    """What a fresh process loaded and made."""

    modules: dict[str, str]
    """The modules that the handler loads, and their files."""
    made: int
    """Clients that it made while it started."""
    needed: int
    """Clients after those of what the handler may call were asked for."""


HOT_PATH = {
    "aws",
    "clock",
    "errors",
    "handlers",
    "intake",
    "history_table",
    "message",
    "record",
    "retries_table",
    "settings",
}


@lru_cache
def start(step: str) -> Start:
    """Start a function as Lambda does, and make the clients of what it may call."""
    return Start(*json.loads(run_python(START, step, *services()[step], **LAMBDA)))


def run_python(code: str, *arguments: str, **environment: str) -> str:
    """Return what a fresh Python process prints."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=SOURCE,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("step", steps())
def test_a_handler_loads_botocore_and_no_other_library(step: str) -> None:
    modules = start(step).modules
    libraries = {
        name.partition(".")[0] for name, path in modules.items() if "site-packages" in path
    }
    assert "botocore" in libraries
    assert libraries <= OF_BOTOCORE


@pytest.mark.parametrize("step", steps())
def test_a_function_makes_the_clients_of_what_it_may_call_while_it_starts(step: str) -> None:
    started, called = start(step), services()[step]
    assert (started.made, started.needed) == (len(called), len(called))


def test_whoever_else_imports_a_handler_makes_no_client() -> None:
    *_, made, _ = json.loads(run_python(START, "increment_retry_counter"))
    assert made == 0


def test_the_handler_of_every_message_loads_only_what_counting_needs() -> None:
    modules = start("increment_retry_counter").modules
    own = {name.split(".")[1] for name in modules if name.startswith("firmware_retry.")}
    assert own == HOT_PATH


def test_clients_share_one_session() -> None:
    """A second session reads botocore's endpoints and defaults again: 40 ms of a cold start."""
    code = (
        "from firmware_retry import aws\n"
        "aws.client('iot'), aws.client('dynamodb'), aws.client('iot')\n"
        "print(aws._session.cache_info().misses, aws.client.cache_info().misses)"
    )
    assert run_python(code, **LAMBDA).split() == ["1", "2"]
