"""Single faults, planned in a test and struck in the server: ``LocalCloud.inject``.

A fault hits the N-th call of one operation, by one caller, about one device, and nothing else.
Which calls there are to hit is known from a journey without faults: ``LocalCloud.targets``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from threading import Lock
from typing import Any, Self

_LONGEST_WORD = 128  # the longest name of a thing
_DEEPEST = 20


class Origin(StrEnum):
    """Who makes a call."""

    FUNCTION = "function"
    """A Lambda function, through its SDK and over HTTP."""
    MACHINE = "machine"
    """A state machine's Task state."""
    RULE = "rule"
    """An action of an IoT rule."""


class Kind(StrEnum):
    """What goes wrong with a call."""

    THROTTLED = "throttled"
    """Refused before it took effect."""
    LOST = "answer lost"
    """Takes effect, but the connection breaks before the answer is there."""
    KILLED = "killed"
    """The function's process is killed: the one that calls, as soon as its call took effect; the
    one that is invoked, as soon as it has the event."""


@dataclass(frozen=True)
class Target:
    """One call that a fault can hit.

    Attributes:
        origin: what kind of caller makes it.
        caller: the name of the function, state machine or rule.
        service: MiniStack's name of the service, such as ``dynamodb`` or ``iot``.
        operation: the API operation, such as ``UpdateItem``.
        resource: of an invocation, the function that is invoked; else empty.
        occurrence: which of the calls that are alike in all of the above, from 1.
    """

    origin: Origin
    caller: str
    service: str
    operation: str
    resource: str = ""
    occurrence: int = 1

    def __str__(self) -> str:
        what = f"{self.service}.{self.operation} {self.resource}".rstrip()
        return f"{self.caller}: {what} #{self.occurrence}"


@dataclass(frozen=True)
class Fault:
    """What is to happen to one call.

    Attributes:
        about: the call is about whom: a text that is, whole, one of the values in the call's
            parameters, or in the event or input that its caller works on.
        target: which of those calls; its occurrence counts from ``LocalCloud.inject`` on.
        kind: what goes wrong.
        first_attempt_only: a repetition by the caller's own SDK goes through; without it none does,
            so that the caller itself sees the fault.
        times: how many such calls are hit, one after another, from the target on. An outage has
            more of them than its caller has retries.
    """

    about: str
    target: Target
    kind: Kind
    first_attempt_only: bool = False
    times: int = 1

    def __post_init__(self) -> None:
        is_function = self.target.origin is Origin.FUNCTION or self.target.operation == "Invoke"
        if self.kind is Kind.KILLED and not is_function:
            raise ValueError(f"{self.target}: there is no process to kill")
        if self.first_attempt_only and self.target.origin is not Origin.FUNCTION:
            raise ValueError(f"{self.target}: only the calls of a function have an SDK's attempts")

    def __str__(self) -> str:
        attempts = ", first attempt only" if self.first_attempt_only else ""
        times = f", {self.times} times" if self.times > 1 else ""
        return f"{self.target} {self.kind}{attempts}{times} ({self.about})"

    @classmethod
    def every(cls, target: Target, about: str) -> Iterator[Self]:
        """All single faults that can hit a call."""
        yield cls(about, target, Kind.THROTTLED)
        yield cls(about, target, Kind.LOST)
        if target.origin is Origin.FUNCTION:
            yield cls(about, target, Kind.THROTTLED, first_attempt_only=True)
            yield cls(about, target, Kind.LOST, first_attempt_only=True)
        if target.origin is Origin.FUNCTION or target.operation == "Invoke":
            yield cls(about, target, Kind.KILLED)

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """Make a fault of what ``asdict`` and JSON made of one."""
        given = document["target"]
        target = Target(**{**given, "origin": Origin(given["origin"])})
        return cls(**{**document, "target": target, "kind": Kind(document["kind"])})


def words(*values: Any) -> frozenset[str]:
    """All short texts in JSON-like values: what a call can be ``about``.

    The one place that decides it. It knows no field's name, so that a call that is added later
    needs nothing here, nor one that has the name in a JSON text (a message, an execution's input).
    """
    found: set[str] = set()
    for value in values:
        _collect(value, found, _DEEPEST)
    return frozenset(found)


def _collect(value: Any, found: set[str], depth: int) -> None:
    if depth == 0:
        return
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for element in value:
            _collect(element, found, depth - 1)
    elif isinstance(value, str):
        if len(value) <= _LONGEST_WORD:
            found.add(value)
        if value.startswith(("{", "[")):
            _collect(_decode(value), found, depth - 1)


def _decode(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


class _Armed:
    """A fault and what it met so far."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.alike: list[str] = []
        """The ids of the calls like the target, in their order."""
        self.hit: list[str] = []
        """The id of the call, for each attempt that was hit."""

    def strikes(self, call_id: str) -> bool:
        """Whether an attempt of a call, which is like the target, is to be hit."""
        if call_id not in self.alike:
            self.alike.append(call_id)
        place = self.alike.index(call_id) - (self.fault.target.occurrence - 1)
        if not 0 <= place < self.fault.times:
            return False
        if self.fault.first_attempt_only and call_id in self.hit:
            return False
        self.hit.append(call_id)
        return True


_lock = Lock()
_armed: list[_Armed] = []
_armed_about: dict[str, list[_Armed]] = {}
_met: list[tuple[Target, frozenset[str]]] = []
_met_ids: set[str] = set()


def arm(faults: list[Fault]) -> None:
    """Has these faults strike, each when its call comes by."""
    with _lock:
        for fault in faults:
            armed = _Armed(fault)
            _armed.append(armed)
            _armed_about.setdefault(fault.about, []).append(armed)


def meet(call: Target, about: frozenset[str], call_id: str) -> Kind | None:
    """Count an attempt of a call and return the fault that strikes it, if any.

    Args:
        call: the call; its occurrence means nothing here.
        about: the ``words`` of the call.
        call_id: the same for all attempts of one call.
    """
    call = replace(call, occurrence=1)
    with _lock:
        if call_id not in _met_ids:
            _met_ids.add(call_id)
            _met.append((call, about))
        kinds = [
            armed.fault.kind
            for word in about & _armed_about.keys()
            for armed in _armed_about[word]
            if replace(armed.fault.target, occurrence=1) == call and armed.strikes(call_id)
        ]
    return kinds[0] if kinds else None


def targets(about: str) -> list[Target]:
    """All calls about one device that came by so far, in their order."""
    counts: dict[Target, int] = {}
    found = []
    with _lock:
        calls = [call for call, concerned in _met if about in concerned]
    for call in calls:
        counts[call] = counts.get(call, 0) + 1
        found.append(replace(call, occurrence=counts[call]))
    return found


def report() -> list[dict[str, Any]]:
    """Each fault that was armed, JSON-ready, and how many attempts it hit."""
    with _lock:
        return [{"fault": asdict(armed.fault), "fired": len(armed.hit)} for armed in _armed]
