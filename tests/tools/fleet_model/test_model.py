"""The model of a large fleet under the quotas of AWS."""

from __future__ import annotations

import numpy as np

from fleet_model import model, workload
from fleet_model.model import Result, Setup
from pricing.quotas import QUOTAS, only
from tests.tools.fleet_model.common import DEVICES, SMALL, TICK


def test_no_device_is_lost_and_no_failure_counted_twice(result: Result) -> None:
    audit = result.audit
    assert audit.devices == audit.recovered + audit.escalated == DEVICES
    assert (audit.lost, audit.lost_counts, audit.counted_twice, audit.notified_twice) == (
        0,
        0,
        0,
        0,
    )


def test_every_message_arrives_twice_and_counts_at_most_once(result: Result) -> None:
    events = result.tally.events
    assert events["arrived"] >= 2 * events["failures"]
    audit = result.audit
    assert audit.failures == events["failures"]
    assert audit.counted == events["counted"]
    assert audit.counted + audit.after_success == audit.failures
    assert 0 < audit.after_success < 0.001 * audit.failures


def test_no_quota_grants_more_than_it_has(result: Result) -> None:
    for name, bucket in result.buckets.items():
        if not bucket.quota.grows:
            most = max(bucket.quota.burst, bucket.quota.rate * TICK) + bucket.quota.rate * TICK
            assert bucket.highest_served * TICK <= most, name


def test_update_thing_limits_a_bad_release(result: Result) -> None:
    bucket = result.buckets["iot.update_thing"]
    longest = result.tally.moved_at[0].max() - result.tally.reached_at[0].min()
    assert longest > DEVICES / bucket.quota.rate * 0.9


def test_a_device_is_away_for_its_cool_down_at_least(result: Result) -> None:
    away = result.tally.restored_at[0] - result.tally.moved_at[0]
    claimed_before = result.tally.waits(0).max()
    assert away.min() >= 86_400 - claimed_before
    assert np.median(away) > 86_400 * 0.95


def test_devices_beyond_the_quota_of_open_executions_wait_and_are_not_lost() -> None:
    quotas = only(QUOTAS, ["stepfunctions.start_execution"])
    setup = Setup(quotas=quotas, open_executions=300, tick=60)
    result = model.run(workload.bad_release(400), setup)
    assert result.tally.most_open == 300 < result.tally.most_to_open <= 400
    assert result.tally.events["too many open"] > 100
    assert result.tally.events["starts postponed"] > 0 == result.tally.events["dead letters"]
    assert (result.audit.lost, result.audit.lost_counts, result.audit.notified_twice) == (0, 0, 0)
    # A device that had to wait left only when another was back.
    assert result.tally.waits(0).max() > 86_400 / 2


def test_waits_begin_with_the_last_failure_and_not_when_it_was_counted(result: Result) -> None:
    tally, tried = result.tally, result.devices.failed
    assert (tally.tried_out_at[0][tried >= 10] >= 0).all()
    assert (tally.tried_out_at[1] >= 0).tolist() == (tried >= 20).tolist()
    # The limit was reached later, by as long as a message took and the intake had to wait.
    delays = tally.reached_at[0] - tally.tried_out_at[0]
    assert delays.min() >= 0
    assert delays.max() > 900
    difference = tally.waits_of_failure(0) - tally.waits(0)
    assert difference.tolist() == delays.tolist()


def test_same_seed_gives_same_events_and_another_seed_others() -> None:
    small = Setup(quotas=SMALL, tick=60)
    events = [model.run(workload.bad_release(500, seed), small).tally.events for seed in (1, 1, 2)]
    assert events[0] == events[1] != events[2]
