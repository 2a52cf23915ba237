"""Python's Lambda runtime, as MiniStack's warm worker: run by the Lambda function's process.

Speaks MiniStack's protocol of one JSON document per line: first the init document, then one
envelope per invocation. Every answer carries the invocation's own log lines, so none is lost or
attributed to another, and an exception is an answer, so the process lives on, as on AWS.

Run as a program it is a fork server (see ``lambda_forks``): it imports botocore once, and each
worker is a fork of it. An interpreter of its own takes a worker half a second of processor time.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html (JSON log format),
https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html (the error document).

This file runs alone, outside the package: it may import the standard library and botocore only. A
function that brings another botocore in its zip gets this one.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import logging
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

import botocore.session
from botocore.httpsession import URLLib3Session

_PRELOADED = ("dynamodb", "iot", "sns", "sqs", "stepfunctions")
"""Services whose descriptions are read before the fork: those that the functions call."""
_CHUNK = 65_536
_ANSWER_SECONDS = 180.0

Handler = Callable[[Any, Any], Any]
_OWN = {"timestamp", "level", "logger", "requestId"}
_OF_ERRORS = {"errorType", "errorMessage", "stackTrace", "location"}
_PLAIN = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message"}
# Lambda drops what is given as ``extra`` under a name of its own, though it be without a value.
_NOT_EXTRA = _PLAIN | _OWN | _OF_ERRORS


class Context:
    """The context object (https://docs.aws.amazon.com/lambda/latest/dg/python-context.html)."""

    def __init__(self, init: dict[str, Any], envelope: dict[str, Any]) -> None:
        self.function_name = init["function_name"]
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        self.memory_limit_in_mb = str(init["memory"])
        self.invoked_function_arn = envelope.get("invoked_function_arn") or init["arn"]
        self.aws_request_id = envelope["request_id"]
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", "")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "")
        self.identity = None
        self.client_context = None
        self._deadline = time.time() + envelope["timeout_ms"] / 1000

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function times out."""
        return max(0, int((self._deadline - time.time()) * 1000))


class Log(io.TextIOBase):
    """What the function prints and logs, kept until the invocation ends.

    Also written to the process's own stderr, for the case that the invocation never ends.
    """

    def __init__(self) -> None:
        self._kept: list[str] = []

    def write(self, text: str) -> int:
        """Keep and pass on one piece of output."""
        self._kept.append(text)
        if sys.__stderr__ is not None:
            sys.__stderr__.write(text)
            sys.__stderr__.flush()
        return len(text)

    def take(self) -> str:
        """Return the output since the last call."""
        text, self._kept = "".join(self._kept), []
        return text


class LogHandler(logging.Handler):
    """Writes records as Lambda does: a JSON document a line, or tab-separated text."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log
        self.request_id = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            self._log.write(self._line(record) + "\n")
        except Exception:  # noqa: BLE001 -- as logging asks of a handler
            self.handleError(record)

    def _line(self, record: logging.LogRecord) -> str:
        if not _json_logs():
            head = f"[{record.levelname}]\t{_iso(record.created)}\t{self.request_id}\t"
            return head + record.getMessage()
        document: dict[str, Any] = {
            "timestamp": _iso(record.created),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "requestId": self.request_id,
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            document["errorType"] = type(error).__name__
            document["errorMessage"] = str(error)
            document["stackTrace"] = traceback.format_tb(error.__traceback__)
            document["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        extra = {name: value for name, value in vars(record).items() if name not in _NOT_EXTRA}
        return json.dumps({**document, **extra}, default=str, ensure_ascii=False)


def main() -> None:
    """Answer MiniStack until it closes the pipe."""
    channel, log = sys.stdout, Log()
    sys.stdout = sys.stderr = log
    init = json.loads(sys.stdin.readline())
    records = _set_up_logging(log)
    try:
        handler = _load(init)
    except Exception as error:  # noqa: BLE001 -- whatever the function raises
        _answer(channel, {"status": "error", "error": f"{type(error).__name__}: {error}"})
        return
    _answer(channel, {"status": "ready", "cold": True})
    for line in sys.stdin:
        message = json.loads(line)
        envelope = message["ctx"]
        records.request_id = envelope["request_id"]
        os.environ["_X_AMZN_TRACE_ID"] = envelope.get("trace_id") or ""
        outcome = _invoke(handler, message["event"], Context(init, envelope), log)
        _answer(channel, {"status": "ok", "result": {**outcome, "localcloudLog": log.take()}})


def _set_up_logging(log: Log) -> LogHandler:
    handler = LogHandler(log)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL") or "WARNING"
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel({"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}.get(level, level))
    return handler


def _load(init: dict[str, Any]) -> Handler:
    sys.path.insert(0, init["code_dir"])
    handler: Handler = getattr(importlib.import_module(init["module"]), init["handler"])
    return handler


def _invoke(handler: Handler, event: Any, context: Context, log: Log) -> dict[str, Any]:
    try:
        result = handler(event, context)
    except Exception as error:  # noqa: BLE001 -- whatever the function raises
        stack = traceback.format_tb(error.__traceback__)[1:]
        return _failure(type(error).__name__, str(error), stack, context, log)
    try:
        # What cannot be JSON must fail here, not where the answer is written.
        return {"localcloudResult": json.loads(json.dumps(result, default=_number))}
    except (TypeError, ValueError) as error:
        message = f"Unable to marshal response: {error}"
        return _failure("Runtime.MarshalError", message, [], context, log)


def _failure(
    kind: str, message: str, stack: list[str], context: Context, log: Log
) -> dict[str, Any]:
    error = {
        "errorMessage": message,
        "errorType": kind,
        "requestId": context.aws_request_id,
        "stackTrace": stack,
    }
    if _json_logs():
        # Not ``level``, until Lambda's runtimes have the release of autumn 2026: nothing may depend
        # on it. https://github.com/aws/aws-lambda-python-runtime-interface-client/issues/220
        head = {"timestamp": _iso(time.time()), "log_level": "ERROR"}
        log.write(json.dumps({**head, **error}, ensure_ascii=False) + "\n")
    else:
        lines = "".join(stack).rstrip()
        log.write(f"[ERROR] {kind}: {message}\nTraceback (most recent call last):\n{lines}\n")
    return {"localcloudError": error}


def _number(value: Any) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _json_logs() -> bool:
    return os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _answer(channel: Any, document: dict[str, Any]) -> None:
    channel.write(json.dumps(document) + "\n")
    channel.flush()


def serve_forks(channel: socket.socket) -> None:
    """Start a worker for each request on ``channel``, until its other end is closed.

    A request is a line of JSON with ``cwd`` and ``env``, and comes with four descriptors: standard
    input, output and error, and one that stays open as long as the worker lives. The answer is the
    worker's process id. There is one request at a time.
    """
    _preload()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the workers
    while True:
        request, descriptors, _, _ = socket.recv_fds(channel, _CHUNK, 4)
        if not request:
            return
        while not request.endswith(b"\n"):
            request += channel.recv(_CHUNK)
        pid = os.fork()
        if pid == 0:
            channel.close()
            _become_worker(json.loads(request), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        channel.send(str(pid).encode())


def _preload() -> None:
    _be_patient()
    # One loader, which keeps what it has read, for the sessions of all forks.
    botocore.session.create_loader = cache(botocore.session.create_loader)
    session = botocore.session.get_session()
    session.set_credentials("none", "none")
    for service in _PRELOADED:
        session.create_client(service, region_name="us-east-1")
    gc.freeze()


def _be_patient() -> None:
    """Let the SDK wait for an answer of a busy machine; a timeout would make calls twice."""
    make = URLLib3Session.__init__

    def make_patient(session: URLLib3Session, *arguments: Any, **settings: Any) -> None:
        make(session, *arguments, **{**settings, "timeout": _ANSWER_SECONDS})

    URLLib3Session.__init__ = make_patient  # type: ignore[assignment,method-assign]


def _become_worker(request: dict[str, Any], descriptors: list[int]) -> None:
    """Run a worker in this process, a fork that nothing else happens in. Never returns."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        *standard, alive = descriptors
        for target, descriptor in enumerate(standard):
            os.dup2(descriptor, target)
            os.close(descriptor)
        os.set_inheritable(alive, False)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        time.tzset()
        main()
    except BaseException:  # noqa: BLE001 -- as an interpreter does, but without the fork server's exit
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(0)


if __name__ == "__main__":
    serve_forks(socket.socket(fileno=int(sys.argv[1])))
