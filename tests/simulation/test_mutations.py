"""Without any one of its safeguards the package does not get through its tests.

Catches and Retries that are taken out are in ``test_transitions``.
"""

import os
import subprocess
import sys

import pytest

from simulation import definitions
from tests.simulation.mutants import first_seed, some_mutations
from tests.simulation.mutations import (
    CLAUSES,
    KILLED_BY,
    REDUNDANT,
    Mutation,
    conditions,
    mutations,
)

_SEEDS = range(1, 300)
RARE = frozenset(
    {
        # Later, or late enough to take long.
        "record.postpone: recoveryId = :run",
        "record.postpone: attribute_not_exists(awaySince)",
        "record.take_over: #state = :tracking",
        "record.take_over: trackingId = :tracking_id",
        "record.take_over: reportedBy = :former",
        "record.take_over: lastSentAt = :told",
        "record.end: reportedBy = :reporter",
        "record.end: trackingId = :tracking_id",
        "record.claim: ResetRetryCount = :previous",
        "record.release: attribute_not_exists(ending)",
        "record.release: recoveryId = :run",
        "record._update_held: recoveryId = :run",
        "backup.store: thingId <> :thing (never)",
        # Never yet: nobody starts a run too early, or one more for a device that failed for good;
        "record.claim: #state = :tracking",
        "record.claim: RetryCounter >= :limit (always)",
        "record.claim: attribute_exists(isFatal) (always)",
        # nobody else has used the table;
        "record.everyone: attribute_exists(#state)",
        # a campaign is seldom paused or resumed between the two calls of the breaker;
        "campaigns.mark_told: attribute_not_exists(toldAt)",
        "campaigns.mark_told: attribute_not_exists(pausedAt)",
        "campaigns.mark_told: resumedAt = :seen",
        "campaigns.mark_told: attribute_not_exists(resumedAt)",
        # a device seldom goes on between the two calls of who ends its episode.
        "record.end: #state = :state",
        "record.end: ResetRetryCount = :cycles",
        "record.end: attribute_not_exists(notifiedAt)",
    }
)
"""What the simulator does not notice soon; `make mutants` tries more seeds, and all safeguards."""


def test_every_safeguard_has_its_test() -> None:
    named = [str(one) for one in mutations()]
    assert sorted(named) == sorted(KILLED_BY.keys() | REDUNDANT)
    assert {name for name in named if name not in KILLED_BY} == REDUNDANT
    assert CLAUSES.keys() <= KILLED_BY.keys()
    for mutation in mutations():
        with mutation.applied():
            """It is in the source."""


@pytest.fixture(scope="module")
def failed() -> dict[str, str]:
    """The test that failed first, by mutation; from a process of its own, which forks."""
    paths = os.pathsep.join([str(definitions.ROOT), str(definitions.ROOT / "lambda_src")])
    answer = subprocess.run(
        [sys.executable, "-m", "tests.simulation.mutants", "--without-seeds", "--some"],
        cwd=definitions.ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
        capture_output=True,
        text=True,
    )
    lines = [line.split("\t") for line in answer.stdout.splitlines() if "\t" in line]
    assert lines, answer.stdout + answer.stderr
    return {name: test for name, test, _ in lines}


@pytest.mark.parametrize("mutation", some_mutations(), ids=str)
def test_a_safeguard_that_is_taken_out_fails_its_test(
    failed: dict[str, str], mutation: Mutation
) -> None:
    """Some of them: ``make mutants`` tries all."""
    assert failed[str(mutation)].partition("[")[0] == mutation.killed_by


@pytest.mark.parametrize(
    "mutation", [one for one in conditions() if str(one) not in RARE | REDUNDANT], ids=str
)
def test_the_simulator_notices_a_missing_clause_too(mutation: Mutation) -> None:
    assert first_seed(mutation, _SEEDS)
