"""A simulated deployment: the package, its state machines, and the AWS account that they are in."""

import logging
import os
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from firmware_retry import aws, clock, reconcile, retries_table
from firmware_retry.settings import settings
from simulator import asl, definitions
from simulator.aws.dynamodb import DynamoDB, Table
from simulator.aws.iot import DynamicGroup, IoT
from simulator.aws.sns import SNS
from simulator.aws.sqs import FifoQueue, Queue
from simulator.aws.values import Item
from simulator.faults import DISORDERLY, Fault, Faults
from simulator.functions import Call, Client, FunctionRun, Functions
from simulator.machines import Execution, StateMachine, StepFunctions
from simulator.options import (
    ALERTS,
    BACKUP,
    CAMPAIGNS,
    FAILED_GROUP,
    FATAL,
    HISTORY,
    IGNORED,
    OPERATORS,
    RETRIES,
    Options,
)
from simulator.reference_model import FAILED, TRACKING, Episode, Model
from simulator.registry_edits import People
from simulator.safety_checks import INTENTS, Watch
from simulator.scheduler import Scheduler
from simulator.trace import Trace

START = 1_700_000_000.0
"""When every world begins, epoch seconds."""
TRYING = "trying"
"""The dynamic group of the devices that are to be updated."""
_EVERYTHING = "everything"
"""A dynamic group that every thing is in."""
RECONCILE_SECONDS = 900.0
MAIL_SECONDS = 300.0
_DAY = 86400.0
_MOST_VIOLATIONS = 20


@dataclass(frozen=True)
class Violation:
    """Something that must never be, and is."""

    at: float
    name: str
    """Which invariant: see ``watch`` and ``rest``."""
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


class World:
    """One deployment on fake time. Nothing in it happens outside of ``installed``."""

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
        self.model = Model(
            options.retry_limit,
            len(options.cool_down_seconds) + 1,
            options.job_events_enabled,
            ignored=IGNORED,
            fatal=FATAL,
        )
        self.violations: list[Violation] = []
        self.presented: set[tuple[str, str]] = set()
        """Device and event of every message that came as far as to be counted or refused."""
        self.junk: list[Mapping[str, Any]] = []
        self.overtime = 0
        """Messages whose intake had trouble until its five minutes were over."""
        """Messages that nobody can count."""
        self.dead_letters = Queue(arrived=self._dead_letter_arrived)
        self.redrives = True
        """Whether people redrive what is in the dead-letter queue."""
        self.done_with: list[tuple[str, Episode]] = []
        """Devices that operators took out of the group of the failed, and their episodes then."""
        self.late_members: dict[str, FunctionRun] = {}
        """Things that joined the failed though their episode was over, and who did that."""
        self.alarmed: Callable[[str], None] = lambda _: None
        """Called with the name of a device each time it is told that it failed."""
        key = ("deviceId",)
        self.dynamodb = DynamoDB(
            {
                RETRIES: Table(key),
                BACKUP: Table(key),
                HISTORY: Table((*key, "at")),
                CAMPAIGNS: Table(("campaign",)),
            }
        )
        self.letters = FifoQueue(lambda: self.scheduler.now, arrived=self._letter_arrived)
        """What people are still to be mailed."""
        self.sns = SNS(
            now=lambda: self.scheduler.now,
            topics={ALERTS, OPERATORS},
            subscribed={ALERTS: self.letters} if options.has_operators else {},
        )
        self.iot = IoT(
            thing_id=self._unique_id,
            later=lambda action: self.scheduler.after(options.indexing_seconds, action),
            groups={FAILED_GROUP: {}},
            dynamic_groups=self._dynamic_groups(),
            left=self._left_group,
            page=options.page,
        )
        self.people = People(self.iot, self.trace, lambda: self.scheduler.now)
        self._watch = Watch(self)
        self.functions = Functions(self.scheduler, faults, self.trace, self._watch.perform)
        self.functions.finished = self._watch.finished
        self.states = self._state_machines(machines or rendered_machines())
        self._clients = {
            service: Client(self.functions, service)
            for service in ("dynamodb", "iot", "sns", "sqs", "stepfunctions")
        }
        self._services: Mapping[str, Any] = {
            "dynamodb": self.dynamodb,
            "iot": self.iot,
            "sns": self.sns,
            "sqs": self.letters,
            "stepfunctions": self.states,
        }
        self._deliveries = 0
        self._is_reconciling = False
        self._is_to_look = False
        """Whether the breaker may find something that it did not find before."""
        self._is_mailing = False

    def _dynamic_groups(self) -> dict[str, DynamicGroup]:
        groups = {TRYING: DynamicGroup(self._is_trying)}
        if self.options.is_never_left:
            groups[_EVERYTHING] = DynamicGroup(lambda _: True)
        return groups

    def _state_machines(self, machines: Mapping[str, asl.Machine]) -> StepFunctions:
        states = StepFunctions(
            scheduler=self.scheduler,
            faults=self.faults,
            trace=self.trace,
            functions=self.functions,
            steps={definitions.function_arn(step): step for step in definitions.steps()},
            queues={definitions.QUEUE_URL: self.dead_letters},
        )
        for name, machine in machines.items():
            arn = definitions.machine_arn(name)
            states.machines[arn] = StateMachine(name, arn, machine, is_express=name == "intake")
        states.ended = self._execution_ended
        return states

    # -- the seams of the package --------------------------------------------------------------

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Puts the package into this world for the length of the block; one world at a time."""
        with ExitStack() as stack:
            for module, name, value in (
                (aws, "client", self._clients.__getitem__),
                (clock, "now", self.functions.now),
                (clock, "share", self.random.random),
                (clock, "unique_id", self._unique_id),
                (reconcile, "map_concurrently", _one_after_the_other),
                *((retries_table, name, self._intending(name)) for name in INTENTS),
            ):
                stack.callback(setattr, module, name, getattr(module, name))
                setattr(module, name, value)
            kept = {name: os.environ.get(name) for name in self.options.environment()}
            stack.callback(_set_environment, kept)
            _set_environment(self.options.environment())
            stack.callback(logging.disable, logging.root.manager.disable)
            logging.disable(logging.CRITICAL)
            yield

    def _intending(self, name: str) -> Callable[..., Any]:
        function = getattr(retries_table, name)

        def wrapped(*arguments: Any, **named: Any) -> Any:
            with self.functions.intending((name, arguments)):
                return function(*arguments, **named)

        return wrapped

    def _unique_id(self) -> str:
        return f"{self.random.getrandbits(128):032x}"

    # -- what happens in it --------------------------------------------------------------------

    def publish(self, message: Mapping[str, Any], delay: float = 0.0) -> None:
        """A message is on its way to the IoT rule; copies of it may follow."""
        chance = self.random
        self._send(message, delay + 0.01 + 0.2 * chance.random())
        while self.faults.happens(Fault.DUPLICATE):
            # At once, or long after the cycle has turned.
            late = chance.choice((0.0, 1.0, 3600.0, 2 * _DAY, 5 * _DAY)) * chance.random()
            self._send(message, delay + late)

    def _send(self, message: Mapping[str, Any], delay: float) -> None:
        if self.faults.happens(Fault.DELAYED):
            delay += self.random.choice((5.0, 600.0, _DAY)) * self.random.random()
        self.scheduler.after(delay, partial(self.deliver, message))

    def deliver(self, message: Mapping[str, Any]) -> None:
        """The IoT rule takes a message and starts the intake, or keeps a dead letter."""
        if self.faults.happens(Fault.RULE_FAILED):
            self.trace.add(self.scheduler.now, "rule", "failed", message)
            self.dead_letters.send({"message": message})
            return
        self._deliveries += 1
        name = f"delivery-{self._deliveries}"
        intake = self.states.machines[definitions.machine_arn("intake")]
        self.states.start(intake, name, message)

    def take_out(self, name: str) -> None:
        """An operator takes a device out of the group of the failed, because it is done with."""
        if name not in self.iot.groups[FAILED_GROUP]:
            return
        self.faults.happened(Fault.TAKEN_OUT)
        episode = self.model.episodes.get(name)
        if episode is not None and not self.model.is_due(name):
            self.done_with.append((name, episode))
        self.people.take_out(name, FAILED_GROUP)

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self.scheduler.run(until=self.scheduler.now + seconds)

    def settle(self) -> None:
        """Lets time pass until nothing more is to come; raises RunawayError."""
        self.scheduler.run(most=50_000)

    def violated(self, name: str, text: str) -> None:
        """Notes that an invariant does not hold."""
        self.trace.add(self.scheduler.now, "VIOLATED", name, text)
        if len(self.violations) < _MOST_VIOLATIONS:
            self.violations.append(Violation(self.scheduler.now, name, text))

    def cloud_call(self, call: Call) -> Any:
        """Makes a call take effect in the cloud; its answer, or raises ClientError."""
        return getattr(self._services[call.service], call.operation)(call.parameters)

    # -- views -------------------------------------------------------------------------------

    def record(self, device: str) -> Item | None:
        """The record of a device."""
        return self.dynamodb.tables[RETRIES].items.get((device,))

    def backup(self, device: str) -> Item | None:
        """The backup of a device."""
        return self.dynamodb.tables[BACKUP].items.get((device,))

    @property
    def is_in_order(self) -> bool:
        """Whether writes took effect in the order of the clocks of those who made them."""
        return not any(self.faults.counts[fault] for fault in DISORDERLY)

    @property
    def trying(self) -> Collection[str]:
        """The devices that are to be updated, as fleet indexing knows them."""
        return self.iot.dynamic_groups[TRYING].members

    def executions(self, *machines: str) -> Iterator[Execution]:
        """The executions of some state machines."""
        for machine in machines:
            yield from self.states.machines[definitions.machine_arn(machine)].executions.values()

    def _is_trying(self, attributes: Mapping[str, str]) -> bool:
        """The query of the dynamic group: nothing that the workflow writes itself."""
        return not any(self.options.is_overwritten(*one) for one in attributes.items())

    # -- people and schedules that look after it -------------------------------------------------

    def _execution_ended(self, execution: Execution) -> None:
        if execution.machine.is_express:
            return
        if execution.status in ("FAILED", "ABORTED") and self.random.random() < 0.5:
            # The alarm reaches somebody who redrives the run, some time.
            later = 60 + self.random.choice((900, 6 * 3600, 4 * 86400)) * self.random.random()
            self.scheduler.after(later, lambda: self._redrive(execution))

    def _redrive(self, execution: Execution) -> None:
        try:
            self.states.redrive_execution({"executionArn": execution.arn})
        except ClientError:
            self.trace.add(self.scheduler.now, "person", "cannot redrive", execution)

    def _dead_letter_arrived(self) -> None:
        if self.redrives and len(self.dead_letters.messages) == 1:
            later = 600 + 12 * 3600 * self.random.random()
            self.scheduler.after(later, self._redrive_dead_letters)

    def _redrive_dead_letters(self) -> None:
        for letter in self.dead_letters.take():
            self.trace.add(self.scheduler.now, "person", "redrives", letter)
            self.deliver(letter["message"])

    def _left_group(self, group: str, name: str) -> None:
        """Somebody was taken out of the group of the failed, and AWS IoT may tell."""
        item = self.record(name)
        if item is not None:
            self.care_for(item)
        if not self.options.has_membership_events or self.faults.happens(Fault.EVENT_LOST):
            return
        now = int(self.scheduler.now * 1000)
        topic = f"$aws/events/thingGroupMembership/thingGroup/{group}/thing/{name}/removed"
        event = {"kind": "removed", "deviceId": name, "timestamp": now, "topic": topic}
        self.publish({**event, "receivedAt": now})

    def care_for(self, item: Item) -> None:
        """ReconcileDevices runs on its schedule for as long as a record is not at rest.

        For the rest of the time it is scheduled as well, but finds nothing; that is left out.
        """
        if not self._is_reconciling and self._due_at(item) is not None:
            self._is_reconciling = True
            self._schedule_reconcile()

    def look_soon(self) -> None:
        """A device used up a cycle: the next pass of ReconcileDevices may find a bad campaign."""
        self._is_to_look = self.options.breaker is not None
        if self._is_to_look and not self._is_reconciling:
            self._is_reconciling = True
            self._schedule_reconcile()

    def pause(self, campaign: str) -> None:
        """An operator pauses a campaign for a while."""
        self._watch.campaigns.pause(campaign)

    def _due_at(self, item: Item) -> float | None:
        """When ReconcileDevices could find something to do for a record, None if never."""
        if "ending" in item:
            return self.scheduler.now
        if "dueAt" in item:
            return float(item["dueAt"]["N"])
        state = item.get("state", {}).get("S")
        if state == FAILED:
            is_released = item["deviceId"]["S"] not in self.iot.groups[FAILED_GROUP]
            return self.scheduler.now if is_released else None
        if state != TRACKING:
            return None
        counted = item.get("RetryCounter", {"N": "0"})  # a broken write may have left none
        is_full = int(counted["N"]) >= self.options.retry_limit
        return self.scheduler.now if is_full or "isFatal" in item else None

    def _schedule_reconcile(self) -> None:
        times = [self._due_at(item) for item in self.dynamodb.tables[RETRIES].items.values()]
        if self._is_to_look:
            times.append(self.scheduler.now)
        due = min((time for time in times if time is not None), default=None)
        if due is None:
            self._is_reconciling = False
            return
        passed = (max(due, self.scheduler.now) - START) // RECONCILE_SECONDS
        self.scheduler.at(START + (passed + 1) * RECONCILE_SECONDS, self._reconcile)

    def _reconcile(self) -> None:
        self._is_to_look = False
        self.functions.invoke("ReconcileDevices", {}, lambda error, result: None)
        self._schedule_reconcile()

    def _letter_arrived(self) -> None:
        """MailOperators runs on its schedule for as long as there is something to be mailed."""
        if not self._is_mailing:
            self._is_mailing = True
            self._schedule_mail()

    def _schedule_mail(self) -> None:
        passed = (self.scheduler.now - START) // MAIL_SECONDS
        self.scheduler.at(START + (passed + 1) * MAIL_SECONDS, self._mail)

    def _mail(self) -> None:
        if not self.letters.letters:
            self._is_mailing = False
            return
        self.functions.invoke("MailOperators", {}, lambda error, result: None)
        self._schedule_mail()


def rendered_machines() -> Mapping[str, asl.Machine]:
    """The state machines as the module renders them, by name; made once."""
    if not _MACHINES:
        _MACHINES.update({n: asl.compiled(definitions.definition(n)) for n in definitions.MACHINES})
    return _MACHINES


_MACHINES: dict[str, asl.Machine] = {}


def _one_after_the_other(act: Callable[[str], str], devices: list[str]) -> list[str]:
    """For ``reconcile.map_concurrently``: a function has no threads here."""
    return [act(device) for device in devices]


def _set_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    settings.cache_clear()
