"""SNS: what was published to FIFO topics, after deduplication, and to standard topics.

A FIFO queue may be subscribed to a FIFO topic, with raw delivery.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.aws.errors import client_error, only
from simulator.aws.sqs import FifoQueue

DEDUPLICATION_SECONDS = 300
"""https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html"""

_KNOWN = frozenset(
    {
        "TopicArn",
        "Message",
        "MessageAttributes",
        "Subject",
        "MessageGroupId",
        "MessageDeduplicationId",
    }
)


@dataclass(frozen=True)
class Published:
    """A message that subscribers get."""

    at: float
    topic_arn: str
    message: str
    group: str
    deduplication_id: str
    subject: str = ""


@dataclass
class SNS:
    """The topics. ``now`` gives the time in seconds."""

    now: Callable[[], float]
    topics: set[str] = field(default_factory=set)
    published: list[Published] = field(default_factory=list)
    subscribed: dict[str, FifoQueue] = field(default_factory=dict)
    """Which queue gets what is published, by topic."""
    on_publish: Callable[[Published], None] = lambda _: None
    """Called with each message that subscribers get."""
    _accepted: dict[tuple[str, str], tuple[float, str]] = field(default_factory=dict)

    def get_topic_attributes(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the number of confirmed subscriptions: operators have confirmed theirs."""
        only(parameters, frozenset({"TopicArn"}))
        if parameters["TopicArn"] not in self.topics:
            raise client_error("NotFound", "Topic does not exist", 404)
        return {"Attributes": {"SubscriptionsConfirmed": "1"}}

    def publish(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Publish; within five minutes a FIFO topic drops what has the same deduplication id."""
        only(parameters, _KNOWN)
        topic, subject = parameters["TopicArn"], parameters.get("Subject", "-")
        attributes = parameters.get("MessageAttributes", {})
        group = parameters.get("MessageGroupId", "")
        deduplication_id = parameters.get("MessageDeduplicationId", "")
        if topic not in self.topics:
            raise client_error("NotFound", "Topic does not exist", 404)
        if not 0 < len(subject) < 100 or not subject.isascii():
            raise client_error("InvalidParameter", "Invalid parameter: Subject")
        if not all(attribute["StringValue"] for attribute in attributes.values()):
            raise client_error("ParameterValueInvalid", "Invalid parameter: MessageAttributes")
        is_fifo = topic.endswith(".fifo")
        if is_fifo and not (group and deduplication_id):
            message = "The MessageGroupId and MessageDeduplicationId are required"
            raise client_error("InvalidParameter", f"Invalid parameter: {message}")
        now = self.now()
        earlier = self._accepted.get((topic, deduplication_id)) if is_fifo else None
        if earlier and now - earlier[0] < DEDUPLICATION_SECONDS:
            return {"MessageId": earlier[1]}
        message_id = f"message-{len(self.published) + 1}"
        if is_fifo:
            self._accepted[topic, deduplication_id] = (now, message_id)
        body = parameters["Message"]
        published = Published(now, topic, body, group, deduplication_id, subject)
        self.published.append(published)
        if topic in self.subscribed:
            self.subscribed[topic].send(body, group)
        self.on_publish(published)
        return {"MessageId": message_id}
