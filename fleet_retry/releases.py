"""Release of devices by the function ReleaseDevice, many at a time."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

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
    """Why it was refused."""


def release(deployment: Deployment, device_ids: Sequence[str]) -> Generator[Release, None, None]:
    """Release devices: out of the failed group, attributes restored, counters deleted.

    Repeating is safe. A caller that stops early has to close the generator.

    Yields:
        Each device, in order, and its outcome.

    Raises:
        DeploymentError: the function does not exist.
        ClientError, BotoCoreError: it could not be invoked.
    """
    batches = [device_ids[first : first + BATCH] for first in range(0, len(device_ids), BATCH)]
    deployment.client("lambda")  # made once, before threads share it
    pool = ThreadPoolExecutor(_CONCURRENT_CALLS)
    try:
        for releases in pool.map(partial(_release_batch, deployment), batches):
            yield from releases
    finally:
        # An interrupted caller waits only for the calls in progress.
        pool.shutdown(cancel_futures=True)


def _release_batch(deployment: Deployment, batch: Sequence[str]) -> list[Release]:
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
    return [Release(device, outcomes[device], refused.get(device, "")) for device in batch]
