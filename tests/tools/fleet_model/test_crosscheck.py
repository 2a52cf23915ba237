"""The model agrees with the package's own handlers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fleet_model import crosscheck, model, workload
from fleet_model.model import Setup
from fleet_model.records import FAILED
from fleet_model.workload import NEVER, Workload
from pricing.quotas import QUOTAS, only, scale

REGISTRY = tuple(name for name in QUOTAS if name.startswith("iot.") and name != "iot.rules")


@pytest.mark.parametrize(("devices", "limit"), [(200, 3), (200, 10)])
def test_the_model_and_the_handlers_agree(devices: int, limit: int) -> None:
    """Under quotas of AWS IoT that are so much smaller that most calls are refused at first."""
    quotas = only(scale(QUOTAS, devices / 250_000), REGISTRY)
    release = replace(
        workload.bad_release(devices, tries=limit, within_seconds=1200),
        gap_seconds=60,
    )
    setup = Setup(retry_limit=limit, quotas=quotas)
    handlers, fleet = crosscheck.run(release, setup), model.run(release, setup)
    table, everyone = fleet.records, np.arange(devices, dtype=np.int32)

    assert handlers.violations == []
    assert fleet.tally.events["retried"] > 2 * devices, "the quotas refuse nothing"
    assert handlers.counted.tolist() == (table.counted_before + table.count_all(everyone)).tolist()
    assert handlers.failed.tolist() == fleet.devices.failed.tolist()
    assert handlers.is_healthy.tolist() == fleet.devices.is_healthy.tolist()
    assert handlers.has_failed.tolist() == (table.state == FAILED).tolist()
    assert handlers.notifications.tolist() == table.notifications.tolist()

    waits = np.concatenate([fleet.tally.waits(cycle) for cycle in range(table.cycles)])
    assert len(handlers.waits) == len(waits)
    assert handlers.waits.mean() == pytest.approx(waits.mean(), rel=0.1)
    for share in (75, 95):
        expected = np.percentile(handlers.waits, share)
        assert np.percentile(waits, share) == pytest.approx(expected, rel=0.2), share


def test_restored_device_tries_as_soon_as_it_is_in_its_group() -> None:
    """The rollout rate of a job, 1,000 per minute, does not delay devices that join later."""
    starts, failures = np.zeros(300, np.int32), np.full(300, NEVER, np.int32)
    release = Workload(1, starts, failures, tries=1, copies=1, late_share=0.0)
    setup = Setup(retry_limit=1, cool_down_seconds=(3600,), cool_down_jitter=0.0, quotas={})
    fleet, handlers = model.run(release, setup), crosscheck.run(release, setup)
    again = 3600 + release.indexing_seconds
    assert fleet.tally.reached_at[1] == pytest.approx(again, abs=5)
    assert handlers.ended_at == pytest.approx(again + setup.settle_seconds, abs=5)
