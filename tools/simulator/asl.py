"""The Amazon States Language, as far as the definitions use it, checked and made fast to follow.

https://states-language.net/spec.html . Whatever else a definition says raises
``UnknownDefinitionError``: a definition that grows must not be silently misread.
"""

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Data = Mapping[str, Any]
Test = Callable[[Data], bool]
Fill = Callable[[Data, Data], Any]
"""Makes parameters of a state's input and the context object."""

_PATH = re.compile(r"\$(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_CONTEXT_PATH = re.compile(r"\$\$\.Execution\.(?:Id|Input|Name)")
_JSON_TO_STRING = re.compile(r"States\.JsonToString\((\$[^)]*)\)")
_ALWAYS = frozenset({"Type", "Comment"})
_NEXT = frozenset({"Next", "End"})
_TASK = (
    _ALWAYS | _NEXT | {"Resource", "Parameters", "TimeoutSeconds", "ResultPath", "Retry", "Catch"}
)
_RETRY = frozenset(
    {
        "ErrorEquals",
        "IntervalSeconds",
        "BackoffRate",
        "MaxDelaySeconds",
        "MaxAttempts",
        "JitterStrategy",
    }
)


class UnknownDefinitionError(Exception):
    """The definition uses something that the interpreter does not know."""


class PathError(Exception):
    """A path finds nothing: Step Functions fails the execution with States.Runtime."""


@dataclass(frozen=True, slots=True)
class Retrier:
    """One entry of Retry. Seconds."""

    errors: tuple[str, ...]
    interval: float
    rate: float
    longest: float
    attempts: int
    full_jitter: bool

    def wait(self, earlier: int, chance: random.Random) -> float:
        """Return seconds before the next attempt, after ``earlier`` retries under this entry."""
        seconds = min(self.interval * self.rate**earlier, self.longest)
        return chance.uniform(0, seconds) if self.full_jitter else seconds


@dataclass(frozen=True, slots=True)
class Catcher:
    """One entry of Catch."""

    errors: tuple[str, ...]
    result_path: tuple[str, ...] | None
    next: str


@dataclass(frozen=True, slots=True)
class Task:
    """A state that calls something."""

    resource: str
    parameters: Fill | None
    timeout: float
    result_path: tuple[str, ...] | None
    """Where the result goes: () replaces everything, None throws it away."""
    retry: tuple[Retrier, ...]
    catch: tuple[Catcher, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    """A state that decides."""

    rules: tuple[tuple[Test, str], ...]
    default: str | None


@dataclass(frozen=True, slots=True)
class Wait:
    """A state that waits: ``until`` gives the moment from the data and the present moment."""

    until: Callable[[Data, float], float]
    next: str | None


@dataclass(frozen=True, slots=True)
class Succeed:
    """An end."""


@dataclass(frozen=True, slots=True)
class Fail:
    """An end that is a failure; both give their text from the data."""

    error: Callable[[Data], str]
    cause: Callable[[Data], str]


State = Task | Choice | Wait | Succeed | Fail


@dataclass(frozen=True, slots=True)
class Machine:
    """A whole definition."""

    start: str
    states: Mapping[str, State]


def compile_machine(definition: Data) -> Machine:
    """Check a definition; raises UnknownDefinitionError."""
    _only(definition, {"Comment", "StartAt", "States"}, "the definition")
    states = {name: _state(name, text) for name, text in definition["States"].items()}
    machine = Machine(definition["StartAt"], states)
    for name in [machine.start, *(goal for state in states.values() for goal in _goals(state))]:
        if name not in states:
            raise UnknownDefinitionError(f"no state {name}")
    return machine


def matches(wanted: tuple[str, ...], error: str) -> bool:
    """Return whether ErrorEquals covers an error."""
    for name in wanted:
        if name == error or (name == "States.TaskFailed" and error != "States.Timeout"):
            return error != "States.Runtime" or name == error
        if name == "States.ALL":
            return error not in ("States.Runtime", "States.DataLimitExceeded")
    return False


def read(path: tuple[str, ...], data: Any) -> Any:
    """Return what is at a path; raises PathError."""
    for name in path:
        if not isinstance(data, dict) or name not in data:
            raise PathError(f"$.{'.'.join(path)} is not in the input")
        data = data[name]
    return data


def place(data: Any, path: tuple[str, ...] | None, result: Any) -> Any:
    """Return the output of a state: its input with the result at ResultPath."""
    if path is None:
        return data
    if not path:
        return result
    inner = data.get(path[0], {}) if len(path) > 1 else None
    return {**data, path[0]: place(inner, path[1:], result)}


def _state(name: str, text: Data) -> State:
    kind = text.get("Type")
    if kind == "Task":
        return _task(name, text)
    if kind == "Choice":
        _only(text, _ALWAYS | {"Choices", "Default"}, name)
        rules = tuple((_rule({**r, "Next": 0}, top=True), r["Next"]) for r in text["Choices"])
        return Choice(rules, text.get("Default"))
    if kind == "Wait":
        return _wait(name, text)
    if kind == "Succeed":
        _only(text, _ALWAYS, name)
        return Succeed()
    if kind == "Fail":
        _only(text, _ALWAYS | {"Error", "ErrorPath", "Cause", "CausePath"}, name)
        return Fail(_text_or_path(text, "Error"), _text_or_path(text, "Cause"))
    raise UnknownDefinitionError(f"{name}: states of type {kind}")


def _task(name: str, text: Data) -> Task:
    _only(text, _TASK, name)
    return Task(
        resource=text["Resource"],
        parameters=_fill(text["Parameters"]) if "Parameters" in text else None,
        timeout=float(text.get("TimeoutSeconds", 99_999_999)),
        result_path=_result_path(text),
        retry=tuple(_retrier(name, entry) for entry in text.get("Retry", ())),
        catch=tuple(_catcher(name, entry) for entry in text.get("Catch", ())),
        next=_next(name, text),
    )


def _wait(name: str, text: Data) -> Wait:
    kinds = text.keys() & {"Seconds", "SecondsPath", "TimestampPath"}
    _only(text, _ALWAYS | _NEXT | kinds, name)
    if len(kinds) != 1:
        raise UnknownDefinitionError(f"{name}: one way to wait is needed")
    goal = _next(name, text)
    if "Seconds" in text:
        seconds = float(text["Seconds"])
        return Wait(lambda data, now: now + seconds, goal)
    path = _path(text[next(iter(kinds))])
    if "SecondsPath" in text:
        return Wait(lambda data, now: now + float(read(path, data)), goal)
    return Wait(lambda data, now: datetime.fromisoformat(read(path, data)).timestamp(), goal)


def _retrier(name: str, entry: Data) -> Retrier:
    _only(entry, _RETRY, f"{name}.Retry")
    jitter = entry.get("JitterStrategy", "NONE")
    if jitter not in ("NONE", "FULL"):
        raise UnknownDefinitionError(f"{name}.Retry: JitterStrategy {jitter}")
    return Retrier(
        errors=tuple(entry["ErrorEquals"]),
        interval=float(entry.get("IntervalSeconds", 1)),
        rate=float(entry.get("BackoffRate", 2)),
        longest=float(entry.get("MaxDelaySeconds", float("inf"))),
        attempts=int(entry.get("MaxAttempts", 3)),
        full_jitter=jitter == "FULL",
    )


def _catcher(name: str, entry: Data) -> Catcher:
    _only(entry, {"ErrorEquals", "ResultPath", "Next"}, f"{name}.Catch")
    return Catcher(tuple(entry["ErrorEquals"]), _result_path(entry), entry["Next"])


def _rule(text: Data, *, top: bool = False) -> Test:
    rest = {name: value for name, value in text.items() if not (top and name == "Next")}
    if len(rest) == 1:
        ((kind, inner),) = rest.items()
        if kind == "Not":
            negated = _rule(inner)
            return lambda data: not negated(data)
        if kind in ("And", "Or"):
            tests = [_rule(item) for item in inner]
            together = all if kind == "And" else any
            return lambda data: together(test(data) for test in tests)
    if len(rest) != 2 or "Variable" not in rest:
        raise UnknownDefinitionError(f"a choice rule of {', '.join(rest)}")
    path = _path(rest.pop("Variable"))
    ((operator, wanted),) = rest.items()
    if operator == "IsPresent":
        return lambda data: _is_present(path, data) is wanted
    types = {"StringEquals": str, "BooleanEquals": bool, "NumericEquals": (int, float)}
    if operator not in types:
        raise UnknownDefinitionError(f"the comparison {operator}")
    kind_of: Any = types[operator]
    return lambda data: isinstance(found := read(path, data), kind_of) and found == wanted


def _is_present(path: tuple[str, ...], data: Data) -> bool:
    try:
        read(path, data)
    except PathError:
        return False
    return True


def _fill(template: Any) -> Fill:
    if isinstance(template, dict):
        members = [_member(name, value) for name, value in template.items()]
        return lambda data, context: {name: fill(data, context) for name, fill in members}
    if isinstance(template, list):
        raise UnknownDefinitionError("a list in Parameters")
    return lambda data, context: template


def _member(name: str, value: Any) -> tuple[str, Fill]:
    if not name.endswith(".$"):
        return name, _fill(value)
    if value.startswith("$$"):
        if not _CONTEXT_PATH.fullmatch(value):
            raise UnknownDefinitionError(f"the path {value} into the context")
        key = value.rpartition(".")[2]
        return name[:-2], lambda data, context: context[key]
    path = _path(value)
    return name[:-2], lambda data, context: read(path, data)


def _path(text: str) -> tuple[str, ...]:
    if not _PATH.fullmatch(text):
        raise UnknownDefinitionError(f"the path {text}")
    return tuple(text.split(".")[1:])


def _result_path(text: Data) -> tuple[str, ...] | None:
    path = text.get("ResultPath", "$")
    return None if path is None else _path(path)


def _text_or_path(text: Data, name: str) -> Callable[[Data], str]:
    if f"{name}Path" in text:
        source = text[f"{name}Path"]
        intrinsic = _JSON_TO_STRING.fullmatch(source)
        path = _path(intrinsic[1] if intrinsic else source)
        if intrinsic:
            return lambda data: json.dumps(read(path, data), separators=(",", ":"))
        return lambda data: str(read(path, data))
    fixed = str(text.get(name, ""))
    return lambda data: fixed


def _next(name: str, text: Data) -> str | None:
    if ("Next" in text) == bool(text.get("End")):
        raise UnknownDefinitionError(f"{name}: Next or End is needed, and not both")
    return text.get("Next")


def _goals(state: State) -> list[str]:
    if isinstance(state, Task):
        return [item.next for item in state.catch] + ([state.next] if state.next else [])
    if isinstance(state, Wait):
        return [state.next] if state.next else []
    if isinstance(state, Choice):
        return [goal for _, goal in state.rules] + ([state.default] if state.default else [])
    return []


def _only(text: Data, known: set[str] | frozenset[str], where: str) -> None:
    unknown = text.keys() - known
    if unknown:
        raise UnknownDefinitionError(f"{where}: {', '.join(sorted(unknown))}")
