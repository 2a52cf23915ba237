"""Fake time: what happens, in the order of time, and at the same time in the order of asking."""

import heapq
from collections.abc import Callable
from itertools import count

Action = Callable[[], object]


class RunawayError(Exception):
    """The simulated world does not come to rest: something in it goes on for ever."""


class Scheduler:
    """The events to come. ``now`` is in seconds since the epoch."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._events: list[tuple[float, int, Action]] = []
        self._order = count()

    def at(self, moment: float, action: Action) -> None:
        """Has the action done at a moment; what lies in the past is done next."""
        heapq.heappush(self._events, (max(moment, self.now), next(self._order), action))

    def after(self, seconds: float, action: Action) -> None:
        """Has the action done some seconds from now."""
        heapq.heappush(self._events, (self.now + seconds, next(self._order), action))

    def run(self, until: float | None = None, most: int = 1_000_000) -> int:
        """Lets time pass.

        Args:
            until: the moment at which to stop, None to go on until nothing is left to come.
            most: how many events may happen.

        Returns:
            How many events happened.

        Raises:
            RunawayError: more than that.
        """
        events = self._events
        happened = 0
        while events and (until is None or events[0][0] <= until):
            self.now, _, action = heapq.heappop(events)
            action()
            happened += 1
            if happened > most:
                raise RunawayError(f"no rest after {most} events")
        if until is not None:
            self.now = max(self.now, until)
        return happened
