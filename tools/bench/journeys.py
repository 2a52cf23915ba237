"""What devices do, and what each of it takes: run on a deployed fleet, read from its meter."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bench.meter import Meter, Reading
from localcloud import eventually
from localcloud.fleet import Fleet

CYCLE = 10
"""Failures of a cycle, the module's default ``retry_limit``."""
GROUP = "NeedsUpdate"
"""The dynamic thing group of the devices that are to be updated."""
LONGEST_SECONDS = 90.0
"""How long to wait for what takes a few seconds."""
STEPS = (1, 5, 9, 10, 15, 19, 20)
"""After how many failures of an escalated device the meter is read."""


class BenchError(Exception):
    """A device did not do what the journey is about; says what to do."""


@dataclass(frozen=True)
class Journey:
    """Something that happens to a device, and is measured.

    Attributes:
        name: of the figures.
        title: what a reader sees.
        run: does it with a device of a fleet that does not know it yet.
    """

    name: str
    title: str
    run: Callable[[Fleet, str], Reading]


def fail_first(fleet: Fleet, device: str) -> Reading:
    """Measure the failure that begins an episode."""
    _register(fleet, device)
    return _measure_failure(fleet, device, 1)


def count_failure(fleet: Fleet, device: str) -> Reading:
    """Measure a failure that is counted, and nothing else."""
    begin(fleet, device, 1)
    return _measure_failure(fleet, device, 2)


def send_duplicate(fleet: Fleet, device: str) -> Reading:
    """Measure a copy of a failure message."""
    begin(fleet, device, 1)
    return _measure_failure(fleet, device, 1)


def fail_while_cooling_down(fleet: Fleet, device: str) -> Reading:
    """Measure a failure message of a device that is moved out."""
    # Its day takes seconds here: who looks closely needs longer.
    strand(fleet, device)
    reading = _measure_failure(fleet, device, CYCLE + 1)
    fleet.succeed(device, CYCLE + 2)
    return reading


def succeed(fleet: Fleet, device: str) -> Reading:
    """Measure the success of a device that failed before, in its first cycle."""
    begin(fleet, device, 1)
    meter = Meter(fleet)
    fleet.succeed(device, 2)
    return meter.read()


def succeed_without_failure(fleet: Fleet, device: str) -> Reading:
    """Measure the success of a device that never failed."""
    _register(fleet, device)
    meter = Meter(fleet)
    fleet.succeed(device, 1)
    return meter.read()


def recover(fleet: Fleet, device: str) -> Reading:
    """Ten failures, moved out, back a day later, and then the update succeeds."""
    _register(fleet, device)
    meter = Meter(fleet)
    _fail(fleet, device, range(1, CYCLE + 1))
    _wait_until_back(fleet, device)
    fleet.succeed(device, CYCLE + 1)
    return meter.read()


def escalate(fleet: Fleet, device: str) -> Reading:
    """Twenty failures in two cycles, moved to the failed group, people told."""
    return escalate_by_steps(fleet, device)[STEPS[-1]]


def escalate_by_steps(fleet: Fleet, device: str) -> dict[int, Reading]:
    """Escalate a device and read the meter after each number of failures in ``STEPS``."""
    _register(fleet, device)
    meter, readings = Meter(fleet), {}
    for number in range(1, 2 * CYCLE + 1):
        _fail(fleet, device, [number])
        if number == CYCLE:
            _wait_until_back(fleet, device)
        elif number == 2 * CYCLE:
            _wait_until_notified(fleet, device)
        if number in STEPS:
            readings[number] = meter.read()
    return readings


def send_telemetry(fleet: Fleet, device: str) -> Reading:
    """Measure a message on the topic that is about something else."""
    _register(fleet, device)
    meter = Meter(fleet)
    with fleet.connect(device) as connection:
        fleet.publish(connection, {"_id_": device, "temperature": 21})
    return meter.read()


COUNTED = Journey("counted", "counting failure", count_failure)
MESSAGES = (
    Journey("telemetry", "any other message", send_telemetry),
    Journey("first", "first failure", fail_first),
    COUNTED,
    Journey("duplicate", "duplicate", send_duplicate),
    Journey("cooling_down", "while cooling down", fail_while_cooling_down),
    Journey("success", "success after a failure", succeed),
    Journey("healthy_success", "success without one", succeed_without_failure),
)
RECOVERED = Journey("recovered", "recovered", recover)
ESCALATED = Journey("escalated", "escalated", escalate)


def begin(fleet: Fleet, device: str, failures: int) -> None:
    """Register a device and publish its failures one after the other."""
    _register(fleet, device)
    _fail(fleet, device, range(1, failures + 1))


def strand(fleet: Fleet, device: str) -> None:
    """Has a device moved out, and stops the run that would bring it back."""
    begin(fleet, device, CYCLE)
    _wait(lambda: _is_waiting(fleet, device), f"{device} was not moved out")
    (run,) = fleet.recoveries(device)["cool_down"]
    fleet.client("stepfunctions").stop_execution(executionArn=run["executionArn"])


def _register(fleet: Fleet, device: str) -> None:
    """Register a device; it joins the dynamic group of devices to update, where there is one."""
    groups = fleet.client("iot").list_thing_groups()["thingGroups"]
    fleet.add_thing(device, model="wo:v8", FW="2.27", site="plant-7")
    if any(group["groupName"] == GROUP for group in groups):
        _wait(lambda: GROUP in fleet.groups(device), f"{device} did not join {GROUP}")


def _fail(fleet: Fleet, device: str, numbers: Iterable[int]) -> None:
    # Each alone: messages that come at once make an episode's first steps run side by side.
    for number in numbers:
        fleet.fail(device, [number])


def _measure_failure(fleet: Fleet, device: str, number: int) -> Reading:
    meter = Meter(fleet)
    fleet.fail(device, [number])
    return meter.read()


def _wait_until_back(fleet: Fleet, device: str) -> None:
    _wait_for_state(fleet, device, "cooling_down")
    _wait_for_state(fleet, device, "tracking")
    _wait(lambda: not fleet.is_running("cool_down"), "a cool-down did not end")


def _wait_until_notified(fleet: Fleet, device: str) -> None:
    _wait(lambda: "notifiedAt" in _record(fleet, device), f"nobody was told of {device}")
    _wait(lambda: not fleet.is_running("escalation"), "an escalation did not end")


def _is_waiting(fleet: Fleet, device: str) -> bool:
    """Whether a device's cool-down has done its first step, and waits."""
    return any(
        event["type"] == "WaitStateEntered"
        for run in fleet.recoveries(device)["cool_down"]
        for event in fleet.client("stepfunctions").get_execution_history(
            executionArn=run["executionArn"]
        )["events"]
    )


def _wait_for_state(fleet: Fleet, device: str, state: str) -> None:
    _wait(lambda: _record(fleet, device).get("state") == state, f"{device} was never {state}")


def _record(fleet: Fleet, device: str) -> dict[str, Any]:
    return fleet.record(device) or {}


def _wait(until: Callable[[], object], otherwise: str) -> None:
    if not eventually(until, LONGEST_SECONDS):
        raise BenchError(f"{otherwise} within {LONGEST_SECONDS:.0f} s")
