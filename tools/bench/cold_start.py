"""How long a fresh process takes to its first answer: each handler, botocore alone, and boto3.

Times differ from machine to machine and from minute to minute. So what is told is a ratio, of runs
that take turns; and no test depends on it.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO, Any, NamedTuple, cast

from bench.stub_server import Answers, serve_answers
from localcloud.project import ROOT
from reporting.tables import Table

FLOOR_RATIO_AT_MOST = 1.10
_SCRIPT = Path(__file__).with_name("first_answer.py")
_ZIP = ROOT / "lambda_src" / "dist" / "firmware_retry.zip"


@dataclass(frozen=True)
class Start:
    """One handler's first answer. Medians; the ratios are those of runs that followed each other.

    Attributes:
        step: the name of the handler.
        services: whose clients it made.
        ratio: from the start of the process to the first answer, to the floor: botocore alone,
            with the same clients and the same calls.
        boto3_ratio: of the same with boto3's resources, or its clients where it has none.
    """

    step: str
    services: tuple[str, ...]
    ratio: float
    boto3_ratio: float


def measure(repetitions: int, tell: Callable[[str], None]) -> list[Start]:
    """Measures every handler of the zip that Terraform deploys.

    Args:
        repetitions: fresh processes of each kind and handler; they take turns.
        tell: called with the name of the handler that is measured.

    Raises:
        ColdStartError: a process did not come to its answer.
    """
    starts = []
    with serve_answers() as answers, _unpack() as folder:
        environment = _environment(answers.url, folder)
        for step in steps():
            tell(step)
            starts.append(_measure(step, repetitions, answers, environment))
    return starts


class Clients(NamedTuple):
    """The services whose clients a handler makes, in their order."""

    all: tuple[str, ...]
    late: tuple[str, ...]
    """Those that it makes when it is called, not while it starts."""


def clients() -> dict[str, Clients]:
    """Return the clients that each handler of the zip makes until its first answer.

    Raises:
        ColdStartError: a handler did not come to its answer.
    """
    with serve_answers() as answers, _unpack() as folder:
        environment = _environment(answers.url, folder)
        asked = {step: _first_answer(step, answers, environment)[1] for step in steps()}
    return {
        step: Clients(tuple(told["clients"]), tuple(told["late"])) for step, told in asked.items()
    }


class ColdStartError(Exception):
    """A process failed instead of answering; says which and why."""


def steps() -> list[str]:
    """Return the modules of the handlers in the zip."""
    prefix = "firmware_retry/handlers/"
    with zipfile.ZipFile(_ZIP) as archive:
        names = [Path(name).stem for name in archive.namelist() if name.startswith(prefix)]
    return sorted(name for name in names if name != "__init__")


def _measure(
    step: str, repetitions: int, answers: Answers, environment: Mapping[str, str]
) -> Start:
    handler, asked = _first_answer(step, answers, environment)
    kinds = [handler, ("botocore", json.dumps(asked)), ("boto3", json.dumps(asked))]
    # Taking turns, so that what slows the machine for a while slows all of them.
    rounds = [[_seconds(kind, environment) for kind in kinds] for _ in range(repetitions)]
    return Start(
        step,
        tuple(asked["clients"]),
        ratio=median(seconds / floor for seconds, floor, _ in rounds),
        boto3_ratio=median(boto3 / floor for _, floor, boto3 in rounds),
    )


def _first_answer(
    step: str, answers: Answers, environment: Mapping[str, str]
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Run a handler once in its scene and return its arguments, clients and calls."""
    answers.item, event = _scene(step)
    what = (f"firmware_retry.handlers.{step}", json.dumps(event))
    done = subprocess.run(  # noqa: S603 -- our own script
        [sys.executable, str(_SCRIPT), "record", *what],
        env=dict(environment),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise ColdStartError(f"{step} failed:\n{done.stderr.decode()}")
    asked: dict[str, Any] = json.loads(done.stdout.splitlines()[-2])
    return ("handler", *what), asked


def _seconds(arguments: tuple[str, ...], environment: Mapping[str, str]) -> float:
    began = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 -- our own script
        [sys.executable, str(_SCRIPT), *arguments],
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with (
        process,
        cast("IO[bytes]", process.stdout) as out,
        cast("IO[bytes]", process.stderr) as err,
    ):
        line = out.readline()
        seconds = time.perf_counter() - began
        if line != b"answered\n":
            raise ColdStartError(f"{' '.join(arguments[:2])} failed:\n{err.read().decode()}")
    return seconds


@contextmanager
def _unpack() -> Iterator[Path]:
    """Unpack the zip as Lambda has it: without bytecode beside the files, and read-only."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        zipfile.ZipFile(io.BytesIO(_ZIP.read_bytes())).extractall(folder)
        yield Path(folder)


def _environment(url: str, folder: Path) -> dict[str, str]:
    return {
        **_SETTINGS,
        "OPERATOR_QUEUE_URL": f"{url}/123456789012/operators.fifo",
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_LAMBDA_FUNCTION_NAME": "OneOfThem",
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "123456789012",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }


_SETTINGS = {
    "RETRIES_TABLE": "DeviceFirmwareRetries",
    "BACKUP_TABLE": "DeviceAttributeBackup",
    "HISTORY_TABLE": "DeviceHistory",
    "HISTORY_DAYS": "90",
    "CAMPAIGNS_TABLE": "FirmwareCampaigns",
    "BREAKER": "null",
    "RETRY_LIMIT": "10",
    "COOL_DOWN_SECONDS": "[86400]",
    "COOL_DOWN_JITTER": "0.1",
    "SETTLE_SECONDS": "60",
    "MOVE_OUT_ATTRIBUTES": '{"model": "moveOut", "FW": "moveOut"}',
    "FAILED_ATTRIBUTES": '{"model": "failedtoupdate", "FW": "failedtoupdate"}',
    "FOREIGN_MARKS": "[]",
    "FAILED_THING_GROUP_NAME": "FailedToUpdate",
    "IGNORED_REASONS": "[]",
    "FATAL_REASONS": "[]",
    "JOB_EVENTS_ENABLED": "false",
    "ALERTS_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:alerts.fifo",
    "OPERATOR_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:operators",
    "OPERATOR_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/operators.fifo",
    "ALERT_DIGEST_THRESHOLD": "5",
    "NAME_PREFIX": "",
    "COOL_DOWN_STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:CoolDown",
    "ESCALATION_STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:Escalate",
}
"""The environment of a function, as the module sets it; a key that is missing fails the run."""


def _scene(step: str) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return the record that a handler finds, and the event that it gets."""
    now = int(time.time())
    run = {"deviceId": "d", "trackingId": "t", "cycle": 1, "campaign": "2.27", "reason": "r"}
    thing: dict[str, Any] = {"name": "d", "thing_id": "t", "version": 1, "attributes": {}}
    message = {
        "kind": "failed",
        "reportedBy": "device",
        "deviceId": "d",
        "timestamp": str(now * 1000),
        "FW": "2.27",
        "receivedAt": now * 1000,
        "past": {"notBefore": 0, "end": {}, "rounds": 0, "thing": thing},
    }
    tracked = {
        "deviceId": {"S": "d"},
        "RetryCounter": {"N": "1"},
        "ResetRetryCount": {"N": "1"},
        "state": {"S": "tracking"},
        "campaign": {"S": "2.27"},
        "trackingId": {"S": "t"},
        "timestamp": {"S": "2026-11-30T12:00:00Z"},
    }
    held = {**tracked, "recoveryId": {"S": "t-1"}, "dueAt": {"N": str(now + 60)}}
    cooling_down = {**held, "state": {"S": "cooling_down"}}
    failed = {**held, "state": {"S": "failed"}}
    scenes: Mapping[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
        "release_device": (tracked, {"deviceId": "d"}),
        "reconcile_devices": (None, {}),
        "mail_operators": (None, {}),
        "reset_retry_counter_and_move_out": (cooling_down, run),
        "restore_device_attributes": (cooling_down, run),
        "reset_retry_count_to_failed_update": (failed, run),
        "move_device_to_failed_group": (failed, run),
        "send_sns_notification": (failed, run),
    }
    return scenes.get(step, (tracked, message))


def table(starts: list[Start]) -> Table:
    """For a reader."""
    rows = tuple(
        (
            start.step,
            ", ".join(start.services),
            f"{start.ratio:.2f}",
            f"{start.boto3_ratio:.2f}",
        )
        for start in starts
    )
    heads = ("handler", "clients", "of botocore alone", "boto3, of botocore alone")
    return Table("Cold start: a fresh process to its first answer", heads, rows)
