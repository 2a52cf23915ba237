"""What happened in a simulated world, event by event."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any


class Trace:
    """The events of a world; written for every event, made into text only when asked for."""

    def __init__(self) -> None:
        self._events: list[tuple[float, str, tuple[Any, ...]]] = []

    def add(self, at: float, what: str, *details: Any) -> None:
        """Add an event; details must not be changed afterwards."""
        self._events.append((at, what, details))

    def lines(self) -> Iterator[str]:
        """Yield the events as text, one line per event."""
        for at, what, details in self._events:
            moment = datetime.fromtimestamp(at, UTC).strftime("%m-%d %H:%M:%S.%f")[:-3]
            yield f"{moment} {what:<10} {' '.join(map(str, details))}"

    def digest(self) -> str:
        """Return a hash of all events; runs with the same hash took the same course."""
        made = hashlib.sha256()
        for line in self.lines():
            made.update(line.encode())
        return made.hexdigest()

    def __len__(self) -> int:
        return len(self._events)
