"""Release of devices by the function ReleaseDevice, many at a time."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from firmware_retry.record import Record
from fleet_retry import runs
from fleet_retry.deployment import Deployment

BATCH = 50
"""Devices per call: a device takes the function a fraction of a second, of its five minutes."""
_CONCURRENT_CALLS = 4
"""More would use up AWS IoT's rates, which recoveries need."""


class ReleaseOutcome(StrEnum):
    """The outcome of a release."""

    RELEASED = "released"
    RELEASING = "releasing"
    """A recovery is moving the device, and releases it afterwards."""
    NOT_TRACKED = "not tracked"
    GONE = "gone"
    REFUSED = "refused"


@dataclass(frozen=True)
class Release:
    """One device and the outcome of its release."""

    device_id: str
    outcome: ReleaseOutcome
    why: str = ""
    """Why it was refused, or why its run sleeps on."""


Targets = Mapping[str, Record | None]
"""Devices by name; None for those that are not tracked."""


def release(deployment: Deployment, targets: Targets) -> Generator[Release, None, None]:
    """Release devices: out of the failed group, attributes restored, counters deleted.

    The run of such a device would sleep on for nothing, so it is stopped. Repeating is safe. A
    caller that stops early has to close the generator.

    Yields:
        Each device, in order, and its outcome.

    Raises:
        DeploymentError: the function does not exist.
        ClientError, BotoCoreError: it could not be invoked.
    """
    devices = list(targets)
    batches = [
        {device: targets[device] for device in devices[first : first + BATCH]}
        for first in range(0, len(devices), BATCH)
    ]
    for service in ("lambda", "stepfunctions"):  # made once, before threads share them
        deployment.client(service)
    pool = ThreadPoolExecutor(_CONCURRENT_CALLS)
    try:
        for releases in pool.map(partial(_release_batch, deployment), batches):
            yield from releases
    finally:
        # An interrupted caller waits only for the calls in progress.
        pool.shutdown(cancel_futures=True)


def _release_batch(deployment: Deployment, batch: Targets) -> list[Release]:
    name = deployment.name("ReleaseDevice")
    with deployment.report_missing(f"function {name}"):
        answer = deployment.client("lambda").invoke(
            FunctionName=name, Payload=json.dumps({"deviceIds": list(batch)})
        )
    result = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        why = f"{result.get('errorType', 'the function failed')}: {result.get('errorMessage', '')}"
        return [Release(device, ReleaseOutcome.REFUSED, why) for device in batch]
    refused = result.get("refused", {})
    outcomes = {
        device: ReleaseOutcome(outcome.replace("_", " "))
        for outcome, devices in result.items()
        for device in devices
    }
    return [
        _stop_run(deployment, Release(device, outcomes[device], refused.get(device, "")), record)
        for device, record in batch.items()
    ]


def _stop_run(deployment: Deployment, release: Release, record: Record | None) -> Release:
    if release.outcome is not ReleaseOutcome.RELEASED or record is None:
        return release
    return replace(release, why=runs.stop_run_of(deployment, record))
