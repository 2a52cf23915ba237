"""Fixtures of the tests of the fleet model."""

from __future__ import annotations

import pytest

from fleet_model import model, workload
from fleet_model.model import Result, Setup
from fleet_model.records import Records
from tests.tools.fleet_model.common import DEVICES, SMALL, TICK, ints


@pytest.fixture(scope="session")
def result() -> Result:
    """A hundredth of a million devices, under a hundredth of the quotas."""
    return model.run(workload.bad_release(DEVICES), Setup(quotas=SMALL, tick=TICK))


@pytest.fixture
def table() -> Records:
    """Three devices: of the first one failure is counted, the second is full, the third is free."""
    table = Records(3, retry_limit=2, cool_down_seconds=(600,))
    table.create(ints(0, 1))
    table.count(ints(0), ints(0))
    table.count(ints(1), ints(0))
    table.count(ints(1), ints(1))
    return table
