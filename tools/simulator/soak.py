"""Many journeys: as many seeds as they take, on some processes, and the figures."""

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

from simulator import scenario
from simulator.faults import Fault

_MOST_KEPT = 20


@dataclass
class Tally:
    """What a range of seeds came to."""

    first_seed: int
    next_seed: int
    journeys: int = 0
    invocations: int = 0
    calls: int = 0
    seconds: float = 0.0
    """Wall-clock time."""
    overtime: int = 0
    violations: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    kept: list[tuple[int, str]] = field(default_factory=list)
    """Seeds that violate an invariant, and the first thing that each violates; 20 at most."""

    def add(self, other: "Tally") -> None:
        """Add the range of seeds that follows this one."""
        self.next_seed = other.next_seed
        self.journeys += other.journeys
        self.invocations += other.invocations
        self.calls += other.calls
        self.overtime += other.overtime
        self.violations += other.violations
        self.faults += other.faults
        self.ends += other.ends
        self.kept = (self.kept + other.kept)[:_MOST_KEPT]

    def report(self) -> str:
        """Format the figures."""
        rate = self.journeys / self.seconds * 60 if self.seconds else 0
        lines = [
            f"journeys simulated  {self.journeys:,}  ({_counts(self.ends)})",
            f"seeds               {self.first_seed} to {self.next_seed - 1}",
            f"functions run       {self.invocations:,}, with {self.calls:,} AWS calls",
            f"faults              {self.faults.total():,}",
            *(f"  {count:>9,}  {fault}" for fault, count in self.faults.most_common()),
            f"out of time         {self.overtime}  (intakes in trouble for five minutes)",
            f"violations          {self.violations}",
        ]
        for seed, text in self.kept:
            lines += [f"  seed {seed}: {text}", f"    python -m simulator replay {seed}"]
        lines.append(f"speed               {rate:,.0f} journeys a minute")
        return "\n".join(lines)


def run(
    journeys: int,
    seed: int = 1,
    jobs: int = 1,
    progress: Callable[[Tally], None] = lambda _: None,
    chunk: int = 50,
) -> Tally:
    """Run seeds until there were as many journeys as wanted.

    Args:
        journeys: how many at least.
        seed: the first seed.
        jobs: processes.
        progress: called after each chunk with the figures so far.
        chunk: how many seeds a process runs at a time.

    Returns:
        The figures; except for the time, they do not depend on ``jobs``.
    """
    total = Tally(seed, seed)
    start = time.perf_counter()
    with ExitStack() as stack:
        for part in _parts(seed, jobs, chunk, stack):
            total.add(part)
            total.seconds = time.perf_counter() - start
            progress(total)
            if total.journeys >= journeys:
                break
    return total


def _parts(seed: int, jobs: int, chunk: int, stack: ExitStack) -> Iterator[Tally]:
    """Yield the tallies of chunks of seeds, in order."""
    if jobs == 1:
        while True:
            yield _run_chunk(seed, chunk)
            seed += chunk
    # Unlike multiprocessing's own pool, this one reports a crashed process instead of waiting.
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))
    stack.callback(pool.shutdown, cancel_futures=True)
    waiting: list[Future[Tally]] = []
    while True:
        while len(waiting) < 2 * jobs:
            waiting.append(pool.submit(_run_chunk, seed, chunk))
            seed += chunk
        yield waiting.pop(0).result()


def _run_chunk(first: int, size: int) -> Tally:
    tally = Tally(first, first + size)
    for seed in range(first, first + size):
        result = scenario.run(seed)
        tally.journeys += result.journeys
        tally.invocations += result.invocations
        tally.calls += result.calls
        tally.faults += result.faults
        tally.ends += result.ends
        tally.overtime += result.overtime
        if result.violations:
            tally.violations += len(result.violations)
            tally.kept.append((seed, str(result.violations[0])))
    return tally


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counter.most_common())
