"""Which AWS calls were made: recorded in the server, read through ``LocalCloud.calls``."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any
from urllib.parse import parse_qs

from localcloud import addresses, faults, listings, sql_reading, waits

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Call:
    """One AWS call that the server took.

    Attributes:
        number: its place in the order of all calls, from 1.
        time: when it came, seconds since the epoch.
        service: MiniStack's name of the service, such as ``dynamodb`` or ``iot``.
        operation: the API operation, such as ``UpdateItem``.
        parameters: what the caller sent, as the API names it.
        caller: the Lambda function that called, ``states`` for a state machine that invoked a
            function, or an empty string for any other client.
    """

    number: int
    time: float
    service: str
    operation: str
    parameters: dict[str, Any]
    caller: str


_calls: list[Call] = []
_lock = Lock()


def record(
    time: float, service: str, operation: str, parameters: dict[str, Any], caller: str
) -> None:
    """Add one call to the record."""
    with _lock:
        _calls.append(Call(len(_calls) + 1, time, service, operation, parameters, caller))


def calls_since(mark: int) -> list[Call]:
    """Return the calls whose number is above ``mark``."""
    return _calls[mark:]


def with_routes(app: App) -> App:
    """``app`` with the local cloud's own paths in front of it."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith("/_localcloud/"):
            await app(scope, receive, send)
            return
        if scope["method"] == "POST":
            body = _take(path, json.loads(await _body(receive)))
        else:
            body = _answer(path, parse_qs(scope["query_string"].decode()))
        status = 404 if body is None else 200
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    return serve


async def _body(receive: Receive) -> bytes:
    body, is_more = b"", True
    while is_more:
        message = await receive()
        body += message.get("body", b"")
        is_more = message.get("more_body", False)
    return body


_TAKEN: dict[str, Callable[[Any], None]] = {
    "/_localcloud/faults": lambda given: faults.arm([faults.Fault.of(fault) for fault in given]),
    "/_localcloud/waits/hold": lambda given: waits.hold([waits.Hold(**hold) for hold in given]),
    "/_localcloud/waits/release": lambda given: waits.release(
        [waits.Hold(**hold) for hold in given]
    ),
    "/_localcloud/addresses/confirmed": addresses.set_all,
    "/_localcloud/listings": lambda given: listings.set_all(
        [listings.Listing(**listing) for listing in given]
    ),
    "/_localcloud/sql/strict": sql_reading.set_strict,
}
"""Functions that take the JSON document of a POST, by its path."""


def _take(path: str, document: Any) -> Any:
    if path not in _TAKEN:
        return None
    _TAKEN[path](document)
    return True


def _answer(path: str, query: dict[str, list[str]]) -> Any:
    if path == "/_localcloud/ready":
        return True
    if path == "/_localcloud/mark":
        return len(_calls)
    if path == "/_localcloud/calls":
        return [asdict(call) for call in calls_since(int(query["since"][0]))]
    if path == "/_localcloud/targets":
        return [asdict(target) for target in faults.targets(query["about"][0])]
    if path == "/_localcloud/faults":
        return faults.report()
    return None
