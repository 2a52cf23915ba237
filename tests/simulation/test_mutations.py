"""Without any one of its safeguards the package does not get through its tests.

Catches and Retries that are taken out are in ``test_transitions``.
"""

import os
import re
import subprocess
import sys

import pytest

from simulation import definitions
from tests.simulation.mutants import first_seed
from tests.simulation.mutations import KILLED_BY, REDUNDANT, Mutation, conditions, mutations

_SEEDS = range(1, 200)
RARE = frozenset(
    {
        # Later.
        "record.claim: trackingId = :tracking_id",
        "record._update_held: recoveryId = :run",
        "record.forget: trackingId = :tracking_id",
        # Never yet: nobody starts a run too early, and a pass that comes early finds runs alive.
        "record.claim: RetryCounter >= :limit",
        "record.overdue: dueAt < :moment (always)",
        "record.overdue: RetryCounter >= :limit",
        "record.overdue: #timestamp < :iso",
    }
)
"""What the simulator does not notice within these seeds; `make mutants` tries more, and all."""


def test_every_safeguard_has_its_test() -> None:
    assert {str(one) for one in mutations()} == KILLED_BY.keys() | REDUNDANT


@pytest.fixture(scope="module")
def failed() -> dict[str, str]:
    """The test that failed first, by mutation; from a process of its own, which forks."""
    paths = os.pathsep.join([str(definitions.ROOT), str(definitions.ROOT / "lambda_src")])
    answer = subprocess.run(
        [sys.executable, "-m", "tests.simulation.mutants", "--without-seeds"],
        cwd=definitions.ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
        capture_output=True,
        text=True,
    )
    lines = [line.split("\t") for line in answer.stdout.splitlines() if "\t" in line]
    assert lines, answer.stdout + answer.stderr
    return {name: test for name, test, _ in lines}


@pytest.mark.parametrize("mutation", KILLED_BY)
def test_a_safeguard_that_is_taken_out_fails_its_test(
    failed: dict[str, str], mutation: str
) -> None:
    assert failed[mutation].partition("[")[0] == KILLED_BY[mutation]


@pytest.mark.parametrize(
    "mutation", [one for one in conditions() if str(one) not in RARE | REDUNDANT], ids=str
)
def test_the_simulator_notices_a_missing_clause_too(mutation: Mutation) -> None:
    assert first_seed(mutation, _SEEDS)


def test_the_table_on_the_page_is_this_one() -> None:
    page = (definitions.ROOT / "docs/reliability.md").read_text()
    told = dict(re.findall(r"^\| `(.+)` \| `(\w+)` \|$", page, re.MULTILINE))
    assert told == {name: test.rpartition("::")[2] for name, test in KILLED_BY.items()}
