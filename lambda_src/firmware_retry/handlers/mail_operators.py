"""MailOperators: send operators what happened since the last pass, in few e-mails. Scheduled."""

from functools import partial
from typing import Any

from firmware_retry import aws, clock, operator_mail

aws.prepare("sqs", "sns")


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Send e-mails for what is in the operator queue, until it is nearly empty or time is over.

    Args:
        event: ``{}``.
        context: Lambda's; contains how much time is left.

    Returns:
        The number of ``mails`` sent, and of the ``devices``, ``campaigns`` and ``unreadable``
        alerts in them; nothing for zero.

    Raises:
        NoSubscriberError: no operator has confirmed a subscription; all alerts stay in the queue.
        TransientError, RequestRefusedError: see ``aws.call``; what was not sent stays in the queue.
    """
    return operator_mail.mail_pending(partial(clock.seconds_left, context))
