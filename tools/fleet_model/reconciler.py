"""Who looks after what went wrong: ReconcileDevices, and operators with the dead letters."""

from __future__ import annotations

import numpy as np

from firmware_retry.fleet_scan import Sample
from firmware_retry.record import GRACE_SECONDS
from fleet_model import profile
from fleet_model.engine import IN_PLACE, Batch, Engine, Work
from fleet_model.intake import Intake
from fleet_model.profile import Profile
from fleet_model.records import FREE, NOT_YET, Flags, Ints, Records
from fleet_model.recoveries import Recoveries
from pricing.bill import LAMBDA_SECONDS
from pricing.dynamodb import read_units
from simulator.schedules import RECONCILE_SECONDS

INSPECTED_PER_SECOND = 100
"""Devices that one pass looks at in a second: eight at once, 80 ms each, which is an assumption."""
FUNCTION_SECONDS = 900
"""The longest that a pass may take."""
PASS_SECONDS = FUNCTION_SECONDS - 30
"""In the last seconds it takes no further device; see ``reconcile``."""
RECORD_BYTES = 400
"""Of a record: 239 with one failure counted, 371 with ten, 569 with twenty in the failed group."""
PAGE_BYTES = 1024 * 1024
"""What one call of Scan reads at most."""
PAGE_SECONDS = 0.5
"""Until a page is read and counted, an assumption: to make records of its JSON takes 0.16 seconds
of a whole processor, and the function has little more than half of one."""
_RECORDS_PER_SECOND = PAGE_BYTES / RECORD_BYTES / PAGE_SECONDS
_MOST_READ = int(FUNCTION_SECONDS / 2 * _RECORDS_PER_SECOND)
"""Records: after half of the time a census ends, and each begins with the same ones."""
REDRIVE_SECONDS = 6 * 3600
"""How long dead letters lie until an operator redrives them, an assumption."""
REDRIVEN_PER_SECOND = 10
"""``fleet-retry redrive`` takes one batch after the other: three calls each."""


def most_inspected(counted_after: float) -> int:
    """Return how many devices a pass looks at, which took so many seconds to count the fleet."""
    return min(Sample.most, int(INSPECTED_PER_SECOND * (PASS_SECONDS - counted_after)))


class Reconciler:
    """They come by every quarter of an hour for as long as there is something to do."""

    def __init__(
        self,
        engine: Engine,
        records: Records,
        steps: Profile,
        intake: Intake,
        recoveries: Recoveries,
    ) -> None:
        self._engine = engine
        self._records = records
        self._steps = steps
        self._intake = intake
        self._recoveries = recoveries
        self._is_redriving = False
        engine.workers |= {
            Work.RECONCILE: self._reconcile,
            Work.INSPECT: self._inspect,
            Work.REDRIVE: self._redrive,
            Work.SCAN: self._scan,
        }
        self._next()

    def _next(self) -> None:
        nobody = np.zeros(1, np.int32)
        self._engine.schedule(Work.RECONCILE, Batch.of(nobody), int(RECONCILE_SECONDS))

    def _reconcile(self, _: Batch) -> None:
        everyone = np.arange(len(self._records.state), dtype=np.int32)
        known = everyone[self._records.state != FREE][:_MOST_READ]
        counted_after = len(known) / _RECORDS_PER_SECOND
        overdue = self._engine.chance.permutation(known[self._is_overdue(known)])
        overdue = overdue[: most_inspected(counted_after)]
        self._engine.record("looked at", len(overdue))
        seconds = np.arange(len(overdue), dtype=np.int32) // INSPECTED_PER_SECOND
        seconds += 1 + int(counted_after)
        self._engine.schedule(Work.INSPECT, Batch.of(overdue, tries=IN_PLACE), seconds)
        self._count_fleet(len(known), counted_after, len(overdue) / INSPECTED_PER_SECOND)
        if self._intake.dead_letters and not self._is_redriving:
            self._is_redriving = True
            self._engine.schedule(Work.REDRIVE, Batch.of(np.zeros(1, np.int32)), REDRIVE_SECONDS)
        if not self._engine.is_idle or self._is_anything_due(everyone):
            self._next()

    def _count_fleet(self, records: int, seconds: float, seconds_after: float) -> None:
        """Read the tables page by page: that takes from their quotas, and is billed."""
        units, campaigns = read_units(records * RECORD_BYTES, False), read_units(0, True)
        self._engine.account.take((("read.campaigns", campaigns),), 1)
        units_by_second = np.diff(np.ceil(np.linspace(0, units, int(seconds) + 2))).astype(np.int32)
        nobody = np.zeros(len(units_by_second), np.int32)
        self._engine.schedule(
            Work.SCAN,
            Batch.of(nobody, units_by_second),
            np.arange(len(units_by_second), dtype=np.int32),
        )
        took = LAMBDA_SECONDS + seconds + seconds_after
        self._engine.tally.record_pass(took, units + campaigns)

    def _scan(self, batch: Batch) -> None:
        self._engine.account.take((("read.retries", float(batch.events.sum())),), 1)

    def _is_anything_due(self, everyone: Ints) -> bool:
        is_due = self._records.is_used_up(everyone) | (self._records.due_at != NOT_YET)
        return bool(is_due.any())

    def _is_overdue(self, devices: Ints) -> Flags:
        records, latest = self._records, self._engine.now - GRACE_SECONDS
        reached = self._engine.tally.reached_at[:, devices].max(axis=0)
        due_at = records.due_at[devices]
        is_unclaimed = records.is_used_up(devices) & (reached < latest)
        is_late: Flags = is_unclaimed | ((due_at != NOT_YET) & (due_at < latest))
        return is_late

    def _inspect(self, batch: Batch) -> None:
        # Since the pass began, minutes may have gone by.
        devices = batch.devices[self._is_overdue(batch.devices)]
        records, started = self._records, self._intake.started
        is_unclaimed = records.is_used_up(devices)
        over = is_unclaimed & (started[devices] > records.cycle[devices])
        over &= ~self._recoveries.is_alive[devices]
        self._intake.start(self._query_runs(profile.UNCLAIMED, devices[is_unclaimed & ~over]))
        inspected = self._query_runs(profile.LIVE, devices[~is_unclaimed | over])
        self._recoveries.finish(inspected[~self._recoveries.is_alive[inspected]])

    def _query_runs(self, what: str, devices: Ints) -> Ints:
        """Query the runs of devices; return the devices for which Step Functions answered."""
        step = self._steps[what]
        is_done = self._engine.call(step, len(devices)) == len(step)
        self._engine.record("not looked at", int((~is_done).sum()))
        answered: Ints = devices[is_done]
        return answered

    def _redrive(self, _: Batch) -> None:
        batches, self._intake.dead_letters = self._intake.dead_letters, []
        self._is_redriving = False
        first = 1
        for batch in batches:
            seconds = first + np.arange(len(batch), dtype=np.int32) // REDRIVEN_PER_SECOND
            first = int(seconds[-1]) + 1
            self._redrive_batch(batch, seconds)

    def _redrive_batch(self, batch: Batch, seconds: Ints) -> None:
        since = self._engine.now + seconds
        again = Batch(batch.devices, batch.events, np.zeros_like(batch.tries), since)
        self._engine.schedule(Work.ARRIVE, again, seconds)
