"""The backoff of a state is that of its definition."""

from __future__ import annotations

import numpy as np
import pytest

from fleet_model.backoff import Backoff
from fleet_model.million import FORMER


def test_waits_are_those_of_the_definition_with_full_jitter() -> None:
    backoff = Backoff.of("cool_down", "ResetRetryCounterAndMoveOut")
    assert (backoff.interval, backoff.rate, backoff.longest, backoff.attempts) == (30, 4, 3600, 50)
    waits = backoff.waits(np.full(10_000, 49, np.int32), np.random.default_rng(1))
    assert 1 <= waits.min() < 60
    assert 3540 < waits.max() <= 3601
    assert waits.mean() == pytest.approx(1800, rel=0.05)
    assert FORMER.mean_seconds < 2 * 3600 < backoff.mean_seconds


def test_state_without_full_jitter_is_rejected() -> None:
    with pytest.raises(ValueError, match="is no task"):
        Backoff.of("cool_down", "CoolDown")
