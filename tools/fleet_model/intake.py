"""The intake: from a message on the topic to a counted failure, and a recovery that is started."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fleet_model import profile
from fleet_model.audit_log import AuditLog, CountOutcome
from fleet_model.backoff import Backoff
from fleet_model.engine import Batch, Engine, Work
from fleet_model.profile import Call, Profile, Step, single_call
from fleet_model.records import FREE, TRACKING, Flags, Ints, Records
from fleet_model.workload import SUCCESS
from simulator.machines import EXPRESS_SECONDS

RULES = 1
"""IoT rules on the topic, all evaluated for each message."""
STATES: Mapping[Work, str] = {
    Work.COUNT: "IncrementRetryCounter",
    Work.CHECK: "CheckIfDeviceExists",
    Work.STORE: "StoreDeviceAttributes",
    Work.CREATE: "CreateDeviceRecord",
    Work.CLEAR: "ClearDeviceRecord",
    Work.START: "StartCoolDown",
}
"""In the definition; both states that start a recovery are retried alike."""
_ARRIVAL: Step = (Call("iot.rules", (("iot.rules", RULES),)), single_call("states.start_express"))
_START: Step = (single_call("stepfunctions.start_execution"),)


class Intake:
    """The Express machine.

    ``start`` is called with devices whose recovery is to start, and gives those of which it did.
    """

    def __init__(
        self,
        engine: Engine,
        records: Records,
        steps: Profile,
        start: Callable[[Ints], Ints],
        backoffs: Mapping[str, Backoff],
    ) -> None:
        self._engine = engine
        self._records = records
        self._steps = steps
        self._start_runs = start
        self._backoffs = backoffs
        self.started = np.zeros(len(records.state), np.uint8)
        """The latest cycle for which a run was started: its name is taken."""
        self.dead_letters: list[Batch] = []
        self.audit_log = AuditLog(len(records.state), records.most_events)
        engine.workers |= {
            Work.ARRIVE: self._arrive,
            Work.COUNT: self._count,
            Work.CHECK: self._check,
            Work.STORE: self._store,
            Work.CREATE: self._create,
            Work.START: self._start,
            Work.CLEAR: self._clear,
        }

    def _arrive(self, batch: Batch) -> None:
        granted = self._engine.call(_ARRIVAL, len(batch)) == len(_ARRIVAL)
        self._engine.record("arrived", len(batch))
        self._send_to_dead_letters(batch[~granted])
        batch = batch[granted]
        is_success = batch.events == SUCCESS
        self._clear(batch[is_success])
        self._count(batch[~is_success])

    def _run_state(self, work: Work, batch: Batch, step: Step) -> Flags:
        """Run a state; which of the batch came through. Those that did not are tried again."""
        done: Flags = self._engine.call(step, len(batch)) == len(step)
        if not done.all():
            self._retry(work, batch[~done])
        return done

    def _retry(self, work: Work, batch: Batch) -> None:
        backoff = self._backoffs[STATES[work]]
        is_left = batch.tries < backoff.attempts
        self._give_up(work, batch[~is_left])
        batch = batch[is_left]
        waits = backoff.waits(batch.tries, self._engine.chance)
        left = np.maximum(0, int(EXPRESS_SECONDS) - (self._engine.now - batch.since))
        in_time = waits < left
        self._engine.tally.intakes_waited += int(np.minimum(waits, left).sum())
        # It ends in the middle of its wait, and nothing in it sees that.
        self._engine.record("timed out", int((~in_time).sum()))
        batch, waits = batch[in_time], waits[in_time]
        self._engine.record("intake retried", len(batch))
        self._engine.schedule(
            work, Batch(batch.devices, batch.events, batch.tries + 1, batch.since), waits
        )

    def _give_up(self, work: Work, batch: Batch) -> None:
        if work is Work.START:  # counted already, so ReconcileDevices starts the recovery
            self._engine.record("starts postponed", len(batch))
        else:
            self._send_to_dead_letters(batch)

    def _send_to_dead_letters(self, batch: Batch) -> None:
        if len(batch):
            self._engine.record("dead letters", len(batch))
            self.dead_letters.append(batch)

    def _count(self, batch: Batch) -> None:
        batch = batch[self._run_state(Work.COUNT, batch, self._steps["IncrementRetryCounter"])]
        while len(batch):
            # Of several messages of a device, one write takes effect after the other.
            _, first = np.unique(batch.devices, return_index=True)
            is_first = np.zeros(len(batch), np.bool_)
            is_first[first] = True
            self._apply_counts(batch[is_first])
            batch = batch[~is_first]

    def _apply_counts(self, batch: Batch) -> None:
        engine, records = self._engine, self._records
        is_free = records.state[batch.devices] == FREE
        if is_free.any():
            engine.schedule(Work.CHECK, batch[is_free].fresh())
            batch = batch[~is_free]
        counted = records.count(batch.devices, batch.events)
        self.audit_log.add_counts(batch.devices[counted], batch.events[counted])
        self._note_why(batch[~counted])
        engine.record("counted", int(counted.sum()))
        engine.record("refused", int((~counted).sum()))
        is_due = records.is_used_up(batch.devices)
        if is_due.any():
            self._note_limit(batch.devices[is_due & counted])
            engine.schedule(Work.START, batch[is_due].fresh())

    def _note_why(self, batch: Batch) -> None:
        """Note for the audit why messages did not count, unless they are copies."""
        records, devices = self._records, batch.devices
        outcomes = np.full(len(batch), CountOutcome.UNKNOWN, np.uint8)
        outcomes[records.state[devices] != TRACKING] = CountOutcome.IN_RECOVERY
        outcomes[records.is_used_up(devices)] = CountOutcome.FULL
        self.audit_log.add_rejections(devices, batch.events, outcomes)

    def _note_limit(self, devices: Ints) -> None:
        cycles = self._records.cycle[devices]
        self._engine.tally.reached_at[cycles, devices] = self._engine.now
        self._engine.record("limit reached", len(devices))

    def _check(self, batch: Batch) -> None:
        is_late = self._records.has_ended[batch.devices]
        stale = batch[is_late]
        done = self._run_state(Work.CHECK, stale, self._steps[profile.STALE])
        self._engine.record("stale", int(done.sum()))
        self.audit_log.add_rejections(
            stale.devices[done], stale.events[done], CountOutcome.RECOVERED
        )
        new = batch[~is_late]
        done = self._run_state(Work.CHECK, new, self._steps["CheckIfDeviceExists"])
        self._engine.schedule(Work.STORE, new[done].fresh())

    def _store(self, batch: Batch) -> None:
        done = self._run_state(Work.STORE, batch, self._steps["StoreDeviceAttributes"])
        self._engine.schedule(Work.CREATE, batch[done].fresh())

    def _create(self, batch: Batch) -> None:
        done = self._run_state(Work.CREATE, batch, self._steps["CreateDeviceRecord"])
        self._records.create(np.unique(batch.devices[done]))
        self._engine.schedule(Work.COUNT, batch[done].fresh())

    def _clear(self, batch: Batch) -> None:
        if not len(batch):
            return
        tracked = self._records.state[batch.devices] != FREE
        self._run_state(Work.CLEAR, batch[~tracked], self._steps[profile.UNTRACKED])
        batch = batch[tracked]
        done = self._run_state(Work.CLEAR, batch, self._steps["ClearDeviceRecord"])
        devices = np.unique(batch.devices[done])
        self._engine.record("recovered", len(devices))
        self._records.end(devices)

    def _start(self, batch: Batch) -> None:
        batch = batch[self._run_state(Work.START, batch, _START)]
        self.start(batch.devices)
        # AWS refused them because too many were open: tried again as anything that is refused.
        refused = self._is_to_start(batch.devices)
        if refused.any():
            self._retry(Work.START, batch[refused])

    def start(self, devices: Ints) -> None:
        """Start recoveries that have not begun; the caller has made the calls."""
        devices = np.unique(devices)
        begun = self._start_runs(devices[self._is_to_start(devices)])
        self.started[begun] = self._records.cycle[begun] + 1

    def _is_to_start(self, devices: Ints) -> Flags:
        # The name of a run is made of the cycle: it is started once, whoever starts it.
        is_new: Flags = self.started[devices] < self._records.cycle[devices] + 1
        is_new &= self._records.is_used_up(devices)
        return is_new
