"""What a function loads before its first answer: counted, since times differ."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench.cold_start import steps

SOURCE = Path(__file__).resolve().parents[2] / "lambda_src"
START = """
import importlib, json, sys
before = set(sys.modules)
for step in sys.argv[1:]:
    importlib.import_module("firmware_retry.handlers." + step)
new = {name: module for name, module in sys.modules.items() if name not in before}
from firmware_retry import aws
files = {name: str(getattr(module, "__file__", "")) for name, module in new.items()}
print(json.dumps([files, aws.client.cache_info().currsize]))
"""
LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME": "OneOfThem", "AWS_DEFAULT_REGION": "us-east-1"}
OF_BOTOCORE = {"botocore", "certifi", "dateutil", "jmespath", "six", "urllib3"}
"""botocore and what it loads itself, certifi where that is installed."""


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
    "staleness",
}


def start(*steps: str) -> tuple[dict[str, str], int]:
    """Start functions as Lambda does; return the modules loaded, their files, and clients made."""
    modules, made = json.loads(run_python(START, *steps, **LAMBDA))
    return modules, made


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


def test_handlers_load_botocore_and_no_other_library() -> None:
    modules, _ = start(*steps())
    libraries = {
        name.partition(".")[0] for name, path in modules.items() if "site-packages" in path
    }
    assert "botocore" in libraries
    assert libraries <= OF_BOTOCORE


def test_whoever_else_imports_a_handler_makes_no_client() -> None:
    _, made = json.loads(run_python(START, "increment_retry_counter"))
    assert made == 0


def test_the_handler_of_every_message_loads_only_what_counting_needs() -> None:
    modules, _ = start("increment_retry_counter")
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
