"""What a fresh process does until its first answer: run by ``bench.cold_start``, one a measurement.

``python first_answer.py handler MODULE EVENT``, or ``botocore`` or ``boto3`` with a JSON object of
``{service: {operation: parameters}}``. Imports nothing itself that the measured code does not need.
"""

import importlib
import json
import sys


def _handler(module: str, event: str) -> None:
    importlib.import_module(module).handler(json.loads(event), None)


def _botocore(calls: str) -> None:
    session = importlib.import_module("botocore.session").get_session()
    for service, operations in json.loads(calls).items():
        client = session.create_client(service)
        for operation, parameters in operations.items():
            getattr(client, operation)(**parameters)


def _boto3(calls: str) -> None:
    boto3 = importlib.import_module("boto3")
    for service, operations in json.loads(calls).items():
        has_resource = service in boto3.session.Session().get_available_resources()
        client = boto3.resource(service).meta.client if has_resource else boto3.client(service)
        for operation, parameters in operations.items():
            getattr(client, operation)(**parameters)


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what == "handler":
        _handler(*arguments)
    elif what == "botocore":
        _botocore(*arguments)
    else:
        _boto3(*arguments)
    sys.stdout.write("answered\n")
    sys.stdout.flush()
