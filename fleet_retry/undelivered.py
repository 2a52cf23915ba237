"""Alerts that SNS could not deliver to the operators' queue: counting and redriving them.

They wait in the dead-letter queue of the subscription. SQS itself moves messages only out of the
dead-letter queue of another queue:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

from __future__ import annotations

from typing import Any

from fleet_retry.deployment import Deployment, NotThereError

OPERATORS_QUEUE = "FailedFirmwareUpdateOperators.fifo"
"""MailOperators sends its messages as e-mail."""
QUEUE = "FailedFirmwareUpdateUndelivered.fifo"
_BATCH = 10
"""Messages per call, the most that SQS returns."""


def count_waiting(deployment: Deployment) -> int:
    """Count the undelivered alerts; 0 where no e-mail is sent."""
    url = _find_queue(deployment)
    if url is None:
        return 0
    answer = deployment.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def redrive(deployment: Deployment) -> int:
    """Put the undelivered alerts into the operators' queue, those of each device in order.

    An alert is deleted after it was put there: an interruption sends it twice at worst.

    Returns:
        Their number.

    Raises:
        DeploymentError: the operators' queue does not exist.
        ClientError: it does not take the alert, which stays.
    """
    source = _find_queue(deployment)
    if source is None:
        return 0
    sqs, redriven = deployment.client("sqs"), 0
    while messages := _receive(sqs, source):
        target = deployment.queue_url(OPERATORS_QUEUE)
        for message in messages:
            sqs.send_message(QueueUrl=target, **_copy(message))
            sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])
        redriven += len(messages)
    return redriven


def _receive(sqs: Any, url: str) -> list[dict[str, Any]]:
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=_BATCH,
        # Short polling queries only some of SQS's servers, and may return nothing.
        WaitTimeSeconds=1,
        AttributeNames=["MessageGroupId", "MessageDeduplicationId"],
    )
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    return messages


def _copy(message: dict[str, Any]) -> dict[str, str]:
    attributes = message["Attributes"]
    ids = {name: attributes[name] for name in ("MessageGroupId", "MessageDeduplicationId")}
    return {"MessageBody": message["Body"], **ids}


def _find_queue(deployment: Deployment) -> str | None:
    try:
        return deployment.queue_url(QUEUE)
    except NotThereError:
        return None
