"""Lambda's Python runtime: error documents, JSON logs, processes that outlive an exception.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html : a failed invocation
answers errorType (the exception's class), errorMessage, requestId and stackTrace; Step Functions
takes errorType as the error's name
(https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html).
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html : with the
JSON log format every line is a document, and what the platform says is an event. One that says of
trouble (.../lambda/latest/dg/telemetry-schema-reference.html) is written at each log level; that a
handler raised is none: https://github.com/aws-samples/aws-lambda-extensions/issues/85 .

MiniStack 1.5.33: every error is a Runtime.HandlerError without a stack trace; the root logger has
no handler; the log format is ignored; the process is killed after an exception; an invocation that
logs nothing takes 50 ms longer; a storm starts a process for every invocation that is under way,
hundreds of them, which takes a laptop longer than to let them wait for a few; a throttled task is a
Lambda.Unknown, on AWS a Lambda.TooManyRequestsException.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from threading import BoundedSemaphore
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from ministack.core import lambda_runtime
from ministack.services import cloudwatch_logs, lambda_svc, stepfunctions

from localcloud.patches.patch import around

_PROCESSES_PER_FUNCTION = 4
_PATIENCE = int(os.environ.get("LOCALCLOUD_PATIENCE", "1"))
_places: dict[str, BoundedSemaphore] = {}


def install() -> None:
    """Run Python functions in this project's worker, and write their logs in the format asked."""
    lambda_runtime.Worker._drain_stderr_bounded = lambda_runtime.Worker._drain_stderr
    _install_tasks()

    @around(lambda_runtime, "_detect_runtime_binary")
    def detect(original: Any, runtime: str) -> tuple[str, str]:
        if runtime.startswith("python"):
            return sys.executable, ""  # the program is the fork server's (``lambda_forks``)
        found: tuple[str, str] = original(runtime)
        return found

    @around(lambda_runtime.Worker, "__init__")
    def make(original: Any, worker: Any, name: str, config: dict[str, Any], code: bytes) -> None:
        patient = {**config, "Timeout": config.get("Timeout", 3) * _PATIENCE}
        original(worker, name, _with_log_settings(patient), code)

    @around(lambda_svc, "_execute_function_warm")
    def execute(original: Any, function: Any, event: Any, request_id: str) -> dict[str, Any]:
        arn = (function.get("config") or function)["FunctionArn"]
        with _places.setdefault(arn, BoundedSemaphore(_PROCESSES_PER_FUNCTION)):
            return _outcome(original(function, event, request_id), request_id)

    @around(lambda_svc, "_emit_lambda_logs")
    def emit(
        original: Any, function: Any, request_id: str, text: str, *rest: Any, **n: Any
    ) -> None:
        config = function.get("config") or function
        if (config.get("LoggingConfig") or {}).get("LogFormat") != "JSON":
            original(function, request_id, text, *rest, **n)
            return
        duration_ms = rest[1]
        _write_json_log(config, request_id, text.splitlines(), duration_ms)


def _install_tasks() -> None:
    """Give functions as tasks of state machines AWS's name of a throttle, and their time."""

    @around(stepfunctions, "_invoke_resource_with_timeout")
    def invoke(original: Any, resource: str, given: Any, timeout: float) -> Any:
        return original(resource, given, timeout * _PATIENCE)

    @around(stepfunctions, "_call_lambda")
    def call(original: Any, reference: str, event: Any) -> Any:
        try:
            return original(reference, event)
        except stepfunctions._ExecutionError as error:
            if error.error == "Lambda.Unknown" and "TooManyRequestsException" in error.cause:
                error.error = "Lambda.TooManyRequestsException"
            raise


def _with_log_settings(config: dict[str, Any]) -> dict[str, Any]:
    """Return the function's configuration with the variables that Lambda's runtime sets."""
    logging = config.get("LoggingConfig") or {}
    group = logging.get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
    settings = {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime')}",
        "AWS_LAMBDA_LOG_FORMAT": logging.get("LogFormat", "Text"),
        "AWS_LAMBDA_LOG_GROUP_NAME": group,
        "AWS_LAMBDA_LOG_LEVEL": logging.get("ApplicationLogLevel", ""),
    }
    own = (config.get("Environment") or {}).get("Variables") or {}
    return {**config, "Environment": {"Variables": {**own, **settings}}}


def _outcome(result: dict[str, Any], request_id: str) -> dict[str, Any]:
    """MiniStack's result for what our worker answered, or for how it ended."""
    body = result.get("body")
    if isinstance(body, dict) and "localcloudLog" in body:
        log = body["localcloudLog"]
        if "localcloudError" in body:
            return {"body": body["localcloudError"], "error": True, "log": log}
        return {"body": body["localcloudResult"], "log": log}
    if not result.get("error") or not isinstance(body, dict):
        return result
    message = body["errorMessage"]
    if message == "Worker process died":
        kind, text = "Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited"
        report = {"requestId": request_id, "status": "error", "errorType": kind}
        log = f"{result.get('log', '')}\n{_platform('report', report)}"
        return {**result, "body": {"errorType": kind, "errorMessage": text}, "log": log}
    if message.startswith("Worker init failed"):
        return {**result, "body": {**body, "errorType": "Runtime.ImportModuleError"}}
    return result


def _write_json_log(
    config: dict[str, Any], request_id: str, lines: list[str], duration_ms: int
) -> None:
    now = datetime.now(UTC)
    logging = config["LoggingConfig"]
    version = config.get("Version", "$LATEST")
    group = logging.get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
    stream = f"{now:%Y/%m/%d}/[{version}]{uuid5(NAMESPACE_URL, config['FunctionArn']).hex}"
    report = {"durationMs": duration_ms, "billedDurationMs": duration_ms}
    if logging.get("SystemLogLevel", "INFO") != "WARN":
        start = _platform("start", {"requestId": request_id, "version": version})
        end = _platform("report", {"requestId": request_id, "status": "success", "metrics": report})
        is_reported = any('"platform.report"' in line for line in lines)
        lines = [start, *lines, *([] if is_reported else [end])]
    if not lines:
        return
    target = {"logGroupName": group, "logStreamName": stream}
    # Both answer that it exists already, from the second time on.
    cloudwatch_logs._create_log_group(target)
    cloudwatch_logs._create_log_stream(target)
    now_ms = int(time.time() * 1000)
    events = [{"timestamp": now_ms, "message": line} for line in lines]
    cloudwatch_logs._put_log_events({**target, "logEvents": events})


def _platform(kind: str, record: dict[str, Any]) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"time": now, "type": f"platform.{kind}", "record": record})
