"""A recovery run is really stopped wherever it can be: ReconcileDevices makes its device arrive.

A Wait is stopped while it lasts. A Task is held at one call of its function, which is refused at
every attempt, so that all earlier calls took effect and none after it; then its run is stopped with
StopExecution. States are taken from the deployed definitions, calls from the journey of a device
that nobody stops: nothing is listed by hand.

That a run which *failed* for good is finished as well is in ``test_fault_matrix`` and
``test_failures``.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any

from fleet_retry.deployment import Machine
from localcloud import Fault, Hold, Kind, Origin, Target, eventually
from localcloud.fleet import RECOVERIES, Fleet
from tests.resilience.test_fault_matrix import (
    LONG_AGO,
    ORIGINALS,
    DeviceUnderTest,
    calls_of_all,
    ends,
    run_journeys,
)

ORIGINAL = ORIGINALS[1]
AT_EVERY_ATTEMPT = 1_000
A_WEEK = 604_800
"""Seconds of a cool-down whose end no machine is slow enough to see; overdue at LONG_AGO."""
THINGS = 1_000


@dataclass(frozen=True)
class Stop:
    """Where a run is stopped: in a Wait, or in a Task before one call of its function."""

    machine: Machine
    state: str
    call: Target | None = None

    def __str__(self) -> str:
        return f"{self.machine} in {self.state} before {self.call or 'its end'}"


def every_stop(fleet: Fleet, calls: list[Target]) -> list[Stop]:
    """All places where a run can be stopped, given the calls of a whole journey."""
    found: list[Stop] = []
    for machine in RECOVERIES:
        for name, state in _states(fleet, machine).items():
            if state["Type"] == "Wait":
                found.append(Stop(machine, name))
            elif state["Type"] == "Task":
                function = state["Resource"].rpartition(":")[2]
                own = [call for call in calls if call.caller == function]
                assert own, f"a whole journey does not come by {machine}.{name}"
                found += [Stop(machine, name, call) for call in own]
    return found


def _states(fleet: Fleet, machine: Machine) -> dict[str, dict[str, Any]]:
    found = fleet.client("stepfunctions").describe_state_machine(
        stateMachineArn=fleet.machine(machine)
    )
    states: dict[str, dict[str, Any]] = json.loads(found["definition"])["States"]
    return states


class Stopper:
    """A person, or an account's quota, or an accident: stops the runs of some devices.

    Attributes:
        stopped: what StopExecution left of each device's run: its status.
    """

    def __init__(self, fleet: Fleet, stops: dict[str, Stop]) -> None:
        """``stops``: by device."""
        self._fleet = fleet
        self._stops = stops
        self.stopped: dict[str, str] = {}

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Stops each run as soon as it is where it is to be stopped."""
        is_over = Event()
        waits = [Hold(d, stop.state) for d, stop in self._stops.items() if stop.call is None]
        with self._fleet.cloud.hold_waits(*waits), ThreadPoolExecutor(1) as pool:
            work = pool.submit(self._work, is_over)
            try:
                yield
            finally:
                is_over.set()
                work.result()

    def _work(self, is_over: Event) -> None:
        while len(self.stopped) < len(self._stops) and not is_over.wait(0.5):
            held = {fault.about for fault, hits in self._fleet.cloud.count_hits().items() if hits}
            records = self._fleet.all_records()
            running = {machine: self._fleet.runs(machine, "RUNNING") for machine in RECOVERIES}
            for device, stop in self._stops.items():
                tracking_id = str(records.get(device, {}).get("trackingId"))
                if device not in self.stopped and (stop.call is None or device in held):
                    own = [r for r in running[stop.machine] if r["name"].startswith(tracking_id)]
                    self._stop(device, stop.state, own)

    def _stop(self, device: str, state: str, runs: list[dict[str, Any]]) -> None:
        states = self._fleet.client("stepfunctions")
        for run in runs:
            if self._fleet.states_entered(run)[-1:] != [state]:
                continue
            states.stop_execution(executionArn=run["executionArn"])
            found = states.describe_execution(executionArn=run["executionArn"])
            self.stopped[device] = found["status"]


def test_no_stop_loses_a_device(second: Fleet, figures: list[str]) -> None:
    names = ["unstopped-0", "unstopped-1"]
    undisturbed = [DeviceUnderTest(name, ORIGINAL) for name in names]
    run_journeys(second, undisturbed)
    calls = [call for call in calls_of_all(second, names) if call.origin is Origin.FUNCTION]
    stops = {f"stopped-{n}": stop for n, stop in enumerate(every_stop(second, calls))}
    devices = [
        DeviceUnderTest(name, ORIGINAL, _hold_at(stop.call, name), needs_reconcile=True)
        for name, stop in stops.items()
    ]

    started = time.monotonic()
    stopper = Stopper(second, stops)
    with stopper.at_work():
        run_journeys(second, devices)
    assert {str(stops[n]) for n in stops.keys() - stopper.stopped.keys()} == set()
    assert set(stopper.stopped.values()) == {"ABORTED"}

    unstopped = ends(second, undisturbed)[names[0]]
    found = ends(second, devices)
    lost = {
        str(stop): {
            what: (is_, unstopped[what])
            for what, is_ in found[name].items()
            if is_ != unstopped[what]
        }
        for name, stop in stops.items()
        if found[name] != unstopped
    }
    states = {(stop.machine, stop.state) for stop in stops.values()}
    figures.append(
        f"stopped recoveries: {len(states)} states, {len(stops)} places in them,"
        f" devices lost {len(lost)} ({time.monotonic() - started:.0f} s)"
    )
    assert lost == {}
    _become_quiet(second)


def _hold_at(call: Target | None, device: str) -> tuple[Fault, ...]:
    if call is None:
        return ()
    return (Fault(device, call, Kind.THROTTLED, times=AT_EVERY_ATTEMPT),)


def _become_quiet(fleet: Fleet) -> None:
    """MiniStack tries the Task of a run that was stopped again, which AWS does not."""

    def is_quiet() -> bool:
        mark = fleet.mark()
        time.sleep(2)
        return not fleet.calls(mark)

    assert eventually(is_quiet, 120)


def test_a_run_that_is_alive_is_left_alone(second: Fleet) -> None:
    device = "left-alone"
    second.add_thing(device, **ORIGINAL)
    with second.away(device):
        second.fail(device, [1, 2])
        assert eventually(partial(_is_away, second, device))
        before = second.record(device), second.attributes(device)
        assert second.reconcile(LONG_AGO) == {"live": 1}
        assert (second.record(device), second.attributes(device)) == before
    assert eventually(lambda: _record(second, device)["state"] == "tracking")


def test_a_run_that_nobody_started_is_started(second: Fleet) -> None:
    device = "not-started"
    second.add_thing(device, **ORIGINAL)
    second.fail(device, [1])
    # As if the intake had died after it counted.
    message = second.message(device, 2, deviceId=device, kind="failed")
    answer = second.invoke("IncrementRetryCounter", **message)
    assert answer["outcome"] == "cool_down_due"
    assert not any(second.recoveries(device).values())

    assert second.reconcile(LONG_AGO) == {"started": 1}
    assert eventually(lambda: second.recoveries(device)["cool_down"])
    assert eventually(lambda: _record(second, device)["ResetRetryCount"] == 1)
    assert eventually(lambda: not second.is_running("cool_down"))
    assert (second.retry_counter(device), second.attributes(device)) == (0, ORIGINAL)


RESTORED = (
    "dynamodb.GetItem",
    "states.DescribeExecution",
    "iot.DescribeThing",
    "dynamodb.GetItem",
    "dynamodb.GetItem",
    "dynamodb.GetItem",
    "iot.UpdateThing",
    "dynamodb.TransactWriteItems",
)
FAILED_REVIEWED = ("iot.DescribeThingGroup", "iot.ListThingsInThingGroup")
"""As soon as a device failed five minutes ago: its group, page by page."""
REMOVALS = Counter({"dynamodb.GetItem": 2})
"""Then as well: how many devices were removed from the group in this hour and the one before."""


def test_a_pass_costs_by_what_is_due_and_not_by_the_fleet(
    second: Fleet, figures: list[str]
) -> None:
    devices = [f"abandoned-{number}" for number in range(3)]
    for device in devices:
        second.add_thing(device, **ORIGINAL)
    nothing_due = _pass(second)
    assert nothing_due.keys() == {"dynamodb.Scan", "iot.ListThings"}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(second.add_thing, (f"idle-{number}" for number in range(THINGS))))
    assert _pass(second) == nothing_due, "things that never failed cost nothing"

    with second.with_cool_down(A_WEEK):
        for device in devices:
            second.fail(device, [1, 2])
            assert eventually(partial(_is_away, second, device))
            (run,) = second.recoveries(device)["cool_down"]
            second.client("stepfunctions").stop_execution(executionArn=run["executionArn"])
    assert _pass(second) == nothing_due, "devices whose wait has not ended cost nothing"

    calls = _pass(second, graceSeconds=LONG_AGO)
    assert calls == nothing_due + Counter(RESTORED * len(devices))
    size = max(len(json.dumps(record)) for record in second.all_records().values())
    figures.append(
        f"a pass of ReconcileDevices: 2 Scans, with {len(devices)} as with {THINGS} things;"
        f" {len(RESTORED)} calls more a device to restore; the largest record has {size} bytes"
    )


def _is_away(fleet: Fleet, device: str) -> bool:
    return "awaySince" in _record(fleet, device)


def _record(fleet: Fleet, device: str) -> dict[str, Any]:
    return fleet.record(device) or {}


def _pass(fleet: Fleet, **event: int) -> Counter[str]:
    """Count what a pass of ReconcileDevices calls, but for devices that failed in earlier tests."""
    mark = fleet.mark()
    fleet.invoke("ReconcileDevices", **event)
    caller = fleet.outputs["handler_function_names"]["ReconcileDevices"]
    made = [call for call in fleet.calls(mark) if call.caller == caller]
    calls = Counter(f"{call.service}.{call.operation}" for call in made)
    if calls["iot.DescribeThingGroup"]:
        calls -= REMOVALS
    return Counter({call: calls[call] for call in calls.keys() - FAILED_REVIEWED})
