"""What a fresh process does until its first answer: run by ``bench.cold_start``, one a measurement.

``python first_answer.py handler MODULE EVENT``, or ``botocore`` or ``boto3`` with a JSON object of
``{service: {operation: parameters}}``; ``clients MODULE EVENT`` says whose clients a handler makes,
and is no measurement. Imports nothing itself that the measured code does not need.
"""

import importlib
import json
import sys
from collections.abc import Callable


def _handler(module: str, event: str) -> None:
    importlib.import_module(module).handler(json.loads(event), None)


def _clients(module: str, event: str) -> None:
    session = importlib.import_module("botocore.session").Session
    create, made = session.create_client, []

    def creating(self: object, service: str, **settings: object) -> object:
        made.append(service)
        return create(self, service, **settings)

    session.create_client = creating
    _handler(module, event)
    sys.stdout.write(json.dumps(made) + "\n")


def _botocore(calls: str) -> None:
    session = importlib.import_module("botocore.session").get_session()
    for service, operations in json.loads(calls).items():
        client = session.create_client(service)
        for operation, parameters in operations.items():
            getattr(client, operation)(**parameters)


def _boto3(calls: str) -> None:
    session = importlib.import_module("boto3").session.Session()
    with_resource = session.get_available_resources()
    for service, operations in json.loads(calls).items():
        is_one = service in with_resource
        client = session.resource(service).meta.client if is_one else session.client(service)
        for operation, parameters in operations.items():
            getattr(client, operation)(**parameters)


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    kinds: dict[str, Callable[..., None]] = {
        "handler": _handler,
        "clients": _clients,
        "botocore": _botocore,
        "boto3": _boto3,
    }
    kinds[what](*arguments)
    sys.stdout.write("answered\n")
    sys.stdout.flush()
