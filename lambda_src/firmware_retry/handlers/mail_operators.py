"""MailOperators: tells people what happened since the last time, in as few mails as can be.

Scheduled. It reads a FIFO queue that is subscribed to the FIFO topic. A letter is deleted after it
was mailed: a death in between tells twice at worst, and never not at all.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from firmware_retry import aws, clock, emails
from firmware_retry.emails import Alert, Mail
from firmware_retry.settings import settings

aws.prepare("sqs", "sns")
_logger = logging.getLogger(__name__)

_AT_ONCE = 10
"""Most letters that SQS gives, or deletes, in one call."""
_LAST_SECONDS = 30
"""How long before its time is over a pass receives no further letters: it has to mail those yet."""


@dataclass(frozen=True)
class Letter:
    """A message of the queue."""

    receipt: str
    """Names this reception of it."""
    body: str
    alert: Alert
    """Empty for one that cannot be read."""


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Mails what waits in the queue, until it is as good as empty or the time is over.

    Args:
        event: ``{}``.
        context: Lambda's; says how much time is left.

    Returns:
        How many ``mails`` told of how many ``devices``, ``campaigns`` and ``unreadable`` letters.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``; what was not mailed stays in the
            queue.
    """
    tally: Counter[str] = Counter()
    while settings().operator_queue_url and clock.seconds_left(context) > _LAST_SECONDS:
        letters = list(_received(context))
        # What follows a digest belongs to the same storm.
        _mail(letters, tally, is_storm=tally["devices"] > settings().alert_digest_threshold)
        if len(letters) < emails.MOST_DEVICES:
            break  # what came meanwhile waits for more: a storm that lasts is one digest a pass
    mailed = dict(+tally)
    _logger.info("operators mailed", extra={"mailed": mailed})
    return mailed


def _received(context: Any) -> Iterator[Letter]:
    """Letters for one digest at most; those of one device in their order."""
    received = 0
    while received < emails.MOST_DEVICES and clock.seconds_left(context) > _LAST_SECONDS:
        messages = aws.call(
            "sqs",
            "receive_message",
            QueueUrl=settings().operator_queue_url,
            MaxNumberOfMessages=min(_AT_ONCE, emails.MOST_DEVICES - received),
        ).get("Messages", [])
        if not messages:
            return
        received += len(messages)
        for message in messages:
            body = message["Body"]
            yield Letter(message["ReceiptHandle"], body, emails.read(body))


def _mail(letters: Sequence[Letter], tally: Counter[str], *, is_storm: bool) -> None:
    _mail_of_campaigns(letters, tally)
    _mail_of_unreadable(letters, tally)
    of_device: dict[str, list[Letter]] = {}
    for letter in letters:
        if "deviceId" in letter.alert:
            of_device.setdefault(letter.alert["deviceId"], []).append(letter)
    tally["devices"] += len(of_device)
    if is_storm or len(of_device) > settings().alert_digest_threshold:
        _mail_digest(of_device, tally)
        return
    for letters_of_one in of_device.values():
        _send(emails.of_device(_latest(letters_of_one)), letters_of_one)
        tally["mails"] += 1


def _mail_of_campaigns(letters: Sequence[Letter], tally: Counter[str]) -> None:
    for letter in letters:
        if letter.alert.get("event") == "campaign_tripped":
            _send(emails.of_campaign(letter.alert), [letter])
            tally.update(mails=1, campaigns=1)


def _mail_of_unreadable(letters: Sequence[Letter], tally: Counter[str]) -> None:
    unreadable = [letter for letter in letters if not letter.alert]
    if not unreadable:
        return
    for letter in unreadable:
        _logger.error("an alert cannot be read", extra={"alert": letter.body})
    _send(emails.of_unreadable([letter.body for letter in unreadable]), unreadable)
    tally.update(mails=1, unreadable=len(unreadable))


def _mail_digest(of_device: Mapping[str, Sequence[Letter]], tally: Counter[str]) -> None:
    if not of_device:
        return
    latest = [_latest(letters) for letters in of_device.values()]
    _send(emails.digest(latest), [letter for of_one in of_device.values() for letter in of_one])
    tally["mails"] += 1


def _latest(letters: Sequence[Letter]) -> Alert:
    """What people have to know of a device: that it healed says that it had failed, too."""
    return letters[-1].alert


def _send(mail: Mail, letters: Sequence[Letter]) -> None:
    """Mails first and deletes the letters then."""
    aws.call(
        "sns",
        "publish",
        TopicArn=settings().operator_topic_arn,
        Subject=mail.subject,
        Message=mail.text,
    )
    for first in range(0, len(letters), _AT_ONCE):
        entries = [
            {"Id": str(number), "ReceiptHandle": letter.receipt}
            for number, letter in enumerate(letters[first : first + _AT_ONCE])
        ]
        answer = aws.call(
            "sqs",
            "delete_message_batch",
            QueueUrl=settings().operator_queue_url,
            Entries=entries,
        )
        if answer.get("Failed"):
            _logger.warning("mailed letters stay: mailed again", extra={"why": answer["Failed"]})
