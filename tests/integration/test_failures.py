"""When the workflow's own parts fail, no message is lost."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from localcloud import eventually
from localcloud.fleet import Fleet
from localcloud.project import ROOT

DEPLOYED_ZIP = ROOT / "lambda_src/dist/firmware_retry.zip"


@contextmanager
def _without_intake(fleet: Fleet) -> Iterator[None]:
    """Deletes the intake state machine for the time of a ``with`` block."""
    states, arn = fleet.client("stepfunctions"), fleet.machine("intake")
    machine = states.describe_state_machine(stateMachineArn=arn)
    tags = states.list_tags_for_resource(resourceArn=arn)["tags"]
    kept = ("name", "definition", "roleArn", "type", "loggingConfiguration", "tracingConfiguration")
    states.delete_state_machine(stateMachineArn=arn)
    try:
        yield
    finally:
        states.create_state_machine(tags=tags, **{name: machine[name] for name in kept})


@contextmanager
def _with_code(fleet: Fleet, step: str, source: str) -> Iterator[None]:
    """Replaces the code of a handler's function for the time of a ``with`` block."""
    name, functions = fleet.outputs["handler_function_names"][step], fleet.client("lambda")
    config = functions.get_function_configuration(FunctionName=name)
    module = config["Handler"].rpartition(".")[0].replace(".", "/")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"{module}.py", source)
    functions.update_function_code(FunctionName=name, ZipFile=packed.getvalue())
    try:
        yield
    finally:
        functions.update_function_code(FunctionName=name, ZipFile=DEPLOYED_ZIP.read_bytes())
        restored = functions.get_function_configuration(FunctionName=name)
        assert restored["CodeSha256"] == config["CodeSha256"]


def test_a_message_that_starts_no_intake_is_kept(quickstart: Fleet) -> None:
    quickstart.add_thing("no-intake")
    message = quickstart.message("no-intake", 1)
    with _without_intake(quickstart):
        with quickstart.connect("no-intake") as connection:
            quickstart.publish(connection, message)
        (letter,) = eventually(quickstart.dead_letters)
    assert letter["ruleName"] == "FailedFirmwareUpdateRule"
    assert (letter["topic"], letter["clientId"]) == ("iot/device/data", "no-intake")
    assert json.loads(base64.b64decode(letter["base64OriginalPayload"])) == message
    (failure,) = letter["failures"]
    assert failure["failedResource"] == "FirmwareUpdateStateMachine"
    assert failure["errorMessage"]

    quickstart.fail("no-intake", [1])
    assert quickstart.retry_counter("no-intake") == 1


CRASHES = "import os\ndef handler(event, context):\n    os._exit(1)\n"
NO_IMPORT = "import nothing_of_this_name\n"
BUG = "def handler(event, context):\n    return event['no such key']\n"
MISSING_TABLE = {"RETRIES_TABLE": "no-such-table"}


@pytest.mark.parametrize(
    ("step", "cause", "error", "attempts"),
    [
        pytest.param(step, cause, error, attempts, id=f"{step}-{error}")
        for step, cause, error, attempts in (
            ("IncrementRetryCounter", MISSING_TABLE, "RequestRefusedError", 1),
            ("CreateDeviceRecord", MISSING_TABLE, "RequestRefusedError", 1),
            ("StoreDeviceAttributes", {"BACKUP_TABLE": "no-such"}, "RequestRefusedError", 1),
            ("StoreDeviceAttributes", BUG, "KeyError", 1),
            ("CheckIfDeviceExists", NO_IMPORT, "Runtime.ImportModuleError", 1),
            ("CreateDeviceRecord", CRASHES, "Runtime.ExitError", 6),
        )
    ],
)
def test_a_message_whose_handler_keeps_failing_is_kept(
    quickstart: Fleet, step: str, cause: str | dict[str, str], error: str, attempts: int
) -> None:
    device = f"{step}-{error}".replace(".", "-")
    quickstart.add_thing(device)
    broken = (
        _with_code(quickstart, step, cause)
        if isinstance(cause, str)
        else quickstart.with_environment(step, **cause)
    )
    bad_ends, mark = quickstart.bad_ends(), quickstart.mark()
    with broken:
        quickstart.fail(device, [1])
    assert quickstart.invocations(device, mark).count(step) == attempts
    assert quickstart.bad_ends() == bad_ends + 1
    run = quickstart.runs("intake", "FAILED")[0]
    told = quickstart.client("stepfunctions").describe_execution(executionArn=run["executionArn"])
    assert told["error"] == error

    (letter,) = quickstart.dead_letters()
    assert letter["execution"] == run["executionArn"]
    assert letter["failure"]["Error"] == error
    assert json.loads(letter["failure"]["Cause"])["errorType"] == error
    sent = quickstart.message(device, 1)
    del sent["_id_"]
    assert letter["message"].items() >= {"deviceId": device, **sent}.items()
    assert quickstart.record(device) is None

    # What the letter holds is the intake's input: given to it again, it counts.
    quickstart.client("stepfunctions").start_execution(
        stateMachineArn=quickstart.machine("intake"), input=json.dumps(letter["message"])
    )
    quickstart.settle()
    assert quickstart.retry_counter(device) == 1


def test_a_recovery_that_cannot_begin_fails_under_its_own_name_and_is_reconciled(
    second: Fleet,
) -> None:
    device = "no-begin"
    second.add_thing(device)
    bad_ends = second.bad_ends()
    with second.with_environment("ResetRetryCounterAndMoveOut", **MISSING_TABLE):
        second.fail(device, [1, 2])
        assert eventually(lambda: second.bad_ends() == bad_ends + 1)
    (run,) = second.recoveries(device)["cool_down"]
    told = second.client("stepfunctions").describe_execution(executionArn=run["executionArn"])
    assert (told["status"], told["error"]) == ("FAILED", "RequestRefusedError")
    # Nothing was begun, so whoever comes next finds the device as it was.
    assert second.attributes(device) == {}
    assert second.retry_counter(device) == 2

    # As if the scheduled pass came when each step was due.
    assert second.reconcile(-5) == {"moved_out": 1}
    assert second.attributes(device) == {"firmwareRetry": "coolingDown"}
    assert second.reconcile(-5) == {}
    assert second.reconcile(-36_005) == {"restored": 1}
    assert second.attributes(device) == {}
    assert (second.record(device) or {})["state"] == "tracking"
