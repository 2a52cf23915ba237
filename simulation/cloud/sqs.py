"""SQS: a queue that keeps what it is sent, in order, until somebody takes it out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Queue:
    """A standard queue. ``arrived`` is called after each message."""

    arrived: Callable[[], None] = lambda: None
    messages: list[Any] = field(default_factory=list)

    def send(self, body: Any) -> None:
        """SendMessage."""
        self.messages.append(body)
        self.arrived()

    def take(self) -> list[Any]:
        """Receives and deletes everything there is."""
        taken, self.messages = self.messages, []
        return taken
