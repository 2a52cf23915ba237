"""Every branch, every Catch and every Retry of every state, in runs of the deployed machines.

The tables are the specification: a state or an error name that a definition has and no row covers
fails the tests at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import pytest

from firmware_retry.record import Outcome
from fleet_retry.deployment import Machine
from localcloud.fleet import MACHINES, Fleet
from tests.workflow.machines import (
    Case,
    Error,
    Mock,
    Result,
    Run,
    definitions_of,
    run_all,
    tasks_of,
)

ONCE = 1
QUICK = 1 + 5
LAST = 1 + 8
"""Attempts of the intake, whose run must end within five minutes."""
RECOVERY_ATTEMPTS = 1 + 50
"""Attempts of a recovery, which has time."""
CALM = 1 + 10
"""Attempts of a step that waits for AWS IoT to follow."""

KEPT = "KeepDeadLetter"
POSTPONED = "RecoveryPostponed"
FAILS = None
"""The execution fails under the error's own name, so that it can be redriven."""

INPUT = {
    "kind": "failed",
    "reportedBy": "device",
    "deviceId": "dev-1",
    "timestamp": "1711320208793",
    "FW": "2.27",
}
RECOVERY = {"deviceId": "dev-1", "trackingId": "t", "cycle": 1, "campaign": "2.27", "reason": "r"}
FOUND = {"notBefore": 7}
PAST = {"dueAt": "2024-03-24T22:43:28Z"}

# What is not a failure, by kind: the states that its run enters.
KINDS: Mapping[str, tuple[str, ...]] = {
    "succeeded": ("DecideOnMessage", "ClearDeviceRecord", "DecideOnSuccess", "MessageHandled"),
    "removed": ("DecideOnMessage", "ReleaseDevice", "MessageHandled"),
}

# Outcome of the count, and the states that follow it.
ROUTES: Mapping[Outcome, tuple[str, ...]] = {
    Outcome.COUNTED: ("MessageHandled",),
    Outcome.DUPLICATE: ("MessageHandled",),
    Outcome.STALE: ("MessageHandled",),
    Outcome.IGNORED: ("MessageHandled",),
    Outcome.COUNTED_BY_OTHER: ("MessageHandled",),
    Outcome.TAKEN_OVER: ("MessageHandled",),
    Outcome.COOLING_DOWN: ("MessageHandled",),
    Outcome.FAILED: ("MessageHandled",),
    Outcome.NOT_TRACKED: ("CheckIfDeviceExists", "StoreDeviceAttributes", "CreateDeviceRecord"),
    Outcome.CAMPAIGN_CHANGED: (
        "ClearDeviceRecord",
        "DecideOnSuccess",
        "CheckIfDeviceExists",
        "StoreDeviceAttributes",
        "CreateDeviceRecord",
    ),
    Outcome.COOL_DOWN_DUE: ("StartCoolDown", "MessageHandled"),
    Outcome.ESCALATION_DUE: ("StartEscalation", "MessageHandled"),
}

HAPPY_PATHS: Mapping[Machine, tuple[str, ...]] = {
    "cool_down": ("ResetRetryCounterAndMoveOut", "CoolDown", "RestoreDeviceAttributes"),
    "escalation": (
        "ResetRetryCountToFailedUpdate",
        "Settle",
        "MoveDeviceToFailedGroup",
        "SendSNSNotification",
    ),
}

# Errors that may pass, of any task that is a handler: retried, and kept or failed if they stay.
TRANSIENT = (
    "TransientError",
    "Lambda.TooManyRequestsException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.KMSThrottlingException",
    "Lambda.ResourceConflictException",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "Runtime.ExitError",
    "Runtime.OutOfMemory",
    "States.Timeout",
)

# Errors that will not pass, by machine and task: where each leads, without another attempt.
# KeyError stands for any bug, Runtime.ImportModuleError for a package that does not load.
LASTING: Mapping[tuple[Machine, str], Mapping[str, str | None]] = {
    ("intake", "IncrementRetryCounter"): {
        "InvalidMessageError": "MessageRefused",
        "RequestRefusedError": KEPT,
        "KeyError": KEPT,
        "Runtime.ImportModuleError": KEPT,
    },
    ("intake", "ClearDeviceRecord"): {
        "InvalidMessageError": "MessageRefused",
        "ThingNotFoundError": "ThingUnknown",
        "BackupMissingError": KEPT,
        "RequestRefusedError": KEPT,
        "KeyError": KEPT,
    },
    ("intake", "ReleaseDevice"): {
        "InvalidMessageError": "MessageRefused",
        "BackupMissingError": KEPT,
        "RequestRefusedError": KEPT,
        "KeyError": KEPT,
    },
    ("intake", "CheckIfDeviceExists"): {
        "ThingNotFoundError": "ThingUnknown",
        "StaleMessageError": "MessageStale",
        "EpisodeContendedError": KEPT,
        "InvalidMessageError": KEPT,
        "RequestRefusedError": KEPT,
        "KeyError": KEPT,
    },
    ("intake", "StoreDeviceAttributes"): {
        "ThingNotFoundError": "ThingUnknown",
        "InvalidMessageError": KEPT,
        "RequestRefusedError": KEPT,
        "KeyError": KEPT,
    },
    ("intake", "CreateDeviceRecord"): {
        "InvalidMessageError": KEPT,
        "RequestRefusedError": KEPT,
        "KeyError": KEPT,
    },
    ("cool_down", "ResetRetryCounterAndMoveOut"): {
        "RecoverySupersededError": "Superseded",
        "ThingNotFoundError": "ThingVanished",
        "RequestRefusedError": FAILS,
        "KeyError": FAILS,
    },
    ("cool_down", "RestoreDeviceAttributes"): {
        "RecoverySupersededError": "Superseded",
        "ThingNotFoundError": "ThingVanished",
        "CampaignPausedError": "HeldByPause",
        "BackupMissingError": FAILS,
        "RequestRefusedError": FAILS,
        "KeyError": FAILS,
    },
    ("escalation", "ResetRetryCountToFailedUpdate"): {
        "RecoverySupersededError": "Superseded",
        "ThingNotFoundError": "ThingVanished",
        "RequestRefusedError": FAILS,
        "KeyError": FAILS,
    },
    ("escalation", "MoveDeviceToFailedGroup"): {
        "RecoverySupersededError": "Superseded",
        "ThingNotFoundError": "ThingVanished",
        "RequestRefusedError": FAILS,
        "KeyError": FAILS,
    },
    ("escalation", "SendSNSNotification"): {
        "RecoverySupersededError": "Superseded",
        "RequestRefusedError": FAILS,
        "KeyError": FAILS,
    },
}

# Tasks that call a service: state, error, attempts, next state.
INTEGRATIONS: tuple[tuple[str, str, int, str | None], ...] = (
    ("StartCoolDown", "StepFunctions.ExecutionAlreadyExistsException", ONCE, "MessageHandled"),
    ("StartCoolDown", "StepFunctions.ThrottlingException", QUICK, POSTPONED),
    ("StartCoolDown", "StepFunctions.ExecutionLimitExceeded", QUICK, POSTPONED),
    ("StartCoolDown", "StepFunctions.ExecutionLimitExceededException", QUICK, POSTPONED),
    ("StartCoolDown", "StepFunctions.StateMachineDoesNotExistException", QUICK, KEPT),
    ("StartCoolDown", "States.Timeout", QUICK, KEPT),
    ("StartEscalation", "StepFunctions.ExecutionAlreadyExistsException", ONCE, "MessageHandled"),
    ("StartEscalation", "StepFunctions.ThrottlingException", QUICK, POSTPONED),
    ("StartEscalation", "StepFunctions.ExecutionLimitExceeded", QUICK, POSTPONED),
    ("StartEscalation", "StepFunctions.ExecutionLimitExceededException", QUICK, POSTPONED),
    ("StartEscalation", "StepFunctions.StateMachineDoesNotExistException", QUICK, KEPT),
    ("StartEscalation", "States.Timeout", QUICK, KEPT),
    ("KeepDeadLetter", "SQS.SdkClientException", LAST, FAILS),
    ("KeepDeadLetter", "States.Timeout", LAST, FAILS),
)

Row = tuple[Machine, str, str, int, str | None]


def _error_rows() -> Iterator[Row]:
    for (machine, state), errors in LASTING.items():
        for error, following in errors.items():
            yield machine, state, error, ONCE, following
        is_intake = machine == "intake"
        for error in TRANSIENT:
            yield (
                machine,
                state,
                error,
                QUICK if is_intake else RECOVERY_ATTEMPTS,
                KEPT if is_intake else None,
            )
    for state, error, attempts, following in INTEGRATIONS:
        yield "intake", state, error, attempts, following
    yield "cool_down", "RestoreDeviceAttributes", "StillInGroupError", CALM, FAILS


ERROR_ROWS = tuple(_error_rows())


def _answer_count(outcome: Outcome) -> Result:
    return Result({"outcome": outcome, "recoveryId": "t-1", "recovery": RECOVERY})


def _way_to(state: str) -> dict[str, tuple[Mock, ...]]:
    """What the tasks before a state answer, so that the run comes by."""
    new_device = (_answer_count(Outcome.NOT_TRACKED), _answer_count(Outcome.COUNTED))
    ways: dict[str, dict[str, tuple[Mock, ...]]] = {
        **{name: {"IncrementRetryCounter": new_device} for name in ROUTES[Outcome.NOT_TRACKED]},
        "ClearDeviceRecord": {"IncrementRetryCounter": (_answer_count(Outcome.CAMPAIGN_CHANGED),)},
        "StartCoolDown": {"IncrementRetryCounter": (_answer_count(Outcome.COOL_DOWN_DUE),)},
        "StartEscalation": {"IncrementRetryCounter": (_answer_count(Outcome.ESCALATION_DUE),)},
        KEPT: {"IncrementRetryCounter": (Error("RequestRefusedError"),)},
        "RestoreDeviceAttributes": {"ResetRetryCounterAndMoveOut": (Result(PAST),)},
        "MoveDeviceToFailedGroup": {"ResetRetryCountToFailedUpdate": (Result(PAST),)},
        "SendSNSNotification": {"ResetRetryCountToFailedUpdate": (Result(PAST),)},
    }
    return ways.get(state, {})


def _make_input(machine: Machine, state: str) -> Mapping[str, Any]:
    """Return the input of a run that comes by the state."""
    if machine != "intake":
        return RECOVERY
    return {**INPUT, "kind": "removed"} if state == "ReleaseDevice" else INPUT


def _failing(machine: Machine, state: str, error: str) -> Case:
    mocks = {**_way_to(state), state: (Error(error),)}
    return Case(machine, mocks, _make_input(machine, state))


def _of_kind(kind: str) -> Case:
    return Case("intake", {}, {**INPUT, "kind": kind})


def _of_outcome(outcome: Outcome) -> Case:
    counts = (_answer_count(outcome), _answer_count(Outcome.COUNTED))
    mocks = {"IncrementRetryCounter": counts, "CheckIfDeviceExists": (Result(FOUND),)}
    return Case("intake", mocks, INPUT)


def _make_undisturbed_case(machine: Machine) -> Case:
    first = HAPPY_PATHS[machine][0]
    return Case(machine, {first: (Result(PAST),)}, RECOVERY)


CASES = (
    *(_failing(machine, state, error) for machine, state, error, _, _ in ERROR_ROWS),
    *map(_of_kind, KINDS),
    *map(_of_outcome, ROUTES),
    *map(_make_undisturbed_case, HAPPY_PATHS),
)


@pytest.fixture(scope="module")
def runs(quickstart: Fleet) -> dict[str, Run]:
    """All cases, run at once."""
    return run_all(quickstart, CASES)


@pytest.fixture(scope="module")
def definitions(quickstart: Fleet) -> dict[Machine, Any]:
    return definitions_of(quickstart)


@pytest.mark.parametrize("outcome", ROUTES)
def test_the_outcome_of_the_count_decides(runs: dict[str, Run], outcome: Outcome) -> None:
    run = runs[_of_outcome(outcome).name]
    expected = ["DecideOnMessage", "IncrementRetryCounter", "DecideOnCount", *ROUTES[outcome]]
    if expected[-1] != "MessageHandled":
        # The device is tracked now: its message is counted after all.
        expected += ["IncrementRetryCounter", "DecideOnCount", "MessageHandled"]
    assert (list(run.path), run.status) == (expected, "SUCCEEDED")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_failure_is_not_counted(runs: dict[str, Run], kind: str) -> None:
    run = runs[_of_kind(kind).name]
    assert (run.path, run.status) == (KINDS[kind], "SUCCEEDED")


@pytest.mark.parametrize("outcome", [Outcome.NOT_TRACKED, Outcome.CAMPAIGN_CHANGED])
def test_an_episode_begins_with_what_is_known_of_the_last(
    runs: dict[str, Run], outcome: Outcome
) -> None:
    given = runs[_of_outcome(outcome).name].inputs["CreateDeviceRecord"]
    assert given.items() >= {**INPUT, "past": FOUND}.items()


def test_every_outcome_has_a_route() -> None:
    assert set(ROUTES) == set(Outcome)


@pytest.mark.parametrize("machine", HAPPY_PATHS)
def test_a_recovery_is_a_straight_line(runs: dict[str, Run], machine: Machine) -> None:
    run = runs[_make_undisturbed_case(machine).name]
    assert (run.path, run.status) == (HAPPY_PATHS[machine], "SUCCEEDED")
    # Whatever the steps answer, each gets the input of the run.
    assert all(given.items() >= RECOVERY.items() for given in run.inputs.values())


@pytest.mark.parametrize("row", ERROR_ROWS, ids=lambda row: "-".join(row[:3]))
def test_an_error_leads_where_it_should(runs: dict[str, Run], row: Row) -> None:
    machine, state, error, attempts, following = row
    run = runs[_failing(machine, state, error).name]
    assert run.attempts[state] == attempts
    after = run.path[len(run.path) - run.path[::-1].index(state) :]
    if following is FAILS:
        assert (after, run.status, run.error) == ((), "FAILED", error)
    elif following == KEPT:
        assert after == (KEPT, "MessageInDeadLetterQueue")
        assert (run.status, run.error) == ("FAILED", error)
        assert run.inputs[KEPT].items() >= _make_input(machine, state).items()
    else:
        assert (after, run.status) == ((following,), "SUCCEEDED")


# The tables are complete


def test_every_state_was_entered(runs: dict[str, Run], definitions: dict[Machine, Any]) -> None:
    entered = {state for run in runs.values() for state in run.path}
    states = {state for machine in MACHINES for state in definitions[machine]["States"]}
    assert states == entered


def test_every_retry_has_its_rows(definitions: dict[Machine, Any]) -> None:
    rows = {(machine, state, error) for machine, state, error, n, _ in ERROR_ROWS if n > ONCE}
    named = {
        (machine, state, error)
        for machine in MACHINES
        for state, task in tasks_of(definitions[machine]).items()
        for retrier in task["Retry"]
        if retrier["MaxAttempts"] > 0
        for error in retrier["ErrorEquals"]
        if error != "States.TaskFailed"  # stands for any error
    }
    assert named <= rows
    assert {(machine, state) for machine, state, _ in rows} == {
        (machine, state) for machine in MACHINES for state in tasks_of(definitions[machine])
    }


def test_every_catch_has_its_row(definitions: dict[Machine, Any]) -> None:
    for machine in MACHINES:
        for state, task in tasks_of(definitions[machine]).items():
            rows = [row for row in ERROR_ROWS if row[:2] == (machine, state)]
            named = {error for catch in task.get("Catch", ()) for error in catch["ErrorEquals"]}
            for catch in task.get("Catch", ()):
                led = {row[2] for row in rows if row[4] == catch["Next"]}
                for error in catch["ErrorEquals"]:
                    assert (led - named) if error == "States.ALL" else error in led


@pytest.mark.parametrize(("machine", "state"), LASTING)
def test_every_error_that_a_handler_documents_has_its_row(machine: Machine, state: str) -> None:
    module = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", state).lower()
    handler = import_module(f"firmware_retry.handlers.{module}").handler
    documented = set(re.findall(r"\b\w+Error\b", handler.__doc__.partition("Raises:")[2]))
    assert "TransientError" in documented
    assert documented <= {row[2] for row in ERROR_ROWS if row[:2] == (machine, state)}
