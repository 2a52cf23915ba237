"""Serve MQTT on a socket that is already open.

MiniStack 1.5.33 binds the port named by ``IOT_MTLS_PORT`` on all interfaces, and only logs a
warning if the port is taken. Here the parent has bound the port already, on the loopback only.
"""

from __future__ import annotations

import asyncio
import socket

from ministack.services import iot


def install(listening: socket.socket) -> None:
    """Let MiniStack's broker accept on ``listening`` instead of binding a port itself."""

    async def start() -> None:
        if iot._mtls_server is not None:
            return
        loop = asyncio.get_running_loop()
        # A copy, because MiniStack closes the socket and starts again on a reset.
        iot._mtls_server = await loop.create_server(iot._MtlsAcceptor, sock=listening.dup())
        iot._mtls_loop = loop

    iot._mtls_start_locked = start
