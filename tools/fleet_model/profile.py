"""What each step calls, recorded from the package's own handlers: nothing here is typed in.

Three devices go through the simulator, without faults but for one run that is held up twice. In the
order in which the handlers made them the calls are kept, with the units of DynamoDB each takes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pricing import dynamodb
from simulator.faults import Fault, Faults
from simulator.functions import Call as HandlerCall
from simulator.functions import FunctionRun, Perform
from simulator.options import BACKUP, HISTORY, RETRIES, Options
from simulator.world import World

STALE = "CheckIfDeviceExists, stale"
UNTRACKED = "ClearDeviceRecord, untracked"
LIVE = "ReconcileDevices, a device whose run is alive"
UNCLAIMED = "ReconcileDevices, a device that no run has claimed"

_STEPS = {
    "IncrementRetryCounter",
    "CheckIfDeviceExists",
    "StoreDeviceAttributes",
    "CreateDeviceRecord",
    "ClearDeviceRecord",
    "ResetRetryCounterAndMoveOut",
    "RestoreDeviceAttributes",
    "ResetRetryCountToFailedUpdate",
    "MoveDeviceToFailedGroup",
    "SendSNSNotification",
    STALE,
    UNTRACKED,
    LIVE,
    UNCLAIMED,
}
_TABLES = {RETRIES: "retries", BACKUP: "backup", HISTORY: "history"}
_OPTIONS = Options(retry_limit=2, cool_down_seconds=(3600,), cool_down_jitter=0.0)
_READS = ("get_item", "query")
_ENDS = ("transact_write_items", "update_item")
_OF_PASS = ("scan", "list_things")
"""Calls that a pass of ReconcileDevices makes once, for all devices."""


class ProfileError(Exception):
    """A step did not run, or not as it did before: the journey here has to be looked at."""


@dataclass(frozen=True)
class Call:
    """One call of a step, and what it takes from which quota."""

    name: str
    """Service and operation: ``iot.update_thing``."""
    takes: tuple[tuple[str, float], ...]
    """Quotas, as ``quotas`` names them, and units of each."""


Step = tuple[Call, ...]
Profile = Mapping[str, Step]
"""The calls of each step, by its name; the first of a function is its own invocation."""


def single_call(name: str) -> Call:
    """Return a call that takes one of the quota of its own name."""
    return Call(name, ((name, 1.0),))


def record() -> Profile:
    """Run the journeys and gives the calls of each step.

    Raises:
        ProfileError: see there.
    """
    return _Journeys().profile()


class _Journeys:
    def __init__(self) -> None:
        self._faults = Faults(random.Random(1))  # noqa: S311 -- must be repeatable
        self._world = World(random.Random(1), _OPTIONS, self._faults)  # noqa: S311
        self._calls: dict[int, list[Call]] = {}
        """By the number of the run that makes them."""
        self._steps: dict[str, Step] = {}
        self._sent = 0
        self._world.intercept(self._measure)
        self._world.functions.on_finish.append(self._record_step)

    def profile(self) -> Profile:
        with self._world.install():
            self._run_delayed("device-1")
            self._run_to_failed_group("device-2")
            self._run_to_success("device-3")
        if missing := _STEPS - self._steps.keys():
            raise ProfileError(f"not seen: {', '.join(sorted(missing))}")
        return dict(self._steps)

    # -- the journeys --------------------------------------------------------------------------

    def _run_to_failed_group(self, device: str) -> None:
        self._make(device)
        for _ in range(2):
            self._report(device, "failed")
            self._report(device, "failed")
            self._world.advance(2 * 3600)

    def _run_to_success(self, device: str) -> None:
        self._make(device)
        self._report(device, "failed")
        late = self._message(device, "failed")
        self._world.advance(60)
        self._report(device, "succeeded")
        self._world.deliver(late)
        self._world.advance(60)
        self._report(device, "succeeded")

    def _run_delayed(self, device: str) -> None:
        self._make(device)
        self._report(device, "failed")
        with self._no_registry():
            self._report(device, "failed")
            self._world.advance(3600)
        self._world.advance(3600)  # in which it is moved out, and after which it is due
        with self._no_registry():
            self._world.advance(2 * 3600)
        self._world.advance(3 * 86400)

    @contextmanager
    def _no_registry(self) -> Iterator[None]:
        self._faults.forced["iot"] = [Fault.REFUSED_BEFORE] * 1000
        yield
        self._faults.forced.clear()

    def _make(self, device: str) -> None:
        self._world.edits.create(device, {"model": "wo:v8", "FW": "2.26"})
        self._world.advance(3600)

    def _report(self, device: str, kind: str) -> None:
        self._world.deliver(self._message(device, kind))
        self._world.advance(60)

    def _message(self, device: str, kind: str) -> dict[str, Any]:
        self._sent += 1
        now = int(self._world.scheduler.now * 1000)
        return {
            "kind": kind,
            "reportedBy": "device",
            "deviceId": device,
            "timestamp": str(now + self._sent),
            "status": kind,
            "model": "wo:v8",
            "FW": "2.27",
            "topic": "iot/device/data",
            "clientId": device,
            "receivedAt": now,
        }

    # -- what is recorded ----------------------------------------------------------------------

    def _measure(self, call: HandlerCall, perform: Perform) -> Any:
        keys = list(self._list_items(call))
        before = [self._size(*key) for key in keys]
        try:
            return perform(call)
        finally:
            sizes = [max(was, self._size(*key)) for was, key in zip(before, keys, strict=True)]
            names = [table for table, _ in keys]
            profiled = _to_call(call, tuple(zip(names, sizes, strict=True)))
            self._calls.setdefault(call.run.number, []).append(profiled)

    def _list_items(self, call: HandlerCall) -> Iterator[tuple[str, Any]]:
        """Yield the tables of a call and the keys of its items."""
        parameters = call.parameters
        if call.operation == "transact_write_items":
            for action in parameters["TransactItems"]:
                ((_, write),) = action.items()
                yield write["TableName"], write.get("Key", write.get("Item"))
        elif call.operation == "query":
            yield parameters["TableName"], None
        elif "TableName" in parameters and call.operation != "scan":
            yield parameters["TableName"], parameters.get("Key", parameters.get("Item"))

    def _size(self, name: str, key: Any) -> int:
        table = self._world.account.dynamodb.tables[name]
        item = table.items.get(table.key_of(key)) if key else None
        return dynamodb.item_bytes(item) if item else 0

    def _record_step(self, run: FunctionRun, error: str | None, result: Any) -> None:
        calls = self._calls.pop(run.number, [])
        name = _name_of(run.step, error, calls, result)
        if name is None:
            return
        # A pass of ReconcileDevices is one invocation, and reads the table once, for all devices.
        of_pass = name in (LIVE, UNCLAIMED)
        step = tuple(call for call in calls if not (of_pass and call.name.endswith(_OF_PASS)))
        step = step if of_pass else (single_call("lambda.invoke"), *step)
        self._steps[name] = _larger(name, self._steps.get(name, step), step)


def _name_of(step: str, error: str | None, calls: list[Call], result: Any) -> str | None:
    if step == "ReconcileDevices":
        if error or not result.get("live"):
            return None
        is_asked = any(call.name == "stepfunctions.describe_execution" for call in calls)
        return LIVE if is_asked else UNCLAIMED
    if error:
        return STALE if error == "StaleMessageError" else None
    if step == "ClearDeviceRecord" and not any(call.name.endswith(_ENDS) for call in calls):
        is_recorded = any(call.name.endswith("put_item") for call in calls)
        return UNTRACKED if is_recorded else None
    return step


def _to_call(call: HandlerCall, sizes: tuple[tuple[str, int], ...]) -> Call:
    name = f"{call.service}.{call.operation}"
    if call.service != "dynamodb":
        return single_call(name)
    if call.operation in _READS:
        is_consistent = bool(call.parameters.get("ConsistentRead"))
        return Call(
            name,
            tuple(
                (f"read.{_table(table)}", dynamodb.read_units(size, is_consistent))
                for table, size in sizes
            ),
        )
    is_together = call.operation == "transact_write_items"
    return Call(
        name,
        tuple(
            (f"write.{_table(table)}", float(dynamodb.write_units(size, is_together)))
            for table, size in sizes
        ),
    )


def _table(name: str) -> str:
    return _TABLES.get(name, "campaigns")


def _larger(name: str, left: Step, right: Step) -> Step:
    """Return the same calls, with the units of whichever took more."""
    if [call.name for call in left] != [call.name for call in right]:
        raise ProfileError(f"{name} called {left}, and another time {right}")
    return tuple(max(pair, key=_units) for pair in zip(left, right, strict=True))


def _units(call: Call) -> float:
    return sum(units for _, units in call.takes)
