"""The model of a large fleet: its rules, what it reports, and what it is held against."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firmware_retry.fleet_scan import Sample
from fleet_model import bill, crosscheck, model, profile, records, workload
from fleet_model.audit import audit
from fleet_model.audit_log import Fate, Ledger
from fleet_model.backoff import Backoff
from fleet_model.devices import Devices
from fleet_model.engine import Batch, Engine, Work
from fleet_model.event_queue import Agenda
from fleet_model.intake import Intake
from fleet_model.million import FORMER, Storm, report, setups
from fleet_model.model import Result, Setup
from fleet_model.reconciler import LOOKED_AT_A_SECOND, PASS_SECONDS, most_looked_at
from fleet_model.records import COOLING_DOWN, FAILED, FREE, TRACKING, Records
from fleet_model.tally import Tally
from fleet_model.workload import NEVER, Story
from pricing import recorded_usage as bench_figures
from pricing.quotas import QUOTAS, ROLLOUT_PER_MINUTE, Account, Bucket, Quota, Quotas, only, scaled

DEVICES = 4_000
SMALL = scaled(QUOTAS, DEVICES / 1_000_000)
TICK = 20
REGISTRY = tuple(name for name in QUOTAS if name.startswith("iot.") and name != "iot.rules")


def ints(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array(values, np.int32)


@pytest.fixture(scope="module")
def result() -> Result:
    """A hundredth of a million devices, under a hundredth of the quotas."""
    return model.run(workload.bad_release(DEVICES), Setup(quotas=SMALL, tick=TICK))


# A storm


def test_nobody_is_lost_and_nothing_is_counted_twice(result: Result) -> None:
    audit = result.audit
    assert audit.devices == audit.recovered + audit.escalated == DEVICES
    assert (audit.lost, audit.lost_counts, audit.counted_twice, audit.told_twice) == (0, 0, 0, 0)


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


def test_update_thing_is_what_a_storm_has_to_wait_for(result: Result) -> None:
    bucket = result.buckets["iot.update_thing"]
    longest = result.tally.moved_at[0].max() - result.tally.reached_at[0].min()
    assert longest > DEVICES / bucket.quota.rate * 0.9


def test_a_device_is_away_for_its_cool_down_at_least(result: Result) -> None:
    away = result.tally.restored_at[0] - result.tally.moved_at[0]
    claimed_before = result.tally.waits(0).max()
    assert away.min() >= 86_400 - claimed_before
    assert np.median(away) > 86_400 * 0.95


def test_the_retry_of_before_gives_up_by_the_thousand_and_that_of_now_does_not() -> None:
    reports = {
        name: report(name, Storm(DEVICES, tick=TICK), replace(setup, quotas=_raised_and_scaled()))
        for name, setup in setups(TICK).items()
        if "raised" in name
    }
    now, before = reports["StartExecution raised"], reports["raised, the retry before"]
    assert now.events.get("runs failed", 0) == 0
    assert before.events["runs failed"] > DEVICES / 50
    assert before.events["retried"] > 1.5 * now.events["retried"]
    assert before.restored_at > now.restored_at


def _raised_and_scaled() -> Quotas:
    raised = setups()["StartExecution raised"].quotas
    return scaled(raised, DEVICES / 1_000_000)


def test_who_may_have_no_more_open_executions_waits_and_is_not_lost() -> None:
    quotas = only(QUOTAS, ["stepfunctions.start_execution"])
    setup = Setup(quotas=quotas, open_executions=300, tick=60)
    result = model.run(workload.bad_release(400), setup)
    assert result.tally.most_open == 300 < result.tally.most_to_open <= 400
    assert result.tally.events["too many open"] > 100
    assert result.tally.events["dead letters"] > 0
    assert (result.audit.lost, result.audit.lost_counts, result.audit.told_twice) == (0, 0, 0)
    # Whoever had to wait began its time away only when another was back.
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


def test_the_same_seed_gives_the_same_and_another_seed_another() -> None:
    small = Setup(quotas=SMALL, tick=60)
    events = [model.run(workload.bad_release(500, seed), small).tally.events for seed in (1, 1, 2)]
    assert events[0] == events[1] != events[2]


# The audit


def test_without_the_deduplication_failures_are_counted_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(self: Records, devices: workload.Ints, events: workload.Ints) -> records.Flags:
        return np.zeros(len(devices), np.bool_)

    monkeypatch.setattr(Records, "is_counted", never)
    audit = model.run(workload.bad_release(500), Setup(tick=60)).audit
    assert audit.counted_twice > 500


def test_without_the_dead_letter_queue_devices_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Intake, "_bury", lambda *_: None)
    throttled = scaled(only(QUOTAS, ["iot.describe_thing"]), 0.0001)
    audit = model.run(workload.bad_release(500), Setup(quotas=throttled, tick=60)).audit
    assert audit.lost > 0


def test_a_failure_that_is_dropped_before_it_counts_is_a_lost_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One of a later cycle whose device recovers all the same: no device is lost with it."""
    count, told = Intake._count, workload.bad_release(500)
    dropped = 12

    def forgetful(self: Intake, batch: Batch) -> None:
        count(self, batch[batch.events != dropped])

    monkeypatch.setattr(Intake, "_count", forgetful)
    audit = model.run(replace(told, failures=np.minimum(told.failures, 19)), Setup(tick=60)).audit
    had_it = int((told.failures > dropped).sum())
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
    devices, ledger = _failed(2, 0, 0), Ledger(3, 8)
    ledger.counted(ints(0), ints(1))
    ledger.counted(ints(0), ints(1))
    table.count(ints(0), ints(1))
    table.end(ints(1))
    table.counted_before[1] = 0
    found = audit(devices, table, ledger)
    assert (found.failures, found.counted) == (2, 1)
    assert (found.lost_counts, found.counted_twice) == (1, 1)


@pytest.mark.parametrize("fate", [Fate.RECOVERED, Fate.IN_RECOVERY, Fate.FULL])
def test_a_reason_counts_for_nothing_where_the_device_knows_better(fate: Fate) -> None:
    ledger, table = Ledger(1, 8), Records(1, retry_limit=2, cool_down_seconds=())
    ledger.not_counted(ints(0), ints(0), fate)
    assert audit(_failed(1), table, ledger).lost_counts == 1


def _failed(*failures: int) -> Devices:
    """Devices at rest that failed so often, and never recovered."""
    engine = Engine({}, np.random.default_rng(1), Tally(len(failures), 1))
    devices = Devices(engine, Story(1, ints(*[0] * len(failures)), ints(*failures)))
    devices.failed[:] = failures
    return devices


def test_failures_of_a_device_in_recovery_are_not_to_count() -> None:
    """It tries four times, and its cycle has two: those of both recoveries come to nothing."""
    told = Story(1, ints(0), ints(NEVER), tries=4, copies=1, late_share=0.0)
    setup = Setup(retry_limit=2, cool_down_seconds=(36_000,), quotas={})
    found = model.run(told, setup).audit
    assert (found.failures, found.counted, found.in_recovery, found.lost_counts) == (8, 4, 4, 0)


def test_failures_beyond_a_full_cycle_are_not_to_count() -> None:
    table = Records(1, retry_limit=1, cool_down_seconds=(600,))
    engine = Engine({}, np.random.default_rng(1), Tally(1, 2))
    intake = Intake(engine, table, model.steps(), lambda devices: devices, model.backoffs())
    for event in (0, 0, 1):
        engine.later(Work.ARRIVE, Batch.of(ints(0), event), event)
    engine.run()
    assert intake.ledger.fates[:3, 0].tolist() == [Fate.COUNTED, Fate.FULL, Fate.UNKNOWN]
    assert table.counter.tolist() == intake.ledger.times.tolist() == [1]


# Held against the package's handlers


@pytest.mark.parametrize(("devices", "limit"), [(200, 3), (200, 10)])
def test_the_model_and_the_handlers_agree(devices: int, limit: int) -> None:
    """Under quotas of AWS IoT that are so much smaller that most calls are refused at first."""
    quotas = only(scaled(QUOTAS, devices / 250_000), REGISTRY)
    told = replace(
        workload.bad_release(devices, tries=limit, within_seconds=1200),
        gap_seconds=60,
    )
    setup = Setup(retry_limit=limit, quotas=quotas)
    handlers, fleet = crosscheck.tell(told, setup), model.run(told, setup)
    table, everyone = fleet.records, np.arange(devices, dtype=np.int32)

    assert handlers.violations == []
    assert fleet.tally.events["retried"] > 2 * devices, "the quotas refuse nothing"
    assert handlers.counted.tolist() == (table.counted_before + table.counted_of(everyone)).tolist()
    assert handlers.failed.tolist() == fleet.devices.failed.tolist()
    assert handlers.is_healthy.tolist() == fleet.devices.is_healthy.tolist()
    assert handlers.has_failed.tolist() == (table.state == FAILED).tolist()
    assert handlers.told.tolist() == table.told.tolist()

    waits = np.concatenate([fleet.tally.waits(cycle) for cycle in range(table.cycles)])
    assert len(handlers.waits) == len(waits)
    assert handlers.waits.mean() == pytest.approx(waits.mean(), rel=0.1)
    for share in (75, 95):
        expected = np.percentile(handlers.waits, share)
        assert np.percentile(waits, share) == pytest.approx(expected, rel=0.2), share


def test_who_came_back_tries_as_soon_as_it_is_in_its_group() -> None:
    """The rollout rate of a job, 1,000 a minute, holds nobody back who joins later."""
    starts, failures = np.zeros(300, np.int32), np.full(300, NEVER, np.int32)
    told = Story(1, starts, failures, tries=1, copies=1, late_share=0.0)
    setup = Setup(retry_limit=1, cool_down_seconds=(3600,), cool_down_jitter=0.0, quotas={})
    fleet, handlers = model.run(told, setup), crosscheck.tell(told, setup)
    again = 3600 + told.indexing_seconds
    assert fleet.tally.reached_at[1] == pytest.approx(again, abs=5)
    assert handlers.ended_at == pytest.approx(again + setup.settle_seconds, abs=5)


def test_the_calls_of_a_step_are_recorded_from_its_handler() -> None:
    steps = {name: [call.name for call in step] for name, step in profile.record().items()}
    assert steps["IncrementRetryCounter"] == ["lambda.invoke", "dynamodb.update_item"]
    moving = steps["ResetRetryCounterAndMoveOut"]
    assert moving.index("iot.list_thing_groups_for_thing") < moving.index("iot.update_thing")
    assert Counter(steps["StoreDeviceAttributes"])["iot.describe_thing"] == 0


def test_a_quota_is_known_for_each_call_that_is_recorded() -> None:
    taken = {name for step in profile.record().values() for call in step for name, _ in call.takes}
    assert taken <= QUOTAS.keys()


def test_the_bill_of_one_device_is_what_the_bench_counted() -> None:
    """On the local cloud, and independently of all that is here."""
    alone = Story(1, ints(0), ints(NEVER), copies=1, late_share=0.0)
    tally = model.run(alone, Setup()).tally
    usage = (bill.usage_of(tally) - bill.passes(tally)).counts()
    recorded = bench_figures.read()["escalated"]
    for name in (
        "standard_transitions",
        "express_requests",
        "lambda_invocations",
        "write_units",
        "read_units",
        "rules_triggered",
        "rule_actions",
        "registry_operations",
        "index_updates",
        "fifo_publishes",
    ):
        assert usage[name] == recorded[name], name
    assert usage["log_bytes"] == pytest.approx(recorded["log_bytes"], rel=0.1)


def test_a_pass_reads_all_records_and_is_billed_for_it_and_for_the_time(result: Result) -> None:
    tally, usage = result.tally, bill.passes(result.tally)
    hours = tally.ended_at / 3600
    assert usage.lambda_invocations == usage.schedule_invocations == tally.passes
    assert tally.passes == pytest.approx(4 * hours, rel=0.02)
    all_records = DEVICES * 400 / 4096 / 2
    assert 0.2 * all_records < usage.read_units / tally.passes < all_records
    assert usage.lambda_gb_seconds == tally.pass_seconds > tally.events["looked at"] / 100
    assert usage.dollars() < 0.05 * bill.usage_of(tally).dollars()
    assert result.buckets["read.retries"].highest_demand * TICK > 0.9 * all_records


@pytest.mark.parametrize(("counted_after", "most"), [(0, Sample.most), (600, 27_000)])
def test_a_pass_acts_on_a_sample_and_for_as_long_as_it_has(counted_after: int, most: int) -> None:
    assert most_looked_at(counted_after) == most < LOOKED_AT_A_SECOND * PASS_SECONDS


@pytest.mark.parametrize(("longest", "seconds"), [(20, None), (100_000, 300)])
def test_an_intake_is_billed_for_the_time_that_it_waits(longest: int, seconds: int | None) -> None:
    """As long as it is open, from its message until it gives up or has used up its five minutes."""
    nothing = {"write.retries": Quota(0, 0, "")}
    tally = Tally(devices=1, cycles=1)
    engine = Engine(nothing, np.random.default_rng(1), tally)
    often = Backoff(interval=longest, rate=1, longest=longest, attempts=5)
    backoffs = dict.fromkeys(model.backoffs(), often)
    Intake(engine, Records(1, 10, ()), model.steps(), lambda devices: devices, backoffs)
    engine.later(Work.ARRIVE, Batch.of(ints(0)))
    engine.run()
    gigabytes = 64 / 1024
    waited = engine.now if seconds is None else seconds
    assert waited > 0
    assert bill.usage_of(tally).express_gb_seconds == pytest.approx((0.3 + waited) * gigabytes)


# The rules


@pytest.fixture
def table() -> Records:
    """Three devices: of the first one failure is counted, the second is full, the third is free."""
    table = Records(3, retry_limit=2, cool_down_seconds=(600,))
    table.create(ints(0, 1))
    table.count(ints(0), ints(0))
    table.count(ints(1), ints(0))
    table.count(ints(1), ints(1))
    return table


def test_a_failure_counts_once_of_a_tracked_device_below_its_limit(table: Records) -> None:
    assert table.count(ints(0, 1, 2), ints(0, 2, 0)).tolist() == [False, False, False]
    assert table.count(ints(0), ints(1)).tolist() == [True]
    assert table.counter.tolist() == [2, 2, 0]


def test_only_a_used_up_device_is_claimed_and_only_once(table: Records) -> None:
    for _ in range(2):
        table.claim(ints(0, 1, 2), COOLING_DOWN, ints(7, 7, 7))
    assert table.state.tolist() == [TRACKING, COOLING_DOWN, FREE]
    assert (table.cycle[1], table.counter[1], table.due_at[1]) == (1, 0, 7)


def test_late_copies_of_an_earlier_cycle_count_for_nothing(table: Records) -> None:
    table.claim(ints(1), COOLING_DOWN, ints(7))
    table.release(ints(1))
    assert table.count(ints(1), ints(1)).tolist() == [False]
    assert table.count(ints(1), ints(2)).tolist() == [True]
    assert table.escalates(ints(0, 1)).tolist() == [False, True]


def test_what_was_counted_is_known_after_the_end_of_an_episode(table: Records) -> None:
    table.end(ints(1))
    assert (table.state[1], table.counter[1], table.counted_before[1]) == (FREE, 0, 2)


# Time and quotas


def test_an_agenda_gives_what_is_due_in_the_order_of_time() -> None:
    agenda = Agenda(1)
    chance = np.random.default_rng(1)
    seconds = chance.integers(0, 1000, 500).astype(np.int32)
    agenda.add(seconds, seconds[:, None])
    taken: list[int] = []
    while (second := agenda.next()) is not None:
        rows = agenda.take(second)
        assert set(rows[:, 0]) == {second}
        taken.extend(rows[:, 0])
        if second == seconds.min():
            agenda.add(ints(second + 3), ints(second + 3)[:, None])
    assert taken == sorted([*seconds.tolist(), int(seconds.min()) + 3])


def test_a_bucket_grants_its_rate_and_after_a_rest_its_burst() -> None:
    bucket = Bucket(Quota(rate=3, burst=10, page=""), tick=1)
    bucket.begin(0)
    assert bucket.take(20) == 10
    bucket.begin(1)
    assert bucket.take(20) == 3
    bucket.begin(100)
    assert bucket.take(20) == 10
    bucket.begin(101)
    assert (bucket.highest_demand, bucket.highest_served, bucket.refused) == (20, 10, 37)


def test_a_table_grows_to_twice_of_what_was_used_half_an_hour_before() -> None:
    bucket = Bucket(Quota(rate=100, burst=100, page="", grows=True), tick=1)
    for second, granted in ((0, 100), (1799, 100), (1800, 200)):
        bucket.begin(second)
        assert bucket.take(1000) == granted, second


def test_a_call_takes_all_that_it_needs() -> None:
    account = Account({"a": Quota(10, 10, ""), "b": Quota(6, 6, "")})
    account.begin(0)
    assert account.take((("a", 1), ("b", 2)), 8) == 3
    assert account.take((("unknown", 1),), 8) == 8


def test_waits_are_those_of_the_definition_with_full_jitter() -> None:
    backoff = Backoff.of("cool_down", "ResetRetryCounterAndMoveOut")
    assert (backoff.interval, backoff.rate, backoff.longest, backoff.attempts) == (30, 4, 3600, 50)
    waits = backoff.waits(np.full(10_000, 49, np.int32), np.random.default_rng(1))
    assert 1 <= waits.min() < 60
    assert 3540 < waits.max() <= 3601
    assert waits.mean() == pytest.approx(1800, rel=0.05)
    assert FORMER.mean_seconds < 2 * 3600 < backoff.mean_seconds


def test_a_state_without_full_jitter_is_not_understood() -> None:
    with pytest.raises(ValueError, match="is no task"):
        Backoff.of("cool_down", "CoolDown")


# Stories


def test_a_story_is_told_the_same_in_any_order() -> None:
    told = workload.bad_release(50)
    devices, events = np.arange(50, dtype=np.int32), np.full(50, 3, np.int32)
    backwards = told.delays(devices[::-1], events, 1)[::-1]
    assert told.delays(devices, events, 1).tolist() == backwards.tolist()
    assert told.delays(devices, events, 0).tolist() != backwards.tolist()


def test_in_a_bad_release_all_use_up_their_first_cycle() -> None:
    told = workload.bad_release(10_000, never=0.2)
    assert told.failures.min() >= 10
    assert (told.failures == NEVER).mean() == pytest.approx(0.2, abs=0.02)
    assert told.failures[told.failures < NEVER].max() < 20
    assert 0 <= told.starts.min() < told.starts.max() < 3600


def test_one_job_reaches_a_thousand_devices_a_minute() -> None:
    at_once = workload.bad_release(3000)
    told = workload.bad_release(3000, rollout_per_minute=ROLLOUT_PER_MINUTE)
    assert np.bincount(told.starts // 60).tolist() == [1000, 1000, 1000]
    assert told.failures.tolist() == at_once.failures.tolist()


def test_one_item_takes_what_one_partition_does_and_no_more() -> None:
    assert (QUOTAS["read.campaigns"].rate, QUOTAS["read.campaigns"].grows) == (3000, False)


def test_in_an_ordinary_release_attempts_fail_independently() -> None:
    told = workload.ordinary_release(
        100_000, fails=0.5, fails_later=0.25, never=0.01, tries=2, rollout_per_minute=600
    )
    shares = [(told.failures == number).mean() for number in range(4)]
    assert shares == pytest.approx([0.99 * x for x in (0.5, 0.25, 0.1875, 0.0469)], abs=0.01)
    assert told.starts[:20].tolist() == [0] * 10 + [1] * 10


def test_in_an_ordinary_release_a_message_arrives_once_and_at_once_unless_told_otherwise() -> None:
    everyone = np.arange(1000, dtype=np.int32)
    told = workload.ordinary_release(1000, fails=0.5, fails_later=0.5, never=0, tries=2)
    assert told.copies == 1
    assert told.delays(everyone, everyone, 0).max() <= 2
    often = workload.ordinary_release(1000, fails=0.5, fails_later=0.5, never=0, tries=2, copies=3)
    assert often.copies == 3
    assert often.delays(everyone, everyone, 2).max() <= 3 * often.resend_seconds


# The docs


@pytest.mark.parametrize(
    ("quota", "said"),
    [
        ("iot.update_thing", "| `UpdateThing` | {:,.0f} a second"),
        ("sns.publish", "| FIFO topic | {:,.0f} messages a second"),
        ("stepfunctions.describe_execution", "| looks at a run | {:,.0f} a second"),
        ("states.start_express", "| starts a second | {:,.0f} Express"),
        ("stepfunctions.start_execution", " {:,.0f} Standard* after a burst"),
    ],
)
def test_the_page_of_limits_names_the_same_quotas(quota: str, said: str) -> None:
    page = (Path(__file__).parents[3] / "docs" / "limits.md").read_text()
    assert said.format(QUOTAS[quota].rate) in page
