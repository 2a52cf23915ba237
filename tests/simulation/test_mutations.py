"""Without any one of its safeguards the package does not get through its tests.

Catches and Retries that are taken out are in ``test_transitions``.
"""

import pytest

from tests.simulation.mutants import first_seed
from tests.simulation.mutations import REDUNDANT, Mutation, conditions

_SEEDS = range(1, 300)
RARE = frozenset(
    {
        # Later, or late enough to take long.
        "retries_table.postpone: recoveryId = :run",
        "retries_table.postpone: attribute_not_exists(awaySince)",
        "retries_table.take_over: #state = :tracking",
        "retries_table.take_over: trackingId = :tracking_id",
        "retries_table.take_over: reportedBy = :former",
        "retries_table.take_over: lastSentAt = :told",
        "retries_table.end: reportedBy = :reporter",
        "retries_table.end: trackingId = :tracking_id",
        "retries_table.claim: ResetRetryCount = :previous",
        "retries_table.release: attribute_not_exists(ending)",
        "retries_table.release: recoveryId = :run",
        "retries_table._update_owned: recoveryId = :run",
        "backup_table.store: thingId <> :thing (never)",
        # Never yet: nobody starts a run too early, or one more for a device that failed for good;
        "retries_table.claim: #state = :tracking",
        "retries_table.claim: RetryCounter >= :limit (always)",
        "retries_table.claim: attribute_exists(isFatal) (always)",
        # nobody else has used the table;
        "retries_table.read_all: attribute_exists(#state)",
        # a campaign is seldom paused or resumed between the two calls of the breaker;
        "campaigns_table.mark_notified: attribute_not_exists(toldAt)",
        "campaigns_table.mark_notified: attribute_not_exists(pausedAt)",
        "campaigns_table.mark_notified: resumedAt = :seen",
        "campaigns_table.mark_notified: attribute_not_exists(resumedAt)",
        # a device seldom goes on between the two calls of who ends its episode.
        "retries_table.end: #state = :state",
        "retries_table.end: ResetRetryCount = :cycles",
        "retries_table.end: attribute_not_exists(notifiedAt)",
    }
)
"""What the simulator does not notice soon; `make mutants` tries more seeds, and all safeguards."""


@pytest.mark.parametrize(
    "mutation", [one for one in conditions() if str(one) not in RARE | REDUNDANT], ids=str
)
def test_the_simulator_notices_a_missing_clause_too(mutation: Mutation) -> None:
    assert first_seed(mutation, _SEEDS)
