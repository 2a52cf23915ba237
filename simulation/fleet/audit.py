"""Whether a device was lost or a failure counted twice.

Held against what the devices know of themselves, and not against anything that counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulation.fleet.devices import Devices
from simulation.fleet.records import FAILED, Records


@dataclass(frozen=True)
class Audit:
    """What became of the devices when all was over."""

    devices: int
    """How many had failed at least once."""
    recovered: int
    """Their update succeeded."""
    escalated: int
    """They are in the group of the failed, and people were told."""
    lost: int
    """Neither: nobody would ever come for them."""
    counted_twice: int
    """Failures that the records hold and that no device had."""
    told_twice: int
    """Devices of which people were told more than once."""


def audit(devices: Devices, records: Records) -> Audit:
    """Looks at a fleet at rest."""
    has_failed = devices.failed > 0
    everyone = np.arange(len(has_failed), dtype=np.int32)
    recorded = records.counted_before + records.counted_of(everyone).astype(np.int64)
    is_escalated = (records.state == FAILED) & (records.told > 0)
    return Audit(
        devices=int(has_failed.sum()),
        recovered=int((has_failed & devices.is_healthy).sum()),
        escalated=int((is_escalated & ~devices.is_healthy).sum()),
        lost=int((has_failed & ~devices.is_healthy & ~is_escalated).sum()),
        counted_twice=int(np.maximum(0, recorded - devices.failed).sum()),
        told_twice=int((records.told > 1).sum()),
    )
