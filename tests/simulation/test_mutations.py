"""The simulator notices a missing clause of a condition.

Removed Catch and Retry entries are in ``test_transitions``. ``seeds`` records the seed that notices
each clause; a clause that no seed notices is held by a unit test alone, as ``make mutants`` shows.
"""

import pytest

from tests.mutation.mutation import Mutation
from tests.simulation.seeds import clauses, first_seed, notices, read_seeds

_SEEDS = range(1, 300)
_RECORDED = read_seeds()
_CLAUSES = clauses()


def _is_unnoticed(mutation: Mutation) -> bool:
    return str(mutation) in _RECORDED and _RECORDED[str(mutation)] is None


@pytest.mark.parametrize(
    "mutation", [clause for clause in _CLAUSES if not _is_unnoticed(clause)], ids=str
)
def test_a_seed_notices_a_missing_clause(mutation: Mutation) -> None:
    seed = _RECORDED.get(str(mutation))
    is_noticed = seed is not None and notices(mutation, seed)
    assert is_noticed or first_seed(mutation, _SEEDS) is not None


def test_record_names_present_clauses_only() -> None:
    assert _RECORDED.keys() <= {str(clause) for clause in _CLAUSES}
