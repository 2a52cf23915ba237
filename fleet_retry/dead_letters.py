"""The dead-letter queue: what is in it, and how it goes on its way again.

Two kinds of letters arrive there. The intake leaves ``{"execution", "failure": {"Error", "Cause"},
"message"}`` when it gave up, with its input as the message. An IoT rule leaves its error document
when an action failed, with the payload as the device sent it:
https://docs.aws.amazon.com/iot/latest/developerguide/rule-error-handling.html
"""

import base64
import binascii
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

from fleet_retry.deployment import Deployment

# What the rules make of a payload, see modules/ingestion.
_SELECTED = ("timestamp", "status", "model", "FW", "jobId", "eventId")
_TEXT = re.compile(r"'(\w+)' AS (kind|reportedBy)")
_DEVICE_ID = re.compile(r"(_id_|clientid\(\)|topic\(([0-9]+)\)|thingArn)[^_]*? AS deviceId")
_REASONS = ("reason", "errorCode")


class Fate(StrEnum):
    """What became of a letter."""

    REDRIVEN = "redriven"
    NOTHING_TO_COUNT = "nothing to count"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Letter:
    """One dead letter, read."""

    why: str
    """The error's name and what it says, on one line."""
    device_id: str
    """Empty where the message names none."""
    message: dict[str, Any] | None
    """The intake's input; None where there is nothing that could be counted."""


def redrive(
    deployment: Deployment, most: int | None = None, dry_run: bool = False
) -> Iterator[tuple[Letter, Fate]]:
    """Starts the intake again for each letter, and takes the letter out of the queue.

    A letter leaves the queue only after its run was started, so nothing is lost when this is
    interrupted; a run that is started twice counts once, since the intake knows its messages.
    A letter that cannot be read stays in the queue.

    Args:
        deployment: whose letters.
        most: how many letters at most; None for all that are visible.
        dry_run: only look; the letters stay.

    Yields:
        Each letter and what became of it.

    Raises:
        DeploymentError: the module is not there.
    """
    kept: list[dict[str, Any]] = []
    try:
        for number, received in enumerate(_received(deployment)):
            if number == most:
                kept.append(received)
                return
            letter, fate = _redriven(deployment, received, dry_run)
            if dry_run or fate is Fate.UNREADABLE:
                kept.append(received)
            else:
                _delete(deployment, received)
            yield letter, fate
    finally:
        # Not before: it would be received again. Who looked first can redrive at once.
        for received in kept:
            _put_back(deployment, received)


def _received(deployment: Deployment) -> Iterator[dict[str, Any]]:
    """Every letter that is there now, once; not what comes back while this runs."""
    seen: set[str] = set()
    began = time.time() * 1000
    while True:
        answer = deployment.client("sqs").receive_message(
            QueueUrl=deployment.dead_letter_queue_url,
            MaxNumberOfMessages=1,
            VisibilityTimeout=30,
            # Without, SQS asks only some of its servers and may say that there is nothing.
            WaitTimeSeconds=1,
            AttributeNames=["SentTimestamp"],
        )
        if not answer.get("Messages"):
            return
        (letter,) = answer["Messages"]
        if letter["MessageId"] in seen:
            return
        seen.add(letter["MessageId"])
        if int(letter["Attributes"]["SentTimestamp"]) > began:
            _put_back(deployment, letter)
            return
        yield letter


def _delete(deployment: Deployment, received: dict[str, Any]) -> None:
    deployment.client("sqs").delete_message(
        QueueUrl=deployment.dead_letter_queue_url, ReceiptHandle=received["ReceiptHandle"]
    )


def _put_back(deployment: Deployment, received: dict[str, Any]) -> None:
    deployment.client("sqs").change_message_visibility(
        QueueUrl=deployment.dead_letter_queue_url,
        ReceiptHandle=received["ReceiptHandle"],
        VisibilityTimeout=0,
    )


def _redriven(
    deployment: Deployment, received: dict[str, Any], dry_run: bool
) -> tuple[Letter, Fate]:
    try:
        letter = read(deployment, received["Body"], int(received["Attributes"]["SentTimestamp"]))
    except (ValueError, KeyError, TypeError) as error:
        return Letter(f"not a letter of this module: {error!r}", "", None), Fate.UNREADABLE
    if letter.message is None:
        return letter, Fate.NOTHING_TO_COUNT
    if not dry_run:
        deployment.client("stepfunctions").start_execution(
            stateMachineArn=deployment.intake_state_machine_arn,
            name=f"redrive-{received['MessageId']}",
            input=json.dumps(letter.message),
        )
    return letter, Fate.REDRIVEN


def read(deployment: Deployment, body: str, sent: int) -> Letter:
    """Reads a letter.

    Args:
        deployment: whose letter it is; its rules are asked how they name the device.
        body: the letter, JSON.
        sent: when it was put into the queue, milliseconds since the epoch.

    Raises:
        ValueError, KeyError, TypeError: it is none of the two kinds.
    """
    letter = json.loads(body)
    if "base64OriginalPayload" in letter:
        return _of_rule(deployment, letter, sent)
    message = letter["message"]
    failure = letter["failure"]
    why = f"{failure['Error']}: {_one_line(failure.get('Cause', ''))}"
    return Letter(why, str(message.get("deviceId", "")), message)


def _of_rule(deployment: Deployment, letter: dict[str, Any], sent: int) -> Letter:
    why = "; ".join(
        f"{failure['failedAction']}: {_one_line(failure['errorMessage'])}"
        for failure in letter["failures"]
    )
    try:
        payload = json.loads(base64.b64decode(letter["base64OriginalPayload"], validate=True))
    except (binascii.Error, ValueError):
        return Letter(why, "", None)
    sql = _sql(deployment.client("iot"), letter["ruleName"])
    source = _DEVICE_ID.search(sql)
    if source is None or not isinstance(payload, dict):
        return Letter(why, "", None)
    device_id = _device_id(source, letter, payload)
    told = payload.get("statusDetails", payload)
    message = {
        **{name: text for text, name in _TEXT.findall(sql)},
        "deviceId": device_id,
        **{name: payload[name] for name in _SELECTED if name in payload and f" AS {name}" in sql},
        **{name: told[name] for name in _REASONS if isinstance(told, dict) and name in told},
        "topic": letter["topic"],
        "clientId": letter.get("clientId", "n/a"),
        "receivedAt": sent,
    }
    return Letter(why, str(device_id), message)


def _device_id(source: re.Match[str], letter: dict[str, Any], payload: dict[str, Any]) -> Any:
    if source[1] == "_id_":
        return payload.get("_id_")
    if source[1] == "thingArn":
        return str(payload["thingArn"]).rpartition("/")[2]
    if source[1] == "clientid()":
        return letter.get("clientId")
    return letter["topic"].split("/")[int(source[2]) - 1]


@cache
def _sql(iot: Any, rule_name: str) -> str:
    try:
        return str(iot.get_topic_rule(ruleName=rule_name)["rule"]["sql"])
    except ClientError as error:
        # AWS IoT answers "unauthorized" for a rule that does not exist.
        raise ValueError(f"rule {rule_name} cannot be read: {error}") from error


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
