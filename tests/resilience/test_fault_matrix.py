"""One device's journey, and then once more for each call of it and each way that it can go wrong.

The journey is recorded call by call: every AWS call of a handler, every call of a state machine,
every action of the rule. Nothing is listed by hand, so the matrix grows with the workflow. All
faulty journeys run at the same time, and each has to end where the faultless one did.

One fault a device. What takes two at once, such as a rule whose action and whose error action both
fail, is not claimed.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

import pytest

from localcloud import Device, Fault, Kind, Origin, Target, eventually
from localcloud.fleet import MACHINES, RECOVERIES, Fleet

LIMIT = 2  # the second fleet's retry_limit, and it has two cycles
ORIGINALS = (
    {"model": "wo:v8", "FW": "2.26", "firmwareRetry": "free"},
    # Here the attribute that gets overwritten does not exist.
    {"model": "wo:v8", "FW": "2.26"},
)
SECONDS = 1800
"""Longest that all journeys of a round together may take."""
LONG_AGO = -1_000_000
"""A grace with which every wait counts as ended: the clock of the functions is not scaled."""


@dataclass
class DeviceUnderTest:
    """A device on its journey: fails a cycle, cools down, fails another, is given up.

    Attributes:
        name: the device's.
        original: its attributes.
        faults: what goes wrong on its way.
        needs_reconcile: whether a recovery run of it fails for good.
    """

    name: str
    original: dict[str, str]
    faults: tuple[Fault, ...] = ()
    needs_reconcile: bool = False
    sent: int = 0
    is_done: bool = False
    between: dict[str, str] | None = None
    """Its attributes when it came back from its cool-down."""

    def advance(self, fleet: Fleet, publisher: Device, record: dict[str, Any]) -> None:
        """Take the next step, given its record; empty when there is none."""
        # It is given up and nothing is due any more: operators were notified.
        self.is_done = record.get("state") == "failed" and "dueAt" not in record
        if self.is_done or not self._may_fail(record):
            return
        if self.sent == LIMIT:
            self.between = fleet.attributes(self.name)
        self.sent += 1
        # The topic names the device, so one connection can speak for all.
        topic = fleet.topic.format(device=self.name)
        publisher.publish(topic, fleet.message(self.name, self.sent))

    def _may_fail(self, record: dict[str, Any]) -> bool:
        """Whether its last failure is counted, and the next cycle has begun if it was the limit.

        One at a time, so that it makes its calls in the order in which the faultless journey did.
        """
        if self.sent == 0:
            return True
        cycle = (record.get("state"), record.get("ResetRetryCount"))
        counted = len(record.get("countedEvents", ()))
        return counted == self.sent and cycle == ("tracking", self.sent // LIMIT)


def run_journeys(fleet: Fleet, devices: list[DeviceUnderTest]) -> int:
    """Run all journeys to their ends; return how many dead letters were redriven."""
    for device in devices:
        fleet.add_thing(device.name, **device.original)
    fleet.cloud.inject(*(fault for device in devices for fault in device.faults))
    with ThreadPoolExecutor(1) as pool:
        have_arrived = Event()
        operator = pool.submit(_redrive_until, fleet, have_arrived)
        try:
            _advance_until_done(fleet, devices)
        finally:
            have_arrived.set()
        redriven = operator.result()
    _rest(fleet)
    while _letters(fleet):
        redriven += fleet.redrive()
        _rest(fleet)
    return redriven


def _advance_until_done(fleet: Fleet, devices: list[DeviceUnderTest]) -> None:
    deadline = time.monotonic() + SECONDS
    with fleet.connect("matrix") as publisher:
        while (looked := time.monotonic()) < deadline:
            records = fleet.all_records()
            for device in devices:
                device.advance(fleet, publisher, records.get(device.name, {}))
            under_way = [device for device in devices if not device.is_done]
            if not under_way:
                return
            # Last, so that the scheduled pass helps nobody who can do without.
            if all(device.needs_reconcile for device in under_way):
                fleet.invoke("ReconcileDevices", graceSeconds=LONG_AGO)
            # So that what it waits for gets on, however long it takes to read all records.
            time.sleep(max(0.2, 2 * (time.monotonic() - looked)))


def _redrive_until(fleet: Fleet, have_arrived: Event) -> int:
    """Does what the alarm on the queue asks a person to do."""
    redriven = 0
    while not have_arrived.wait(0.5):
        if _letters(fleet):
            redriven += fleet.redrive()
    return redriven


def _letters(fleet: Fleet) -> int:
    """How many dead letters there are, those included that are invisible for the moment."""
    url = fleet.outputs["dead_letter_queue_url"]
    counts = fleet.client("sqs").get_queue_attributes(
        QueueUrl=url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
        ],
    )
    return sum(int(count) for count in counts["Attributes"].values())


def _rest(fleet: Fleet) -> None:
    """Waits until nothing runs."""
    assert eventually(lambda: not any(map(fleet.is_running, MACHINES)))


def ends(fleet: Fleet, devices: list[DeviceUnderTest]) -> dict[str, dict[str, Any]]:
    """Where each device ended, without what differs by nature from one journey to the next."""
    iot, records = fleet.client("iot"), fleet.all_records()
    members = {
        thing
        for page in iot.get_paginator("list_things_in_thing_group").paginate(
            thingGroupName=fleet.outputs["failed_thing_group_name"]
        )
        for thing in page["things"]
    }
    runs = {machine: [run["name"] for run in fleet.runs(machine)] for machine in RECOVERIES}
    found = {}
    for device in devices:
        name, thing = device.name, iot.describe_thing(thingName=device.name)
        record = records.get(name, {})
        tracking_id = str(record.get("trackingId", "no record"))
        found[name] = {
            "record": _mask(record),
            "backup": (fleet.backup(name) or {}).get("attributes"),
            "attributes": thing["attributes"],
            # One more change of the thing than in the faultless journey would be one too many.
            "version": thing["version"],
            "between the cycles": device.between,
            "is in the failed group": name in members,
            "alerts": [_mask(alert) for alert in fleet.alerts(name)],
            "recoveries": {
                machine: sorted(n.replace(tracking_id, "…") for n in names if tracking_id in n)
                for machine, names in runs.items()
            },
        }
    return found


_MASKED = frozenset(
    {"deviceId", "trackingId", "recoveryId", "timestamp", "startedAt"}
    | {"lastReceivedAt", "awaySince", "usedUpAt", "notifiedAt", "failedAt"}
)


def _mask(document: dict[str, Any]) -> dict[str, Any]:
    """Hide the values that differ by nature, but not that they are there."""
    return {name: "…" if name in _MASKED else value for name, value in document.items()}


@dataclass(frozen=True)
class Clean:
    """What journeys were like in which nothing went wrong, or in which only a letter was lost.

    Attributes:
        calls: every call of a journey, in order.
        letter_calls: those that only a journey has whose message becomes a dead letter.
        outage: the fault that makes it one.
        ends: where a device ends, by its original attributes.
    """

    calls: list[Target]
    letter_calls: list[Target]
    outage: Fault
    ends: tuple[dict[str, Any], ...]


@pytest.fixture(scope="module")
def clean(second: Fleet) -> Clean:
    mark = second.mark()
    faultless = [
        DeviceUnderTest(f"faultless-{number}", original)
        for number, original in enumerate(ORIGINALS)
    ]
    run_journeys(second, faultless)
    calls = calls_of_all(second, [device.name for device in faultless])
    _assert_complete(second, mark, [device.name for device in faultless])

    first = next(call for call in calls if call.operation == "Invoke")
    outage = _outage(second, first, "letter")
    run_journeys(second, [DeviceUnderTest("letter", ORIGINALS[0], (outage,))])
    known = {replace(call, occurrence=1) for call in calls}
    letter_calls = [call for call in second.cloud.targets("letter") if call not in calls]
    letter_calls = [call for call in letter_calls if replace(call, occurrence=1) not in known]
    found = ends(second, faultless)
    return Clean(calls, letter_calls, outage, tuple(found[device.name] for device in faultless))


def calls_of_all(fleet: Fleet, names: list[str]) -> list[Target]:
    """Return the calls that each of several journeys made, in order.

    A busy machine may let a function run out of time, and then its state machine tries again: that
    is no call of a faultless journey.
    """
    first, *others = (fleet.cloud.targets(name) for name in names)
    return [call for call in first if all(call in calls for calls in others)]


def _assert_complete(fleet: Fleet, since: int, names: list[str]) -> None:
    """The server's own record of calls must know of none that could not be hit."""
    # Asking for their campaign and for the failed group are the calls that name no device.
    group = fleet.outputs["failed_thing_group_name"]
    about = [*names, fleet.outputs["campaigns_table_name"], group]
    recorded = Counter(
        ("Invoke", call.parameters["FunctionName"])
        if call.operation == "Invoke"
        else (call.operation, call.caller)
        for call in fleet.calls(since)
        if any(name in json.dumps(call.parameters) for name in about)
    )
    hittable = Counter(
        (call.operation, call.resource or call.caller)
        for name in names
        for call in fleet.cloud.targets(name)
        if call.origin is Origin.FUNCTION or call.operation == "Invoke"
    )
    assert hittable == recorded


def _outage(fleet: Fleet, call: Target, about: str) -> Fault:
    """A call that fails until the state machine that makes it gives up."""
    # An invocation's state names the function, an integration's the operation.
    ending = f":{call.resource or call.operation}".lower()
    attempts = {
        1 + retrier["MaxAttempts"]
        for machine in MACHINES
        if fleet.machine(machine).endswith(f":{call.caller}")
        for state in _definition(fleet, fleet.machine(machine))["States"].values()
        if state.get("Resource", "").lower().endswith(ending)
        for retrier in state["Retry"]
        if retrier["MaxAttempts"] and "StillInGroupError" not in retrier["ErrorEquals"]
    }
    (times,) = attempts
    return Fault(about, call, Kind.THROTTLED, times=times)


def _definition(fleet: Fleet, machine_arn: str) -> dict[str, Any]:
    states = fleet.client("stepfunctions")
    found = states.describe_state_machine(stateMachineArn=machine_arn)
    return dict(json.loads(found["definition"]))


def _every_fault(fleet: Fleet, clean: Clean) -> list[DeviceUnderTest]:
    """One device for each call and each fault of it."""
    intake = fleet.machine("intake").rpartition(":")[2]
    devices: list[DeviceUnderTest] = []

    def add(*faults: Fault, needs_reconcile: bool = False) -> None:
        number = len(devices)
        name, original = f"fault-{number}", ORIGINALS[number % len(ORIGINALS)]
        own = tuple(replace(fault, about=name) for fault in faults)
        devices.append(DeviceUnderTest(name, original, own, needs_reconcile))

    for call in clean.calls:
        for fault in Fault.every(call, ""):
            add(fault)
        if call.origin is Origin.MACHINE:
            # A start that is throttled for good is left to the scheduled pass.
            is_start = call.operation == "StartExecution"
            add(_outage(fleet, call, ""), needs_reconcile=is_start or call.caller != intake)
    for call in clean.letter_calls:
        for fault in Fault.every(call, ""):
            add(clean.outage, fault)
    return devices


def test_the_faultless_journey_is_the_one_that_is_meant(clean: Clean) -> None:
    assert {call.origin for call in clean.calls} == set(Origin)
    assert [(call.service, call.operation) for call in clean.letter_calls] == [
        ("sqs", "SendMessage")
    ]
    for original, end in zip(ORIGINALS, clean.ends, strict=True):
        record = end["record"]
        assert (record["state"], record["ResetRetryCount"]) == ("failed", 2)
        assert len(record["countedEvents"]) == 2 * LIMIT
        assert end["between the cycles"] == original
        assert end["attributes"] == {**original, "firmwareRetry": "failed"}
        assert end["is in the failed group"]
        assert len(end["alerts"]) == 1
        assert end["recoveries"] == {"cool_down": ["…-1"], "escalation": ["…-2"]}


def test_no_fault_loses_a_device(second: Fleet, clean: Clean, figures: list[str]) -> None:
    failed_before = _list_failed_runs(second)
    devices = _every_fault(second, clean)
    started = time.monotonic()
    redriven = run_journeys(second, devices)
    seconds = time.monotonic() - started

    fired = second.cloud.count_hits()
    idle = [str(f) for device in devices for f in device.faults if fired[f] < f.times]
    assert idle == [], "a fault that never struck proves nothing"

    found = ends(second, devices)
    lost = {
        " and ".join(str(fault) for fault in device.faults): {
            what: (is_, clean_end[what])
            for what, is_ in found[device.name].items()
            if is_ != clean_end[what]
        }
        for number, device in enumerate(devices)
        if found[device.name] != (clean_end := clean.ends[number % len(ORIGINALS)])
    }
    figures.append(
        f"fault matrix: {len(clean.calls) + len(clean.letter_calls)} calls,"
        f" faults tried {len(devices)}, devices lost {len(lost)} ({seconds:.0f} s)"
    )
    assert lost == {}

    # Each failed run is one that somebody hears of: an intake by its letter, a recovery by its
    # alarm and the scheduled pass.
    failed = {
        machine: len(runs) - len(failed_before[machine])
        for machine, runs in _list_failed_runs(second).items()
    }
    faults = [fault for device in devices for fault in device.faults]
    # What a rule only could not log was counted, and is not sent again.
    of_rule = sum(f.target.origin is Origin.RULE and f.target.service != "logs" for f in faults)
    twice = sum(f.target in clean.letter_calls and f.kind is Kind.LOST for f in faults)
    assert redriven == failed["intake"] + of_rule + twice
    outages = [fault for device in devices if device.needs_reconcile for fault in device.faults]
    of_recovery = sum(fault.target.operation != "StartExecution" for fault in outages)
    assert failed["cool_down"] + failed["escalation"] == of_recovery
    assert _letters(second) == 0


def _list_failed_runs(fleet: Fleet) -> dict[str, list[dict[str, Any]]]:
    return {machine: fleet.runs(machine, "FAILED") for machine in MACHINES}
