"""One seed: draw a world with devices, operators and faults, run it to its end, and check it."""

import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from simulator import asl, liveness_checks
from simulator.aws.sns import Published
from simulator.checks import Checks, Violation
from simulator.devices import JUNK, Device
from simulator.faults import Fault, Faults, Outage
from simulator.functions import FunctionRun
from simulator.operators import Operators
from simulator.options import ALERTS, Options
from simulator.reference_model import FAILED, FREE
from simulator.safety_checks import SafetyChecks
from simulator.scheduler import RunawayError
from simulator.trace import Trace
from simulator.world import START, World

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


@dataclass(frozen=True)
class Scenario:
    """A world, its operators, and its checkers."""

    world: World
    operators: Operators
    checks: Checks


def build(
    chance: random.Random,
    options: Options,
    faults: Faults,
    machines: Mapping[str, asl.Machine] | None = None,
) -> Scenario:
    """Build a world with its operators, and register the checkers with both.

    Args:
        chance: decides everything that is left open.
        options: the module's variables.
        faults: what goes wrong.
        machines: other definitions than the rendered ones, by name.
    """
    world = World(chance, options, faults, machines)
    operators = Operators(world)
    checks = Checks(world, operators)
    safety = SafetyChecks(checks)
    world.intercept(safety.check_call)
    world.functions.on_finish.append(safety.check_result)
    return Scenario(world, operators, checks)


def run(
    seed: int,
    machines: Mapping[str, asl.Machine] | None = None,
    *,
    stops_at_violation: bool = False,
    most: int = 50_000,
) -> Result:
    """Run one seed to its end.

    Args:
        seed: decides everything.
        machines: other definitions than the rendered ones, by name.
        stops_at_violation: end with the first violation.
        most: how many events may happen before the world counts as stuck.

    Returns:
        The result; ``violations`` is empty when all is well.
    """
    chance = random.Random(seed)  # noqa: S311 -- must be repeatable
    options = Options.draw(chance)
    scenario = build(chance, options, Faults.draw(chance), machines)
    world, checks = scenario.world, scenario.checks
    checks.stops_at_violation = stops_at_violation
    with world.install():
        devices = [Device(world, f"device-{n + 1}") for n in range(chance.choice(_SIZES))]
        _populate(scenario, devices)
        try:
            world.settle(most)
            if not (stops_at_violation and checks.violations):
                liveness_checks.check(checks)
        except RunawayError as error:
            checks.violate("stuck", str(error))
    known = {device for device, _ in checks.processed}
    return Result(
        seed=seed,
        options=options,
        trace=world.trace,
        violations=checks.violations,
        faults=world.faults.counts,
        journeys=len(known),
        ends=Counter(_end(checks, device) for device in sorted(known)),
        overtime=checks.overtime,
        invocations=world.functions.invocations,
        calls=world.functions.calls,
        transitions=world.states.transitions,
    )


_SIZES = (1, 1, 1, 1, 1, 1, 2, 2, 3)


def _end(checks: Checks, device: str) -> str:
    if device not in checks.world.account.iot.things:
        return "gone"
    episode = checks.model.episodes.get(device)
    if episode is None:
        return FREE
    return FAILED if episode.state == FAILED else "tracked"


def _populate(scenario: Scenario, devices: list[Device]) -> None:
    world, chance = scenario.world, scenario.world.random
    by_name = {device.name: device for device in devices}
    world.account.iot.on_join = lambda name: by_name[name].begin() if name in by_name else None
    scenario.operators.redrives_dead_letters = chance.random() < 0.8
    for device in devices:
        attributes = {"model": "wo:v8", "FW": "2.26"}
        if chance.random() < 0.3:
            del attributes[chance.choice(("model", "FW"))]
        if chance.random() < 0.9:
            world.edits.create(device.name, attributes)
        else:
            _schedule_unknown(world, device)
        _schedule_edits(world, device)
    if chance.random() < 0.2:
        junk = chance.choice(JUNK)
        scenario.checks.junk.append(junk)
        world.scheduler.after(3600 * chance.random(), partial(world.deliver, junk))
    if chance.random() < 0.3:
        _schedule_outages(world)
    world.functions.on_start.append(Crossings(world, by_name).disturb)
    on_call = OnCall(scenario, by_name)
    world.account.sns.on_publish = on_call.receive
    if chance.random() < 0.2:
        on_call.schedule_releases()
    for _ in range(chance.choice((0, 0, 1, 2))):
        world.scheduler.after(2 * _DAY * chance.random(), partial(_stop_one, world))
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        at = chance.choice((60.0, 3600.0, 2 * _DAY)) * chance.random()
        world.scheduler.after(at, partial(_pause, scenario, chance.choice(devices).name))
    if chance.random() < 0.2:
        at = chance.choice((_DAY, 3 * _DAY, 6 * _DAY)) * chance.random()
        world.scheduler.after(at, scenario.operators.replace_failed_group)


def _schedule_unknown(world: World, device: Device) -> None:
    """Create the thing of a device only after the device has reported failures."""
    world.edits.ever_missing.add(device.name)
    for _ in range(world.random.choice((1, 5))):
        world.scheduler.after(60 * world.random.random(), partial(_report, world, device))
    world.scheduler.after(3600, partial(world.edits.create, device.name, {"model": "wo:v8"}))


def _report(world: World, device: Device, *, has_failed: bool = True) -> None:
    for message in device.compose_messages(has_failed=has_failed):
        world.publish(message)


def _schedule_edits(world: World, device: Device) -> None:
    chance = world.random
    for _ in range(chance.choice((0, 0, 0, 1, 3, 6))):
        at = START + chance.choice((60.0, 3600.0, _DAY, 3 * _DAY)) * chance.random()
        world.scheduler.at(at, partial(_change, world, device.name))
    if chance.random() < 0.15:
        at = START + chance.choice((60.0, 3600.0, _DAY, 3 * _DAY)) * chance.random()
        world.scheduler.at(at, partial(_delete, world, device.name))


def _pause(scenario: Scenario, device: str) -> None:
    """Pause the campaign of a device."""
    record = scenario.world.record(device)
    if record is not None:
        scenario.operators.pause(record["campaign"]["S"])


def _change(world: World, name: str) -> None:
    chance = world.random
    if name not in world.account.iot.things:
        return
    present = world.account.iot.things[name].attributes
    attribute = chance.choice((*_names(world), "site"))
    value = "" if chance.random() < 0.2 else f"p-{chance.randrange(1000)}"
    # A thing without a type has three attributes at most; one is left for the marker.
    if attribute not in present and len(present) > 1:
        return
    world.faults.count(Fault.PERSON)
    world.edits.change(name, attribute, value)


def _names(world: World) -> list[str]:
    return sorted({*world.options.moved_out, *world.options.failed})


def _delete(world: World, name: str) -> None:
    if name not in world.account.iot.things:
        return
    new_name = f"{name}-renamed"
    # By the clock, so that worlds without a deletion are what they were.
    if new_name not in world.account.iot.things and int(world.scheduler.now) % 3 == 0:
        world.faults.count(Fault.RENAMED)
        world.edits.rename(name, new_name)
        world.schedules.expect_strays()
    else:
        world.faults.count(Fault.VANISHED)
        world.edits.delete(name)
    if world.random.random() < 0.4:
        # Not within minutes: a call that was under way may not hit a successor of its thing, and
        # AWS IoT has no condition that could tell the two apart.
        later = 600 + world.random.choice((600.0, _DAY, 3 * _DAY)) * world.random.random()
        world.scheduler.after(later, partial(_recreate, world, name))


def _recreate(world: World, name: str) -> None:
    if name not in world.account.iot.things:
        world.faults.count(Fault.RECREATED)
        world.edits.create(name, {"model": "wo:v9", "FW": "3.0"})


def _schedule_outages(world: World) -> None:
    chance = world.random
    for _ in range(chance.choice((1, 2, 4))):
        start = START + chance.choice((60.0, 3600.0, 1.5 * _DAY)) * chance.random()
        length = chance.choice((30.0, 300.0, 3600.0)) * chance.random()
        service = chance.choice(("dynamodb", "iot", "sns", "states", "stepfunctions"))
        world.faults.outages.append(
            Outage(service, start, start + length, hangs=chance.random() < 0.5)
        )


class OnCall:
    """The operators who respond to alerts: they repair devices, and release them."""

    def __init__(self, scenario: Scenario, devices: Mapping[str, Device]) -> None:
        self._world = scenario.world
        self._operators = scenario.operators
        self._checks = scenario.checks
        self._devices = devices
        self._are_diligent = self._world.random.random() < 0.6

    def receive(self, message: Published) -> None:
        """Respond to an alert about a device that failed, in some cases."""
        if message.topic_arn != ALERTS:
            return
        alert = json.loads(message.message)
        if "deviceId" not in alert or alert["event"] != "failed":
            return
        chance = self._world.random
        if self._are_diligent and chance.random() < 0.7:
            # Not within minutes: an alert is read first.
            later = 600 + chance.choice((600.0, _DAY)) * chance.random()
            act = chance.choice((self._take_out, self.release, self.release))
            self._world.scheduler.after(later, partial(act, message.group))

    def schedule_releases(self) -> None:
        """Release devices at some time, wherever on their journey they are then."""
        chance = self._world.random
        for name in self._devices:
            at = chance.choice((60.0, 3600.0, 2 * _DAY)) * chance.random()
            self._world.scheduler.after(at, partial(self.release, name))

    def _take_out(self, name: str) -> None:
        self._devices[name].repair()
        self._operators.take_out(name)

    def release(self, name: str) -> None:
        """Invoke ReleaseDevice until it reports success."""
        world, model = self._world, self._checks.model
        world.faults.count(Fault.RELEASED)
        self._devices[name].repair()
        is_listed = world.random.random() < 0.5
        event = {"deviceIds": list(self._devices)} if is_listed else {"deviceId": name}
        episodes = {device: model.episodes.get(device) for device in self._devices}

        def finish(error: str | None, result: Any) -> None:
            if error is not None or "refused" in result:
                world.scheduler.after(60 + 900 * world.random.random(), invoke)
                return
            for device in result.get("released", ()):
                episode = episodes[device]
                if episode is not None and model.episodes.get(device) is episode:
                    self._checks.violate("ended", f"{device} was released, and is {episode.state}")

        def invoke() -> None:
            world.functions.invoke("ReleaseDevice", event, finish)

        invoke()


class Crossings:
    """Events that happen just while a function runs, where they may do harm."""

    def __init__(self, world: World, devices: Mapping[str, Device]) -> None:
        self._world = world
        self._devices = devices
        # By device: the recovery steps that ran for it, and their input.
        self._earlier: dict[str, list[tuple[str, Mapping[str, object]]]] = {}
        # How many more steps may be repeated; each repetition may be repeated as well.
        self._left = 30

    def disturb(self, run: FunctionRun) -> None:
        """Draw what crosses a function that starts."""
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
        if name in world.account.iot.things and world.faults.happens(Fault.MEDDLED):
            world.scheduler.after(0.2 * chance.random() ** 2, partial(_change, world, name))

    def _cross(self, name: str) -> None:
        """Have the device succeed, get another update, or be released."""
        device, chance = self._devices[name], self._world.random
        what = chance.choice(("success", "campaign", "release"))
        if what == "release":
            self._world.functions.invoke("ReleaseDevice", {"deviceId": name}, _ignore_outcome)
            return
        if what == "campaign":
            device.change_campaign()
        _report(self._world, device, has_failed=what == "campaign")

    def _repeat(self, earlier: list[tuple[str, Mapping[str, object]]]) -> None:
        """Run an earlier step again, as a redrive of its run would."""
        chance = self._world.random
        step, event = chance.choice(earlier)
        later = chance.choice((0.0, 0.1, 60.0, _DAY)) * chance.random()
        self._world.scheduler.after(
            later, partial(self._world.functions.invoke, step, event, _ignore_outcome)
        )


def _ignore_outcome(error: str | None, result: object) -> None:
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
