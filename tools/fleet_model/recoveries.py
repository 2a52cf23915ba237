"""The recoveries: out of the group, back into it, or to the failed ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fleet_model.backoff import Backoff
from fleet_model.engine import IN_PLACE, Batch, Engine, Work
from fleet_model.profile import Profile, Step, single_call
from fleet_model.records import COOLING_DOWN, FAILED, Ints, Records

STATES: Mapping[Work, tuple[str, str]] = {
    Work.MOVE_OUT: ("cool_down", "ResetRetryCounterAndMoveOut"),
    Work.RESTORE: ("cool_down", "RestoreDeviceAttributes"),
    Work.MARK_FAILED: ("escalation", "ResetRetryCountToFailedUpdate"),
    Work.JOIN_GROUP: ("escalation", "MoveDeviceToFailedGroup"),
    Work.NOTIFY: ("escalation", "SendSNSNotification"),
}
"""Machine and state, by work."""
_ENTERED = single_call("states.transition")


class Recoveries:
    """The Standard machines. ``rejoin`` is called with devices that were restored."""

    def __init__(  # noqa: PLR0913 -- the fleet's parts, by name
        self,
        engine: Engine,
        records: Records,
        steps: Profile,
        backoffs: Mapping[str, Backoff],
        rejoin: Callable[[Ints], None],
        *,
        jitter: float,
        settle_seconds: int,
        open_executions: int,
    ) -> None:
        self._engine = engine
        self._records = records
        self._steps = {name: (_ENTERED, *steps[name]) for _, name in STATES.values()}
        self._backoffs = backoffs
        self._rejoin = rejoin
        self._jitter = jitter
        self._settle_seconds = settle_seconds
        self.is_alive = np.zeros(len(records.state), np.bool_)
        """Whether the run of a device is under way."""
        self._most_open = open_executions
        self._open = 0
        self._away = 0
        engine.workers |= {
            Work.MOVE_OUT: self._move_out,
            Work.RESTORE: self._restore,
            Work.MARK_FAILED: self._mark_failed,
            Work.JOIN_GROUP: self._join_group,
            Work.NOTIFY: self._notify,
        }

    def start(self, devices: Ints) -> Ints:
        """Start as many executions as AWS lets be open, and return their devices."""
        devices = self._with_room(devices)
        self._count_open(devices, 1)
        escalates = self._records.escalates(devices)
        self._engine.schedule(Work.MOVE_OUT, Batch.of(devices[~escalates]))
        self._engine.schedule(Work.MARK_FAILED, Batch.of(devices[escalates]))
        return devices

    def _with_room(self, devices: Ints) -> Ints:
        tally, room = self._engine.tally, self._most_open - self._open
        tally.most_to_open = max(tally.most_to_open, self._open + len(devices))
        if len(devices) <= room:
            return devices
        self._engine.record("too many open", len(devices) - room)
        some: Ints = self._engine.chance.permutation(devices)[:room]
        return some

    def finish(self, devices: Ints) -> None:
        """Let ReconcileDevices perform the next step of devices whose run has ended."""
        records = self._records
        tracked = records.is_used_up(devices)
        away, has_failed = records.is_away[devices], records.state[devices] == FAILED
        escalates = has_failed | (tracked & records.escalates(devices))
        for work, which in (
            (Work.MOVE_OUT, ~away & ~escalates),
            (Work.RESTORE, away & ~escalates),
            (Work.MARK_FAILED, ~away & escalates),
            (Work.JOIN_GROUP, away & escalates),
        ):
            self._engine.schedule(work, Batch.of(devices[which], tries=IN_PLACE))

    def _count_open(self, devices: Ints, change: int) -> None:
        self.is_alive[devices] = change > 0
        self._open += change * len(devices)
        tally = self._engine.tally
        tally.most_open = max(tally.most_open, self._open)
        tally.gauge("open", self._open, self._engine.now)

    def _end_runs(self, batch: Batch) -> None:
        self._count_open(batch.devices[batch.tries != IN_PLACE], -1)

    def _run_step(self, work: Work, batch: Batch) -> tuple[Batch, Batch]:
        """Run a state: those that claimed at least, and those that came through."""
        batch = self._drop_superseded(work, batch)
        _, name = STATES[work]
        step = self._steps[name]
        reached = self._engine.call(step, len(batch))
        is_done = reached == len(step)
        if not is_done.all():
            self._retry(work, batch[~is_done])
        return batch[reached > _place_of_claim(step)], batch[is_done]

    def _drop_superseded(self, work: Work, batch: Batch) -> Batch:
        """Drop devices that are no longer where the state expects them, and end their runs."""
        records, devices = self._records, batch.devices
        state, is_away = records.state[devices], records.is_away[devices]
        wanted = COOLING_DOWN if work in (Work.MOVE_OUT, Work.RESTORE) else FAILED
        if work in (Work.MOVE_OUT, Work.MARK_FAILED):
            is_here = records.is_used_up(devices) | ((state == wanted) & ~is_away)
        else:
            is_here = (state == wanted) & is_away
        if is_here.all():
            return batch
        self._engine.record("superseded", int((~is_here).sum()))
        self._end_runs(batch[~is_here])
        return batch[is_here]

    def _retry(self, work: Work, batch: Batch) -> None:
        batch = batch[batch.tries != IN_PLACE]
        backoff = self._backoffs[STATES[work][1]]
        is_left = batch.tries < backoff.attempts
        self._engine.record("runs failed", int((~is_left).sum()))
        self._end_runs(batch[~is_left])
        batch = batch[is_left]
        waits = backoff.waits(batch.tries, self._engine.chance)
        self._engine.record("retried", len(batch))
        again = Batch(batch.devices, batch.events, batch.tries + 1, batch.since)
        self._engine.schedule(work, again, waits)

    def _overwrite(self, work: Work, batch: Batch, state: int) -> Batch:
        """Take devices out of their groups; those that are out now."""
        engine, records = self._engine, self._records
        claimed, done = self._run_step(work, batch)
        records.claim(claimed.devices, state, engine.now + self._waits(claimed.devices, state))
        # Who was held up for longer than its wait has its whole wait from now on.
        late = done.devices[records.due_at[done.devices] < engine.now]
        records.due_at[late] = engine.now + self._waits(late, state)
        records.mark_away(done.devices)
        self._away += len(done)
        engine.tally.moved_at[records.cycle[done.devices] - 1, done.devices] = engine.now
        engine.tally.gauge("away", self._away, engine.now)
        engine.call((_ENTERED,), len(done))  # the state that waits
        return done

    def _waits(self, devices: Ints, state: int) -> Ints:
        if state == FAILED:
            return np.full(len(devices), self._settle_seconds, np.int32)
        records = self._records
        cycles = records.cycle[devices] - (records.state[devices] == COOLING_DOWN)
        longer = 1 + self._jitter * self._engine.chance.random(len(devices))
        wanted = np.asarray(records.cool_down_seconds, np.float64)[cycles]
        waits: Ints = (wanted * longer).astype(np.int32)
        return waits

    def _move_out(self, batch: Batch) -> None:
        done = self._overwrite(Work.MOVE_OUT, batch, COOLING_DOWN)
        self._engine.record("moved out", len(done))
        self._after_its_wait(Work.RESTORE, done)

    def _mark_failed(self, batch: Batch) -> None:
        done = self._overwrite(Work.MARK_FAILED, batch, FAILED)
        self._engine.record("marked failed", len(done))
        self._after_its_wait(Work.JOIN_GROUP, done)

    def _after_its_wait(self, work: Work, batch: Batch) -> None:
        batch = batch[batch.tries != IN_PLACE].fresh()
        waits = np.maximum(1, self._records.due_at[batch.devices] - self._engine.now)
        self._engine.schedule(work, batch, waits)

    def _restore(self, batch: Batch) -> None:
        _, done = self._run_step(Work.RESTORE, batch)
        engine, records, devices = self._engine, self._records, done.devices
        records.release(devices)
        engine.tally.restored_at[records.cycle[devices] - 1, devices] = engine.now
        engine.record("restored", len(done))
        self._away -= len(done)
        engine.tally.gauge("away", self._away, engine.now)
        self._end_runs(done)
        self._rejoin(devices)

    def _join_group(self, batch: Batch) -> None:
        _, done = self._run_step(Work.JOIN_GROUP, batch)
        tries = np.minimum(done.tries, 0)
        self._engine.schedule(Work.NOTIFY, Batch(done.devices, done.events, tries, done.since))

    def _notify(self, batch: Batch) -> None:
        _, done = self._run_step(Work.NOTIFY, batch)
        self._records.mark_notified(done.devices)
        self._engine.record("escalated", len(done))
        self._end_runs(done)


def _place_of_claim(step: Step) -> int:
    """Return the place of the call that claims the device; writes before it claim nothing."""
    names = [call.name for call in step]
    claim = "dynamodb.transact_write_items"
    return names.index(claim) if claim in names else len(names)
