"""Run the unit tests once per mutation of the package, and print those that no test notices.

``make mutants MUTANTS="retries_table record.Record.of"`` restricts it to modules, classes or
functions. Each mutation has a process of its own, forked from that of pytest, so the tests are
collected once and the fixtures of the session are made once. Only the tests that reach the mutated
function run, the fastest first, until one fails.
"""

import argparse
import ast
import builtins
import gc
import hashlib
import json
import mmap
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import pytest

import firmware_retry
from tests.mutation.accepted import ACCEPTED
from tests.mutation.conditions import conditions
from tests.mutation.mutation import Mutation, find_function, functions
from tests.mutation.operators import mutations

_TESTS = Path("tests/unit")
_REACH = Path(".local/mutation-reach.json")
_SECONDS = 60
"""Processor time that a test may take; a mutation may keep it from ending."""
_QUIET = ("-q", "-s", "--tb=no", "--no-header", "-p", "no:terraform", "-p", "no:cacheprovider")

Reach = dict[str, tuple[float, list[str]]]
"""Per test: its processor time, seconds, and the functions that it reaches."""
Traced = dict[str, tuple[str, Reach]]
"""Per file of tests: the digest of the code that was traced, and what its tests reach."""


class Runner:
    """A plugin of pytest that runs the tests of each mutation instead of all tests once."""

    def __init__(self, wanted: Sequence[Mutation], jobs: int) -> None:
        self.failed: dict[Mutation, str] = {}
        """The test that failed, by mutation; empty when none did."""
        self._wanted, self._jobs = wanted, jobs
        self._running: dict[int, tuple[Mutation, int]] = {}
        self._first_failure = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._first_failure = self._first_failure or report.nodeid

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        reach = self._read_reach(session.items)
        first, *others = session.items
        # A following test of another file keeps the fixtures of the session from being torn down.
        following = next(item for item in others if item.path != first.path)
        first.config.hook.pytest_runtest_protocol(item=first, nextitem=following)
        gc.freeze()  # or the collector of each fork would touch, and so copy, all memory
        for mutation in self._wanted:
            if len(self._running) == self._jobs:
                self._reap()
            tests = [i for i in session.items if mutation.function in reach[i.nodeid][1]]
            self._start(mutation, sorted(tests, key=lambda item: reach[item.nodeid][0]))
        while self._running:
            self._reap()
        return True

    def _start(self, mutation: Mutation, tests: Sequence[pytest.Item]) -> None:
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            with mutation.apply():
                self._run_until_failure(tests)
            os.write(write_end, self._first_failure.encode())
            os._exit(0)
        os.close(write_end)
        self._running[child] = mutation, read_end

    def _run_until_failure(self, tests: Sequence[pytest.Item]) -> None:
        for item, following in zip_longest(tests, tests[1:]):
            seconds = int(time.process_time()) + _SECONDS
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._first_failure:
                return

    def _reap(self) -> None:
        child, status = os.wait()
        mutation, read_end = self._running.pop(child)
        with os.fdopen(read_end) as answer:
            stopped = "a test did not end" if os.WIFSIGNALED(status) else ""
            self.failed[mutation] = answer.read() or stopped
        if not self.failed[mutation] and str(mutation) not in ACCEPTED:
            print(f"{_locate(mutation)}\n", flush=True)

    def _read_reach(self, items: Sequence[pytest.Item]) -> Reach:
        """Return what each test reaches; only files that changed since are traced."""
        known: Traced = json.loads(_REACH.read_text("utf-8")) if _REACH.exists() else {}
        digests = {path: _digest(path) for path in {item.path for item in items}}
        fresh = {str(path) for path in digests if known.get(str(path), ("",))[0] == digests[path]}
        changed = [item for item in items if str(item.path) not in fresh]
        if changed and (child := os.fork()):
            if os.waitpid(child, 0)[1]:
                pytest.exit("the tests were not traced", returncode=2)
            return self._read_reach(items)
        if changed:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            for path in {item.path for item in changed}:
                reach = self._trace([item for item in changed if item.path == path])
                if self._first_failure:
                    sys.stderr.write(f"{self._first_failure} fails without any mutation\n")
                    os._exit(1)
                known[str(path)] = digests[path], reach
                _REACH.parent.mkdir(exist_ok=True)
                _REACH.write_text(json.dumps(known), "utf-8")
            os._exit(0)
        return {test: found for _, reach in known.values() for test, found in reach.items()}

    def _trace(self, items: Sequence[pytest.Item]) -> Reach:
        """Run all tests, and return which functions each reaches."""
        names = [name for name, _ in functions()]
        reached = mmap.mmap(-1, len(names))  # shared with the processes that a test forks
        _mark_calls(reached)
        reach: Reach = {}
        for item, following in zip_longest(items, items[1:]):
            reached[:] = bytes(len(names))
            began_at = time.process_time()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            seconds = time.process_time() - began_at
            found = [name for name, flag in zip(names, reached[:], strict=True) if flag]
            reach[item.nodeid] = seconds, found
        return reach


def _mark_calls(reached: mmap.mmap) -> None:
    """Change each function of the package for good: a call sets the byte at its place."""
    vars(builtins)["mark_call"] = lambda place: reached.__setitem__(place, 1)
    for place, (name, definition) in enumerate(functions()):
        definition.body[:0] = ast.parse(f"mark_call({place})").body
        Mutation(name, "", definition.lineno, ast.unparse(definition)).install()


def _digest(tests: Path) -> str:
    package = Path(firmware_retry.__file__).parent
    shared = (path for path in _TESTS.glob("*.py") if not path.name.startswith("test_"))
    paths = [*sorted(package.rglob("*.py")), *sorted(shared), tests]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def _locate(mutation: Mutation) -> str:
    file = Path(find_function(mutation.function).__code__.co_filename)
    old, _, new = mutation.change.partition(" -> ")
    place = f"{os.path.relpath(file)}:{mutation.line}: {mutation.function}"
    return f"{place}\n- {old}\n+ {new or 'always true'}"


def _find_mutations(words: Sequence[str]) -> Iterator[Mutation]:
    for mutation in (*mutations(), *conditions()):
        if not words or any(f"{mutation.function}.".startswith(f"{word}.") for word in words):
            yield mutation


def main() -> int:
    """Print the mutations that survive, and return the exit status: 1 if one is not accepted."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these modules, classes or functions")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes at the same time")
    options = parser.parse_args()
    runner = Runner(list(_find_mutations(options.names)), options.jobs)
    code = pytest.main([*_QUIET, str(_TESTS)], plugins=[runner])
    if not runner.failed:
        return int(code) or 1
    survivors = [str(mutation) for mutation, test in runner.failed.items() if not test]
    accepted = ACCEPTED.intersection(survivors)
    print(
        f"{len(runner.failed)} mutations: {len(runner.failed) - len(survivors)} noticed,"
        f" {len(accepted)} accepted, {len(survivors) - len(accepted)} survived"
    )
    return int(len(survivors) > len(accepted))


if __name__ == "__main__":
    sys.exit(main())
