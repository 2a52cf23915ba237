"""Tries tests on mutations of the package: each in a process of its own, forked from one of pytest.

``make mutants`` prints which test misses each safeguard, and which seed of the simulator.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from itertools import zip_longest

import pytest

from simulator import scenario
from tests.simulation.mutations import REDUNDANT, Mutation, conditions

JOBS = 2
_SECONDS = 60
SEEDS = range(1, 1001)
_QUIET = ("-q", "-s", "--tb=no", "--no-header", "-p", "no:terraform", "-p", "no:cacheprovider")


class _Trials:
    """A plugin of pytest: instead of all tests, runs those of each mutation, in a fork of its own.

    Everything is collected once, and what a session shares is made once.
    """

    def __init__(self, wanted: Sequence[Mutation]) -> None:
        self._wanted = wanted
        self.failed: dict[Mutation, str] = {}
        """The test that failed first, by mutation; empty when all passed."""
        self._first_failure = ""
        self._running: dict[int, tuple[Mutation, int]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._first_failure = self._first_failure or report.nodeid

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        first, *others = session.items
        # What is to come keeps what the session shares from being torn down.
        _run([first, next(item for item in others if item.path != first.path)], until=lambda: True)
        assert not self._first_failure, f"{self._first_failure} fails without any mutation"
        gc.freeze()  # or each fork would copy all that is in memory to look at it
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
            signal.alarm(_SECONDS)  # a mutation may let a test run for ever
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            with mutation.applied():
                _run(items, until=lambda: bool(self._first_failure))
            os.write(write_end, self._first_failure.encode())
            os._exit(0)
        os.close(write_end)
        self._running[child] = mutation, read_end

    def _reap(self) -> None:
        child, _ = os.wait()
        mutation, read_end = self._running.pop(child)
        with os.fdopen(read_end) as answer:
            self.failed[mutation] = answer.read()


def _run(items: Sequence[pytest.Item], until: Callable[[], bool]) -> None:
    for item, following in zip_longest(items, items[1:]):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if until():
            return


def first_seed(mutation: Mutation, seeds: range) -> str:
    """The first seed of the simulator that notices, and the invariant; empty when none does."""
    for seed in seeds:
        with mutation.applied():
            violations = scenario.run(seed).violations
        # Only what is well without the mutation is found by it.
        if violations and not scenario.run(seed).violations:
            return f"seed {seed} ({violations[0].name})"
    return ""


def main(options: Sequence[str]) -> int:
    """Print a line per clause: its name, the test that fails, and the first seed that notices.

    Args:
        options: ``--without-seeds`` leaves the simulator out.

    Returns:
        The exit status: 1 when there is a clause that no unit test misses.
    """
    wanted = [mutation for mutation in conditions() if str(mutation) not in REDUNDANT]
    trials = _Trials(wanted)
    tests = ["tests/unit"]
    code = pytest.main([*_QUIET, *tests], plugins=[trials])
    if not trials.failed:
        return int(code)
    for mutation, failed in trials.failed.items():
        seed = "" if "--without-seeds" in options else first_seed(mutation, SEEDS)
        print(mutation, failed or "NO TEST FAILS", seed, sep="\t", flush=True)
    return int(not all(trials.failed.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
