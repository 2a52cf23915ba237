"""A fleet of one's own on one ladder or several."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet_model import ladders
from fleet_model.ladders import Fleet


def test_the_shares_follow_from_the_probabilities() -> None:
    fleet = Fleet(fails=0.5, fails_later=0.1, never=0.2, retry_limit=2)
    shares = ladders.expect(fleet, (86_400,))
    assert shares.at_once == pytest.approx(0.8 * 0.5)
    assert shares.in_cycle == pytest.approx((0.8 * 0.25, 0.8 * 0.25 * 0.99))
    assert shares.called == pytest.approx(0.2 + 0.8 * 0.25 * 0.01)
    assert shares.at_once + sum(shares.in_cycle) + shares.called == pytest.approx(1)
    assert shares.failures == pytest.approx(0.8 * (0.5 + 0.25) + 0.8 * 0.25 * 0.11 + 0.2 * 4)


def test_the_simulation_comes_to_the_same_shares() -> None:
    fleet = Fleet(devices=20_000, fails=0.7, fails_later=0.7, never=0.01, retry_limit=3)
    outcome = ladders.run(fleet, (3600,))
    assert outcome.escalated == pytest.approx(outcome.expected.called * fleet.devices, rel=0.05)
    assert outcome.recovered[-1] == pytest.approx(
        sum(outcome.expected.in_cycle) / (1 - outcome.expected.at_once), rel=0.05
    )


def test_a_shorter_ladder_calls_more_people_and_costs_less() -> None:
    fleet = Fleet(devices=5000, fails=0.8, fails_later=0.5, never=0.001)
    none, single = ladders.run(fleet, ()), ladders.run(fleet, (86_400,))
    assert none.escalated > 5 * single.escalated
    assert none.last_recovered_at < single.last_recovered_at
    assert single.month_dollars > single.release_dollars > 0


def test_a_release_that_always_fails_calls_for_everybody() -> None:
    fleet = Fleet(devices=50, fails=1.0, fails_later=1.0, never=0.0, retry_limit=2)
    outcome = ladders.run(fleet, (3600,))
    assert outcome.escalated == outcome.expected.called * 50 == 50


def test_a_release_that_never_fails_calls_for_nobody() -> None:
    outcome = ladders.run(Fleet(devices=5000, fails=0.0, fails_later=0.0, never=0.0), ())
    assert (outcome.escalated, outcome.expected.called) == (0, 0)
    assert outcome.last_recovered_at == 0, "nobody had failed, however long the rollout takes"


def test_a_message_that_arrives_twice_is_paid_twice() -> None:
    fleet = Fleet(devices=500, fails=0.3, fails_later=0.3)
    once, twice = ladders.run(fleet, ()), ladders.run(replace(fleet, copies=2), ())
    assert twice.by_service["IoT Core"] == pytest.approx(2 * once.by_service["IoT Core"], rel=0.1)
    assert twice.escalated == once.escalated


def test_devices_that_try_less_often_take_longer() -> None:
    fleet = Fleet(devices=500, fails=0.8, fails_later=0.8, never=0.0)
    soon, late = ladders.run(fleet, ()), ladders.run(replace(fleet, seconds_between_tries=6000), ())
    assert late.hours[0] == pytest.approx(10 * soon.hours[0], rel=0.1)
