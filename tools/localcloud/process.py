"""Start, watch and stop one local cloud as a subprocess."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from localcloud.faults import Fault, Origin, Target
from localcloud.listings import Listing
from localcloud.recorder import Call
from localcloud.waits import Hold

MINISTACK_VERSION = "1.5.33"
"""The one MiniStack version that the patches are written against."""

HOST = "127.0.0.1"
_SECRET = "local"  # noqa: S105 -- any will do
# A proxy of the user's must not stand between us and our own loopback.
_NO_PROXY = "127.0.0.1,localhost"
_SCRATCH = "tmp"
_LOG_TAIL_LINES = 15
_STOP_SECONDS = 5.0
_ANSWER_SECONDS = 180.0
"""Longest wait for an answer: a busy machine is slow, and a second try would act twice."""


class LocalCloudError(Exception):
    """The local cloud cannot start or has died; the message is one that a person can act on."""


def check_ministack() -> None:
    """Raise LocalCloudError unless the pinned MiniStack is what is installed."""
    try:
        found = metadata.version("ministack")
    except metadata.PackageNotFoundError:
        raise LocalCloudError(
            f"MiniStack is not installed: pip install ministack=={MINISTACK_VERSION} cryptography"
        ) from None
    if found != MINISTACK_VERSION:
        raise LocalCloudError(
            f"MiniStack {found} is installed, the local cloud needs {MINISTACK_VERSION}: "
            f"pip install ministack=={MINISTACK_VERSION}"
        )


class LocalCloud:
    """A local AWS that lives as long as the ``with`` block.

    Both ports are bound here and handed to the server as open sockets, so no other process can
    take them in between. When this process ends, however it ends, the server ends too.

    Args:
        gateway_port: port of the AWS API on 127.0.0.1; None takes a free one.
        mqtt_port: port of MQTT over TLS on 127.0.0.1; None takes a free one.
        time_scale: what share of its real length a wait or retry interval of Step Functions, or
            the timeout of a job execution, takes; 0.0001 turns a day into 8.6 seconds.
        account_id: the twelve digits of the AWS account.
        region: the AWS region.
        group_lag_seconds: how many real seconds a dynamic thing group lags behind the registry.
        patience: how many times longer than its timeout a function or a Task state may run: a busy
            machine is slower than AWS.
        runs_schedules: whether schedules run, their rates scaled like waits, but 2 s at least.
            Without, nothing runs by the clock: who counts calls invokes what it wants to count.
        data_dir: folder for the log and the CA certificate, kept afterwards; None uses a
            temporary one that goes with the server.
        start_timeout: seconds to wait for the server to answer.

    Raises:
        LocalCloudError: on entering, if the server cannot be started.
    """

    def __init__(  # noqa: PLR0913 -- settings, each with a default and by name only
        self,
        *,
        gateway_port: int | None = None,
        mqtt_port: int | None = None,
        time_scale: float = 1.0,
        account_id: str = "123456789012",
        region: str = "us-east-1",
        group_lag_seconds: float = 1.0,
        patience: int = 1,
        runs_schedules: bool = False,
        data_dir: Path | None = None,
        start_timeout: float = 180.0,
    ) -> None:
        self.account_id = account_id
        self.region = region
        self.time_scale = time_scale
        self.gateway_port = gateway_port or 0
        self.mqtt_port = mqtt_port or 0
        self._group_lag_seconds = group_lag_seconds
        self._patience = patience
        self._runs_schedules = runs_schedules
        self._kept_data_dir = data_dir
        self._start_timeout = start_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None
        self._clients: dict[str, Any] = {}
        self.data_dir = Path()

    @property
    def endpoint_url(self) -> str:
        """Base URL of the AWS API."""
        return f"http://{HOST}:{self.gateway_port}"

    @property
    def ca_pem(self) -> Path:
        """File with the CA certificate that MQTT clients must trust."""
        return self.data_dir / "ca.pem"

    @property
    def log_path(self) -> Path:
        """File with the server's log."""
        return self.data_dir / "localcloud.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until the API and MQTT answer.

        Raises:
            LocalCloudError: a port is in use, MiniStack is missing, or the server died.
        """
        check_ministack()
        with contextlib.ExitStack() as sockets:
            gateway = sockets.enter_context(_listen(self.gateway_port))
            mqtt = sockets.enter_context(_listen(self.mqtt_port))
            self.gateway_port = gateway.getsockname()[1]
            self.mqtt_port = mqtt.getsockname()[1]
            self._make_data_dir()
            self._spawn(gateway, mqtt)
        try:
            self._wait_until_ready()
            self.ca_pem.write_bytes(self._ask("/_ministack/iot/ca.pem"))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server and all it started. Does nothing if it is not running."""
        process, self._process = self._process, None
        if process is not None:
            _stop_group(process)
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        if self.data_dir != Path():
            scrap = self.data_dir if self._kept_data_dir is None else self.data_dir / _SCRATCH
            shutil.rmtree(scrap, ignore_errors=True)

    def wait(self) -> int:
        """Wait until the server ends by itself; returns its exit code."""
        if self._process is None:
            raise LocalCloudError("the local cloud is not running")
        return self._process.wait()

    def environment(self) -> dict[str, str]:
        """Variables that point boto3, the AWS CLI and Terraform's provider at this cloud.

        They also keep a person's own AWS profile out of it.
        """
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            # MiniStack reads the account out of a twelve-digit access key.
            "AWS_ACCESS_KEY_ID": self.account_id,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": _NO_PROXY,
        }

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service, whatever the process's own AWS settings are.

        Made once a service, so that its exception classes are the same everywhere.
        """
        import boto3  # noqa: PLC0415 -- slow, and not everybody needs it
        from botocore.config import Config  # noqa: PLC0415

        if service not in self._clients:
            session: Any = boto3.Session(
                aws_access_key_id=self.account_id,
                aws_secret_access_key=_SECRET,
                region_name=self.region,
            )
            parsers = session._session.get_component("response_parser_factory")  # noqa: SLF001
            parsers.set_parser_defaults(timestamp_parser=_read_timestamp)
            self._clients[service] = session.client(
                service,
                endpoint_url=self.endpoint_url,
                config=Config(proxies={}, read_timeout=_ANSWER_SECONDS),
            )
        return self._clients[service]

    def calls(self, since: int = 0) -> list[Call]:
        """Return the AWS calls after the mark ``since``, oldest first."""
        listed = json.loads(self._ask(f"/_localcloud/calls?since={since}"))
        return [Call(**entry) for entry in listed]

    def mark(self) -> int:
        """Return a mark for ``calls``: everything recorded until now lies before it."""
        return int(json.loads(self._ask("/_localcloud/mark")))

    def targets(self, about: str) -> list[Target]:
        """Return the calls of functions, state machines and rules about a device, in order.

        Each is one that a fault can hit (see ``localcloud.faults``).
        """
        listed = json.loads(self._ask(f"/_localcloud/targets?about={quote(about)}"))
        return [Target(**{**entry, "origin": Origin(entry["origin"])}) for entry in listed]

    def inject(self, *faults: Fault) -> None:
        """Has faults strike, each when its call comes by."""
        document = json.dumps([asdict(fault) for fault in faults])
        self._ask("/_localcloud/faults", document.encode())

    def confirm_addresses(self, *, is_confirmed: bool = True) -> None:
        """Confirm all e-mail subscriptions, as if whoever reads the mailboxes followed the links.

        Args:
            is_confirmed: False lets all of them wait again.
        """
        self._ask("/_localcloud/addresses/confirmed", json.dumps(is_confirmed).encode())

    @contextlib.contextmanager
    def with_listings(self, *listings: Listing) -> Iterator[None]:
        """Let listings of the registry page and lag like this within the block."""
        document = json.dumps([asdict(listing) for listing in listings]).encode()
        self._ask("/_localcloud/listings", document)
        try:
            yield
        finally:
            self._ask("/_localcloud/listings", b"[]")

    @contextlib.contextmanager
    def with_strict_sql(self) -> Iterator[None]:
        """Read the SQL of rules strictly within the block; see ``localcloud.sql_reading``."""
        self._ask("/_localcloud/sql/strict", b"true")
        try:
            yield
        finally:
            self._ask("/_localcloud/sql/strict", b"false")

    @contextlib.contextmanager
    def hold_waits(self, *holds: Hold) -> Iterator[None]:
        """Make these Wait states of Step Functions last at least as long as the block."""
        document = json.dumps([asdict(hold) for hold in holds]).encode()
        self._ask("/_localcloud/waits/hold", document)
        try:
            yield
        finally:
            self._ask("/_localcloud/waits/release", document)

    def count_hits(self) -> dict[Fault, int]:
        """Return the injected faults with the number of call attempts that each has hit."""
        listed = json.loads(self._ask("/_localcloud/faults"))
        return {Fault.of(entry["fault"]): entry["fired"] for entry in listed}

    def log_tail(self, lines: int = _LOG_TAIL_LINES) -> str:
        """Return the last lines of the server's log, or an empty string without one."""
        try:
            text = self.log_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def _make_data_dir(self) -> None:
        if self._kept_data_dir is None:
            self.data_dir = Path(tempfile.mkdtemp(prefix="localcloud-"))
            return
        self.data_dir = self._kept_data_dir.resolve()
        self.data_dir.mkdir(parents=True, exist_ok=True)

    def _spawn(self, gateway: socket.socket, mqtt: socket.socket) -> None:
        listening = (gateway.fileno(), mqtt.fileno())
        read_end, self._lifeline = os.pipe()
        command = [sys.executable, "-m", "localcloud.server"]
        command += [f"--gateway-fd={listening[0]}", f"--mqtt-fd={listening[1]}"]
        command += [f"--lifeline-fd={read_end}"]
        if self._kept_data_dir is None:
            command.append("--remove-data-dir")
        try:
            with self.log_path.open("wb") as log:
                self._process = subprocess.Popen(  # noqa: S603 -- our own module
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self.data_dir,
                    env=self._server_environment(),
                    pass_fds=(*listening, read_end),
                    # A group of its own: Ctrl-C reaches only us, and we stop all of it at once.
                    start_new_session=True,
                )
        finally:
            os.close(read_end)

    def _server_environment(self) -> dict[str, str]:
        # The user's own AWS settings must reach neither MiniStack nor the Lambda functions.
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        scratch = self.data_dir / _SCRATCH
        scratch.mkdir(exist_ok=True)
        return own | {
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(scratch),
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.gateway_port),
            "IOT_MTLS_PORT": str(self.mqtt_port),
            "MINISTACK_ACCOUNT_ID": self.account_id,
            "MINISTACK_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "SFN_WAIT_SCALE": repr(self.time_scale),
            "LOCALCLOUD_GROUP_LAG_SECONDS": repr(self._group_lag_seconds),
            "LOCALCLOUD_PATIENCE": str(self._patience),
            "LOCALCLOUD_RUNS_SCHEDULES": str(int(self._runs_schedules)),
            "LAMBDA_EXECUTOR": "local",
            # AWS's own default. MiniStack's depends on the memory of this machine.
            "LAMBDA_ACCOUNT_CONCURRENCY": "1000",
            "NO_PROXY": _NO_PROXY,
            "SFTP_ENABLED": "0",
            "PERSIST_STATE": "0",
        }

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._start_timeout
        while time.monotonic() < deadline:
            self._raise_if_dead()
            with contextlib.suppress(OSError):
                self._ask("/_localcloud/ready", timeout=2.0)
                return
            time.sleep(0.05)
        raise LocalCloudError(
            f"the local cloud did not answer within {self._start_timeout:.0f} s; "
            f"its log ends with:\n{self.log_tail()}"
        )

    def _raise_if_dead(self) -> None:
        if self._process is None or self._process.poll() is None:
            return
        raise LocalCloudError(
            f"the local cloud ended at its start with code {self._process.returncode}; "
            f"its log ends with:\n{self.log_tail()}"
        )

    def _ask(
        self, path: str, document: bytes | None = None, timeout: float = _ANSWER_SECONDS
    ) -> bytes:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.endpoint_url + path, document, timeout) as answer:
            return bytes(answer.read())


def _read_timestamp(value: Any) -> Any:
    """Read a timestamp of an answer, faster than botocore: a list of runs has thousands."""
    from botocore.utils import parse_timestamp  # noqa: PLC0415

    return datetime.fromtimestamp(value, UTC) if type(value) is float else parse_timestamp(value)


def _listen(port: int) -> socket.socket:
    """Bind and listen on 127.0.0.1; port 0 takes a free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Lets a port be used again at once after a server on it was stopped.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise LocalCloudError(
            f"port {port} on {HOST} cannot be used ({error.strerror}): "
            "stop what runs there or choose another port"
        ) from None
    return listener


def _stop_group(process: subprocess.Popen[bytes]) -> None:
    """End the server's process group: politely first, then for certain."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    # Lambda workers are in the same group and may outlive the server's own shutdown.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
