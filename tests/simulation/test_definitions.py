"""The simulator follows the definitions as Step Functions does."""

import json
import random
from typing import Any

import pytest

from simulator import asl, definitions
from simulator.asl import UnknownDefinitionError

TASK = {"Type": "Task", "Resource": "arn:x", "End": True}


def one_state(**state: Any) -> dict[str, Any]:
    return {"StartAt": "A", "States": {"A": state}}


@pytest.mark.parametrize("machine", definitions.MACHINES)
def test_every_definition_is_understood(machine: str) -> None:
    compiled = asl.compile_machine(definitions.definition(machine))
    assert compiled.start in compiled.states


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Parallel", "Branches": [], "End": True},
        {"Type": "Pass", "End": True},
        {**TASK, "ResultSelector": {}},
        {**TASK, "InputPath": "$.a"},
        {**TASK, "ResultPath": "$.a[0]"},
        {**TASK, "HeartbeatSeconds": 5},
        {**TASK, "Parameters": {"a.$": "States.Format('{}', $.a)"}},
        {**TASK, "Parameters": {"a.$": "$$.State.EnteredTime"}},
        {**TASK, "Retry": [{"ErrorEquals": ["A"], "JitterStrategy": "HALF"}]},
        {**TASK, "Catch": [{"ErrorEquals": ["A"], "Next": "A", "Comment": "b"}]},
        {**TASK, "Next": "A"},
        {"Type": "Task", "Resource": "arn:x"},
        {"Type": "Task", "Resource": "arn:x", "Next": "B"},
        {"Type": "Wait", "End": True},
        {"Type": "Wait", "Seconds": 1, "Timestamp": "2026-01-01T00:00:00Z", "End": True},
        {"Type": "Choice", "Choices": [{"Variable": "$.a", "StringMatches": "*", "Next": "A"}]},
        {"Type": "Choice", "Choices": [{"Variable": "$.a", "Next": "A"}]},
    ],
    ids=lambda state: json.dumps(state)[:60],
)
def test_what_is_not_known_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(UnknownDefinitionError):
        asl.compile_machine(one_state(**state))


def test_intervals_grow_to_their_longest_and_are_spread() -> None:
    entry = {
        "ErrorEquals": ["A"],
        "IntervalSeconds": 2,
        "BackoffRate": 3,
        "MaxDelaySeconds": 10,
        "JitterStrategy": "NONE",
    }
    chance = random.Random(1)
    plain = asl.compile_machine(one_state(**TASK, Retry=[entry])).states["A"]
    assert isinstance(plain, asl.Task)
    assert [plain.retry[0].wait(n, chance) for n in range(4)] == [2, 6, 10, 10]
    spread = asl.compile_machine(one_state(**TASK, Retry=[{**entry, "JitterStrategy": "FULL"}]))
    state = spread.states["A"]
    assert isinstance(state, asl.Task)
    waits = [state.retry[0].wait(1, chance) for _ in range(500)]
    assert 0 <= min(waits) < 0.5
    assert 5.5 < max(waits) <= 6


@pytest.mark.parametrize(
    ("wanted", "error", "covers"),
    [
        ("A", "A", True),
        ("A", "B", False),
        ("States.ALL", "A", True),
        ("States.ALL", "States.Timeout", True),
        ("States.ALL", "States.Runtime", False),
        ("States.TaskFailed", "A", True),
        ("States.TaskFailed", "States.Timeout", False),
        ("States.Timeout", "States.Timeout", True),
    ],
)
def test_which_errors_are_covered(wanted: str, error: str, covers: bool) -> None:
    assert asl.matches((wanted,), error) is covers


def test_results_are_placed() -> None:
    data = {"a": 1, "b": {"c": 2}}
    assert asl.place(data, None, 9) == data
    assert asl.place(data, (), 9) == 9
    assert asl.place(data, ("d",), 9) == {**data, "d": 9}
    assert asl.place(data, ("b", "d"), 9) == {"a": 1, "b": {"c": 2, "d": 9}}
    assert data == {"a": 1, "b": {"c": 2}}


def test_choices_are_decided() -> None:
    rules: list[dict[str, Any]] = [
        {"And": [{"Variable": "$.a", "IsPresent": True}, {"Variable": "$.a", "NumericEquals": 1}]},
        {"Not": {"Variable": "$.b", "BooleanEquals": True}},
        {
            "Or": [
                {"Variable": "$.c", "StringEquals": "x"},
                {"Variable": "$.c", "StringEquals": "y"},
            ]
        },
    ]
    definition = {
        "StartAt": "A",
        "States": {
            "A": {
                "Type": "Choice",
                "Choices": [{**rule, "Next": f"N{n}"} for n, rule in enumerate(rules)],
            },
            **{f"N{n}": {"Type": "Succeed"} for n in range(3)},
        },
    }
    state = asl.compile_machine(definition).states["A"]
    assert isinstance(state, asl.Choice)
    (first, _), (second, _), (third, _) = state.rules
    assert first({"a": 1})
    assert not first({})
    assert second({"b": False})
    assert not second({"b": True})
    assert third({"c": "y"})
    assert not third({"c": "z"})


def test_a_failure_gives_its_data_as_text() -> None:
    state = asl.compile_machine(
        one_state(Type="Fail", ErrorPath="$.e", CausePath="States.JsonToString($.f)")
    ).states["A"]
    assert isinstance(state, asl.Fail)
    data = {"e": "A", "f": {"b": [1]}}
    assert (state.error(data), state.cause(data)) == ("A", '{"b":[1]}')
