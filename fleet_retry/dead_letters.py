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
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import chain
from typing import Any

from botocore.exceptions import ClientError

from fleet_retry.deployment import Deployment

# What the rules make of a payload, see modules/ingestion.
_SELECTED = ("timestamp", "status", "model", "FW", "jobId", "eventId")
_TEXT = re.compile(r"'(\w+)' AS (kind|reportedBy)")
_DEVICE_ID = re.compile(r"(_id_|clientid\(\)|topic\(([0-9]+)\)|thingArn)[^_]*? AS deviceId")
_REASONS = ("reason", "errorCode")

_BATCH = 10
"""Letters a call, the most that SQS takes."""
_AT_A_TIME = 8
"""Calls. A few hundred letters a second, as many as the intake gets in a storm."""
_HIDDEN_SECONDS = 3600
"""For how long nobody else receives what was received."""


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


Outcome = tuple[Letter, Fate]


def waiting(deployment: Deployment) -> int:
    """How many letters there are, also hidden ones. AWS counts with a delay of up to a minute.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html

    Raises:
        DeploymentError: there is no such queue.
    """
    answer = deployment.client("sqs").get_queue_attributes(
        QueueUrl=deployment.dead_letter_queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )
    return sum(map(int, answer["Attributes"].values()))


def redrive(
    deployment: Deployment, most: int | None = None, dry_run: bool = False
) -> Generator[Outcome, None, None]:
    """Starts the intake again for each letter, and takes the letter out of the queue.

    A letter leaves the queue only after its run was started, so nothing is lost when this is
    interrupted; a run that is started twice counts once, since the intake knows its messages.
    A letter that cannot be read stays in the queue. No more are taken than there were at first, so
    that what fails again does not go round and round.

    Args:
        deployment: whose letters.
        most: how many letters at most; None for all.
        dry_run: only look; the letters stay.

    Yields:
        Each letter and what became of it. Whoever stops taking has to close it: then what stays
        can be received again at once.

    Raises:
        DeploymentError: the module is not there.
    """
    there = max(waiting(deployment), _BATCH)  # A few may be too new to be counted.
    redriving = _Redriving(deployment, dry_run)
    try:
        yield from redriving.rounds(there if most is None else min(most, there))
    finally:
        redriving.put_back()


class _Redriving:
    """One pass through the queue, ten letters a call and several calls at a time."""

    def __init__(self, deployment: Deployment, dry_run: bool) -> None:
        # All is made here, before threads share it.
        self._sqs = deployment.client("sqs")
        self._states = deployment.client("stepfunctions")
        self._queue = deployment.dead_letter_queue_url
        self._intake = deployment.intake_state_machine_arn
        self._iot = deployment.client("iot")
        self._dry_run = dry_run
        self._hidden: dict[str, str] = {}
        """What was received and is not deleted: receipts, by the letters' ids."""

    def rounds(self, left: int) -> Iterator[Outcome]:
        """Acts on so many letters, or on all that can be received."""
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            while left:
                firsts = range(0, min(left, _BATCH * _AT_A_TIME), _BATCH)
                sizes = [min(_BATCH, left - first) for first in firsts]
                outcomes = list(chain.from_iterable(pool.map(self._batch, sizes)))
                if not outcomes:
                    return
                left -= len(outcomes)
                yield from outcomes

    def _batch(self, most: int) -> list[Outcome]:
        received = self._received(most)
        outcomes = [self._redriven(one) for one in received]
        self._delete(
            one["MessageId"]
            for one, (_, fate) in zip(received, outcomes, strict=True)
            if fate is not Fate.UNREADABLE
        )
        return outcomes

    def _received(self, most: int) -> list[dict[str, Any]]:
        """Up to ten letters that were not received before; none when there are no others."""
        while messages := self._sqs.receive_message(
            QueueUrl=self._queue,
            MaxNumberOfMessages=most,
            VisibilityTimeout=_HIDDEN_SECONDS,
            # Without, SQS asks only some of its servers and may say that there is nothing.
            WaitTimeSeconds=1,
            AttributeNames=["SentTimestamp"],
        ).get("Messages"):
            new = [of for of in messages if of["MessageId"] not in self._hidden]
            self._hidden.update({of["MessageId"]: of["ReceiptHandle"] for of in messages})
            if new:
                return new
        return []

    def _redriven(self, received: dict[str, Any]) -> Outcome:
        sent = int(received["Attributes"]["SentTimestamp"])
        try:
            letter = read(self._iot, received["Body"], sent)
        except (ValueError, KeyError, TypeError) as error:
            return Letter(f"not a letter of this module: {error!r}", "", None), Fate.UNREADABLE
        if letter.message is None:
            return letter, Fate.NOTHING_TO_COUNT
        if not self._dry_run:
            self._states.start_execution(
                stateMachineArn=self._intake,
                name=f"redrive-{received['MessageId']}",
                input=json.dumps(letter.message),
            )
        return letter, Fate.REDRIVEN

    def _delete(self, ids: Iterable[str]) -> None:
        entries = [{"Id": of, "ReceiptHandle": self._hidden[of]} for of in ids]
        if self._dry_run or not entries:
            return
        answer = self._sqs.delete_message_batch(QueueUrl=self._queue, Entries=entries)
        for deleted in answer.get("Successful", ()):
            del self._hidden[deleted["Id"]]

    def put_back(self) -> None:
        """Shows what is hidden; only now, or it would have been received again and again."""
        entries = [
            {"Id": of, "ReceiptHandle": receipt, "VisibilityTimeout": 0}
            for of, receipt in self._hidden.items()
        ]
        batches = [entries[first : first + _BATCH] for first in range(0, len(entries), _BATCH)]
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            list(pool.map(self._show, batches))

    def _show(self, entries: list[dict[str, Any]]) -> None:
        # That one failed is no matter: it shows already, or does within the hour.
        self._sqs.change_message_visibility_batch(QueueUrl=self._queue, Entries=entries)


def read(iot: Any, body: str, sent: int) -> Letter:
    """Reads a letter.

    Args:
        iot: client of the service; its rules are asked how they name the device.
        body: the letter, JSON.
        sent: when it was put into the queue, milliseconds since the epoch.

    Raises:
        ValueError, KeyError, TypeError: it is none of the two kinds.
    """
    letter = json.loads(body)
    if "base64OriginalPayload" in letter:
        return _of_rule(iot, letter, sent)
    message = letter["message"]
    failure = letter["failure"]
    why = f"{failure['Error']}: {_one_line(failure.get('Cause', ''))}"
    return Letter(why, str(message.get("deviceId", "")), message)


def _of_rule(iot: Any, letter: dict[str, Any], sent: int) -> Letter:
    why = "; ".join(
        f"{failure['failedAction']}: {_one_line(failure['errorMessage'])}"
        for failure in letter["failures"]
    )
    try:
        payload = json.loads(base64.b64decode(letter["base64OriginalPayload"], validate=True))
    except (binascii.Error, ValueError):
        return Letter(why, "", None)
    sql = _sql(iot, letter["ruleName"])
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
