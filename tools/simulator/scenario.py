"""One seed: a world is drawn, lives until nothing is left to happen, and is checked."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from simulator import asl, liveness_checks
from simulator.devices import JUNK, Device
from simulator.faults import Fault, Faults, Outage
from simulator.functions import FunctionRun
from simulator.options import Options
from simulator.reference_model import FAILED, FREE
from simulator.scheduler import RunawayError
from simulator.trace import Trace
from simulator.world import START, Violation, World

_DAY = 86400.0


@dataclass
class Result:
    """What became of the devices of one seed."""

    seed: int
    options: Options
    trace: Trace
    violations: list[Violation]
    faults: Counter[Fault]
    journeys: int
    """Devices that failed at least once."""
    ends: Counter[str] = field(default_factory=Counter)
    """How many devices were ``failed``, ``tracked``, ``free`` or ``gone`` at the end."""
    overtime: int = 0
    """Messages whose intake had trouble until its five minutes were over."""
    invocations: int = 0
    calls: int = 0
    transitions: int = 0


def run(seed: int, machines: Mapping[str, asl.Machine] | None = None) -> Result:
    """Runs one seed to its end.

    Args:
        seed: decides everything.
        machines: other definitions than the rendered ones, by name.

    Returns:
        The result; ``violations`` is empty when all is well.
    """
    chance = random.Random(seed)  # noqa: S311 -- must be repeatable
    options = Options.drawn(chance)
    world = World(chance, options, Faults.drawn(chance), machines)
    with world.installed():
        devices = [Device(world, f"device-{n + 1}") for n in range(chance.choice(_SIZES))]
        _populate(world, devices)
        try:
            world.settle()
            liveness_checks.check(world)
        except RunawayError as error:
            world.violated("stuck", str(error))
    known = {device for device, _ in world.presented}
    return Result(
        seed=seed,
        options=options,
        trace=world.trace,
        violations=world.violations,
        faults=world.faults.counts,
        journeys=len(known),
        ends=Counter(_end(world, device) for device in sorted(known)),
        overtime=world.overtime,
        invocations=world.functions.invocations,
        calls=world.functions.calls,
        transitions=world.states.transitions,
    )


_SIZES = (1, 1, 1, 1, 1, 1, 2, 2, 3)


def _end(world: World, device: str) -> str:
    if device not in world.iot.things:
        return "gone"
    episode = world.model.episodes.get(device)
    if episode is None:
        return FREE
    return FAILED if episode.state == FAILED else "tracked"


def _populate(world: World, devices: list[Device]) -> None:
    chance = world.random
    by_name = {device.name: device for device in devices}
    world.iot.joined = lambda name: by_name[name].begin()
    world.redrives = chance.random() < 0.8
    for device in devices:
        attributes = {"model": "wo:v8", "FW": "2.26"}
        if chance.random() < 0.3:
            del attributes[chance.choice(("model", "FW"))]
        if chance.random() < 0.9:
            world.people.create(device.name, attributes)
        else:
            _schedule_unknown(world, device)
        _schedule_people(world, device)
    if chance.random() < 0.2:
        junk = chance.choice(JUNK)
        world.junk.append(junk)
        world.scheduler.after(3600 * chance.random(), partial(world.deliver, junk))
    if chance.random() < 0.3:
        _schedule_outages(world)
    world.functions.started = Crossings(world, by_name).started
    operators = Operators(world, by_name)
    world.alarmed = operators.alarmed
    if chance.random() < 0.2:
        operators.release_somebody()
    for _ in range(chance.choice((0, 0, 1, 2))):
        world.scheduler.after(2 * _DAY * chance.random(), partial(_stop_one, world))
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        at = chance.choice((60.0, 3600.0, 2 * _DAY)) * chance.random()
        world.scheduler.after(at, partial(_pause, world, chance.choice(devices).name))


def _schedule_unknown(world: World, device: Device) -> None:
    """Its thing is made only after it has reported failures."""
    world.people.vanished.add(device.name)
    for _ in range(world.random.choice((1, 5))):
        world.scheduler.after(60 * world.random.random(), partial(_say, world, device))
    world.scheduler.after(3600, partial(world.people.create, device.name, {"model": "wo:v8"}))


def _say(world: World, device: Device, *, has_failed: bool = True) -> None:
    for message in device.messages(has_failed=has_failed):
        world.publish(message)


def _schedule_people(world: World, device: Device) -> None:
    chance = world.random
    for _ in range(chance.choice((0, 0, 0, 1, 3, 6))):
        at = START + chance.choice((60.0, 3600.0, _DAY, 3 * _DAY)) * chance.random()
        world.scheduler.at(at, partial(_change, world, device.name))
    if chance.random() < 0.15:
        at = START + chance.choice((60.0, 3600.0, _DAY, 3 * _DAY)) * chance.random()
        world.scheduler.at(at, partial(_delete, world, device.name))


def _pause(world: World, device: str) -> None:
    """An operator pauses what is being installed on a device."""
    record = world.record(device)
    if record is not None:
        world.pause(record["campaign"]["S"])


def _change(world: World, name: str) -> None:
    chance = world.random
    if name not in world.iot.things:
        return
    present = world.iot.things[name].attributes
    attribute = chance.choice((*_names(world), "site"))
    value = "" if chance.random() < 0.2 else f"p-{chance.randrange(1000)}"
    # A thing without a type has three attributes at most; one is left for the marker.
    if attribute not in present and len(present) > 1:
        return
    world.faults.happened(Fault.PERSON)
    world.people.change(name, attribute, value)


def _names(world: World) -> list[str]:
    return sorted({*world.options.moved_out, *world.options.failed})


def _delete(world: World, name: str) -> None:
    if name not in world.iot.things:
        return
    world.faults.happened(Fault.VANISHED)
    world.people.delete(name)
    if world.random.random() < 0.4:
        # Not within minutes: a call that was under way may not hit a successor of its thing, and
        # AWS IoT has no condition that could tell the two apart.
        later = 600 + world.random.choice((600.0, _DAY, 3 * _DAY)) * world.random.random()
        world.scheduler.after(later, partial(_recreate, world, name))


def _recreate(world: World, name: str) -> None:
    if name not in world.iot.things:
        world.faults.happened(Fault.RECREATED)
        world.people.create(name, {"model": "wo:v9", "FW": "3.0"})


def _schedule_outages(world: World) -> None:
    chance = world.random
    for _ in range(chance.choice((1, 2, 4))):
        start = START + chance.choice((60.0, 3600.0, 1.5 * _DAY)) * chance.random()
        length = chance.choice((30.0, 300.0, 3600.0)) * chance.random()
        service = chance.choice(("dynamodb", "iot", "sns", "states", "stepfunctions"))
        world.faults.outages.append(
            Outage(service, start, start + length, hangs=chance.random() < 0.5)
        )


class Operators:
    """They look after devices that failed, and let them go."""

    def __init__(self, world: World, devices: Mapping[str, Device]) -> None:
        self._world = world
        self._devices = devices
        self._are_diligent = world.random.random() < 0.6

    def alarmed(self, name: str) -> None:
        """They are told of a device that failed."""
        if self._are_diligent and self._world.random.random() < 0.7:
            # Not within minutes: who is told has to read it.
            later = 600 + self._world.random.choice((600.0, _DAY)) * self._world.random.random()
            act = self._world.random.choice((self._take_out, self.release, self.release))
            self._world.scheduler.after(later, partial(act, name))

    def release_somebody(self) -> None:
        """They release devices that may be anywhere on their journey."""
        for name in self._devices:
            at = self._world.random.choice((60.0, 3600.0, 2 * _DAY)) * self._world.random.random()
            self._world.scheduler.after(at, partial(self.release, name))

    def _take_out(self, name: str) -> None:
        self._devices[name].repaired()
        self._world.take_out(name)

    def release(self, name: str) -> None:
        """They invoke ReleaseDevice, until it says that it is done."""
        world = self._world
        world.faults.happened(Fault.RELEASED)
        self._devices[name].repaired()
        is_listed = world.random.random() < 0.5
        event = {"deviceIds": list(self._devices)} if is_listed else {"deviceId": name}
        episodes = {each: world.model.episodes.get(each) for each in self._devices}

        def done(error: str | None, result: Any) -> None:
            if error is not None or "refused" in result:
                world.scheduler.after(60 + 900 * world.random.random(), again)
                return
            for each in result.get("released", ()):
                episode = episodes[each]
                if episode is not None and world.model.episodes.get(each) is episode:
                    world.violated("ended", f"{each} was released, and is {episode.state}")

        def again() -> None:
            world.functions.invoke("ReleaseDevice", event, done)

        again()


class Crossings:
    """What is made to happen just when a function runs, because there it may hurt."""

    def __init__(self, world: World, devices: Mapping[str, Device]) -> None:
        self._world = world
        self._devices = devices
        self._earlier: dict[str, list[tuple[str, Mapping[str, object]]]] = {}
        """By device: the recovery steps that ran for it, and their input."""
        self._left = 30
        """How many steps are repeated at most: each repetition may be repeated, too."""

    def started(self, run: FunctionRun) -> None:
        """A function starts."""
        world, chance = self._world, self._world.random
        if run.step in _RECOVERY_STEPS:
            self._earlier.setdefault(run.event["deviceId"], []).append((run.step, run.event))
            if world.faults.happens(Fault.RUN_STOPPED):
                world.scheduler.after(0.2 * chance.random() ** 2, partial(_stop_one, world))
        name = run.event.get("deviceId")
        if self._left and name in self._earlier and world.faults.happens(Fault.RUN_AGAIN):
            self._left -= 1
            self._repeat(self._earlier[name])
        if run.step in _RECOVERY_STEPS and world.faults.happens(Fault.CROSSED):
            # Slow enough for the other to come in between any two of its calls.
            run.latency = chance.choice((run.latency, 0.5))
            world.scheduler.after(0.5 * chance.random() ** 2, partial(self._cross, name))
        if name in world.iot.things and world.faults.happens(Fault.MEDDLED):
            world.scheduler.after(0.2 * chance.random() ** 2, partial(_change, world, name))

    def _cross(self, name: str) -> None:
        """The device succeeds, is updated anew, or is released."""
        device, chance = self._devices[name], self._world.random
        what = chance.choice(("success", "campaign", "release"))
        if what == "release":
            self._world.functions.invoke("ReleaseDevice", {"deviceId": name}, _nobody)
            return
        if what == "campaign":
            device.change_campaign()
        _say(self._world, device, has_failed=what == "campaign")

    def _repeat(self, earlier: list[tuple[str, Mapping[str, object]]]) -> None:
        """A step that ran before runs again: the run that it is of was redriven, say."""
        chance = self._world.random
        step, event = chance.choice(earlier)
        later = chance.choice((0.0, 0.1, 60.0, _DAY)) * chance.random()
        self._world.scheduler.after(
            later, partial(self._world.functions.invoke, step, event, _nobody)
        )


def _nobody(error: str | None, result: object) -> None:
    pass


_RECOVERY_STEPS = frozenset(
    {
        "ResetRetryCounterAndMoveOut",
        "RestoreDeviceAttributes",
        "ResetRetryCountToFailedUpdate",
        "MoveDeviceToFailedGroup",
        "SendSNSNotification",
    }
)


def _stop_one(world: World) -> None:
    running = [run for run in world.executions("cool_down", "escalation") if run.is_running]
    if running:
        stopped = world.random.choice(running)
        world.trace.add(world.scheduler.now, "person", "stops", stopped)
        world.states.stop_execution({"executionArn": stopped.arn})
