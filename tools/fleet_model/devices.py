"""The devices: they try as their story says, and tell how it went."""

from __future__ import annotations

import numpy as np

from fleet_model.engine import Batch, Engine, Work
from fleet_model.records import Ints
from fleet_model.workload import SUCCESS, Story


class Devices:
    """What the devices know of themselves; nothing here looks at a record."""

    def __init__(self, engine: Engine, story: Story) -> None:
        self._engine = engine
        self._story = story
        self.failed = np.zeros(story.size, np.int32)
        """How many attempts of each have failed."""
        self.is_healthy = np.zeros(story.size, np.bool_)
        """Whether its update succeeded."""
        self.failed_at = np.full(story.size, -1, np.int32)
        """When each failed first; -1: never."""
        self.healthy_at = np.full(story.size, -1, np.int32)
        """When the update of each succeeded; -1: never."""
        engine.doing[Work.TRY] = self._try
        engine.later(Work.TRY, Batch.of(np.arange(story.size, dtype=np.int32)), story.starts)

    def came_back(self, devices: Ints) -> None:
        """Devices are about to join their group again, and try as soon as they have.

        The rollout rate of a job does not hold them back; see ``quotas.ROLLOUT_PER_MINUTE``.
        """
        self._engine.later(Work.TRY, Batch.of(devices), self._story.indexing_seconds)

    def _try(self, batch: Batch) -> None:
        story, devices = self._story, batch.devices
        succeeds = self.failed[devices] >= story.failures[devices]
        self.is_healthy[devices[succeeds]] = True
        self.healthy_at[devices[succeeds]] = self._engine.now
        self._tell(devices[succeeds], np.full(int(succeeds.sum()), SUCCESS, np.int32))
        devices = devices[~succeeds]
        self.failed_at[devices[self.failed[devices] == 0]] = self._engine.now
        self._tell(devices, self.failed[devices])
        self.failed[devices] += 1
        self._engine.happened("failures", len(devices))
        # AWS IoT Jobs gives it no more.
        is_last = self.failed[devices] % story.tries == 0
        self._note_last(devices[is_last])
        devices = devices[~is_last]
        self._engine.later(Work.TRY, Batch.of(devices), story.gaps(devices, self.failed[devices]))

    def _note_last(self, devices: Ints) -> None:
        cycles = self.failed[devices] // self._story.tries - 1
        self._engine.tally.tried_out_at[cycles, devices] = self._engine.now

    def _tell(self, devices: Ints, events: Ints) -> None:
        if not len(devices):
            return
        for copy in range(self._story.copies):
            delays = self._story.delays(devices, events, copy)
            moments = self._engine.now + delays
            messages = Batch(devices, events, np.zeros_like(devices), moments)
            self._engine.later(Work.ARRIVE, messages, delays)
