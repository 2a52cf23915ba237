"""Without any one of its safeguards the package does not get through the simulation."""

import pytest

from simulation import asl
from tests.simulation.mutations import (
    CONDITIONS,
    RARE,
    REDUNDANT,
    SAFEGUARDS,
    Mutation,
    catches,
    found_by,
)

_SEEDS = range(1, 2500)


@pytest.mark.parametrize(
    "mutation",
    [one for one in (*CONDITIONS, *SAFEGUARDS) if str(one) not in {*RARE, *REDUNDANT}],
    ids=str,
)
def test_a_safeguard_that_is_taken_out_is_missed(mutation: Mutation) -> None:
    assert found_by(mutation, _SEEDS), f"nothing misses {mutation}"


@pytest.mark.parametrize(
    "machines",
    [pytest.param(one, id=what) for what, one in catches() if what not in {*RARE, *REDUNDANT}],
)
def test_a_catch_that_is_taken_out_is_missed(machines: dict[str, asl.Machine]) -> None:
    assert found_by(machines, _SEEDS)
