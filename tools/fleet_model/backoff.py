"""How long a state waits before it is tried again, read from the module's own definitions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator import asl
from simulator.machines import load_machines

_THROTTLED = {True: "TransientError", False: "StepFunctions.SdkClientException"}
"""What a state sees of a throttled call: of its handler's, or of its own."""


@dataclass(frozen=True)
class Backoff:
    """One entry of Retry, with full jitter."""

    interval: float
    """Seconds, the longest first wait."""
    rate: float
    """How many times longer each further wait may be."""
    longest: float
    """Seconds, the longest wait there is."""
    attempts: int
    """How often it is tried again."""

    @classmethod
    def of(cls, machine: str, state: str) -> Backoff:
        """Return the entry that a throttled state of a machine is retried by.

        Raises:
            ValueError: there is none with full jitter; the model knows no other.
        """
        task = load_machines()[machine].states[state]
        if not isinstance(task, asl.Task):
            raise ValueError(f"{state} is no task")  # noqa: TRY004 -- of the definition
        error = _THROTTLED[":lambda:" in task.resource]
        for retrier in task.retry:
            if asl.matches(retrier.errors, error) and retrier.full_jitter:
                return cls(retrier.interval, retrier.rate, retrier.longest, retrier.attempts)
        raise ValueError(f"{state} does not retry {error} with full jitter")

    @property
    def mean_seconds(self) -> float:
        """How long all waits together take, on average."""
        return sum(self._most(earlier) for earlier in range(self.attempts)) / 2

    def waits(self, earlier: NDArray[np.int32], chance: np.random.Generator) -> NDArray[np.int32]:
        """Draw whole seconds before the next attempt, at least 1, by the number of earlier ones."""
        # Beyond that, the power has no use and no place in a float.
        powers = np.minimum(earlier, 60)
        most = np.minimum(self.interval * self.rate**powers, self.longest)
        return 1 + (most * chance.random(len(earlier))).astype(np.int32)

    def _most(self, earlier: int) -> float:
        return min(self.interval * self.rate ** min(earlier, 60), self.longest)
