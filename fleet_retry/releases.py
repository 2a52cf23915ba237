"""Releasing devices, by the function ReleaseDevice, many at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from fleet_retry.deployment import Deployment

BATCH = 50
"""Devices a call: a device takes the function a fraction of a second, of its five minutes."""
_AT_A_TIME = 4
"""Calls. More would reach AWS IoT's rates, which the recoveries need, too."""
_THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")


class Fate(StrEnum):
    """What became of a device."""

    RELEASED = "released"
    RELEASING = "releasing"
    """A recovery is just moving it, and releases it then."""
    NOT_TRACKED = "not tracked"
    GONE = "gone"
    REFUSED = "refused"


@dataclass(frozen=True)
class Release:
    """One device, and what became of it."""

    device_id: str
    fate: Fate
    why: str = ""
    """Why it was refused."""


def is_thing_name(name: str) -> bool:
    """Whether AWS IoT lets a thing be called so."""
    return _THING_NAME.fullmatch(name) is not None


def release(deployment: Deployment, device_ids: Sequence[str]) -> Generator[Release, None, None]:
    """Releases devices: out of the failed group, attributes as they were, counters gone.

    Doing so again does no harm. Whoever stops taking has to close it.

    Yields:
        Each device, in their order, and what became of it.

    Raises:
        DeploymentError: the function is not there.
        ClientError, BotoCoreError: it could not be invoked.
    """
    batches = [device_ids[first : first + BATCH] for first in range(0, len(device_ids), BATCH)]
    deployment.client("lambda")  # made once, before threads share it
    pool = ThreadPoolExecutor(_AT_A_TIME)
    try:
        for done in pool.map(partial(_released, deployment), batches):
            yield from done
    finally:
        # Who interrupts it waits for the calls under way, and for no other.
        pool.shutdown(cancel_futures=True)


def _released(deployment: Deployment, batch: Sequence[str]) -> list[Release]:
    name = deployment.name("ReleaseDevice")
    with deployment.looking_for(f"function {name}"):
        answer = deployment.client("lambda").invoke(
            FunctionName=name, Payload=json.dumps({"deviceIds": list(batch)})
        )
    result = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        why = f"{result.get('errorType', 'the function failed')}: {result.get('errorMessage', '')}"
        return [Release(device, Fate.REFUSED, why) for device in batch]
    refused = result.get("refused", {})
    fates = {
        device: Fate(fate.replace("_", " "))
        for fate, devices in result.items()
        for device in devices
    }
    return [Release(device, fates[device], refused.get(device, "")) for device in batch]
