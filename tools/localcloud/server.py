"""The server process: installs the patches on MiniStack and runs MiniStack's app.

Started by ``localcloud.process``, which hands over two listening sockets and a pipe.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from localcloud.process import LocalCloudError, check_ministack

_SHUTDOWN_SECONDS = 1.0


def main() -> None:
    """Run the server until it is told to stop or its parent is gone."""
    arguments = _parse_arguments()
    # The Lambda workers inherit this environment, and run what is in their zip.
    os.environ.pop("PYTHONPATH", None)
    try:
        check_ministack()
    except LocalCloudError as error:
        sys.exit(str(error))
    data_dir = Path.cwd() if arguments.remove_data_dir else None
    _follow_parent(arguments.lifeline_fd, data_dir)
    mqtt_socket = socket.socket(fileno=arguments.mqtt_fd)
    _serve(arguments.gateway_fd, mqtt_socket)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="localcloud.server", description=__doc__)
    parser.add_argument("--gateway-fd", type=int, required=True, help="listening HTTP socket")
    parser.add_argument("--mqtt-fd", type=int, required=True, help="listening MQTT socket")
    parser.add_argument("--lifeline-fd", type=int, required=True, help="closes with the parent")
    parser.add_argument(
        "--remove-data-dir", action="store_true", help="if orphaned, remove the work folder"
    )
    return parser.parse_args()


def _follow_parent(lifeline_fd: int, data_dir: Path | None) -> None:
    """End this whole process group as soon as the parent's end of the pipe closes."""

    def wait_for_the_end() -> None:
        os.read(lifeline_fd, 1)
        if data_dir is not None:
            shutil.rmtree(data_dir, ignore_errors=True)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait_for_the_end, name="lifeline", daemon=True).start()


def _send_responses_whole() -> None:
    """Let the head and the body of a response leave in one write.

    Hypercorn writes them one after the other. On a busy machine other threads run in between, and
    Terraform's provider then now and then loses the response: it asks again for what has been
    created meanwhile, and fails with "already exists".
    """
    import h11  # noqa: PLC0415
    from hypercorn.events import RawData  # noqa: PLC0415
    from hypercorn.protocol.h11 import H11Protocol  # noqa: PLC0415

    heads: WeakKeyDictionary[H11Protocol, bytes] = WeakKeyDictionary()

    async def send(self: Any, event: Any) -> None:
        try:
            data = self.connection.send(event)
        except h11.LocalProtocolError:
            if self.connection.their_state != h11.ERROR:
                raise
            return
        if isinstance(event, h11.Response):
            heads[self] = data
            return
        data = heads.pop(self, b"") + data
        if data:
            await self.send(RawData(data=data))

    H11Protocol._send_h11_event = send  # type: ignore[method-assign]  # noqa: SLF001


def _serve(gateway_fd: int, mqtt_socket: socket.socket) -> None:
    # Only now, when the version is known to be right.
    from hypercorn.asyncio import serve  # noqa: PLC0415
    from hypercorn.config import Config  # noqa: PLC0415
    from ministack import app as ministack_app  # noqa: PLC0415

    from localcloud import patches, recorder  # noqa: PLC0415

    patches.install(mqtt_socket)
    _send_responses_whole()
    logging.getLogger("hypercorn.access").setLevel(logging.WARNING)
    config = Config()
    config.bind = [f"fd://{gateway_fd}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = _SHUTDOWN_SECONDS
    config.shutdown_timeout = _SHUTDOWN_SECONDS
    asyncio.run(serve(recorder.with_routes(ministack_app.app), config))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
