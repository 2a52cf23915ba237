"""Whether a device or a count was lost, or a failure counted twice.

Held against what the devices know of themselves, and against what was noted of each failure where
it was counted; never against what the records hold to count each once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fleet_model.audit_log import AuditLog, CountOutcome
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
    notified_twice: int
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


def audit(devices: Devices, records: Records, log: AuditLog) -> Audit:
    """Audit a fleet at rest."""
    has_failed = devices.failed > 0
    everyone = np.arange(len(has_failed), dtype=np.int32)
    recorded = records.counted_before + records.count_all(everyone).astype(np.int64)
    is_escalated = (records.state == FAILED) & (records.notifications > 0)
    outcomes, invented = _outcomes(devices, records, log)
    return Audit(
        devices=int(has_failed.sum()),
        recovered=int((has_failed & devices.is_healthy).sum()),
        escalated=int((is_escalated & ~devices.is_healthy).sum()),
        lost=int((has_failed & ~devices.is_healthy & ~is_escalated).sum()),
        notified_twice=int((records.notifications > 1).sum()),
        failures=int(devices.failed.sum()),
        counted=outcomes[CountOutcome.COUNTED],
        after_success=outcomes[CountOutcome.RECOVERED],
        in_recovery=outcomes[CountOutcome.IN_RECOVERY],
        cycle_full=outcomes[CountOutcome.FULL],
        lost_counts=outcomes[CountOutcome.UNKNOWN] + int(np.maximum(0, log.times - recorded).sum()),
        counted_twice=log.again + invented + int(np.maximum(0, recorded - log.times).sum()),
    )


def _outcomes(
    devices: Devices, records: Records, log: AuditLog
) -> tuple[Counter[CountOutcome], int]:
    """Return how many failures came to what, and how many were counted that never happened.

    A reason holds only where the device's own story bears it out: who recovered did, and who was in
    recovery had as many failures counted, each once, as a cycle takes.
    """
    counted = (log.outcomes == CountOutcome.COUNTED).sum(axis=0)
    used_up: Flags = counted >= records.retry_limit
    holds = {
        CountOutcome.RECOVERED: devices.is_healthy,
        CountOutcome.IN_RECOVERY: used_up,
        CountOutcome.FULL: used_up,
    }
    found: Counter[CountOutcome] = Counter()
    invented = 0
    for event, outcomes in enumerate(log.outcomes):
        happened = devices.failed > event
        invented += int((~happened & (outcomes == CountOutcome.COUNTED)).sum())
        found[CountOutcome.COUNTED] += int((happened & (outcomes == CountOutcome.COUNTED)).sum())
        for outcome, is_so in holds.items():
            found[outcome] += int((happened & is_so & (outcomes == outcome)).sum())
    found[CountOutcome.UNKNOWN] = int(devices.failed.sum()) - found.total()
    return found, invented


_NEVER: Mapping[str, str] = {
    "lost": "devices were lost",
    "lost_counts": "failures were not counted, for no reason that is known",
    "counted_twice": "failures were counted twice",
    "notified_twice": "devices were told of twice",
}


def wrong_in(figures: Mapping[str, int]) -> list[str]:
    """List what must not happen, one line per finding.

    Args:
        figures: those of an ``Audit``, by name.
    """
    return [f"{figures[name]:,} {text}" for name, text in _NEVER.items() if figures[name]]
