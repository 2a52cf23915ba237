"""An AWS that answers at once, and always the same: what is left is the time of who asks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

SERVICES = {
    "DynamoDB_20120810": "dynamodb",
    "AmazonSQS": "sqs",
    "AWSStepFunctions": "stepfunctions",
}
"""botocore's name of a service, by what its requests name as their target."""
_THING = {"thingName": "d", "thingId": "t", "version": 1, "attributes": {}}
_IOT = {**_THING, "thingGroups": [], "things": [], "thingGroupId": "g"}
"""A thing, its groups, and a group and its members: botocore takes what it knows."""
_PUBLISHED = (
    b'<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>'
    b"<MessageId>m</MessageId></PublishResult></PublishResponse>"
)
_SUBSCRIBED = (
    b'<GetTopicAttributesResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">'
    b"<GetTopicAttributesResult><Attributes><entry><key>SubscriptionsConfirmed</key>"
    b"<value>1</value></entry></Attributes></GetTopicAttributesResult>"
    b"</GetTopicAttributesResponse>"
)


class Answers:
    """The server.

    Attributes:
        url: where it listens.
        item: what every GetItem and UpdateItem on the retries table answers; None for no item.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.item: dict[str, Any] | None = None

    def to(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """Return the answer to a request."""
        service, operation, parameters = _parse(headers, body)
        if service == "sns":
            return _SUBSCRIBED if b"Action=GetTopicAttributes" in body else _PUBLISHED
        return json.dumps(self._answer(service, operation, parameters)).encode()

    def _answer(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if service == "iot":
            return _IOT
        if operation in {"Query", "Scan"}:
            return {"Items": []}
        if self.item is None or "Retries" not in parameters.get("TableName", ""):
            return {}
        return {"Item": self.item} if operation == "GetItem" else {"Attributes": self.item}


def _parse(headers: Mapping[str, str], body: bytes) -> tuple[str, str, dict[str, Any]]:
    """Service, operation and parameters of a request; the latter two only of JSON services."""
    if target := headers.get("X-Amz-Target"):
        name, _, operation = target.partition(".")
        return SERVICES[name], operation, json.loads(body)
    return ("sns" if b"Action=" in body else "iot"), "", {}


@contextmanager
def serve_answers() -> Iterator[Answers]:
    """Serve on a free port of this machine for the length of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: the second waits for an acknowledgement

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = answers.to(dict(self.headers.items()), body)
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        answers = Answers(f"http://127.0.0.1:{server.server_address[1]}")
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield answers
        finally:
            server.shutdown()
