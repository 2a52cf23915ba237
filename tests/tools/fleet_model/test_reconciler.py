"""ReconcileDevices acts within its time."""

from __future__ import annotations

import pytest

from firmware_retry.fleet_scan import Sample
from fleet_model.reconciler import INSPECTED_PER_SECOND, PASS_SECONDS, most_inspected


@pytest.mark.parametrize(("counted_after", "most"), [(0, Sample.most), (600, 27_000)])
def test_a_pass_acts_on_a_sample_and_for_as_long_as_it_has(counted_after: int, most: int) -> None:
    assert most_inspected(counted_after) == most < INSPECTED_PER_SECOND * PASS_SECONDS
