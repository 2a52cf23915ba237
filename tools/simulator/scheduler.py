"""Fake time: events in the order of their moments, and at one moment in the order of asking."""

import heapq
from collections.abc import Callable
from itertools import count

Action = Callable[[], object]


class RunawayError(Exception):
    """The simulated world does not come to rest."""


class Scheduler:
    """The events that are due. ``now`` is in seconds since the epoch."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._events: list[tuple[float, int, Action]] = []
        self._order = count()
        self._is_stopped = False

    def at(self, moment: float, action: Action) -> None:
        """Schedule an action at a moment; one in the past comes next."""
        heapq.heappush(self._events, (max(moment, self.now), next(self._order), action))

    def after(self, seconds: float, action: Action) -> None:
        """Schedule an action some seconds from now."""
        heapq.heappush(self._events, (self.now + seconds, next(self._order), action))

    def run(self, until: float | None = None, most: int = 1_000_000) -> int:
        """Let time pass.

        Args:
            until: the moment at which to stop, None to go on until nothing is due.
            most: how many events may happen.

        Returns:
            How many events happened.

        Raises:
            RunawayError: more than ``most`` events are due.
        """
        events = self._events
        happened = 0
        while events and not self._is_stopped and (until is None or events[0][0] <= until):
            self.now, _, action = heapq.heappop(events)
            action()
            happened += 1
            if happened > most:
                raise RunawayError(f"no rest after {most} events")
        if until is not None:
            self.now = max(self.now, until)
        return happened

    def stop(self) -> None:
        """Let nothing more happen after the present event."""
        self._is_stopped = True
