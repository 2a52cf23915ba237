"""The table ``DeviceFirmwareRetries``: the state of a device, changed only by conditional writes.

No read-then-write anywhere: each change is one write whose condition says what it builds on. When
the condition does not hold, the item that DynamoDB sends back
(``ReturnValuesOnConditionCheckFailure``) says why.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html

An item: ``deviceId`` (S, the key), ``RetryCounter`` (N, failures of this cycle),
``ResetRetryCount`` (N, cycles used up), ``timestamp`` (S, last change, ISO 8601, UTC), ``state``
(S), ``campaign`` (S), ``startedAt`` (N, when the episode's first message was sent, milliseconds),
``trackingId`` (S), ``countedEvents`` (SS), ``dueAt`` (N, epoch seconds), ``recoveryId`` (S),
``awaySince`` (N, epoch seconds: when the attributes were overwritten), ``notifiedAt`` and
``mailedAt`` (S, ISO 8601, UTC: when machines and people were told).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from firmware_retry import ambient, aws
from firmware_retry.aws import ConditionFailedError
from firmware_retry.errors import RecoverySupersededError
from firmware_retry.message import FailureMessage
from firmware_retry.settings import settings


class State(StrEnum):
    """Where a device is on its journey."""

    TRACKING = "tracking"
    COOLING_DOWN = "cooling_down"
    FAILED = "failed"


class Outcome(StrEnum):
    """What became of a failure message; the intake state machine chooses on it."""

    COUNTED = "counted"
    DUPLICATE = "duplicate"
    STALE = "stale"
    """Of an earlier campaign than the one that is being counted."""
    COOLING_DOWN = "cooling_down"
    FAILED = "failed"
    NOT_TRACKED = "not_tracked"
    CAMPAIGN_CHANGED = "campaign_changed"
    COOL_DOWN_DUE = "cool_down_due"
    ESCALATION_DUE = "escalation_due"


@dataclass(frozen=True)
class Run:
    """One recovery run of a device: what its execution gets as input, and what it is called."""

    device_id: str
    tracking_id: str
    cycle: int
    """Which cycle was used up; 1 is the first."""

    @property
    def recovery_id(self) -> str:
        """The name of the execution: the same for whoever starts it, so it is started once."""
        return f"{self.tracking_id}-{self.cycle}"

    @property
    def state_input(self) -> dict[str, Any]:
        """The input of the execution, JSON-ready."""
        return {"deviceId": self.device_id, "trackingId": self.tracking_id, "cycle": self.cycle}

    @classmethod
    def parse(cls, event: dict[str, Any]) -> "Run":
        """Reads the input of a recovery step; KeyError when it is not one."""
        return cls(event["deviceId"], event["trackingId"], int(event["cycle"]))


@dataclass(frozen=True)
class Record:
    """A device's item, as far as decisions need it."""

    device_id: str
    retry_counter: int
    reset_retry_count: int
    state: State
    campaign: str
    started_at: int
    tracking_id: str
    due_at: int
    recovery_id: str
    away_since: int
    notified_at: str
    mailed_at: str

    @classmethod
    def of(cls, item: dict[str, Any]) -> "Record":
        """Reads an item in DynamoDB's typed JSON; what is not there is 0 or empty."""

        def text(name: str) -> str:
            return str(item.get(name, {}).get("S", ""))

        def number(name: str) -> int:
            return int(item.get(name, {}).get("N", "0"))

        return cls(
            device_id=text("deviceId"),
            retry_counter=number("RetryCounter"),
            reset_retry_count=number("ResetRetryCount"),
            state=State(text("state")),
            campaign=text("campaign"),
            started_at=number("startedAt"),
            tracking_id=text("trackingId"),
            due_at=number("dueAt"),
            recovery_id=text("recoveryId"),
            away_since=number("awaySince"),
            notified_at=text("notifiedAt"),
            mailed_at=text("mailedAt"),
        )

    @property
    def has_failed(self) -> bool:
        """Whether the device used up its last cycle."""
        return self.state is State.FAILED

    @property
    def next_run(self) -> Run:
        """The recovery that follows when this cycle is used up."""
        return Run(self.device_id, self.tracking_id, self.reset_retry_count + 1)

    @property
    def present_run(self) -> Run:
        """The recovery that a device in recovery is in."""
        return Run(self.device_id, self.tracking_id, self.reset_retry_count)


def create(message: FailureMessage) -> str | None:
    """Starts the episode of a device, or starts it anew for a later campaign.

    Returns:
        The trackingId of the new episode; None when nothing was changed, see below.

    Nothing changes when an episode of this or a later campaign exists, or when the device is in a
    recovery: whoever came first has done it.
    """
    tracking_id = ambient.unique_id()
    try:
        aws.call(
            "dynamodb",
            "put_item",
            TableName=settings().retries_table,
            Item={
                "deviceId": {"S": message.device_id},
                "RetryCounter": {"N": "0"},
                "ResetRetryCount": {"N": "0"},
                "timestamp": {"S": _now()},
                "state": {"S": State.TRACKING},
                "campaign": {"S": message.campaign},
                "startedAt": {"N": str(message.sent_at)},
                "trackingId": {"S": tracking_id},
            },
            ConditionExpression=(
                "attribute_not_exists(deviceId)"
                " OR (#state = :tracking AND campaign <> :campaign AND startedAt < :sent)"
            ),
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={
                ":tracking": {"S": State.TRACKING},
                ":campaign": {"S": message.campaign},
                ":sent": {"N": str(message.sent_at)},
            },
        )
    except ConditionFailedError:
        return None
    return tracking_id


def count(message: FailureMessage) -> tuple[Outcome, Record | None]:
    """Counts a failure, once.

    Returns:
        What became of the message, and the record as it is now; None when the device is not
        tracked.
    """
    try:
        answer = _update(
            message.device_id,
            "SET RetryCounter = RetryCounter + :one, #timestamp = :now ADD countedEvents :events",
            "#state = :tracking AND campaign = :campaign AND RetryCounter < :limit"
            " AND NOT contains(countedEvents, :event)",
            {
                ":one": {"N": "1"},
                ":events": {"SS": [message.event_id]},
                ":event": {"S": message.event_id},
                ":tracking": {"S": State.TRACKING},
                ":campaign": {"S": message.campaign},
                ":limit": {"N": str(settings().retry_limit)},
            },
        )
    except ConditionFailedError as refused:
        if refused.item is None:
            return Outcome.NOT_TRACKED, None
        record = Record.of(refused.item)
        return _why_refused(record, message), record
    record = Record.of(answer["Attributes"])
    return _due(record) or Outcome.COUNTED, record


def _why_refused(record: Record, message: FailureMessage) -> Outcome:
    if record.state is State.FAILED:
        return Outcome.FAILED
    if record.state is State.COOLING_DOWN:
        return Outcome.COOLING_DOWN
    if record.campaign != message.campaign:
        is_later = record.started_at < message.sent_at
        return Outcome.CAMPAIGN_CHANGED if is_later else Outcome.STALE
    # Before the duplicate: the run that counted the last failure may have died before it started
    # the recovery, and then its own retry is the next to come by.
    return _due(record) or Outcome.DUPLICATE


def _due(record: Record) -> Outcome | None:
    if record.retry_counter < settings().retry_limit:
        return None
    is_last = settings().is_last_cycle(record.next_run.cycle)
    return Outcome.ESCALATION_DUE if is_last else Outcome.COOL_DOWN_DUE


def claim(run: Run, state: State, wait_seconds: int) -> Record:
    """Takes the device for a recovery run: the first write of a run, which decides.

    Args:
        run: whose the device is to be.
        state: where the device goes: cooling down or failed.
        wait_seconds: how long the run will wait then.

    Returns:
        The record. A run that claims again gets what it got first, so that a repeated step does
        not wait twice.

    Raises:
        RecoverySupersededError: the device is not at the end of this run's cycle (any more).
    """
    try:
        answer = _update(
            run.device_id,
            "SET #state = :state, recoveryId = :run, dueAt = :due, RetryCounter = :zero,"
            " ResetRetryCount = :cycle, #timestamp = :now",
            "#state = :tracking AND trackingId = :tracking_id AND RetryCounter >= :limit"
            " AND ResetRetryCount = :previous",
            {
                ":state": {"S": state},
                ":run": {"S": run.recovery_id},
                ":due": {"N": str(int(ambient.now()) + wait_seconds)},
                ":zero": {"N": "0"},
                ":cycle": {"N": str(run.cycle)},
                ":tracking": {"S": State.TRACKING},
                ":tracking_id": {"S": run.tracking_id},
                ":limit": {"N": str(settings().retry_limit)},
                ":previous": {"N": str(run.cycle - 1)},
            },
        )
    except ConditionFailedError as refused:
        return _held(run, state, refused.item)
    return Record.of(answer["Attributes"])


def held(run: Run, state: State) -> Record:
    """Reads the record of a device that the run has claimed and brought into a state.

    Raises:
        RecoverySupersededError: the device is not this run's (any more).
    """
    item = aws.call(
        "dynamodb",
        "get_item",
        TableName=settings().retries_table,
        Key={"deviceId": {"S": run.device_id}},
        ConsistentRead=True,
    ).get("Item")
    return _held(run, state, item)


def _held(run: Run, state: State, item: dict[str, Any] | None) -> Record:
    record = Record.of(item) if item else None
    # The state as well: when the ladder is shortened while a run is on its way, a cool-down and an
    # escalation have the same name.
    if record is None or (record.recovery_id, record.state) != (run.recovery_id, state):
        raise _superseded(run)
    return record


def _superseded(run: Run) -> RecoverySupersededError:
    return RecoverySupersededError(f"{run.device_id} is not held by {run.recovery_id}")


def postpone(run: Run, wait_seconds: int) -> Record:
    """Lets the wait of a run that holds the device begin now.

    Raises:
        RecoverySupersededError: the device is not this run's (any more).
    """
    due = {":due": {"N": str(int(ambient.now()) + wait_seconds)}}
    return _update_held(run, "SET dueAt = :due, #timestamp = :now", due)


def mark_away(run: Run) -> None:
    """Records that the device's attributes are overwritten.

    Raises:
        RecoverySupersededError: the device is not this run's (any more).
    """
    since = {":since": {"N": str(int(ambient.now()))}}
    _update_held(run, "SET awaySince = :since, #timestamp = :now", since)


def release(run: Run) -> None:
    """Ends a cool-down: the device is tracked again, for its next cycle.

    Raises:
        RecoverySupersededError: the device is not this run's (any more).
    """
    _update_held(
        run,
        "SET #state = :tracking, #timestamp = :now REMOVE recoveryId, dueAt, awaySince",
        {":tracking": {"S": State.TRACKING}},
    )


def mark_notified(run: Run, is_last: bool) -> None:
    """Records that machines were told of the failed device.

    Args:
        run: the escalation.
        is_last: whether nobody else is to be told, so that nothing more is due.

    Raises:
        RecoverySupersededError: the device is not this run's (any more).
    """
    nothing_due = " REMOVE dueAt" if is_last else ""
    _update_held(
        run, f"SET notifiedAt = if_not_exists(notifiedAt, :now), #timestamp = :now{nothing_due}", {}
    )


def mark_mailed(run: Run) -> None:
    """Records that people were told of the failed device; nothing more is due.

    Raises:
        RecoverySupersededError: the device is not this run's (any more).
    """
    _update_held(
        run, "SET mailedAt = if_not_exists(mailedAt, :now), #timestamp = :now REMOVE dueAt", {}
    )


def _update_held(run: Run, update: str, values: dict[str, Any]) -> Record:
    try:
        answer = _update(
            run.device_id,
            update,
            "recoveryId = :run",
            {":run": {"S": run.recovery_id}} | values,
        )
    except ConditionFailedError as refused:
        raise _superseded(run) from refused
    return Record.of(answer["Attributes"])


def overdue(moment: float) -> Iterator[Record]:
    """Finds the devices where something was due before a moment, and is still to be done.

    That is: a wait has ended, or a limit was reached and no recovery has claimed the device.

    Args:
        moment: epoch seconds.

    Yields:
        Their records, in no order. The table is read page by page as they are taken, so the cost
        grows with the devices that have a record, not with the fleet.
    """
    query: dict[str, Any] = {
        "TableName": settings().retries_table,
        "FilterExpression": (
            "dueAt < :moment OR"
            " (#state = :tracking AND RetryCounter >= :limit AND #timestamp < :iso)"
        ),
        "ExpressionAttributeNames": {"#state": "state", "#timestamp": "timestamp"},
        "ExpressionAttributeValues": {
            ":moment": {"N": str(int(moment))},
            ":iso": {"S": ambient.iso(moment)},
            ":tracking": {"S": State.TRACKING},
            ":limit": {"N": str(settings().retry_limit)},
        },
    }
    while True:
        page = aws.call("dynamodb", "scan", **query)
        for item in page["Items"]:
            yield Record.of(item)
        if "LastEvaluatedKey" not in page:
            return
        query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def forget(run: Run) -> None:
    """Ends the episode of a device that vanished: record and backup go, both or neither.

    Nothing changes when a later episode has begun.
    """
    key = {"deviceId": {"S": run.device_id}}
    try:
        aws.call(
            "dynamodb",
            "transact_write_items",
            TransactItems=[
                {
                    "Delete": {
                        "TableName": settings().retries_table,
                        "Key": key,
                        "ConditionExpression": "trackingId = :tracking_id",
                        "ExpressionAttributeValues": {":tracking_id": {"S": run.tracking_id}},
                    }
                },
                {"Delete": {"TableName": settings().backup_table, "Key": key}},
            ],
        )
    except ConditionFailedError:
        return


def _update(device_id: str, update: str, condition: str, values: dict[str, Any]) -> dict[str, Any]:
    expressions = f"{update} {condition}"
    names = {"#state": "state", "#timestamp": "timestamp"}
    return aws.call(
        "dynamodb",
        "update_item",
        TableName=settings().retries_table,
        Key={"deviceId": {"S": device_id}},
        UpdateExpression=update,
        ConditionExpression=condition,
        # DynamoDB refuses a name that no expression uses.
        ExpressionAttributeNames={name: of for name, of in names.items() if name in expressions},
        ExpressionAttributeValues=values | {":now": {"S": _now()}},
        ReturnValues="ALL_NEW",
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )


def _now() -> str:
    return ambient.iso(ambient.now())
