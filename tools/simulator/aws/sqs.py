"""SQS: queues that keep what they are sent, in order, until somebody takes it out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.aws.errors import only

VISIBILITY_SECONDS = 360.0
"""How long a message that was received is given to nobody else; see modules/alerts."""


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


@dataclass
class _Letter:
    body: str
    group: str
    visible_at: float = 0.0
    receipt: str = ""


@dataclass
class FifoQueue:
    """A FIFO queue, of which messages are received and deleted through SQS's API.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
    """

    now: Callable[[], float]
    arrived: Callable[[], None] = lambda: None
    """Called after each message."""
    letters: list[_Letter] = field(default_factory=list)
    _receipts: int = 0

    def send(self, body: str, group: str) -> None:
        """What the topic delivers."""
        self.letters.append(_Letter(body, group))
        self.arrived()

    def receive_message(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Gives the oldest messages of the groups that nobody is just busy with."""
        only(parameters, frozenset({"QueueUrl", "MaxNumberOfMessages"}))
        now = self.now()
        busy = {letter.group for letter in self.letters if letter.visible_at > now}
        free = [letter for letter in self.letters if letter.group not in busy]
        given = free[: parameters["MaxNumberOfMessages"]]
        for letter in given:
            self._receipts += 1
            letter.visible_at, letter.receipt = now + VISIBILITY_SECONDS, str(self._receipts)
        if not given:
            return {}
        return {"Messages": [{"Body": one.body, "ReceiptHandle": one.receipt} for one in given]}

    def delete_message_batch(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Deletes what was received under these handles, and not again since."""
        only(parameters, frozenset({"QueueUrl", "Entries"}))
        handles = {entry["ReceiptHandle"] for entry in parameters["Entries"]}
        self.letters = [letter for letter in self.letters if letter.receipt not in handles]
        return {"Successful": [{"Id": entry["Id"]} for entry in parameters["Entries"]]}
