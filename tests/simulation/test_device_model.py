"""Hypothesis draws what happens to a few devices; the reference model defines what becomes of them.

The world checks itself: ``simulator.safety_checks`` at every write, ``liveness_checks`` at the end.
"""

import random
from contextlib import ExitStack
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from simulator import liveness_checks, scenario
from simulator.faults import CALL_FAULTS, INTEGRATION_FAULTS, INVOCATION_FAULTS, Fault, Faults
from simulator.options import FATAL, IGNORED, Options

DEVICES = st.sampled_from(["device-1", "device-2", "device-3"])
REPORTERS = st.sampled_from([("device",), ("jobs",), ("device", "jobs"), ("jobs", "device")])
REASONS = st.sampled_from(["", "", "flash error", *sorted(IGNORED), *sorted(FATAL)])
WAITS = st.sampled_from([0.01, 1.0, 60.0, 901.0, 3600.0, 86400.0])


class Fleet(RuleBasedStateMachine):
    """Three devices, their operators, and an account whose calls fail on request."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.sent: list[dict[str, Any]] = []
        self.clock = 0.0
        self.campaign = 1

    @initialize(
        seed=st.integers(0, 2**32),
        limit=st.sampled_from([1, 2, 3]),
        ladder=st.sampled_from([(), (3600,), (86400,), (600, 600)]),
        has_membership_events=st.booleans(),
        is_never_left=st.booleans(),
    )
    def begin(self, seed: int, limit: int, ladder: tuple[int, ...], **more: Any) -> None:
        chance = random.Random(seed)
        options = Options(retry_limit=limit, cool_down_seconds=ladder, indexing_seconds=1.0, **more)
        built = scenario.build(chance, options, Faults(chance))
        self.world, self.operators, self.checks = built.world, built.operators, built.checks
        self.stack.enter_context(self.world.install())
        for name in ("device-1", "device-2"):
            self.world.edits.create(name, {"model": "wo:v8", "FW": "2.26"})
        self.world.edits.ever_missing.add("device-3")

    @rule(device=DEVICES, storm=st.integers(1, 4), reporters=REPORTERS, reason=REASONS)
    def fail(self, device: str, storm: int, reporters: tuple[str, ...], reason: str) -> None:
        for _ in range(storm):
            self._say(device, "failed", reporters, reason)

    @rule(device=DEVICES, reporters=REPORTERS)
    def succeed(self, device: str, reporters: tuple[str, ...]) -> None:
        self._say(device, "succeeded", reporters, "")

    def _say(self, device: str, kind: str, reporters: tuple[str, ...], reason: str) -> None:
        now = self.world.scheduler.now
        for reporter in reporters:
            number = len(self.sent)
            message: dict[str, Any] = {
                "kind": kind,
                "deviceId": device,
                "reportedBy": reporter,
                "reason": reason,
            }
            if reporter == "jobs":
                job = {"eventId": f"event-{number}", "jobId": f"job-{self.campaign}"}
                message |= {"timestamp": int(now), **job}
            else:
                sent = str(int((now + self.clock) * 1000) + number)
                message |= {"timestamp": sent, "FW": f"2.{self.campaign}"}
            message["receivedAt"] = int(now * 1000)
            self.sent.append(message)
            self.world.deliver(message)

    @precondition(lambda self: self.sent)
    @rule(which=st.integers(0, 1000), late=st.sampled_from([0.0, 5.0, 90000.0]))
    def deliver_again(self, which: int, late: float) -> None:
        message = self.sent[which % len(self.sent)]
        self.world.scheduler.after(late, lambda: self.world.deliver(message))

    @rule()
    def change_campaign(self) -> None:
        self.campaign += 1

    @rule(by=st.sampled_from([-7200.0, -30.0, 30.0, 7200.0]))
    def step_clock(self, by: float) -> None:
        self.clock += by

    @rule(seconds=WAITS)
    def wait(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(
        device=DEVICES,
        attribute=st.sampled_from(["model", "FW", "site"]),
        value=st.sampled_from(["p-1", "p-2", ""]),
    )
    def change(self, device: str, attribute: str, value: str) -> None:
        if device in self.world.account.iot.things:
            self.world.edits.change(device, attribute, value)

    @rule(device=DEVICES)
    def delete_or_make(self, device: str) -> None:
        if device in self.world.account.iot.things:
            self.world.edits.delete(device)
        # What is under way may not hit the successor of a thing, see ``simulator.scenario``.
        self.world.advance(600)
        if device not in self.world.account.iot.things and device in {
            m["deviceId"] for m in self.sent
        }:
            self.world.edits.create(device, {"model": "wo:v9"})

    @rule(devices=st.lists(DEVICES, min_size=1, unique=True))
    def release(self, devices: list[str]) -> None:
        event = {"deviceIds": devices} if len(devices) > 1 else {"deviceId": devices[0]}
        self.world.functions.invoke("ReleaseDevice", event, lambda error, result: None)

    @rule(device=DEVICES)
    def take_out(self, device: str) -> None:
        # An operator is told first, and has to read it.
        self.world.advance(600)
        self.operators.take_out(device)

    @rule(
        service=st.sampled_from(["dynamodb", "iot", "sns", "stepfunctions"]),
        faults=st.lists(st.sampled_from(CALL_FAULTS), min_size=1, max_size=4),
    )
    def let_calls_fail(self, service: str, faults: list[Fault]) -> None:
        self._force(service, faults)

    @rule(faults=st.lists(st.sampled_from(INVOCATION_FAULTS), min_size=1, max_size=4))
    def let_invocations_fail(self, faults: list[Fault]) -> None:
        self._force("invocation", faults)

    @rule(faults=st.lists(st.sampled_from(INTEGRATION_FAULTS), min_size=1, max_size=4))
    def let_starts_fail(self, faults: list[Fault]) -> None:
        self._force("integration", faults)

    def _force(self, where: str, faults: list[Fault]) -> None:
        """No more than are survived: when SQS fails nine times in a row, a message is lost."""
        self.world.faults.forced[where] = faults

    @rule(seconds=st.sampled_from([0.0, 0.02, 0.05, 0.1]))
    def stop_a_run(self, seconds: float) -> None:
        self.world.advance(seconds)
        for execution in list(self.world.executions("cool_down", "escalation")):
            if execution.is_running:
                self.world.states.stop_execution({"executionArn": execution.arn})
                return

    @invariant()
    def nothing_is_violated(self) -> None:
        if hasattr(self, "world"):
            assert not self.checks.violations, self._history()

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.world.settle()
                liveness_checks.check(self.checks)
                self.nothing_is_violated()
        finally:
            self.stack.close()

    def _history(self) -> str:
        events = "\n".join(line[:200] for line in self.world.trace.lines())
        return f"{events}\n{self.checks.violations}"


TestFleet = Fleet.TestCase
TestFleet.settings = settings(
    max_examples=300,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
