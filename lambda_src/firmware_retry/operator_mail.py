"""The e-mails of MailOperators: as few as possible for the alerts that are in the operator queue.

The FIFO queue subscribes to the FIFO topic of ``alerts``. An alert is deleted after its e-mail was
sent: a crash in between sends it twice at worst, and never loses it.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from firmware_retry import aws, emails
from firmware_retry.emails import Alert, Mail
from firmware_retry.errors import NoSubscriberError
from firmware_retry.settings import settings

_logger = logging.getLogger(__name__)

_BATCH = 10
"""Most messages that SQS returns, or deletes, per call.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
"""
_LAST_SECONDS = 30
"""How long before its time is over a pass stops receiving: it still has to send the e-mails."""


@dataclass(frozen=True)
class QueuedAlert:
    """An alert in the operator queue."""

    receipt: str
    """The receipt handle, which identifies this reception."""
    body: str
    alert: Alert
    """Empty for a body that cannot be read."""


def mail_pending(seconds_left: Callable[[], float]) -> dict[str, int]:
    """Send e-mails for what is in the queue, until it is nearly empty or the time is over.

    Args:
        seconds_left: returns the time that is left for the pass.

    Returns:
        The number of ``mails`` sent, and of the ``devices``, ``campaigns`` and ``unreadable``
        alerts in them; nothing for zero.

    Raises:
        NoSubscriberError: no operator has confirmed a subscription; all alerts stay in the queue.
        TransientError, RequestRefusedError: see ``aws.call``; what was not sent stays in the queue.
    """
    tally: Counter[str] = Counter()
    if settings().operator_queue_url:
        _require_subscriber()
    while settings().operator_queue_url:
        queued = list(_receive_alerts(seconds_left))
        _mail_alerts(queued, tally)
        if len(queued) < emails.MOST_DEVICES:
            break  # later alerts wait for the next pass, so that a storm is one digest per pass
    mailed = dict(+tally)
    _logger.info("operators mailed", extra={"mailed": mailed})
    return mailed


def _receive_alerts(seconds_left: Callable[[], float]) -> Iterator[QueuedAlert]:
    """Receive the alerts of one digest at most, those of each device in order."""
    received = 0
    while received < emails.MOST_DEVICES and seconds_left() > _LAST_SECONDS:
        messages = aws.call(
            "sqs",
            "receive_message",
            QueueUrl=settings().operator_queue_url,
            MaxNumberOfMessages=min(_BATCH, emails.MOST_DEVICES - received),
        ).get("Messages", [])
        if not messages:
            return
        received += len(messages)
        for message in messages:
            body = message["Body"]
            yield QueuedAlert(message["ReceiptHandle"], body, emails.read(body))


def _require_subscriber() -> None:
    """Raise NoSubscriberError if no subscription of the operator topic is confirmed.

    Before anything is received: SQS leaves a message that was received three times out of the age
    of the oldest one, and the alarm on waiting alerts would end while they wait. A refused call
    is raised as well, since an unknown number may be none.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html
    """
    topic = settings().operator_topic_arn
    attributes = aws.call("sns", "get_topic_attributes", TopicArn=topic)["Attributes"]
    if int(attributes["SubscriptionsConfirmed"]) == 0:
        raise NoSubscriberError(f"no subscription of {topic} is confirmed: its alerts wait")


def _mail_alerts(queued: Sequence[QueuedAlert], tally: Counter[str]) -> None:
    _mail_events_of_fleet(queued, tally)
    _mail_unreadable(queued, tally)
    by_device: dict[str, list[QueuedAlert]] = {}
    for entry in queued:
        if "deviceId" in entry.alert:
            by_device.setdefault(entry.alert["deviceId"], []).append(entry)
    tally["devices"] += len(by_device)
    # What follows a digest in the same pass belongs to the same storm.
    if tally["devices"] > settings().alert_digest_threshold:
        _mail_digest(by_device, tally)
        return
    for entries in by_device.values():
        _send(emails.device_mail(_latest(entries)), entries)
        tally["mails"] += 1


def _mail_events_of_fleet(queued: Sequence[QueuedAlert], tally: Counter[str]) -> None:
    for entry in queued:
        if entry.alert.get("event") == "campaign_tripped":
            _send(emails.campaign_mail(entry.alert), [entry])
            tally.update(mails=1, campaigns=1)
        if entry.alert.get("event") == "failed_group_refilled":
            _send(emails.group_mail(entry.alert), [entry])
            tally.update(mails=1)


def _mail_unreadable(queued: Sequence[QueuedAlert], tally: Counter[str]) -> None:
    unreadable = [entry for entry in queued if not entry.alert]
    if not unreadable:
        return
    for entry in unreadable:
        _logger.error("an alert cannot be read", extra={"alert": entry.body})
    _send(emails.unreadable_mail([entry.body for entry in unreadable]), unreadable)
    tally.update(mails=1, unreadable=len(unreadable))


def _mail_digest(by_device: Mapping[str, Sequence[QueuedAlert]], tally: Counter[str]) -> None:
    if not by_device:
        return
    latest = [_latest(entries) for entries in by_device.values()]
    _send(
        emails.digest_mail(latest), [entry for entries in by_device.values() for entry in entries]
    )
    tally["mails"] += 1


def _latest(entries: Sequence[QueuedAlert]) -> Alert:
    """Return the last alert of a device: one that it healed implies that it had failed."""
    return entries[-1].alert


def _send(mail: Mail, entries: Sequence[QueuedAlert]) -> None:
    """Send an e-mail first, and delete its alerts then."""
    aws.call(
        "sns",
        "publish",
        TopicArn=settings().operator_topic_arn,
        Subject=mail.subject,
        Message=mail.text,
    )
    for first in range(0, len(entries), _BATCH):
        batch = [
            {"Id": str(number), "ReceiptHandle": entry.receipt}
            for number, entry in enumerate(entries[first : first + _BATCH])
        ]
        answer = aws.call(
            "sqs", "delete_message_batch", QueueUrl=settings().operator_queue_url, Entries=batch
        )
        if answer.get("Failed"):
            _logger.warning("mailed letters stay: mailed again", extra={"why": answer["Failed"]})
