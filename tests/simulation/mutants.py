"""Tries tests on mutations of the package: each in a process of its own, forked from a warm one.

``make mutants`` prints which test misses each safeguard, and which seed of the simulator.
"""

import gc
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence

import pytest

from simulation import journey
from tests.simulation.mutations import KILLED_BY, Mutation, mutations

JOBS = 2
_SECONDS = 60
SEEDS = range(1, 1001)
_QUIET = ("-q", "-x", "--tb=no", "--no-header", "-p", "no:terraform", "-p", "no:cacheprovider")


class _FirstFailure:
    """A plugin of pytest that keeps which test failed first."""

    name = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.name = self.name or report.nodeid


def first_failures(
    trials: Iterable[tuple[Mutation, Sequence[str]]],
) -> Iterator[tuple[Mutation, str]]:
    """Runs tests on mutations.

    Args:
        trials: mutations, each with its tests, named as for pytest.

    Yields:
        Each mutation, in the order in which they are done, and the test that failed first; empty
        when all passed.
    """
    running: dict[int, tuple[Mutation, int]] = {}
    for mutation, tests in trials:
        if len(running) == JOBS:
            yield _reaped(running)
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            signal.alarm(_SECONDS)  # a mutation may let a test run for ever
            os.write(write_end, _first_failure(mutation, tests).encode())
            os._exit(0)
        os.close(write_end)
        running[child] = mutation, read_end
    while running:
        yield _reaped(running)


def _reaped(running: dict[int, tuple[Mutation, int]]) -> tuple[Mutation, str]:
    child, _ = os.wait()
    mutation, read_end = running.pop(child)
    with os.fdopen(read_end) as answer:
        return mutation, answer.read()


def _first_failure(mutation: Mutation, tests: Sequence[str]) -> str:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    first = _FirstFailure()
    with mutation.applied():
        code = pytest.main([*_QUIET, *tests], plugins=[first])
    return first.name if code in (0, 1) else f"pytest ended with {code}"


def first_seed(mutation: Mutation, seeds: range) -> str:
    """The first seed of the simulator that notices, and the invariant; empty when none does."""
    for seed in seeds:
        with mutation.applied():
            violations = journey.run(seed).violations
        # Only what is well without the mutation is found by it.
        if violations and not journey.run(seed).violations:
            return f"seed {seed} ({violations[0].name})"
    return ""


def main(options: Sequence[str]) -> int:
    """Prints a line a mutation: its name, the test that fails, and the first seed of the simulator.

    Args:
        options: ``--without-seeds`` leaves the simulator out.

    Returns:
        The exit code: 1 when there is a mutation that no test misses.
    """
    named = sorted(set(KILLED_BY.values()))
    # Imports all that the forks need, and shows that it is the mutation that lets a test fail.
    if pytest.main([*_QUIET, *named]) != 0:
        return 1
    gc.freeze()  # or each fork would copy all that is in memory to look at it
    is_missed = False
    trials = [(one, [one.killed_by]) for one in mutations() if one.killed_by]
    for mutation, failed in first_failures(trials):
        seed = "" if "--without-seeds" in options else first_seed(mutation, SEEDS)
        is_missed |= not failed
        print(mutation, failed or "NO TEST FAILS", seed, sep="\t", flush=True)
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
