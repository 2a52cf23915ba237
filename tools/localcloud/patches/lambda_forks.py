"""Lambda workers as forks of one process that has imported botocore already.

MiniStack 1.5.33: each worker is an interpreter of its own, which takes half a second of processor
time until its handler is imported. The module's 13 functions have up to four workers each, and a
changed environment starts them again: in a session of tests that is several hundred.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import IO, Any

import botocore
from ministack.core import lambda_runtime

_PROGRAM = Path(__file__).with_name("lambda_worker.py")
_LONGEST_ANSWER = 100


def install() -> None:
    """Make MiniStack's processes of Python functions forks."""
    popen = subprocess.Popen

    def start(command: Sequence[str], **settings: Any) -> Any:
        if command[0] != sys.executable:
            return popen(command, **settings)
        return ForkedProcess(command, settings["cwd"], settings["env"])

    # The module's own name for subprocess: nobody else's Popen changes.
    lambda_runtime.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": start})


class ForkServer:
    """The process that forks, started at the first fork; it ends with the socket's other end."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._channel: socket.socket | None = None

    def fork(self, cwd: str, env: Mapping[str, str], descriptors: Sequence[int]) -> int:
        """Start a worker with these descriptors (see ``lambda_worker.serve_forks``).

        Returns:
            The worker's process id.

        Raises:
            OSError: the fork server has ended.
        """
        request = json.dumps({"cwd": cwd, "env": dict(env)}).encode() + b"\n"
        with self._lock:
            if self._channel is None:
                self._channel = _start_fork_server()
            # The descriptors go with the first byte; whatever is left of the text follows.
            sent = socket.send_fds(self._channel, [request], descriptors)
            self._channel.sendall(request[sent:])
            answer = self._channel.recv(_LONGEST_ANSWER)
        if not answer:
            raise ConnectionResetError("the fork server of the Lambda workers has ended")
        return int(answer)


def _start_fork_server() -> socket.socket:
    channel, theirs = socket.socketpair()
    with theirs:
        descriptor = theirs.fileno()
        # Functions find the SDK, as on AWS, but neither what lies beside the program (-P) nor what
        # an editable install adds (-S): this project's source, in place of their own zip.
        command = [sys.executable, "-P", "-S", str(_PROGRAM), str(descriptor)]
        subprocess.Popen(  # noqa: S603 -- our own program
            command,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(Path(botocore.__file__).parents[1])},
            pass_fds=(descriptor,),
        )
    return channel


_fork_server = ForkServer()


class ForkedProcess:
    """What MiniStack uses of ``subprocess.Popen``, for a worker that is another process's child."""

    def __init__(self, command: Sequence[str], cwd: str, env: Mapping[str, str]) -> None:
        self._command = command
        pipes = [os.pipe() for _ in range(4)]
        (stdin, stdin_end), (stdout_end, stdout), (stderr_end, stderr), (alive_end, alive) = pipes
        self.stdin: IO[str] = open(stdin_end, "w", buffering=1)  # noqa: PTH123, SIM115
        self.stdout: IO[str] = open(stdout_end)  # noqa: PTH123, SIM115
        self.stderr: IO[str] = open(stderr_end)  # noqa: PTH123, SIM115
        self._alive: IO[bytes] = open(alive_end, "rb")  # noqa: PTH123, SIM115
        theirs = (stdin, stdout, stderr, alive)
        try:
            self.pid = _fork_server.fork(cwd, env, theirs)
        finally:
            for descriptor in theirs:
                os.close(descriptor)

    def poll(self) -> int | None:
        """Whether the worker has ended: None if not, else 0, since its code is not known here."""
        return 0 if self._has_ended(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the worker's end.

        Raises:
            subprocess.TimeoutExpired: it still runs after ``timeout`` seconds.
        """
        if not self._has_ended(timeout):
            raise subprocess.TimeoutExpired(self._command, timeout or 0)
        return 0

    def terminate(self) -> None:
        """Ask the worker to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End the worker."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.pid, number)

    def _has_ended(self, timeout: float | None) -> bool:
        # Its end of the pipe closes with it. poll, since select takes no descriptor above 1,023.
        waiting = select.poll()
        waiting.register(self._alive, select.POLLIN)
        return bool(waiting.poll(None if timeout is None else timeout * 1000))
