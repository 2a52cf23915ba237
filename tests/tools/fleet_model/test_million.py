"""A bad release hits a million devices: what is compared and reported."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet_model import (
    million,
)
from fleet_model.million import Storm, setups, simulate
from pricing.quotas import ROLLOUT_PER_MINUTE, Quotas, scale
from tests.tools.fleet_model.common import DEVICES, TICK


def test_previous_backoff_exhausts_recoveries_and_current_does_not() -> None:
    reports = {
        name: simulate(name, Storm(DEVICES, tick=TICK), replace(setup, quotas=_raise_and_scale()))
        for name, setup in setups(TICK).items()
        if "raised" in name
    }
    now, before = reports["StartExecution raised"], reports["raised, the retry before"]
    assert now.events.get("runs failed", 0) == 0
    assert before.events["runs failed"] > DEVICES / 50
    assert before.events["retried"] > 1.5 * now.events["retried"]
    assert before.restored_at > now.restored_at


def _raise_and_scale() -> Quotas:
    raised = setups()["StartExecution raised"].quotas
    return scale(raised, DEVICES / 1_000_000)


def test_the_retry_before_may_have_lost_devices() -> None:
    well = million.simulate("", million.Storm(20), million.setups(60)["default quotas"])
    bad = replace(well, audit={**well.audit, "lost": 1})
    names = [name for name in million.setups() if million.complaints([replace(bad, name=name)])]
    assert names == ["default quotas", "no jitter", "one job", "StartExecution raised"]


def test_only_the_run_of_one_job_is_rolled_out_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(million, "_updates", [None])
    rates: list[float | None] = []
    monkeypatch.setattr(
        million, "simulate", lambda _, attack, *__: rates.append(attack.rollout_per_minute)
    )
    for name in million.setups():
        million._simulate_in_pool(name, million.Storm(20))
    assert rates == [None, None, ROLLOUT_PER_MINUTE, None, None]


def test_quotas_are_shown_side_by_side_and_with_what_they_were_raised_to() -> None:
    default = million.simulate("default", million.Storm(20), million.setups(60)["default quotas"])
    (rate,) = (rate for rate in default.rates if rate.name == "stepfunctions.start_execution")
    other = replace(default, name="other", rates=(replace(rate, quota=1000, asked=700, refused=5),))
    rows = {row[0]: row for row in million.rates([default, other]).rows}
    asked = f"{rate.asked:,.0f} / {rate.granted:,.0f}"
    starts = ("`stepfunctions.start_execution`", "300 or 1,000", asked)
    assert rows["`stepfunctions.start_execution`"][:3] == starts
    assert rows["`iot.update_thing`"][3] == "0 / 0"
    assert million.rejections([default, other]).rows == (
        ("`stepfunctions.start_execution`", "0", "5"),
    )
