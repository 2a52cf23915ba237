"""The bill of a run is what the bench counted, plus waits and ReconcileDevices."""

from __future__ import annotations

import numpy as np
import pytest

from fleet_model import bill, model
from fleet_model.backoff import Backoff
from fleet_model.engine import Batch, Engine, Work
from fleet_model.intake import Intake
from fleet_model.model import Result, Setup
from fleet_model.records import Records
from fleet_model.tally import Tally
from fleet_model.workload import NEVER, Workload
from pricing import recorded_usage
from pricing.quotas import Quota
from tests.tools.fleet_model.common import DEVICES, TICK, ints


def test_the_bill_of_one_device_is_what_the_bench_counted() -> None:
    """On the local cloud, and independently of all that is here."""
    alone = Workload(1, ints(0), ints(NEVER), copies=1, late_share=0.0)
    tally = model.run(alone, Setup()).tally
    usage = (bill.usage_of(tally) - bill.passes(tally)).counts()
    recorded = recorded_usage.read()["escalated"]
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


@pytest.mark.parametrize(("longest", "seconds"), [(20, None), (100_000, 300)])
def test_an_intake_is_billed_for_the_time_that_it_waits(longest: int, seconds: int | None) -> None:
    """As long as it is open, from its message until it gives up or has used up its five minutes."""
    nothing = {"write.retries": Quota(0, 0, "")}
    tally = Tally(devices=1, cycles=1)
    engine = Engine(nothing, np.random.default_rng(1), tally)
    often = Backoff(interval=longest, rate=1, longest=longest, attempts=5)
    backoffs = dict.fromkeys(model.backoffs(), often)
    Intake(engine, Records(1, 10, ()), model.steps(), lambda devices: devices, backoffs)
    engine.schedule(Work.ARRIVE, Batch.of(ints(0)))
    engine.run()
    gigabytes = 64 / 1024
    waited = engine.now if seconds is None else seconds
    assert waited > 0
    assert bill.usage_of(tally).express_gb_seconds == pytest.approx((0.3 + waited) * gigabytes)
