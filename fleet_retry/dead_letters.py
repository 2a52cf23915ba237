"""The dead-letter queue: reading and redriving its messages.

There are two kinds. The intake leaves ``{"execution", "failure": {"Error", "Cause"}, "message"}``
when it gave up, with its input as the message. An IoT rule leaves its error document when an action
failed, with the payload as the device sent it:
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
_KIND = re.compile(r"(?:'(\w+)'|CASE status (.*?) ELSE '(\w+)' END) AS kind")
_KIND_OF_STATUS = re.compile(r"WHEN '([^']*)' THEN '(\w+)'")
_TEXT = re.compile(r"'(\w+)' AS (reportedBy)")
_DEVICE_ID = re.compile(r"(_id_|clientid\(\)|topic\(([0-9]+)\)|thingArn)[^_]*? AS deviceId")
_REASON = re.compile(
    r"regexp_replace\(get\((\*|statusDetails), '([^']+)'\),[^)]*\), '[^']*'\)"
    r" AS (reason\w*|errorCode)"
)
"""Source, its key, and the name that this gets."""

_BATCH = 10
"""Messages per call, the most that SQS accepts."""
_CONCURRENT_CALLS = 8
"""A few hundred messages per second, as many as the intake gets in a storm."""
_HIDDEN_SECONDS = 3600
"""Visibility timeout of received messages."""


class RedriveOutcome(StrEnum):
    """The outcome of redriving a dead letter."""

    REDRIVEN = "redriven"
    NOTHING_TO_COUNT = "nothing to count"
    COUNTED = "counted already"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Letter:
    """One parsed dead letter."""

    why: str
    """The error's name and message, on one line."""
    device_id: str
    """Empty when the message names none."""
    message: dict[str, Any] | None
    """The intake's input; None when there is nothing to count."""
    is_counted: bool = False
    """True when the rule handed the message to the intake, and only could not log it."""


Redriven = tuple[Letter, RedriveOutcome]


def count_waiting(deployment: Deployment) -> int:
    """Count the dead letters, hidden ones included. AWS counts with a delay of up to a minute.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html

    Raises:
        DeploymentError: the queue does not exist.
    """
    answer = deployment.client("sqs").get_queue_attributes(
        QueueUrl=deployment.dead_letter_queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )
    return sum(map(int, answer["Attributes"].values()))


def redrive(
    deployment: Deployment, most: int | None = None, dry_run: bool = False
) -> Generator[Redriven, None, None]:
    """Start the intake again for each dead letter, and delete the letter from the queue.

    A letter is deleted only after its run was started, so an interruption loses nothing; a run that
    is started twice counts once, since the intake recognizes its messages. An unreadable letter
    stays in the queue. At most as many are received as there were at first, so that letters that
    fail again are not redriven endlessly.

    Args:
        deployment: the owner of the queue.
        most: the most letters to receive; None for all.
        dry_run: change nothing; the letters stay.

    Yields:
        Each letter and its outcome. A caller that stops early has to close the generator: the
        letters that stay become visible again then.

    Raises:
        DeploymentError: the module is not deployed.
    """
    there = max(count_waiting(deployment), _BATCH)  # A few may be too new to be counted.
    redrive = _Redrive(deployment, dry_run)
    try:
        yield from redrive.run(there if most is None else min(most, there))
    finally:
        redrive.show_hidden()


class _Redrive:
    """One pass through the queue, ten letters per call and several concurrent calls."""

    def __init__(self, deployment: Deployment, dry_run: bool) -> None:
        # Clients are made here, before threads share them.
        self._sqs = deployment.client("sqs")
        self._states = deployment.client("stepfunctions")
        self._queue = deployment.dead_letter_queue_url
        self._intake = deployment.intake_state_machine_arn
        self._iot = deployment.client("iot")
        self._dry_run = dry_run
        self._hidden: dict[str, str] = {}
        """Receipts of letters that were received and not deleted, by the letters' ids."""

    def run(self, left: int) -> Iterator[Redriven]:
        """Redrive up to ``left`` letters, or all that can be received."""
        with ThreadPoolExecutor(_CONCURRENT_CALLS) as pool:
            while left:
                firsts = range(0, min(left, _BATCH * _CONCURRENT_CALLS), _BATCH)
                sizes = [min(_BATCH, left - first) for first in firsts]
                redriven = list(chain.from_iterable(pool.map(self._redrive_batch, sizes)))
                if not redriven:
                    return
                left -= len(redriven)
                yield from redriven

    def _redrive_batch(self, most: int) -> list[Redriven]:
        messages = self._receive(most)
        redriven = [self._redrive_one(message) for message in messages]
        self._delete(
            message["MessageId"]
            for message, (_, outcome) in zip(messages, redriven, strict=True)
            if outcome is not RedriveOutcome.UNREADABLE
        )
        return redriven

    def _receive(self, most: int) -> list[dict[str, Any]]:
        """Receive up to ten letters that were not received before; none when none are left."""
        while messages := self._sqs.receive_message(
            QueueUrl=self._queue,
            MaxNumberOfMessages=most,
            VisibilityTimeout=_HIDDEN_SECONDS,
            # Short polling queries only some of SQS's servers, and may return nothing.
            WaitTimeSeconds=1,
            AttributeNames=["SentTimestamp"],
        ).get("Messages"):
            new = [message for message in messages if message["MessageId"] not in self._hidden]
            self._hidden |= {message["MessageId"]: message["ReceiptHandle"] for message in messages}
            if new:
                return new
        return []

    def _redrive_one(self, message: dict[str, Any]) -> Redriven:
        sent = int(message["Attributes"]["SentTimestamp"])
        try:
            letter = read(self._iot, message["Body"], sent)
        except (ValueError, KeyError, TypeError) as error:
            why = f"not a letter of this module: {error!r}"
            return Letter(why, "", None), RedriveOutcome.UNREADABLE
        if letter.message is None:
            return letter, RedriveOutcome.NOTHING_TO_COUNT
        if letter.is_counted:
            return letter, RedriveOutcome.COUNTED
        if not self._dry_run:
            self._states.start_execution(
                stateMachineArn=self._intake,
                name=f"redrive-{message['MessageId']}",
                input=json.dumps(letter.message),
            )
        return letter, RedriveOutcome.REDRIVEN

    def _delete(self, ids: Iterable[str]) -> None:
        entries = [{"Id": name, "ReceiptHandle": self._hidden[name]} for name in ids]
        if self._dry_run or not entries:
            return
        answer = self._sqs.delete_message_batch(QueueUrl=self._queue, Entries=entries)
        for deleted in answer.get("Successful", ()):
            del self._hidden[deleted["Id"]]

    def show_hidden(self) -> None:
        """Make the letters that stay visible. Any sooner, they would be received repeatedly."""
        entries = [
            {"Id": name, "ReceiptHandle": receipt, "VisibilityTimeout": 0}
            for name, receipt in self._hidden.items()
        ]
        batches = [entries[first : first + _BATCH] for first in range(0, len(entries), _BATCH)]
        with ThreadPoolExecutor(_CONCURRENT_CALLS) as pool:
            list(pool.map(self._show, batches))

    def _show(self, entries: list[dict[str, Any]]) -> None:
        # A failed entry does not matter: it is visible already, or will be within the hour.
        self._sqs.change_message_visibility_batch(QueueUrl=self._queue, Entries=entries)


def read(iot: Any, body: str, sent: int) -> Letter:
    """Parse a dead letter.

    Args:
        iot: client of AWS IoT; the SQL of a rule says how it names the device.
        body: the letter, JSON.
        sent: when it was sent to the queue, milliseconds since the epoch.

    Raises:
        ValueError, KeyError, TypeError: it is neither of the two kinds.
    """
    letter = json.loads(body)
    if "base64OriginalPayload" in letter:
        return _read_error_document(iot, letter, sent)
    message = letter["message"]
    failure = letter["failure"]
    why = f"{failure['Error']}: {_one_line(failure.get('Cause', ''))}"
    return Letter(why, str(message.get("deviceId", "")), message)


def _read_error_document(iot: Any, letter: dict[str, Any], sent: int) -> Letter:
    why = "; ".join(
        f"{failure['failedAction']}: {_one_line(failure['errorMessage'])}"
        for failure in letter["failures"]
    )
    try:
        payload = json.loads(base64.b64decode(letter["base64OriginalPayload"], validate=True))
    except (binascii.Error, ValueError):
        return Letter(why, "", None)
    sql = _read_sql(iot, letter["ruleName"])
    source = _DEVICE_ID.search(sql)
    if source is None or not isinstance(payload, dict):
        return Letter(why, "", None)
    device_id = _device_id(source, letter, payload)
    message = {
        "kind": _read_kind(sql, payload.get("status")),
        **{name: text for text, name in _TEXT.findall(sql)},
        "deviceId": device_id,
        **{name: payload[name] for name in _SELECTED if name in payload and f" AS {name}" in sql},
        **_read_reasons(sql, payload),
        "topic": letter["topic"],
        "clientId": letter.get("clientId", "n/a"),
        "receivedAt": sent,
    }
    # A letter names every action of the rule that failed; all but the log start the intake.
    is_counted = all("logs" in failure["failedAction"].lower() for failure in letter["failures"])
    return Letter(why, str(device_id), message, is_counted)


def _read_kind(sql: str, status: Any) -> str:
    found = _KIND.search(sql)
    if found is None:
        raise ValueError("the SQL of its rule names no kind of message")
    constant, cases, otherwise = found.groups()
    kinds: dict[str, str] = dict(_KIND_OF_STATUS.findall(cases or ""))
    return str(constant or kinds.get(str(status), otherwise))


def _read_reasons(sql: str, payload: dict[str, Any]) -> dict[str, Any]:
    reasons = {}
    for source, key, name in _REASON.findall(sql):
        values = payload.get(source) if source == "statusDetails" else payload
        if isinstance(values, dict) and key in values:
            reasons[name] = values[key]
    return reasons


def _device_id(source: re.Match[str], letter: dict[str, Any], payload: dict[str, Any]) -> Any:
    if source[1] == "_id_":
        return payload.get("_id_")
    if source[1] == "thingArn":
        return str(payload["thingArn"]).rpartition("/")[2]
    if source[1] == "clientid()":
        return letter.get("clientId")
    return letter["topic"].split("/")[int(source[2]) - 1]


@cache
def _read_sql(iot: Any, rule_name: str) -> str:
    try:
        return str(iot.get_topic_rule(ruleName=rule_name)["rule"]["sql"])
    except ClientError as error:
        # AWS IoT answers "unauthorized" for a rule that does not exist.
        raise ValueError(f"rule {rule_name} cannot be read: {error}") from error


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
