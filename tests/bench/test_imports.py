"""What a function loads before its first answer: counted, since times differ."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

from bench.cold_start import steps

SOURCE = Path(__file__).resolve().parents[2] / "lambda_src"
LOAD = """
import importlib, json, sys
before = set(sys.modules)
importlib.import_module("firmware_retry.handlers." + sys.argv[1])
from firmware_retry import aws
new = {name: module for name, module in sys.modules.items() if name not in before}
files = {name: str(getattr(module, "__file__", "")) for name, module in new.items()}
print(json.dumps([files, aws.client.cache_info().currsize]))
"""
OF_BOTOCORE = {"botocore", "certifi", "dateutil", "jmespath", "six", "urllib3"}
"""botocore and what it loads itself, certifi where that is installed."""
HOT_PATH = {
    "ambient",
    "aws",
    "device",
    "errors",
    "handlers",
    "history",
    "message",
    "record",
    "settings",
}


@lru_cache
def loaded(step: str) -> tuple[dict[str, str], int]:
    """The modules that a handler loads and their files; how many clients it makes by that."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD, step],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        check=True,
    )
    modules, clients = json.loads(done.stdout)
    return modules, clients


@pytest.mark.parametrize("step", steps())
def test_a_handler_loads_botocore_and_no_other_library(step: str) -> None:
    modules, _ = loaded(step)
    libraries = {name.partition(".")[0] for name, of in modules.items() if "site-packages" in of}
    assert "botocore" in libraries
    assert libraries <= OF_BOTOCORE


@pytest.mark.parametrize("step", steps())
def test_no_client_is_made_before_it_is_needed(step: str) -> None:
    _, clients = loaded(step)
    assert clients == 0


def test_the_handler_of_every_message_loads_only_what_counting_needs() -> None:
    modules, _ = loaded("increment_retry_counter")
    own = {name.split(".")[1] for name in modules if name.startswith("firmware_retry.")}
    assert own == HOT_PATH


def test_clients_share_one_session() -> None:
    """A second session reads botocore's endpoints and defaults again: 40 ms of a cold start."""
    code = (
        "from firmware_retry import aws\n"
        "aws.client('iot'), aws.client('dynamodb'), aws.client('iot')\n"
        "print(aws._session.cache_info().misses, aws.client.cache_info().misses)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=SOURCE,
        env={"AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["1", "2"]
