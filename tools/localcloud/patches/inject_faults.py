"""Faults at the call that a test chose: see ``localcloud.faults``.

AWS: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html and
https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors : an invocation that
is throttled is Lambda.TooManyRequestsException, one whose answer is lost Lambda.SdkClientException,
one whose process died Runtime.ExitError. A service that throttles answers ThrottlingException with
400, over the Query protocol Throttling
(https://docs.aws.amazon.com/general/latest/gr/api-retries.html). An IoT rule's action that fails is
told to the rule's error action
(https://docs.aws.amazon.com/iot/latest/developerguide/rule-error-handling.html).

MiniStack 1.5.33: every call succeeds that is right.

All is done where the call is made: a function's in the HTTP server, a state machine's in its Task
state, a rule's in its action. Installed last, around what the other modules mended.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import Any, NamedTuple
from uuid import uuid4
from weakref import WeakKeyDictionary, WeakValueDictionary

from botocore.loaders import Loader
from ministack import app
from ministack.core import lambda_runtime
from ministack.core.responses import StreamingResponse, error_response_json, error_response_xml
from ministack.core.router import detect_service
from ministack.services import iot, stepfunctions

from localcloud import faults
from localcloud.faults import Kind, Origin, Target
from localcloud.patches import record_calls
from localcloud.patches.patch import around
from localcloud.patches.rule_actions import RuleActionError

_THROTTLED = "Rate exceeded"
_LOST = "The connection was closed before the answer was there"
_RULE_ACTIONS = {
    "stepFunctions": ("states", "StartExecution"),
    "cloudwatchLogs": ("logs", "PutLogEvents"),
    "sqs": ("sqs", "SendMessage"),
    "lambda": ("lambda", "Invoke"),
}
_ERROR_PREFIXES = {"states": "StepFunctions", "sqs": "SQS", "sns": "SNS", "dynamodb": "DynamoDB"}


class _Task(NamedTuple):
    """The Task state that runs just now."""

    machine: str
    about: frozenset[str]


_task: ContextVar[_Task | None] = ContextVar("task", default=None)
_is_doomed: ContextVar[bool] = ContextVar("is_doomed", default=False)
_spawning: ContextVar[str] = ContextVar("spawning", default="")
_workers: WeakValueDictionary[str, Any] = WeakValueDictionary()
"""By the id of its process: each of MiniStack's workers, which runs one invocation at a time."""
_events: WeakKeyDictionary[Any, frozenset[str]] = WeakKeyDictionary()
"""What the invocation is about that a worker runs."""


def install() -> None:
    """Let faults strike the calls of functions, state machines and rules."""
    _install_processes()
    _install_machines()
    app._dispatch_service_request = _guard(app._dispatch_service_request)

    @around(iot, "_dispatch_rule_action")
    async def dispatch(original: Any, account: str, region: str, rule: str, *rest: Any) -> None:
        action, event = rest
        kind_of_action = next(iter(action), "")
        service, operation = _RULE_ACTIONS.get(kind_of_action, ("rule", kind_of_action))
        target = Target(Origin.RULE, rule, service, operation)
        kind = faults.meet(target, faults.words(event), uuid4().hex)
        if kind is Kind.THROTTLED:
            raise RuleActionError(f"ThrottlingException: {_THROTTLED}")
        await original(account, region, rule, *rest)
        if kind is Kind.LOST:
            raise RuleActionError(f"SdkClientException: {_LOST}")


def _install_processes() -> None:
    """Know which process makes a call, and what its invocation is about."""

    @around(lambda_runtime.Worker, "_spawn")
    def spawn(original: Any, worker: Any) -> None:
        process = uuid4().hex
        _workers[process] = worker
        token = _spawning.set(process)
        try:
            original(worker)
        finally:
            _spawning.reset(token)

    @around(lambda_runtime, "execution_credentials")
    def credentials(original: Any, config: dict[str, Any]) -> dict[str, str]:
        found: dict[str, str] = original(config)
        return {**found, "AWS_SESSION_TOKEN": f"{found['AWS_SESSION_TOKEN']}/{_spawning.get()}"}

    @around(lambda_runtime.Worker, "invoke")
    def invoke(original: Any, worker: Any, event: Any, *rest: Any, **named: Any) -> Any:
        _events[worker] = faults.words(event)
        if _is_doomed.get():
            lambda_runtime.ensure_spawned(worker)
            worker._proc.stdin = _Deadly(worker._proc)
        return original(worker, event, *rest, **named)


class _Deadly:
    """The pipe to a process that dies of the event it gets."""

    def __init__(self, process: Any) -> None:
        self._process = process
        self._pipe = process.stdin

    def write(self, _text: str) -> None:
        """Kill the process: MiniStack, which waits for its answer, finds it dead."""
        self._process.kill()
        self._process.wait()

    def flush(self) -> None:
        """Nothing was written."""

    def close(self) -> None:
        """Close the pipe."""
        self._pipe.close()


def _install_machines() -> None:
    @around(stepfunctions, "_execute_task")
    def execute(original: Any, state: Any, given: Any, execution: Any, context: Any) -> Any:
        machine = execution["stateMachineArn"].rpartition(":")[2]
        about = faults.words(given, context.get("Execution", {}).get("Input"))
        token = _task.set(_Task(machine, about))
        try:
            return original(state, given, execution, context)
        finally:
            _task.reset(token)

    @around(stepfunctions, "_invoke_resource")
    def call(original: Any, resource: str, arguments: Any) -> Any:
        task = _task.get()
        if task is None:
            return original(resource, arguments)
        target = _target_of_task(task.machine, resource, arguments)
        kind = faults.meet(target, task.about | faults.words(arguments), uuid4().hex)
        if kind is Kind.THROTTLED:
            code = "TooManyRequests" if target.operation == "Invoke" else "Throttling"
            raise _task_error(target, f"{code}Exception", _THROTTLED)
        token = _is_doomed.set(kind is Kind.KILLED)
        try:
            result = original(resource, arguments)
        finally:
            _is_doomed.reset(token)
        if kind is Kind.LOST:
            raise _task_error(target, "SdkClientException", _LOST)
        return result


def _target_of_task(machine: str, resource: str, arguments: Any) -> Target:
    function = stepfunctions._extract_lambda_ref(resource)
    if resource.endswith(":lambda:invoke"):
        function = arguments.get("FunctionName", "")
    if function:
        name = function.partition(":function:")[2] or function
        return Target(Origin.MACHINE, machine, "lambda", "Invoke", name.partition(":")[0])
    # arn:aws:states:::sqs:sendMessage, arn:aws:states:::aws-sdk:sqs:sendMessage
    service, action = resource.partition(":::")[2].removeprefix("aws-sdk:").split(":")[:2]
    action = action.partition(".")[0]
    return Target(Origin.MACHINE, machine, service, action[:1].upper() + action[1:])


def _task_error(target: Target, name: str, cause: str) -> Exception:
    prefix = _ERROR_PREFIXES.get(target.service, target.service.capitalize())
    error: Exception = stepfunctions._ExecutionError(f"{prefix}.{name}", cause)
    return error


def _guard(original: Any) -> Any:
    """MiniStack's dispatcher of requests, with faults for those of functions."""

    @functools.wraps(original)
    async def dispatch(*arguments: Any) -> Any:
        method, path, headers, body, query, _ = arguments
        caller, process = record_calls.caller_of(headers)
        worker = _workers.get(process)
        if worker is None:
            return await original(*arguments)
        routing = app._routing_params(method, path, headers, body, query)
        service = detect_service(method, path, headers, routing)
        request = record_calls.Request(service, method, path, headers, body, query)
        operation, parameters = record_calls.parse_operation(request)
        target = Target(Origin.FUNCTION, caller, service, operation)
        about = _events.get(worker, frozenset()) | faults.words(parameters)
        kind = faults.meet(target, about, headers["amz-sdk-invocation-id"])
        if kind is Kind.THROTTLED:
            return _throttle(service)
        answer = await original(*arguments)
        if kind is Kind.KILLED and worker._proc is not None:
            worker._proc.kill()
        return answer if kind is None else _break_off()

    return dispatch


def _throttle(service: str) -> Any:
    if _protocol(service) == "query":
        return error_response_xml("Throttling", _THROTTLED, 400)
    return error_response_json("ThrottlingException", _THROTTLED, 400)


def _break_off() -> Any:
    """Return an answer that ends before it began: the server then closes the connection."""

    async def nothing(send: Any, receive: Any) -> None:
        """Send none of the bytes that the header promised."""

    return 200, {"Content-Length": "1000"}, StreamingResponse(nothing)


@functools.cache
def _protocol(service: str) -> str:
    model = Loader().load_service_model(service, "service-2")
    return str(model["metadata"]["protocol"])
