"""The Lambda functions: the package's own handlers, each run a greenlet that pauses at every call.

Between any two calls of a run, other runs go on: stale workers, functions that outlive the patience
of their state machine, and crossing deliveries happen as in AWS, in an order that the seed decides.
"""

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from types import ModuleType
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError
from greenlet import GreenletExit, getcurrent, greenlet

from simulator.aws.errors import client_error
from simulator.faults import CALL_FAULTS, INVOCATION_FAULTS, Fault, Faults
from simulator.scheduler import Scheduler
from simulator.trace import Trace

FUNCTION_SECONDS = 15.0
"""After which Lambda ends a function; see modules/handlers."""
SDK_SECONDS = 8.0
"""After which the SDK gives a call up: two tries of four seconds, see ``firmware_retry.aws``."""
_STRAGGLES_SECONDS = 120.0
"""How late a call that was given up may still take effect."""

Done = Callable[[str | None, Any], None]
"""Takes the outcome: None and the result, or the error's name and its cause."""
Perform = Callable[["Call"], Any]
"""Makes a call take effect, and gives its answer."""

Effect = Callable[[], Any]
"""Makes a certain call take effect."""
Intent = tuple[str, tuple[Any, ...]]
"""A function of ``firmware_retry.record`` that writes, and its arguments."""

_REFUSALS = {
    "dynamodb": ("ProvisionedThroughputExceededException", "InternalServerError"),
    "iot": ("ThrottlingException", "ServiceUnavailableException"),
    "sns": ("Throttled", "InternalError"),
    "sqs": ("ThrottlingException", "ServiceUnavailable"),
    "stepfunctions": ("ThrottlingException", "ServiceUnavailable"),
}
# Whose repetition by the SDK carries a token that makes it one call.
_TOKENED = frozenset({"transact_write_items"})


class FunctionRun:
    """One run of a step's handler."""

    __slots__ = (
        "deadline",
        "done",
        "event",
        "fibre",
        "intent",
        "is_over",
        "latency",
        "number",
        "skew",
        "step",
        "verdict",
    )

    def __init__(self, number: int, step: str, event: Any, done: Done) -> None:
        self.number = number
        self.step = step
        self.event = event
        self.done = done
        self.deadline = 0.0
        self.skew = 0.0
        self.is_over = False
        self.latency = 0.03
        """Most seconds until a call of it takes effect, where nothing is amiss."""
        self.fibre: Any = None
        self.intent: Intent | None = None
        """What the package is about to write in the record."""
        self.verdict: Any = None
        """What the reference model said of this run's last write."""

    def __str__(self) -> str:
        return f"{self.step}#{self.number}"


@dataclass(frozen=True, slots=True)
class Call:
    """One AWS call of a function."""

    run: FunctionRun
    service: str
    operation: str
    parameters: Mapping[str, Any]
    intent: Intent | None


class Functions:
    """Invoke functions, and inject faults into their calls."""

    def __init__(
        self, scheduler: Scheduler, faults: Faults, trace: Trace, perform: Perform
    ) -> None:
        self._scheduler = scheduler
        self._faults = faults
        self._trace = trace
        self._perform = perform
        self._hub = getcurrent()
        self._running: FunctionRun | None = None
        self._number = 0
        # Called with each run that starts.
        self.on_start: list[Callable[[FunctionRun], None]] = []
        # Called with each run that ends by itself, and its outcome, before the state machine is.
        self.on_finish: list[Callable[[FunctionRun, str | None, Any], None]] = []
        self._injectors: Mapping[Fault, Callable[[Call, float, Effect], None]] = {
            Fault.REFUSED_BEFORE: self._refuse,
            Fault.LOST_ANSWER: self._lose_answer,
            Fault.SENT_TWICE: self._send_twice,
            Fault.STRAGGLER: self._straggle,
            Fault.SLOW_CALL: self._slow_down,
            Fault.HUNG_CALL: self._hang,
            Fault.CRASHED_BEFORE: self._crash_before,
            Fault.CRASHED_AFTER: self._crash_after,
        }
        self.invocations = 0
        self.calls = 0

    def now(self) -> float:
        """Return the time as the running function's clock has it."""
        skew = self._running.skew if self._running else 0.0
        return self._scheduler.now + skew

    # -- invocations -------------------------------------------------------------------------

    def invoke(self, step: str, event: Any, done: Done) -> float:
        """Invoke a function once; ``done`` is called with its outcome at some later time.

        Returns:
            Seconds from now until when that is, at the latest.
        """
        self._number += 1
        run = FunctionRun(self._number, step, event, done)
        fault = self._faults.draw_from(INVOCATION_FAULTS, "invocation")
        chance = self._faults.random
        delay = 0.001 + 0.02 * chance.random()
        if self._faults.happens(Fault.CLOCK_SKEW):
            run.skew = chance.uniform(-3, 3)
        if fault is None:
            self._scheduler.after(delay, partial(self._start, run))
            return delay + FUNCTION_SECONDS
        self._trace.add(self._scheduler.now, "fault", run, fault)
        if fault is Fault.NOT_INVOKED:
            errors = ("Lambda.TooManyRequestsException", "Lambda.ServiceException")
            error = errors[chance.random() < 0.5]
            self._scheduler.after(delay, partial(done, error, "simulated"))
        elif fault is Fault.CONNECTION_LOST:
            # The state machine gives up; the function starts all the same, sooner or later.
            run.done = _ignore_outcome
            lost = delay + 10 * chance.random() ** 3
            self._scheduler.after(lost, partial(done, "Lambda.SdkClientException", "simulated"))
            self._scheduler.after(delay + 20 * chance.random() ** 3, partial(self._start, run))
        else:
            delay = 60 * chance.random()
            self._scheduler.after(delay, partial(self._start, run))
        return delay + FUNCTION_SECONDS

    def _start(self, run: FunctionRun) -> None:
        self.invocations += 1
        run.deadline = self._scheduler.now + FUNCTION_SECONDS
        run.fibre = greenlet(partial(_run_handler, load_handler(run.step), run.event), self._hub)
        self._trace.add(self._scheduler.now, "start", run, run.event)
        for listener in self.on_start:
            listener(run)
        self._resume(run)

    def _resume(self, run: FunctionRun, answer: Any = None, error: Exception | None = None) -> None:
        """Let a run go on until its next call, or to its end."""
        if run.is_over:
            return
        self._running = run
        try:
            result = (
                run.fibre.switch()
                if error is None and answer is None
                else (run.fibre.switch(answer) if error is None else run.fibre.throw(error))
            )
        finally:
            self._running = None
        if run.fibre.dead:
            self._end(run, *result)

    def _end(self, run: FunctionRun, error: str | None, result: Any) -> None:
        run.is_over = True
        self._trace.add(self._scheduler.now, "end", run, error or "ok", result)
        for listener in self.on_finish:
            listener(run, error, result)
        run.done(error, result)

    def _kill(self, run: FunctionRun, error: str) -> None:
        """Crash the process where it waits; none of its own code sees that."""
        if run.is_over:
            return
        run.is_over = True
        run.fibre.throw(GreenletExit)
        self._trace.add(self._scheduler.now, "killed", run, error)
        run.done(error, "simulated")

    # -- calls -------------------------------------------------------------------------------

    def call(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Any:
        """Pause the running function for a call, and return the answer or raise its error."""
        run = self._running
        if run is None or run.is_over:
            raise GreenletExit
        self.calls += 1
        self._plan(Call(run, service, operation, parameters, run.intent))
        return self._hub.switch((None, None))

    def _plan(self, call: Call) -> None:
        """Decide on the fate of a call: when it takes effect, and what its caller sees."""
        run, service = call.run, call.service
        faults, chance = self._faults, self._faults.random
        moment = self._scheduler.now + 0.002 + run.latency * chance.random()
        effect = partial(self._effect, call)
        fault: Fault | None = None
        outage = faults.outage(service, moment) if faults.outages else None
        if outage is None:
            fault = faults.draw_from(CALL_FAULTS, service)
            if fault is None:
                self._scheduler.at(moment, partial(self._answer, run, effect))
                return
        elif outage.hangs:
            self._give_up(call, moment)
            return
        else:
            fault = Fault.REFUSED_BEFORE
        self._trace.add(self._scheduler.now, "fault", run, f"{service}.{call.operation}", fault)
        self._injectors[fault](call, moment, effect)

    def _refuse(self, call: Call, moment: float, _: Effect) -> None:
        code = self._faults.random.choice(_REFUSALS[call.service])
        refusal = client_error(code, "simulated", 500)
        self._by_deadline(call.run, moment, partial(self._resume, call.run, None, refusal))

    def _lose_answer(self, call: Call, moment: float, effect: Effect) -> None:
        self._scheduler.at(moment, effect)
        if self._faults.random.random() < 0.5:
            self._refuse(call, moment + 0.1, effect)
        else:
            self._give_up(call, moment)

    def _send_twice(self, call: Call, moment: float, effect: Effect) -> None:
        if call.operation not in _TOKENED:
            self._scheduler.at(moment, effect)
        again = moment + 4 * self._faults.random.random()
        self._by_deadline(call.run, again, partial(self._answer, call.run, effect))

    def _straggle(self, call: Call, moment: float, effect: Effect) -> None:
        self._scheduler.at(moment + _STRAGGLES_SECONDS * self._faults.random.random(), effect)
        self._give_up(call, moment)

    def _slow_down(self, call: Call, moment: float, effect: Effect) -> None:
        slow = SDK_SECONDS * self._faults.random.random()
        self._by_deadline(call.run, moment + slow, partial(self._answer, call.run, effect))

    def _hang(self, call: Call, moment: float, effect: Effect) -> None:
        chance = self._faults.random
        if chance.random() < 0.5:
            self._scheduler.at(moment + 2 * FUNCTION_SECONDS * chance.random(), effect)
        self._by_deadline(call.run, call.run.deadline, effect)

    def _crash_before(self, call: Call, moment: float, _: Effect) -> None:
        self._scheduler.at(moment, partial(self._kill, call.run, "Runtime.ExitError"))

    def _crash_after(self, call: Call, moment: float, effect: Effect) -> None:
        self._scheduler.at(moment, effect)
        self._crash_before(call, moment, effect)

    def _give_up(self, call: Call, moment: float) -> None:
        """Let the SDK wait for an answer in vain."""
        resume = partial(self._resume, call.run, None, _no_answer())
        self._by_deadline(call.run, moment + SDK_SECONDS, resume)

    def _by_deadline(self, run: FunctionRun, moment: float, action: Callable[[], Any]) -> None:
        """Perform something with a run, unless Lambda ends the run before."""
        if moment < run.deadline:
            self._scheduler.at(moment, action)
        else:
            self._scheduler.at(run.deadline, partial(self._kill, run, "Sandbox.Timedout"))

    def _answer(self, run: FunctionRun, effect: Callable[[], Any]) -> None:
        outcome = effect()
        if isinstance(outcome, ClientError):
            self._resume(run, None, outcome)
        else:
            self._resume(run, outcome)

    def _effect(self, call: Call) -> Any:
        """Make a call take effect; its answer or the error, for whoever still waits for it."""
        try:
            answer = self._perform(call)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            self._trace.add(
                self._scheduler.now, "call", call.run, call.operation, call.parameters, code
            )
            return error
        self._trace.add(
            self._scheduler.now, "call", call.run, call.operation, call.parameters, answer
        )
        return answer

    @contextmanager
    def intend(self, intent: Intent) -> Iterator[None]:
        """Have the running function's calls say what they are for."""
        run = self._running
        if run is None:
            yield
            return
        run.intent = intent
        try:
            yield
        finally:
            run.intent = None


class Client:
    """What the package takes for botocore's client of a service."""

    def __init__(self, functions: Functions, service: str) -> None:
        self._functions = functions
        self._service = service

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def method(**parameters: Any) -> Any:
            return self._functions.call(self._service, operation, parameters)

        setattr(self, operation, method)
        return method


def load_handler(step: str) -> Callable[[Any, None], Any]:
    """Return the handler of a step, such as that of ``handlers.send_sns_notification``."""
    handler: Callable[[Any, None], Any] = _module_of(step).handler
    return handler


@lru_cache(maxsize=64)
def _module_of(step: str) -> ModuleType:
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", step)
    name = re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
    return importlib.import_module(f"firmware_retry.handlers.{name}")


def _run_handler(handler: Callable[[Any, None], Any], event: Any) -> tuple[str | None, Any]:
    """Run a handler as the Lambda runtime does: what it raises is the error's name and text."""
    try:
        return None, handler(event, None)
    except Exception as error:  # noqa: BLE001 -- the runtime's own catch-all
        return type(error).__name__, str(error)


def _no_answer() -> ReadTimeoutError:
    return ReadTimeoutError(endpoint_url="https://simulated")


def _ignore_outcome(error: str | None, result: Any) -> None:
    """Take the outcome of a run whose caller no longer waits."""
