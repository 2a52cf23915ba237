"""A simulated deployment: the package, its state machines, and the AWS account that they are in."""

import random
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from simulator import asl, definitions, seams
from simulator.account import UPDATE_GROUP, Account
from simulator.aws.values import Item
from simulator.faults import Fault, Faults
from simulator.functions import Call, Functions, Perform
from simulator.machines import Execution, StateMachine, StepFunctions, load_machines
from simulator.options import BACKUP, RETRIES, Options
from simulator.registry_edits import RegistryEdits
from simulator.scheduler import RunawayError, Scheduler
from simulator.schedules import Schedules
from simulator.trace import Trace

START = 1_700_000_000.0
"""When every world begins, epoch seconds."""
_DAY = 86400.0


class World:
    """One deployment on fake time. Nothing runs in it outside of ``install``.

    Others register what they want to see: ``intercept`` for calls, ``functions.on_start`` and
    ``on_finish``, ``on_success``, ``account.sns.on_publish``.
    """

    def __init__(
        self,
        chance: random.Random,
        options: Options,
        faults: Faults,
        machines: Mapping[str, asl.Machine] | None = None,
    ) -> None:
        """``machines``: other definitions than the rendered ones, by ``definitions.MACHINES``."""
        self.random = chance
        self.options = options
        self.faults = faults
        self.trace = Trace()
        self.scheduler = Scheduler(START)
        self.account = Account(options, self.scheduler, self._unique_id)
        self.edits = RegistryEdits(self.account.iot, self.trace, lambda: self.scheduler.now)
        self.functions = Functions(self.scheduler, faults, self.trace, self._perform)
        self.states = self._state_machines(machines or load_machines())
        self.schedules = Schedules(self.account, self.functions, self.scheduler, options)
        # Called with each call that took effect.
        self.on_success: list[Callable[[Call], None]] = []
        self._effect: Perform = self.account.perform
        self._deliveries = 0
        self.account.services["stepfunctions"] = self.states
        self.account.iot.on_leave = self._publish_removal

    def _state_machines(self, machines: Mapping[str, asl.Machine]) -> StepFunctions:
        states = StepFunctions(
            scheduler=self.scheduler,
            faults=self.faults,
            trace=self.trace,
            functions=self.functions,
            steps={definitions.function_arn(step): step for step in definitions.steps()},
            queues={definitions.QUEUE_URL: self.account.dead_letters},
        )
        for name, machine in machines.items():
            arn = definitions.machine_arn(name)
            states.machines[arn] = StateMachine(name, arn, machine, is_express=name == "intake")
        return states

    def install(self) -> AbstractContextManager[None]:
        """Run the package in this world for the length of a block; one world at a time."""
        return seams.install(
            self.functions,
            share=self.random.random,
            unique_id=self._unique_id,
            environment=self.options.environment(),
        )

    def _unique_id(self) -> str:
        return f"{self.random.getrandbits(128):032x}"

    # -- calls -------------------------------------------------------------------------------

    def intercept(self, around: Callable[[Call, Perform], Any]) -> None:
        """Register a function around every call of the package, outside of earlier ones.

        Args:
            around: takes the call and a function that makes it take effect; returns the answer, or
                raises ClientError.
        """
        inner = self._effect
        self._effect = lambda call: around(call, inner)

    def _perform(self, call: Call) -> Any:
        try:
            answer = self._effect(call)
            for listener in self.on_success:
                listener(call)
            return answer
        finally:
            self.schedules.follow(call)

    # -- messages ----------------------------------------------------------------------------

    def publish(self, message: Mapping[str, Any], delay: float = 0.0) -> None:
        """Send a message to the IoT rule; copies of it may follow."""
        chance = self.random
        self._send(message, delay + 0.01 + 0.2 * chance.random())
        while self.faults.happens(Fault.DUPLICATE):
            # Immediately, or long after the cycle has turned.
            late = chance.choice((0.0, 1.0, 3600.0, 2 * _DAY, 5 * _DAY)) * chance.random()
            self._send(message, delay + late)

    def _send(self, message: Mapping[str, Any], delay: float) -> None:
        if self.faults.happens(Fault.DELAYED):
            delay += self.random.choice((5.0, 600.0, _DAY)) * self.random.random()
        self.scheduler.after(delay, partial(self.deliver, message))

    def deliver(self, message: Mapping[str, Any]) -> None:
        """Have the IoT rule start the intake with a message, or keep a dead letter."""
        if self.faults.happens(Fault.RULE_FAILED):
            self.trace.add(self.scheduler.now, "rule", "failed", message)
            self.account.dead_letters.send({"message": message})
            return
        self._deliveries += 1
        name = f"delivery-{self._deliveries}"
        intake = self.states.machines[definitions.machine_arn("intake")]
        self.states.start(intake, name, message)

    def _publish_removal(self, group: str, name: str) -> None:
        """Publish the membership event of a thing that left the failed group, unless it is lost."""
        self.schedules.care_for(name)
        if not self.options.has_membership_events or self.faults.happens(Fault.EVENT_LOST):
            return
        now = int(self.scheduler.now * 1000)
        topic = f"$aws/events/thingGroupMembership/thingGroup/{group}/thing/{name}/removed"
        event = {"kind": "removed", "deviceId": name, "timestamp": now, "topic": topic}
        self.publish({**event, "receivedAt": now})

    # -- time --------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.scheduler.run(until=self.scheduler.now + seconds)

    def settle(self, most: int = 50_000) -> None:
        """Let time pass until nothing is due.

        Where nothing comes to rest under faults, since a third of the calls fails for weeks, it has
        to come to rest without them.

        Args:
            most: how many events may happen with faults, and then without.

        Raises:
            RunawayError: more is always due.
        """
        try:
            self.scheduler.run(most=most)
        except RunawayError:
            self.faults.cease()
            self.scheduler.run(most=most)

    # -- views -------------------------------------------------------------------------------

    def record(self, device: str) -> Item | None:
        """Return the record of a device."""
        return self.account.dynamodb.tables[RETRIES].items.get((device,))

    def backup(self, device: str) -> Item | None:
        """Return the backup of a device."""
        return self.account.dynamodb.tables[BACKUP].items.get((device,))

    @property
    def update_group(self) -> Collection[str]:
        """The devices that are to be updated, as fleet indexing knows them."""
        return self.account.iot.dynamic_groups[UPDATE_GROUP].members

    def executions(self, *machines: str) -> Iterator[Execution]:
        """Yield the executions of some state machines."""
        for machine in machines:
            yield from self.states.machines[definitions.machine_arn(machine)].executions.values()
