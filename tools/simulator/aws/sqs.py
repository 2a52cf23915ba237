"""SQS: queues that keep what they are sent, in order, until somebody takes it out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.aws.errors import only

VISIBILITY_SECONDS = 360.0
"""How long a message that was received is given to nobody else; see modules/alerts."""


@dataclass
class Queue:
    """A standard queue. ``on_arrival`` is called after each message."""

    on_arrival: Callable[[], None] = lambda: None
    messages: list[Any] = field(default_factory=list)

    def send(self, body: Any) -> None:
        """SendMessage."""
        self.messages.append(body)
        self.on_arrival()

    def take(self) -> list[Any]:
        """Receive and deletes everything there is."""
        taken, self.messages = self.messages, []
        return taken


@dataclass
class _Message:
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
    on_arrival: Callable[[], None] = lambda: None
    """Called after each message."""
    messages: list[_Message] = field(default_factory=list)
    _receipts: int = 0

    def send(self, body: str, group: str) -> None:
        """Take a message that the topic delivers."""
        self.messages.append(_Message(body, group))
        self.on_arrival()

    def receive_message(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the oldest messages of the groups that nobody is just busy with."""
        only(parameters, frozenset({"QueueUrl", "MaxNumberOfMessages"}))
        now = self.now()
        busy = {message.group for message in self.messages if message.visible_at > now}
        free = [message for message in self.messages if message.group not in busy]
        given = free[: parameters["MaxNumberOfMessages"]]
        for message in given:
            self._receipts += 1
            message.visible_at, message.receipt = now + VISIBILITY_SECONDS, str(self._receipts)
        if not given:
            return {}
        return {
            "Messages": [
                {"Body": message.body, "ReceiptHandle": message.receipt} for message in given
            ]
        }

    def delete_message_batch(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Delete what was received under these handles, and not again since."""
        only(parameters, frozenset({"QueueUrl", "Entries"}))
        handles = {entry["ReceiptHandle"] for entry in parameters["Entries"]}
        self.messages = [message for message in self.messages if message.receipt not in handles]
        return {"Successful": [{"Id": entry["Id"]} for entry in parameters["Entries"]]}
