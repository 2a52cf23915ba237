"""``python -m localcloud.device_cli NAME``: have a device of ``make local`` fail its update."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localcloud.device import Device

MQTT_PORT, CA_PEM = "LOCALCLOUD_MQTT_PORT", "LOCALCLOUD_CA_PEM"
"""Variables that say where the local cloud's broker is; ``make local`` writes them into a file."""
TOPIC = "iot/device/data"
ATTRIBUTES = {"model": "wo:v8", "FW": "2.27"}


def main() -> int:
    """Run the command; returns its exit code."""
    arguments = _parse_arguments()
    # Without them this would register a thing in a real account.
    if not {MQTT_PORT, CA_PEM, "AWS_ENDPOINT_URL"} <= os.environ.keys():
        print(
            "this shell knows no local cloud: start one with `make local`, "
            "and read the file that it names",
            file=sys.stderr,
        )
        return 1
    _register(arguments.name)
    port, ca_pem = int(os.environ[MQTT_PORT]), Path(os.environ[CA_PEM])
    with Device(arguments.name, port, ca_pem) as device:
        for message in _failures(arguments.name, arguments.failures):
            device.publish(TOPIC, message)
    print(f"{arguments.name} reported {arguments.failures} failed updates on {TOPIC}")
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m localcloud.device_cli", description=__doc__)
    parser.add_argument("name", help="the thing; it is registered where it is not there yet")
    parser.add_argument("--failures", type=int, default=1, help="how many it reports (%(default)s)")
    return parser.parse_args()


def _register(name: str) -> None:
    """Register the thing: the module ignores devices that do not exist."""
    import boto3  # noqa: PLC0415 -- slow, and a wrong call should be told at once

    iot: Any = boto3.client("iot")
    try:
        iot.create_thing(thingName=name, attributePayload={"attributes": ATTRIBUTES})
    except iot.exceptions.ResourceAlreadyExistsException:
        return


def _failures(name: str, count: int) -> Iterator[dict[str, str]]:
    """Messages that are told apart by their timestamps, in milliseconds."""
    now = time.time_ns() // 1_000_000
    for sent_at in range(now - count, now):
        yield {"_id_": name, "timestamp": str(sent_at), "status": "failed", **ATTRIBUTES}


if __name__ == "__main__":
    sys.exit(main())
