"""The state that the checkers of a world share: the reference model, and violations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.functions import FunctionRun
from simulator.operators import Operators
from simulator.options import FATAL, IGNORED
from simulator.reference_model import Episode, Model
from simulator.world import World

_MOST_VIOLATIONS = 20


@dataclass(frozen=True)
class Violation:
    """An invariant that did not hold."""

    at: float
    name: str
    """Which invariant: see ``safety_checks`` and ``liveness_checks``."""
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


class Checks:
    """The state of the checkers, and the reference model, which the safety checks keep current."""

    def __init__(self, world: World, operators: Operators) -> None:
        self.world = world
        self.model = Model(
            world.options.retry_limit,
            len(world.options.cool_down_seconds) + 1,
            world.options.job_events_enabled,
            ignored=IGNORED,
            fatal=FATAL,
        )
        self.violations: list[Violation] = []
        # Device and event of every message that was counted or rejected.
        self.processed: set[tuple[str, str]] = set()
        # Messages that cannot be counted.
        self.junk: list[Mapping[str, Any]] = []
        # Devices that operators took out of the failed group, and their episodes then.
        self.taken_out: list[tuple[str, Episode]] = []
        # All of them that ever were.
        self.ever_taken_out: set[str] = set()
        # Things that joined the failed group though their episode was over, and the run that added
        # them.
        self.late_members: dict[str, FunctionRun] = {}
        # Messages whose intake met faults until its five minutes were over.
        self.overtime = 0
        # Whether the first violation ends the run.
        self.stops_at_violation = False
        operators.on_take_out.append(self._note_taken_out)
        # Devices that were taken out and are not released yet are put into the new group.
        operators.on_replace.append(self.taken_out.clear)
        operators.on_pause.append(lambda name: self.model.pause(name, world.scheduler.now))
        operators.on_resume.append(self.model.resume)

    def violate(self, name: str, text: str) -> None:
        """Record that an invariant does not hold."""
        now = self.world.scheduler.now
        self.world.trace.add(now, "VIOLATED", name, text)
        if len(self.violations) < _MOST_VIOLATIONS:
            self.violations.append(Violation(now, name, text))
        if self.stops_at_violation:
            self.world.scheduler.stop()

    def _note_taken_out(self, name: str) -> None:
        self.ever_taken_out.add(name)
        episode = self.model.episodes.get(name)
        if episode is not None and not self.model.is_due(name):
            self.taken_out.append((name, episode))
