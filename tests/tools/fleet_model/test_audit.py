"""The audit finds lost devices, lost counts and double counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fleet_model import model, records, workload
from fleet_model.audit import audit
from fleet_model.audit_log import AuditLog, CountOutcome
from fleet_model.devices import Devices
from fleet_model.engine import Batch, Engine, Work
from fleet_model.intake import Intake
from fleet_model.model import Setup
from fleet_model.records import Records
from fleet_model.tally import Tally
from fleet_model.workload import NEVER, Workload
from pricing.quotas import QUOTAS, only, scale
from tests.tools.fleet_model.common import ints


def test_without_the_deduplication_failures_are_counted_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(self: Records, devices: workload.Ints, events: workload.Ints) -> records.Flags:
        return np.zeros(len(devices), np.bool_)

    monkeypatch.setattr(Records, "is_counted", never)
    audit = model.run(workload.bad_release(500), Setup(tick=60)).audit
    assert audit.counted_twice > 500


def test_without_the_dead_letter_queue_devices_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Intake, "_send_to_dead_letters", lambda *_: None)
    throttled = scale(only(QUOTAS, ["iot.describe_thing"]), 0.0001)
    audit = model.run(workload.bad_release(500), Setup(quotas=throttled, tick=60)).audit
    assert audit.lost > 0


def test_a_failure_that_is_dropped_before_it_counts_is_a_lost_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The failure is of a later cycle and its device recovers: no device is lost with it."""
    count, release = Intake._count, workload.bad_release(500)
    dropped = 12

    def forgetful(self: Intake, batch: Batch) -> None:
        count(self, batch[batch.events != dropped])

    monkeypatch.setattr(Intake, "_count", forgetful)
    audit = model.run(
        replace(release, failures=np.minimum(release.failures, 19)), Setup(tick=60)
    ).audit
    had_it = int((release.failures > dropped).sum())
    assert audit.lost_counts == pytest.approx(had_it, abs=1)
    assert (audit.lost, audit.counted_twice) == (0, 0)


def test_a_count_that_the_records_lose_is_a_lost_count(monkeypatch: pytest.MonkeyPatch) -> None:
    end = Records.end

    def forgetful(self: Records, devices: workload.Ints) -> None:
        self.counter[devices] -= self.counter[devices] > 0
        end(self, devices)

    monkeypatch.setattr(Records, "end", forgetful)
    audit = model.run(workload.bad_release(500), Setup(tick=60)).audit
    assert 300 < audit.lost_counts <= audit.recovered
    assert (audit.lost, audit.counted_twice) == (0, 0)


def test_a_lost_count_does_not_hide_one_too_many(table: Records) -> None:
    """Of the first device, two failures and two counts: both of the same failure."""
    devices, log = _fail_devices(2, 0, 0), AuditLog(3, 8)
    log.add_counts(ints(0), ints(1))
    log.add_counts(ints(0), ints(1))
    table.count(ints(0), ints(1))
    table.end(ints(1))
    table.counted_before[1] = 0
    found = audit(devices, table, log)
    assert (found.failures, found.counted) == (2, 1)
    assert (found.lost_counts, found.counted_twice) == (1, 1)


@pytest.mark.parametrize(
    "outcome", [CountOutcome.RECOVERED, CountOutcome.IN_RECOVERY, CountOutcome.FULL]
)
def test_reason_that_the_device_contradicts_is_a_lost_count(outcome: CountOutcome) -> None:
    log, table = AuditLog(1, 8), Records(1, retry_limit=2, cool_down_seconds=())
    log.add_rejections(ints(0), ints(0), outcome)
    assert audit(_fail_devices(1), table, log).lost_counts == 1


def _fail_devices(*failures: int) -> Devices:
    """Devices at rest that failed so often, and never recovered."""
    engine = Engine({}, np.random.default_rng(1), Tally(len(failures), 1))
    devices = Devices(engine, Workload(1, ints(*[0] * len(failures)), ints(*failures)))
    devices.failed[:] = failures
    return devices


def test_failures_of_a_device_in_recovery_are_not_to_count() -> None:
    """It tries four times, and its cycle has two: those of both recoveries come to nothing."""
    release = Workload(1, ints(0), ints(NEVER), tries=4, copies=1, late_share=0.0)
    setup = Setup(retry_limit=2, cool_down_seconds=(36_000,), quotas={})
    found = model.run(release, setup).audit
    assert (found.failures, found.counted, found.in_recovery, found.lost_counts) == (8, 4, 4, 0)


def test_failures_beyond_a_full_cycle_are_not_to_count() -> None:
    table = Records(1, retry_limit=1, cool_down_seconds=(600,))
    engine = Engine({}, np.random.default_rng(1), Tally(1, 2))
    intake = Intake(engine, table, model.steps(), lambda devices: devices, model.backoffs())
    for event in (0, 0, 1):
        engine.schedule(Work.ARRIVE, Batch.of(ints(0), event), event)
    engine.run()
    assert intake.audit_log.outcomes[:3, 0].tolist() == [
        CountOutcome.COUNTED,
        CountOutcome.FULL,
        CountOutcome.UNKNOWN,
    ]
    assert table.counter.tolist() == intake.audit_log.times.tolist() == [1]
