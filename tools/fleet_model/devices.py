"""The devices: they try as their workload says, and tell how it went."""

from __future__ import annotations

import numpy as np

from fleet_model.engine import Batch, Engine, Work
from fleet_model.records import Ints
from fleet_model.workload import SUCCESS, Workload


class Devices:
    """What the devices know of themselves; nothing here looks at a record."""

    def __init__(self, engine: Engine, workload: Workload) -> None:
        self._engine = engine
        self._workload = workload
        self.failed = np.zeros(workload.size, np.int32)
        """How many attempts of each have failed."""
        self.is_healthy = np.zeros(workload.size, np.bool_)
        """Whether its update succeeded."""
        self.failed_at = np.full(workload.size, -1, np.int32)
        """When each failed first; -1: never."""
        self.healthy_at = np.full(workload.size, -1, np.int32)
        """When the update of each succeeded; -1: never."""
        engine.workers[Work.TRY] = self._try
        engine.schedule(
            Work.TRY, Batch.of(np.arange(workload.size, dtype=np.int32)), workload.starts
        )

    def rejoin(self, devices: Ints) -> None:
        """Let devices join their group again, and try as soon as they have.

        The rollout rate of a job does not hold them back; see ``quotas.ROLLOUT_PER_MINUTE``.
        """
        self._engine.schedule(Work.TRY, Batch.of(devices), self._workload.indexing_seconds)

    def _try(self, batch: Batch) -> None:
        workload, devices = self._workload, batch.devices
        succeeds = self.failed[devices] >= workload.failures[devices]
        self.is_healthy[devices[succeeds]] = True
        self.healthy_at[devices[succeeds]] = self._engine.now
        self._report(devices[succeeds], np.full(int(succeeds.sum()), SUCCESS, np.int32))
        devices = devices[~succeeds]
        self.failed_at[devices[self.failed[devices] == 0]] = self._engine.now
        self._report(devices, self.failed[devices])
        self.failed[devices] += 1
        self._engine.record("failures", len(devices))
        # AWS IoT Jobs gives it no more.
        is_last = self.failed[devices] % workload.tries == 0
        self._note_last(devices[is_last])
        devices = devices[~is_last]
        self._engine.schedule(
            Work.TRY, Batch.of(devices), workload.gaps(devices, self.failed[devices])
        )

    def _note_last(self, devices: Ints) -> None:
        cycles = self.failed[devices] // self._workload.tries - 1
        self._engine.tally.tried_out_at[cycles, devices] = self._engine.now

    def _report(self, devices: Ints, events: Ints) -> None:
        if not len(devices):
            return
        for copy in range(self._workload.copies):
            delays = self._workload.delays(devices, events, copy)
            moments = self._engine.now + delays
            messages = Batch(devices, events, np.zeros_like(devices), moments)
            self._engine.schedule(Work.ARRIVE, messages, delays)
