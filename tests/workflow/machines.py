"""The three state machines as they were rendered and deployed, and runs of them with mocked tasks.

MiniStack takes the mock configuration of Step Functions Local: a run that names a test case gets
each task's result or error from it, and all else (paths, Choice, Wait, Retry, Catch) is real.
https://docs.aws.amazon.com/step-functions/latest/dg/sfn-local-test-sm-exec.html
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fleet_retry.deployment import Machine
from localcloud import LocalCloud, eventually
from localcloud.fleet import MACHINES, Fleet

Definition = dict[str, Any]
States = dict[str, dict[str, Any]]


def definitions_of(fleet: Fleet) -> dict[Machine, Definition]:
    """What Step Functions has of each machine."""
    client = fleet.client("stepfunctions")
    return {
        machine: json.loads(
            client.describe_state_machine(stateMachineArn=fleet.machine(machine))["definition"]
        )
        for machine in MACHINES
    }


def tasks_of(definition: Definition) -> States:
    """The Task states."""
    states: States = definition["States"]
    return {name: state for name, state in states.items() if state["Type"] == "Task"}


@dataclass(frozen=True)
class Result:
    """What a mocked task answers."""

    value: Any


@dataclass(frozen=True)
class Error:
    """What a mocked task fails with, at every attempt."""

    name: str


Mock = Result | Error


@dataclass(frozen=True)
class Case:
    """One run: what its tasks answer. A task that is not named answers with an empty object."""

    machine: Machine
    mocks: Mapping[str, tuple[Mock, ...]]
    """By state: one answer for each time that the state is entered; the last one stays."""
    given: Mapping[str, Any]
    """The input of the run."""

    @property
    def name(self) -> str:
        """Names the case in the mock configuration."""
        return f"case-{abs(hash(repr(self)))}"


@dataclass(frozen=True)
class Run:
    """How a run went."""

    path: tuple[str, ...]
    """The states that it entered."""
    status: str
    error: str | None
    attempts: Mapping[str, int]
    """How often each state's task failed."""
    inputs: Mapping[str, Any]
    """By state: its input, when it was entered last."""


def run_all(fleet: Fleet, cases: Iterable[Case]) -> dict[str, Run]:
    """Runs all cases at once; the answer is by ``Case.name``."""
    wanted = {case.name: case for case in cases}
    definitions = definitions_of(fleet)
    _mock(fleet.cloud, _configuration(fleet, definitions, wanted.values()))
    try:
        started = {name: _start(fleet, case) for name, case in wanted.items()}
        return {name: _wait(fleet, arn) for name, arn in started.items()}
    finally:
        _mock(fleet.cloud, {})


def _start(fleet: Fleet, case: Case) -> str:
    run = fleet.client("stepfunctions").start_execution(
        stateMachineArn=f"{fleet.machine(case.machine)}#{case.name}", input=json.dumps(case.given)
    )
    return str(run["executionArn"])


def _wait(fleet: Fleet, execution_arn: str) -> Run:
    client = fleet.client("stepfunctions")

    def find_end() -> dict[str, Any] | None:
        found: dict[str, Any] = client.describe_execution(executionArn=execution_arn)
        return found if found["status"] != "RUNNING" else None

    end = eventually(find_end)
    assert end is not None, f"{execution_arn} does not end"
    entered: list[dict[str, Any]] = []
    attempts: dict[str, int] = {}
    for event in _history(client, execution_arn):
        if "stateEnteredEventDetails" in event:
            entered.append(event["stateEnteredEventDetails"])
        elif event["type"] == "TaskFailed":
            name = entered[-1]["name"]
            attempts[name] = attempts.get(name, 0) + 1
    return Run(
        path=tuple(state["name"] for state in entered),
        status=end["status"],
        error=end.get("error"),
        attempts=attempts,
        inputs={state["name"]: json.loads(state["input"]) for state in entered},
    )


def _history(client: Any, execution_arn: str) -> Iterator[dict[str, Any]]:
    pages = client.get_paginator("get_execution_history").paginate(executionArn=execution_arn)
    for page in pages:
        yield from page["events"]


def _configuration(
    fleet: Fleet, definitions: Mapping[Machine, Definition], cases: Iterable[Case]
) -> dict[str, Any]:
    """The cases in the format of Step Functions Local."""
    machines: dict[str, Any] = {}
    responses: dict[str, Any] = {}
    for case in cases:
        name = fleet.machine(case.machine).rpartition(":")[2]
        test_case = machines.setdefault(name, {"TestCases": {}})["TestCases"][case.name] = {}
        for state in tasks_of(definitions[case.machine]):
            answers = case.mocks.get(state, (Result({}),))
            test_case[state] = f"{case.name}-{state}"
            responses[test_case[state]] = dict(_number(answers))
    return {"StateMachines": machines, "MockedResponses": responses}


def _number(answers: tuple[Mock, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, answer in enumerate(answers):
        is_last = number == len(answers) - 1
        attempts = f"{number}-999" if is_last else str(number)
        if isinstance(answer, Result):
            yield attempts, {"Return": answer.value}
        else:
            yield attempts, {"Throw": {"Error": answer.name, "Cause": f"mocked {answer.name}"}}


def _mock(cloud: LocalCloud, configuration: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"{cloud.endpoint_url}/_ministack/config",
        data=json.dumps({"stepfunctions._sfn_mock_config": configuration}).encode(),
        method="POST",
    )
    # A proxy of the user's must not stand between us and our own loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=180) as answer:
        assert "stepfunctions._sfn_mock_config" in json.load(answer)["applied"]
