"""Run the unit tests and the simulator without each clause of each condition of the package.

Each clause gets a process of its own, forked from that of pytest. ``make mutants`` prints the test
that fails and the seed of the simulator that notices, and records the seeds in ``seeds.json``, from
which ``test_mutations`` takes them.
"""

import gc
import json
import os
import resource
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path

import pytest

from simulator import scenario
from tests.simulation.mutations import REDUNDANT, Mutation, conditions

JOBS = 2
_SECONDS = 120
"""Processor time that the tests of one mutation may take."""
SEEDS = range(1, 1001)
_MOST_EVENTS = 10_000
"""Events per seed; seeds 1 to 299 have 290 on average and 4,158 at most."""
RECORD = Path(__file__).parent / "seeds.json"
_QUIET = ("-q", "-s", "--tb=no", "--no-header", "-p", "no:terraform", "-p", "no:cacheprovider")


class _Trials:
    """A plugin of pytest that runs the tests once per mutation, in forks of one process.

    The tests are collected once, and the fixtures of the session are made once.
    """

    def __init__(self, wanted: Sequence[Mutation]) -> None:
        self._wanted = wanted
        # The test that failed first, by mutation; empty when all passed.
        self.failed: dict[Mutation, str] = {}
        self._first_failure = ""
        self._running: dict[int, tuple[Mutation, int]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._first_failure = self._first_failure or report.nodeid

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        first, *others = session.items
        # A following test keeps the fixtures of the session from being torn down.
        _run([first, next(item for item in others if item.path != first.path)], until=lambda: True)
        assert not self._first_failure, f"{self._first_failure} fails without any mutation"
        gc.freeze()  # or the collector of each fork would touch, and so copy, all memory
        for mutation in self._wanted:
            self._start(mutation, session.items)
        while self._running:
            self._reap()
        return True

    def _start(self, mutation: Mutation, items: Sequence[pytest.Item]) -> None:
        if len(self._running) == JOBS:
            self._reap()
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            # A mutation may keep a test from ending.
            resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            with mutation.apply():
                _run(items, until=lambda: bool(self._first_failure))
            os.write(write_end, self._first_failure.encode())
            os._exit(0)
        os.close(write_end)
        self._running[child] = mutation, read_end

    def _reap(self) -> None:
        child, status = os.wait()
        mutation, read_end = self._running.pop(child)
        with os.fdopen(read_end) as answer:
            stopped = "a test did not end" if os.WIFSIGNALED(status) else ""
            self.failed[mutation] = answer.read() or stopped


def _run(items: Sequence[pytest.Item], until: Callable[[], bool]) -> None:
    for item, following in zip_longest(items, items[1:]):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if until():
            return


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


def main(words: Sequence[str]) -> int:
    """Print per clause its name, the unit test that fails, and the seed that notices.

    Args:
        words: only clauses whose name contains one of these; all clauses if there is none.

    Returns:
        The exit status: 1 if no unit test fails without some clause.
    """
    clauses = [
        mutation
        for mutation in conditions()
        if str(mutation) not in REDUNDANT and (not words or any(w in str(mutation) for w in words))
    ]
    trials = _Trials(clauses)
    code = pytest.main([*_QUIET, "tests/unit"], plugins=[trials])
    if not trials.failed:
        return int(code)
    seeds = record_seeds(clauses)
    for mutation in clauses:
        failed, seed = trials.failed[mutation], seeds[str(mutation)]
        print(mutation, failed or "NO TEST FAILS", seed or "no seed", sep="\t")
    return int(not all(trials.failed.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
