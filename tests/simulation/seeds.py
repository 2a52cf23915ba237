"""The seed of the simulator that notices that a clause of a condition is missing.

``python -m tests.simulation.seeds`` records the first of each clause in ``seeds.json``, from which
``test_mutations`` takes it.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from simulator import scenario
from tests.mutation.accepted import ACCEPTED
from tests.mutation.conditions import conditions
from tests.mutation.mutation import Mutation

SEEDS = range(1, 1001)
_MOST_EVENTS = 10_000
"""Events per seed; seeds 1 to 299 have 290 on average and 4,158 at most."""
RECORD = Path(__file__).parent / "seeds.json"


def clauses() -> list[Mutation]:
    """Return the clauses that a test can notice."""
    return [mutation for mutation in conditions() if str(mutation) not in ACCEPTED]


def notices(mutation: Mutation, seed: int) -> str:
    """Return the invariant that a seed of the simulator violates with a mutation, or "".

    A seed that violates an invariant without the mutation as well notices nothing.
    """
    run = partial(scenario.run, seed, stops_at_violation=True, most=_MOST_EVENTS)
    with mutation.apply():
        violations = run().violations
    return violations[0].name if violations and not run().violations else ""


def first_seed(mutation: Mutation, seeds: Iterable[int]) -> int | None:
    """Return the first seed of the simulator that notices a mutation."""
    return next((seed for seed in seeds if notices(mutation, seed)), None)


def read_seeds() -> dict[str, int | None]:
    """Return the first seed that notices each clause, None where no seed of ``SEEDS`` does."""
    seeds: dict[str, int | None] = json.loads(RECORD.read_text("utf-8"))
    return seeds


def record_seeds(mutations: Iterable[Mutation]) -> dict[str, int | None]:
    """Find the seed of each mutation and write it into ``RECORD``.

    A seed that still notices stays; clauses that the package no longer has are dropped.
    """
    recorded = read_seeds()
    for mutation in mutations:
        seed = recorded.get(str(mutation))
        if seed is None or not notices(mutation, seed):
            recorded[str(mutation)] = first_seed(mutation, SEEDS)
    present = (str(mutation) for mutation in conditions())
    seeds = {name: recorded[name] for name in present if name in recorded}
    RECORD.write_text(json.dumps(seeds, indent=2) + "\n", "utf-8")
    return seeds


def main(words: Sequence[str]) -> None:
    """Record the seeds of the clauses whose name contains a word, or of all without words."""
    wanted = [c for c in clauses() if not words or any(word in str(c) for word in words)]
    seeds = record_seeds(wanted)
    for mutation in wanted:
        print(mutation, seeds[str(mutation)] or "no seed", sep="\t")


if __name__ == "__main__":
    main(sys.argv[1:])
