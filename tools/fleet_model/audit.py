"""Whether a device or a count was lost, or a failure counted twice.

Held against what the devices know of themselves, and against what was noted of each failure where
it was counted; never against what the records hold to count each once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fleet_model.audit_log import Fate, Ledger
from fleet_model.devices import Devices
from fleet_model.records import FAILED, Flags, Records


@dataclass(frozen=True)
class Audit:
    """What became of the devices, and of each failure, when all was over."""

    devices: int
    """How many had failed at least once."""
    recovered: int
    """Their update succeeded."""
    escalated: int
    """They are in the group of the failed, and people were told."""
    lost: int
    """Neither: nobody would ever come for them."""
    told_twice: int
    """Devices of which people were told more than once."""
    failures: int
    """How many failures happened."""
    counted: int
    """Those that counted, at least once."""
    after_success: int
    """Not counted by design: each message came after its device had recovered."""
    in_recovery: int
    """Not counted by design: its device was in recovery, or had failed for good."""
    cycle_full: int
    """Not counted by design: its device's cycle was full, and its recovery due."""
    lost_counts: int
    """Neither counted nor explained; and what was counted and is not in the records."""
    counted_twice: int
    """Counts of a failure that had been counted, or that never was; and what the records hold
    beyond what was counted."""


def audit(devices: Devices, records: Records, ledger: Ledger) -> Audit:
    """Looks at a fleet at rest."""
    has_failed = devices.failed > 0
    everyone = np.arange(len(has_failed), dtype=np.int32)
    recorded = records.counted_before + records.counted_of(everyone).astype(np.int64)
    is_escalated = (records.state == FAILED) & (records.told > 0)
    fates, invented = _fates(devices, records, ledger)
    return Audit(
        devices=int(has_failed.sum()),
        recovered=int((has_failed & devices.is_healthy).sum()),
        escalated=int((is_escalated & ~devices.is_healthy).sum()),
        lost=int((has_failed & ~devices.is_healthy & ~is_escalated).sum()),
        told_twice=int((records.told > 1).sum()),
        failures=int(devices.failed.sum()),
        counted=fates[Fate.COUNTED],
        after_success=fates[Fate.RECOVERED],
        in_recovery=fates[Fate.IN_RECOVERY],
        cycle_full=fates[Fate.FULL],
        lost_counts=fates[Fate.UNKNOWN] + int(np.maximum(0, ledger.times - recorded).sum()),
        counted_twice=ledger.again + invented + int(np.maximum(0, recorded - ledger.times).sum()),
    )


def _fates(devices: Devices, records: Records, ledger: Ledger) -> tuple[Counter[Fate], int]:
    """How many failures came to what, and how many were counted that never happened.

    A reason holds only where the device's own story bears it out: who recovered did, and who was in
    recovery had as many failures counted, each once, as a cycle takes.
    """
    counted = (ledger.fates == Fate.COUNTED).sum(axis=0)
    used_up: Flags = counted >= records.retry_limit
    holds = {Fate.RECOVERED: devices.is_healthy, Fate.IN_RECOVERY: used_up, Fate.FULL: used_up}
    found: Counter[Fate] = Counter()
    invented = 0
    for event, fates in enumerate(ledger.fates):
        happened = devices.failed > event
        invented += int((~happened & (fates == Fate.COUNTED)).sum())
        found[Fate.COUNTED] += int((happened & (fates == Fate.COUNTED)).sum())
        for fate, is_so in holds.items():
            found[fate] += int((happened & is_so & (fates == fate)).sum())
    found[Fate.UNKNOWN] = int(devices.failed.sum()) - found.total()
    return found, invented


_NEVER: Mapping[str, str] = {
    "lost": "devices were lost",
    "lost_counts": "failures were not counted, for no reason that is known",
    "counted_twice": "failures were counted twice",
    "told_twice": "devices were told of twice",
}


def wrong_in(figures: Mapping[str, int]) -> list[str]:
    """What happened that must not, a line each.

    Args:
        figures: those of an ``Audit``, by name.
    """
    return [f"{figures[name]:,} {text}" for name, text in _NEVER.items() if figures[name]]
