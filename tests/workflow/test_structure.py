"""What holds for every state of the rendered definitions, whatever it does."""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from firmware_retry import errors, recovery
from fleet_retry.deployment import Machine
from localcloud.fleet import MACHINES, Fleet
from localcloud.project import ROOT
from tests.integration.plugin import Deployment
from tests.workflow.machines import Definition, definitions_of, tasks_of

EXPRESS_SECONDS = 300
"""An Express run ends after five minutes, whatever it is doing, and no Catch sees that."""
FUNCTION_SECONDS = 15
VALIDATOR = ROOT / ".venv-tools/asl-validator/node_modules/.bin/asl-validator"
EVERY_MACHINE = pytest.mark.parametrize("machine", MACHINES)
RECOVERIES = pytest.mark.parametrize("machine", MACHINES[1:])


@pytest.fixture(scope="module")
def definitions(quickstart: Fleet) -> dict[Machine, Definition]:
    return definitions_of(quickstart)


def _types(definition: Definition) -> list[str]:
    return [state["Type"] for state in definition["States"].values()]


@EVERY_MACHINE
def test_asl_validator_accepts_it(
    definitions: dict[Machine, Definition], machine: Machine, tmp_path: Path
) -> None:
    tool = str(VALIDATOR) if VALIDATOR.exists() else shutil.which("asl-validator")
    assert tool, "asl-validator is not here: run `make test`, or npm install -g asl-validator@4.0.0"
    path = tmp_path / f"{machine}.asl.json"
    path.write_text(json.dumps(definitions[machine]))
    done = subprocess.run(
        [tool, "--json-path", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_intake_is_express_and_the_recoveries_are_standard(quickstart: Fleet) -> None:
    states = quickstart.client("stepfunctions")
    types = [
        states.describe_state_machine(stateMachineArn=quickstart.machine(machine))["type"]
        for machine in MACHINES
    ]
    assert types == ["EXPRESS", "STANDARD", "STANDARD"]


def test_both_fleets_have_the_same_definitions_but_for_names(deployment: Deployment) -> None:
    for machine in MACHINES:
        plain = json.dumps(definitions_of(deployment.quickstart)[machine])
        prefixed = json.dumps(definitions_of(deployment.second)[machine])
        assert "second-" in prefixed
        assert prefixed.replace("second-", "") == plain


@EVERY_MACHINE
def test_every_task_has_a_timeout_and_retries(
    definitions: dict[Machine, Definition], machine: Machine
) -> None:
    for name, task in tasks_of(definitions[machine]).items():
        assert task["TimeoutSeconds"] > FUNCTION_SECONDS, name
        assert task["Retry"], name


@EVERY_MACHINE
def test_every_retry_backs_off_with_a_limit_and_full_jitter(
    definitions: dict[Machine, Definition], machine: Machine
) -> None:
    for name, task in tasks_of(definitions[machine]).items():
        for retrier in task["Retry"]:
            if retrier["MaxAttempts"] == 0 or retrier["ErrorEquals"] == ["StillInGroupError"]:
                continue
            assert retrier["JitterStrategy"] == "FULL", name
            assert retrier["BackoffRate"] > 1, name
            assert retrier["IntervalSeconds"] <= retrier["MaxDelaySeconds"], name


def test_a_device_that_stays_in_its_groups_is_looked_at_until_it_is_restored_all_the_same(
    definitions: dict[Machine, Definition],
) -> None:
    """At the same pace each time: nothing is overloaded, something takes its time."""
    (retrier,) = [
        retrier
        for machine in MACHINES
        for task in tasks_of(definitions[machine]).values()
        for retrier in task["Retry"]
        if retrier["ErrorEquals"] == ["StillInGroupError"]
    ]
    assert retrier in tasks_of(definitions["cool_down"])["RestoreDeviceAttributes"]["Retry"]
    assert (retrier["IntervalSeconds"], retrier["BackoffRate"]) == (recovery.CHECK_AGAIN_SECONDS, 1)
    assert retrier["MaxAttempts"] > recovery.MOST_CHECKS


@EVERY_MACHINE
def test_no_state_only_passes_through(
    definitions: dict[Machine, Definition], machine: Machine
) -> None:
    assert "Pass" not in _types(definitions[machine])


@RECOVERIES
def test_a_recovery_makes_no_choice(
    definitions: dict[Machine, Definition], machine: Machine
) -> None:
    assert set(_types(definitions[machine])) == {"Task", "Wait", "Succeed"}


def test_a_recovery_has_three_or_four_states_on_its_way(
    definitions: dict[Machine, Definition],
) -> None:
    assert len(_way(definitions["cool_down"])) == 3
    assert len(_way(definitions["escalation"])) == 4


def _way(definition: Definition) -> list[str]:
    way, following = [], definition["StartAt"]
    while following is not None:
        way.append(following)
        following = definition["States"][following].get("Next")
    return way


@EVERY_MACHINE
def test_every_error_of_our_own_is_one_that_the_package_raises(
    definitions: dict[Machine, Definition], machine: Machine
) -> None:
    for task in tasks_of(definitions[machine]).values():
        for rule in (*task["Retry"], *task.get("Catch", ())):
            for error in rule["ErrorEquals"]:
                # Only names of AWS's have a dot: Lambda.Unknown, States.Timeout.
                assert "." in error or _is_ours(error), error


def _is_ours(name: str) -> bool:
    found: Any = getattr(errors, name, None)
    return isinstance(found, type) and issubclass(found, errors.FirmwareRetryError)


@EVERY_MACHINE
def test_every_handler_is_called_by_the_state_of_its_name(
    quickstart: Fleet, definitions: dict[Machine, Definition], machine: Machine
) -> None:
    functions = quickstart.outputs["handler_function_names"]
    for name, task in tasks_of(definitions[machine]).items():
        if ":lambda:" in task["Resource"]:
            assert task["Resource"].endswith(f":function:{functions[name]}")


def test_the_steps_of_the_whole_life_are_states_and_functions(
    quickstart: Fleet, definitions: dict[Machine, Definition]
) -> None:
    steps = {
        "CheckIfDeviceExists",
        "StoreDeviceAttributes",
        "CreateDeviceRecord",
        "IncrementRetryCounter",
        "ResetRetryCounterAndMoveOut",
        "RestoreDeviceAttributes",
        "ResetRetryCountToFailedUpdate",
        "MoveDeviceToFailedGroup",
        "SendSNSNotification",
        "ClearDeviceRecord",
        "ReleaseDevice",
    }
    tasks = {name for machine in MACHINES for name in tasks_of(definitions[machine])}
    assert steps <= tasks
    assert steps <= set(quickstart.outputs["handler_function_names"])


def test_one_state_that_keeps_failing_leaves_time_for_the_dead_letter(
    definitions: dict[Machine, Definition],
) -> None:
    tasks = tasks_of(definitions["intake"])
    last = tasks["KeepDeadLetter"]["TimeoutSeconds"]
    for name, task in tasks.items():
        if name != "KeepDeadLetter":
            assert _worst_seconds(task) + last < EXPRESS_SECONDS, name


def test_the_waits_for_the_dead_letter_end_in_time(definitions: dict[Machine, Definition]) -> None:
    waits = _waits(tasks_of(definitions["intake"])["KeepDeadLetter"])
    assert sum(waits) < EXPRESS_SECONDS / 3


def _worst_seconds(task: dict[str, Any]) -> float:
    """Every attempt takes all the time it has, and every wait is the longest it may be."""
    waits = _waits(task)
    return sum(waits) + (len(waits) + 1) * int(task["TimeoutSeconds"])


def _waits(task: dict[str, Any]) -> list[float]:
    retrier = task["Retry"][-1]  # those before are of one error each
    rate = retrier["BackoffRate"]
    growing = accumulate(
        range(retrier["MaxAttempts"] - 1),
        lambda wait, _: wait * rate,
        initial=float(retrier["IntervalSeconds"]),
    )
    return [min(wait, retrier["MaxDelaySeconds"]) for wait in growing]


@RECOVERIES
def test_a_recovery_outlasts_a_million_others_in_few_attempts(
    definitions: dict[Machine, Definition], machine: Machine
) -> None:
    """AWS lets 100 things a second be changed; a wait lasts half of its longest, on average."""
    for task in tasks_of(definitions[machine]).values():
        waits = [wait / 2 for wait in _waits(task)]
        assert sum(waits) > 2 * 1_000_000 / 100
        assert sum(waits[:10]) > 1_000_000 / 100
