"""What a fresh process does until its first answer: run by ``bench.cold_start``, one a measurement.

``python first_answer.py handler MODULE EVENT``, or ``botocore`` or ``boto3`` with the clients and
the calls that ``asked MODULE EVENT`` prints, which is no measurement: those of the handler. Imports
nothing itself that the measured code does not need.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _handler(module: str, event: str) -> None:
    importlib.import_module(module).handler(json.loads(event), None)


def _record(module: str, event: str) -> None:
    session = importlib.import_module("botocore.session").Session
    client = importlib.import_module("botocore.client").BaseClient
    create, send, clients, calls = session.create_client, client._make_api_call, [], []  # noqa: SLF001

    def create_client(self: object, service: str, **settings: object) -> object:
        clients.append(service)
        return create(self, service, **settings)

    def make_api_call(self: Any, operation: str, parameters: object) -> object:
        method = next(
            name
            for name, api_name in self.meta.method_to_api_mapping.items()
            if api_name == operation
        )
        calls.append([self.meta.service_model.service_name, method, parameters])
        return send(self, operation, parameters)

    session.create_client, client._make_api_call = create_client, make_api_call  # noqa: SLF001
    importlib.import_module(module)
    at_start = len(clients)
    _handler(module, event)
    asked = {"clients": clients, "late": clients[at_start:], "calls": calls}
    sys.stdout.write(json.dumps(asked) + "\n")


def _botocore(asked: str) -> None:
    session = importlib.import_module("botocore.session").get_session()
    _ask(session.create_client, json.loads(asked))


def _boto3(asked: str) -> None:
    session = importlib.import_module("boto3").session.Session()
    with_resource = session.get_available_resources()

    def make(service: str) -> Any:
        is_one = service in with_resource
        return session.resource(service).meta.client if is_one else session.client(service)

    _ask(make, json.loads(asked))


def _ask(make: Callable[[str], Any], asked: Any) -> None:
    clients = {service: make(service) for service in asked["clients"]}
    for service, method, parameters in asked["calls"]:
        getattr(clients[service], method)(**parameters)


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    kinds: dict[str, Callable[..., None]] = {
        "handler": _handler,
        "record": _record,
        "botocore": _botocore,
        "boto3": _boto3,
    }
    kinds[what](*arguments)
    sys.stdout.write("answered\n")
    sys.stdout.flush()
