"""Record every AWS call, whoever makes it, with the API's own names.

AWS: what CloudTrail does (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/), with data
events of Lambda and DynamoDB.

MiniStack 1.5.33: its CloudTrail names REST operations by their HTTP method (``POST.iot``), keeps
10,000 events, and sees no invocation by a state machine. So this is no CloudTrail, but a record
of its own: see ``localcloud.recorder``.
"""

from __future__ import annotations

import functools
import json
import re
import time
from contextvars import ContextVar
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from ministack import app
from ministack.core import lambda_runtime
from ministack.services import lambda_svc, stepfunctions

from localcloud import recorder
from localcloud.patches.patch import around

_FUNCTION = "function/"
_invoker: ContextVar[str] = ContextVar("invoker", default="")
_loader = Loader()


class Request(NamedTuple):
    """What MiniStack's dispatcher says of a request, in its order."""

    service: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    query: dict[str, Any]


def install() -> None:
    """Record at the two places that every call and every invocation pass."""

    @around(app, "_maybe_record_cloudtrail")
    def take(original: Any, *arguments: Any) -> None:
        original(*arguments)
        request = Request(*arguments[: len(Request._fields)])
        operation, parameters = parse_operation(request)
        if (request.service, operation) != ("lambda", "Invoke"):
            caller, _ = caller_of(request.headers)
            recorder.record(time.time(), request.service, operation, parameters, caller)

    @around(lambda_svc, "_execute_function_dispatch")
    def invoke(original: Any, function: Any, config: dict[str, Any], event: Any, *rest: Any) -> Any:
        parameters = {"FunctionName": config["FunctionName"], "Payload": event}
        recorder.record(time.time(), "lambda", "Invoke", parameters, _invoker.get())
        return original(function, config, event, *rest)

    @around(stepfunctions, "_call_lambda")
    def call(original: Any, function: Any, event: Any) -> Any:
        token = _invoker.set("states")
        try:
            return original(function, event)
        finally:
            _invoker.reset(token)

    @around(lambda_runtime, "execution_credentials")
    def credentials(original: Any, config: dict[str, Any]) -> dict[str, str]:
        # A session token, as on AWS; here it tells which function calls.
        return {**original(config), "AWS_SESSION_TOKEN": _FUNCTION + config["FunctionName"]}


def caller_of(headers: dict[str, str]) -> tuple[str, str]:
    """Return the Lambda function that sent a request and its process id; empty for others."""
    token = headers.get("x-amz-security-token", "")
    if not token.startswith(_FUNCTION):
        return "", ""
    function, _, process = token.removeprefix(_FUNCTION).partition("/")
    return function, process


def parse_operation(request: Request) -> tuple[str, dict[str, Any]]:
    """Operation and parameters of a request, whatever the service's protocol."""
    target = request.headers.get("x-amz-target", "")
    if target:
        return target.rpartition(".")[2], _json(request.body)
    form = dict(request.query)
    if "form-urlencoded" in request.headers.get("content-type", ""):
        form |= parse_qs(request.body.decode("utf-8", "replace"))
    flat = {name: value[0] if isinstance(value, list) else value for name, value in form.items()}
    if "Action" in flat:
        return str(flat.pop("Action")), flat
    for operation, method, path in _rest_operations(request.service):
        found = path.fullmatch(unquote(request.path)) if method == request.method else None
        if found is not None:
            return operation, {**flat, **_json(request.body), **found.groupdict()}
    return f"{request.method} {request.path}", flat


def _json(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


@functools.cache
def _rest_operations(service: str) -> list[tuple[str, str, re.Pattern[str]]]:
    """(operation, HTTP method, path) of a REST service, from botocore's model of it."""
    try:
        model = _loader.load_service_model(service, "service-2")
    except UnknownServiceError:
        return []
    found = []
    for name, operation in model["operations"].items():
        uri = operation["http"]["requestUri"].partition("?")[0]
        found.append((name, operation["http"]["method"], _path_pattern(uri)))
    # A literal path before one with a parameter in the same place.
    return sorted(found, key=lambda entry: entry[2].pattern.count("(?P<"))


def _path_pattern(uri: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)(\+?)\}", uri)
    pattern = re.escape(parts[0])
    for name, greedy, literal in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        pattern += f"(?P<{name}>{'.+' if greedy else '[^/]+'})" + re.escape(literal)
    return re.compile(pattern + "/?")
