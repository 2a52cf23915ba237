"""Workloads: bad releases, ordinary ones, and their chance."""

from __future__ import annotations

import numpy as np
import pytest

from fleet_model import workload
from fleet_model.workload import NEVER
from pricing.quotas import ROLLOUT_PER_MINUTE


def test_workload_does_not_depend_on_the_order_of_queries() -> None:
    release = workload.bad_release(50)
    devices, events = np.arange(50, dtype=np.int32), np.full(50, 3, np.int32)
    backwards = release.delays(devices[::-1], events, 1)[::-1]
    assert release.delays(devices, events, 1).tolist() == backwards.tolist()
    assert release.delays(devices, events, 0).tolist() != backwards.tolist()


def test_in_a_bad_release_all_use_up_their_first_cycle() -> None:
    release = workload.bad_release(10_000, never=0.2)
    assert release.failures.min() >= 10
    assert (release.failures == NEVER).mean() == pytest.approx(0.2, abs=0.02)
    assert release.failures[release.failures < NEVER].max() < 20
    assert 0 <= release.starts.min() < release.starts.max() < 3600


def test_one_job_reaches_a_thousand_devices_a_minute() -> None:
    at_once = workload.bad_release(3000)
    release = workload.bad_release(3000, rollout_per_minute=ROLLOUT_PER_MINUTE)
    assert np.bincount(release.starts // 60).tolist() == [1000, 1000, 1000]
    assert release.failures.tolist() == at_once.failures.tolist()


def test_in_an_ordinary_release_attempts_fail_independently() -> None:
    release = workload.ordinary_release(
        100_000, fails=0.5, fails_later=0.25, never=0.01, tries=2, rollout_per_minute=600
    )
    shares = [(release.failures == number).mean() for number in range(4)]
    assert shares == pytest.approx([0.99 * x for x in (0.5, 0.25, 0.1875, 0.0469)], abs=0.01)
    assert release.starts[:20].tolist() == [0] * 10 + [1] * 10


def test_in_an_ordinary_release_a_message_arrives_once_without_delay_by_default() -> None:
    everyone = np.arange(1000, dtype=np.int32)
    release = workload.ordinary_release(1000, fails=0.5, fails_later=0.5, never=0, tries=2)
    assert release.copies == 1
    assert release.delays(everyone, everyone, 0).max() <= 2
    often = workload.ordinary_release(1000, fails=0.5, fails_later=0.5, never=0, tries=2, copies=3)
    assert often.copies == 3
    assert often.delays(everyone, everyone, 2).max() <= 3 * often.resend_seconds
