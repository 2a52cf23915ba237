"""Step Functions: executions of the rendered definitions on fake time."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any

from simulator import asl, definitions
from simulator.aws.errors import client_error, only
from simulator.aws.sqs import Queue
from simulator.faults import INTEGRATION_FAULTS, Fault, Faults
from simulator.functions import Functions
from simulator.scheduler import Scheduler
from simulator.trace import Trace

EXPRESS_SECONDS = 300.0
"""After which an Express execution ends, and no Catch sees that."""
NAME_SECONDS = 90 * 86400.0
"""How long the name of an ended Standard execution stays taken."""
REDRIVE_SECONDS = 14 * 86400.0

_NAME = re.compile(r'[^\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ufffe\uffff]{1,80}')
_REDRIVABLE = frozenset({"FAILED", "ABORTED", "TIMED_OUT"})


class Execution:
    """One execution of a state machine."""

    __slots__ = (
        "cause",
        "context",
        "data",
        "deadline",
        "ended_at",
        "error",
        "failures",
        "input",
        "machine",
        "name",
        "retries",
        "since",
        "started_at",
        "state",
        "status",
        "turn",
    )

    def __init__(self, machine: "StateMachine", name: str, given: Any, now: float) -> None:
        self.machine = machine
        self.name = name
        self.input = given
        self.data = given
        self.context = {"Id": self.arn, "Name": name, "Input": given}
        self.status = "RUNNING"
        self.state = machine.definition.start
        """The state it is in, or the one it ended in."""
        self.turn = 0
        """Grows with every step: an answer to an earlier turn comes too late."""
        self.retries: dict[int, int] = {}
        self.failures = 0
        """Attempts of its tasks that failed."""
        self.deadline = now + EXPRESS_SECONDS if machine.is_express else float("inf")
        self.started_at = now
        self.since = now
        """When it was started or redriven last."""
        self.ended_at = 0.0
        self.error = ""
        self.cause = ""

    @property
    def arn(self) -> str:
        """The ARN of the execution."""
        return f"{self.machine.arn.replace(':stateMachine:', ':execution:')}:{self.name}"

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.status == "RUNNING"

    def __str__(self) -> str:
        return f"{self.machine.name}/{self.name}"


@dataclass
class StateMachine:
    """A state machine and its executions, by name."""

    name: str
    arn: str
    definition: asl.Machine
    is_express: bool
    executions: dict[str, Execution] = field(default_factory=dict)


class StepFunctions:
    """All state machines, and their API."""

    def __init__(  # noqa: PLR0913 -- the world's parts, by name
        self,
        *,
        scheduler: Scheduler,
        faults: Faults,
        trace: Trace,
        functions: Functions,
        steps: Mapping[str, str],
        queues: Mapping[str, Queue],
    ) -> None:
        """Take ``steps``, ARN of a function to its step, and ``queues``, URL to queue."""
        self._scheduler = scheduler
        self._faults = faults
        self._trace = trace
        self._functions = functions
        self._steps = steps
        self._queues = queues
        self.machines: dict[str, StateMachine] = {}
        # Called with each execution that ended.
        self.on_end: Callable[[Execution], None] = lambda _: None
        self.transitions = 0

    # -- the API -----------------------------------------------------------------------------

    def start_execution(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """StartExecution."""
        only(parameters, ("stateMachineArn", "name", "input"))
        try:
            given = json.loads(parameters.get("input", "{}"))
        except ValueError as error:
            raise client_error("InvalidExecutionInput", str(error)) from error
        machine = self.machines.get(parameters["stateMachineArn"])
        if machine is None:
            raise client_error("StateMachineDoesNotExist", parameters["stateMachineArn"])
        execution = self.start(machine, parameters["name"], given)
        began = datetime.fromtimestamp(execution.started_at, UTC)
        return {"executionArn": execution.arn, "startDate": began}

    def describe_execution(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """DescribeExecution."""
        execution = self._execution(parameters)
        return {
            "executionArn": execution.arn,
            "name": execution.name,
            "status": execution.status,
            "input": json.dumps(execution.input),
        }

    def stop_execution(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """StopExecution."""
        execution = self._execution(parameters)
        if execution.is_running:
            self._finish(execution, "ABORTED", "Stopped", "")
        return {}

    def redrive_execution(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """RedriveExecution: the state in which it ended begins anew."""
        execution = self._execution(parameters)
        too_late = self._scheduler.now - execution.ended_at > REDRIVE_SECONDS
        if execution.status not in _REDRIVABLE or too_late or execution.machine.is_express:
            raise client_error("ExecutionNotRedrivable", execution.arn)
        execution.status = "RUNNING"
        execution.since = self._scheduler.now
        self._trace.add(self._scheduler.now, "redriven", execution, execution.state)
        self._enter(execution, execution.state)
        return {}

    def start(self, machine: StateMachine, name: str, given: Any) -> Execution:
        """Start an execution, as StartExecution does; its first state begins immediately."""
        if not _NAME.fullmatch(name):
            raise client_error("InvalidName", f"Invalid Name: '{name}'")
        now = self._scheduler.now
        earlier = machine.executions.get(name)
        if earlier is not None and not machine.is_express:
            if earlier.is_running and earlier.input == given:
                return earlier
            if earlier.is_running or now - earlier.ended_at < NAME_SECONDS:
                message = f"Execution Already Exists: '{earlier.arn}'"
                raise client_error("ExecutionAlreadyExists", message)
        execution = machine.executions[name] = Execution(machine, name, given, now)
        self._trace.add(now, "execute", execution, given)
        self._enter(execution, execution.state)
        return execution

    def _execution(self, parameters: Mapping[str, Any]) -> Execution:
        only(parameters, ("executionArn", "cause", "error"))
        arn = parameters["executionArn"]
        parent, _, name = arn.rpartition(":")
        machine = self.machines.get(parent.replace(":execution:", ":stateMachine:"))
        execution = machine.executions.get(name) if machine else None
        if execution is None:
            raise client_error("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return execution

    # -- the states --------------------------------------------------------------------------

    def _enter(self, execution: Execution, name: str) -> None:
        execution.state = name
        execution.retries = {}
        self.transitions += 1
        state = execution.machine.definition.states[name]
        try:
            self._do(execution, state)
        except asl.PathError as error:
            self._finish(execution, "FAILED", "States.Runtime", str(error))

    def _do(self, execution: Execution, state: asl.State) -> None:
        if isinstance(state, asl.Task):
            self._attempt(execution, state)
        elif isinstance(state, asl.Choice):
            for test, goal in state.rules:
                if test(execution.data):
                    self._enter(execution, goal)
                    return
            if state.default is None:
                self._finish(execution, "FAILED", "States.NoChoiceMatched", "")
            else:
                self._enter(execution, state.default)
        elif isinstance(state, asl.Wait):
            moment = state.until(execution.data, self._scheduler.now)
            self._later(execution, moment, partial(self._leave, execution, state.next))
        elif isinstance(state, asl.Succeed):
            self._finish(execution, "SUCCEEDED", "", "")
        else:
            error, cause = state.error(execution.data), state.cause(execution.data)
            self._finish(execution, "FAILED", error, cause)

    def _leave(self, execution: Execution, goal: str | None) -> None:
        if goal is None:
            self._finish(execution, "SUCCEEDED", "", "")
        else:
            self._enter(execution, goal)

    def _later(self, execution: Execution, moment: float, action: Callable[[], None]) -> None:
        """Perform something at a moment, unless the execution has taken another turn by then."""
        execution.turn += 1
        turn = execution.turn

        def due() -> None:
            if execution.turn == turn and execution.is_running:
                action()

        if moment < execution.deadline:
            self._scheduler.at(moment, due)
        else:
            self._scheduler.at(execution.deadline, partial(self._express_over, execution, turn))

    def _express_over(self, execution: Execution, turn: int) -> None:
        if execution.turn == turn and execution.is_running:
            self._finish(execution, "TIMED_OUT", "States.Timeout", "")

    def _finish(self, execution: Execution, status: str, error: str, cause: str) -> None:
        execution.turn += 1
        execution.status, execution.error, execution.cause = status, error, cause
        execution.ended_at = self._scheduler.now
        self._trace.add(self._scheduler.now, "ended", execution, status, execution.state, error)
        self.on_end(execution)

    # -- tasks -------------------------------------------------------------------------------

    def _attempt(self, execution: Execution, task: asl.Task) -> None:
        execution.turn += 1
        turn = execution.turn
        given = execution.data
        if task.parameters is not None:
            given = task.parameters(execution.data, execution.context)

        def finish(error: str | None, result: Any) -> None:
            if execution.turn != turn or not execution.is_running:
                return
            if self._scheduler.now >= execution.deadline:
                self._finish(execution, "TIMED_OUT", "States.Timeout", "")
            elif error is None:
                execution.data = asl.place(execution.data, task.result_path, result)
                self._leave(execution, task.next)
            else:
                self._handle_failure(execution, task, error, result)

        step = self._steps.get(task.resource)
        if step is None:
            self._integrate(task.resource, given, finish)
            return
        latest = self._functions.invoke(step, given, finish)
        if latest >= task.timeout:
            self._scheduler.after(task.timeout, partial(finish, "States.Timeout", ""))

    def _handle_failure(self, execution: Execution, task: asl.Task, error: str, cause: Any) -> None:
        execution.failures += 1
        for place, retrier in enumerate(task.retry):
            if not asl.matches(retrier.errors, error):
                continue
            earlier = execution.retries.get(place, 0)
            if earlier < retrier.attempts:
                execution.retries[place] = earlier + 1
                self.transitions += 1
                wait = retrier.wait(earlier, self._faults.random)
                self._trace.add(self._scheduler.now, "retry", execution, error, f"{wait:.1f} s")
                again = partial(self._attempt, execution, task)
                self._later(execution, self._scheduler.now + wait, again)
                return
            break
        for catcher in task.catch:
            if asl.matches(catcher.errors, error):
                failure = {"Error": error, "Cause": cause}
                execution.data = asl.place(execution.data, catcher.result_path, failure)
                self._enter(execution, catcher.next)
                return
        self._finish(execution, "FAILED", error, str(cause))

    # -- calls that a state machine makes by itself --------------------------------------------

    def _integrate(
        self, resource: str, given: Any, done: Callable[[str | None, Any], None]
    ) -> None:
        action = self._integration(resource, given)
        service = resource.rpartition(":::")[2].partition(":")[0]
        prefix, refusal = {
            "states": ("StepFunctions", "ThrottlingException"),
            "sqs": ("SQS", "SdkClientException"),
        }[service]
        fault = self._faults.draw_from(INTEGRATION_FAULTS, "integration")
        if fault is None and self._faults.outages:
            down = self._faults.outage(service, self._scheduler.now)
            fault = Fault.INTEGRATION_BEFORE if down else None
        if fault:
            self._trace.add(self._scheduler.now, "fault", resource, fault)

        def act() -> None:
            if fault is Fault.INTEGRATION_BEFORE:
                done(f"{prefix}.{refusal}", "simulated")
                return
            error = action()
            if fault is Fault.INTEGRATION_AFTER:
                error = "SdkClientException"
            done(f"{prefix}.{error}" if error else None, {})

        self._scheduler.after(0.002 + 0.03 * self._faults.random.random(), act)

    def _integration(self, resource: str, given: Any) -> Callable[[], str | None]:
        """Return what a call does; it returns the name of the error, without the service."""
        if resource.endswith(":::states:startExecution"):
            return partial(self._start_nested, given)
        if resource.endswith(":::sqs:sendMessage"):
            return partial(self._queues[given["QueueUrl"]].send, given["MessageBody"])
        raise asl.UnknownDefinitionError(f"the resource {resource}")

    def _start_nested(self, given: Mapping[str, Any]) -> str | None:
        machine = self.machines.get(given["StateMachineArn"])
        if machine is None:
            return "StateMachineDoesNotExistException"
        try:
            self.start(machine, given["Name"], given["Input"])
        except Exception as error:  # noqa: BLE001 -- its code is what the state machine sees
            return f"{_code(error)}Exception"
        return None


@lru_cache(maxsize=1)
def load_machines() -> Mapping[str, asl.Machine]:
    """Return the state machines as the module renders them, by name."""
    return {
        name: asl.compile_machine(definitions.definition(name)) for name in definitions.MACHINES
    }


def _code(error: Exception) -> str:
    response: Mapping[str, Any] = getattr(error, "response", {})
    if not response:
        raise error
    return str(response["Error"]["Code"])
