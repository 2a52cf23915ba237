"""The table ``DeviceFirmwareRetries``: the state of a device, changed only by conditional writes.

No read-then-write anywhere: each change is one write whose condition says what it builds on. When
the condition does not hold, the item that DynamoDB sends back
(``ReturnValuesOnConditionCheckFailure``) says why. A change of the state is written together with
its line in the history, in one transaction.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html

An item: ``deviceId`` (S, the key), ``RetryCounter`` (N, failures of this cycle),
``ResetRetryCount`` (N, cycles used up), ``timestamp`` (S, last change, ISO 8601, UTC), ``state``
(S), ``campaign`` (S), ``reportedBy`` (S: ``device`` or ``jobs``), ``startedAt`` (N, when the
episode's first message was sent, milliseconds), ``lastSentAt`` (N, when the message was sent that
was counted last, milliseconds), ``notBefore`` (N, up to when messages are of an earlier episode,
milliseconds), ``trackingId`` (S), ``countedEvents`` (SS), ``lastReason`` (S, why the last failure
was one), ``isFatal`` (BOOL, no further try is worth it), ``dueAt`` (N, epoch seconds),
``recoveryId`` (S), ``awaySince`` (N, epoch seconds: when the attributes were overwritten),
``leftGroups`` (SS, the dynamic groups that the device was in before), ``leaveChecks`` (N, how often
it was found in all of them since), ``usedUpAt`` (N, epoch seconds: when it used up a cycle last),
``notifiedAt`` (S, ISO 8601, UTC: when it was told that the device failed), ``ending`` and
``endingUpTo`` (S and N: why the episode is to end, and up to when messages are of the past,
milliseconds).
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from firmware_retry import aws, clock, history_table
from firmware_retry.aws import ConditionFailedError
from firmware_retry.errors import RecoverySupersededError, TransientError
from firmware_retry.history_table import Transition
from firmware_retry.message import Message
from firmware_retry.record import Cause, Outcome, Record, Run, State
from firmware_retry.settings import settings


def create(message: Message, not_before: int) -> str | None:
    """Starts the episode of a device.

    Args:
        message: its first failure.
        not_before: messages sent before are of an earlier episode, milliseconds since the epoch.

    Returns:
        The trackingId of the new episode; None when one is on already.
    """
    tracking_id = clock.unique_id()
    item = {
        "deviceId": {"S": message.device_id},
        "RetryCounter": {"N": "0"},
        "ResetRetryCount": {"N": "0"},
        "timestamp": {"S": _now()},
        "state": {"S": State.TRACKING},
        "campaign": {"S": message.campaign},
        "reportedBy": {"S": message.reported_by},
        "startedAt": {"N": str(message.sent_at)},
        "lastSentAt": {"N": "0"},
        "notBefore": {"N": str(not_before)},
        "trackingId": {"S": tracking_id},
    }
    begun = Transition(
        message.device_id,
        tracking_id,
        message.campaign,
        history_table.FREE,
        State.TRACKING,
        f"{Cause.FIRST_FAILURE}: {message.reason}" if message.reason else Cause.FIRST_FAILURE,
        up_to=not_before,
    )
    put = {
        "TableName": settings().retries_table,
        "Item": item,
        "ConditionExpression": "attribute_not_exists(deviceId)",
    }
    try:
        _write_together({"Put": put}, history_table.put(begun))
    except ConditionFailedError:
        return None
    return tracking_id


def count(message: Message, is_fatal: bool = False) -> tuple[Outcome, Record | None]:
    """Counts a failure, once.

    Args:
        message: the failure.
        is_fatal: whether no further try is worth it, so that the device goes to the failed ones.

    Returns:
        What became of the message, and the record as it is now; None when the device is not
        tracked.
    """
    fatal = ", isFatal = :fatal" if is_fatal else ""
    of_campaign = "" if message.is_of_unknown_campaign else " AND campaign = :campaign"
    values = {
        ":one": {"N": "1"},
        ":events": {"SS": [message.event_id]},
        ":event": {"S": message.event_id},
        ":reason": {"S": message.reason},
        ":sent": {"N": str(message.sent_at)},
        ":fatal": {"BOOL": True},
        ":tracking": {"S": State.TRACKING},
        ":campaign": {"S": message.campaign},
        ":reporter": {"S": message.reported_by},
        ":limit": {"N": str(settings().retry_limit)},
    }
    try:
        answer = _update(
            message.device_id,
            "SET RetryCounter = RetryCounter + :one, lastReason = :reason, lastSentAt = :sent,"
            f" #timestamp = :now{fatal} ADD countedEvents :events",
            f"#state = :tracking AND reportedBy = :reporter{of_campaign}"
            " AND RetryCounter < :limit AND attribute_not_exists(isFatal)"
            " AND NOT contains(countedEvents, :event) AND notBefore <= :sent",
            values,
        )
    except ConditionFailedError as refused:
        if refused.item is None:
            return Outcome.NOT_TRACKED, None
        record = Record.of(refused.item)
        return record.outcome_of(message), record
    record = Record.of(answer["Attributes"])
    return record.due or Outcome.COUNTED, record


def take_over(device: Record, message: Message, is_fatal: bool = False) -> tuple[Outcome, Record]:
    """Has an episode reported by another from now on: by AWS IoT Jobs, or by the device again.

    Counters and cycles stay. Of what the former had told already, nothing counts again: the two
    share no id, but they tell of a failure at about the same time.

    Args:
        device: as it was read.
        message: the first of the new reporter.
        is_fatal: whether no further try is worth it.

    Returns:
        What became of the message, and the record as it is now.

    Raises:
        TransientError: the device went on since it was read.
    """
    fatal = ", isFatal = :fatal" if is_fatal else ""
    is_new = message.sent_at >= device.told_up_to
    values = {
        ":one": {"N": str(int(is_new))},
        ":bound": {"N": str(max(device.not_before, device.told_up_to))},
        ":reporter": {"S": message.reported_by},
        ":campaign": {"S": message.campaign},
        ":events": {"SS": [message.event_id]},
        ":reason": {"S": message.reason},
        ":sent": {"N": str(message.sent_at)},
        ":fatal": {"BOOL": True},
        ":tracking": {"S": State.TRACKING},
        ":tracking_id": {"S": device.tracking_id},
        ":former": {"S": device.reported_by},
        ":told": {"N": str(device.last_sent_at)},
    }
    try:
        answer = _update(
            device.device_id,
            "SET reportedBy = :reporter, campaign = :campaign, RetryCounter = RetryCounter + :one,"
            " lastReason = :reason, lastSentAt = :sent, notBefore = :bound,"
            f" #timestamp = :now{fatal} ADD countedEvents :events",
            "#state = :tracking AND trackingId = :tracking_id AND reportedBy = :former"
            " AND lastSentAt = :told",
            values,
        )
    except ConditionFailedError as refused:
        raise TransientError(f"{device.device_id} went on meanwhile: look again") from refused
    record = Record.of(answer["Attributes"])
    return record.due or Outcome.TAKEN_OVER, record


def claim(run: Run, state: State, wait_seconds: int, groups: frozenset[str]) -> Record:
    """Takes the device for a recovery run: the first write of a run, which decides.

    Args:
        run: whose the device is to be.
        state: where the device goes: cooling down or failed.
        wait_seconds: how long the run will wait then.
        groups: the dynamic thing groups that the device is to leave.

    Returns:
        The record. A run that claims again gets what it got first, so that a repeated step does
        not wait twice.

    Raises:
        RecoverySupersededError: the device is not at the end of this run's cycle (any more).
    """
    values = {
        ":state": {"S": state},
        ":run": {"S": run.recovery_id},
        ":due": {"N": str(int(clock.now()) + wait_seconds)},
        ":used": {"N": str(int(clock.now()))},
        ":zero": {"N": "0"},
        ":cycle": {"N": str(run.cycle)},
        ":tracking": {"S": State.TRACKING},
        ":tracking_id": {"S": run.tracking_id},
        ":limit": {"N": str(settings().retry_limit)},
        ":previous": {"N": str(run.cycle - 1)},
        ":groups": {"SS": sorted(groups)},
    }
    leaving = ", leftGroups = :groups" if groups else ""
    used_up = "(RetryCounter >= :limit OR attribute_exists(isFatal))"
    change = _change(
        run.device_id,
        "SET #state = :state, recoveryId = :run, dueAt = :due, RetryCounter = :zero,"
        f" ResetRetryCount = :cycle, usedUpAt = :used, #timestamp = :now{leaving}",
        f"#state = :tracking AND trackingId = :tracking_id AND {used_up}"
        " AND ResetRetryCount = :previous",
        values,
    )
    # When it is claimed already, by this very run or by another, the record says so.
    with suppress(ConditionFailedError):
        _write_together({"Update": change}, history_table.put(_step(run, State.TRACKING, state)))
    return held(run, state)


def _step(run: Run, before: State, after: State, reason: str = "") -> Transition:
    return Transition(
        run.device_id,
        run.tracking_id,
        run.campaign,
        before,
        after,
        reason or run.reason,
        run.recovery_id,
    )


def read(device_id: str) -> Record | None:
    """Reads the record of a device; None when it is not tracked."""
    item = aws.get_item(settings().retries_table, {"deviceId": {"S": device_id}})
    return Record.of(item) if item else None


def held(run: Run, state: State | None = None) -> Record:
    """Reads the record of a device that the run has claimed.

    Args:
        run: who asks.
        state: the state that it must be in; when the ladder is shortened while a run is on its
            way, a cool-down and an escalation have the same name.

    Raises:
        RecoverySupersededError: the device is not this run's (any more).
    """
    record = read(run.device_id)
    if (
        record is None
        or record.recovery_id != run.recovery_id
        or record.state != (state or record.state)
    ):
        raise _superseded(run)
    return record


def held_for_good(run: Run) -> Record:
    """Reads the record of a device that has failed, and is to stay so.

    Raises:
        RecoverySupersededError: the device is not this run's, or its episode is to end.
    """
    record = held(run, State.FAILED)
    if record.ending:
        raise RecoverySupersededError(f"{run.device_id}: {record.ending}")
    return record


def _superseded(run: Run) -> RecoverySupersededError:
    return RecoverySupersededError(f"{run.device_id} is not held by {run.recovery_id}")


def _gone_on(run: Run, refused: ConditionFailedError) -> Exception:
    """What a write of a run was refused for: the device went on, with this run or without it."""
    if refused.item and Record.of(refused.item).recovery_id == run.recovery_id:
        return TransientError(f"{run.device_id} went on meanwhile: look again")
    return _superseded(run)


def postpone(run: Run, wait_seconds: int) -> None:
    """Lets the wait of a run that holds the device, and has not moved it yet, begin now.

    Raises:
        RecoverySupersededError: the device is not this run's (any more).
        TransientError: a twin of this step has moved the device meanwhile.
    """
    values = {
        ":due": {"N": str(int(clock.now()) + wait_seconds)},
        ":run": {"S": run.recovery_id},
    }
    try:
        _update(
            run.device_id,
            "SET dueAt = :due, #timestamp = :now",
            "recoveryId = :run AND attribute_not_exists(awaySince)",
            values,
        )
    except ConditionFailedError as refused:
        raise _gone_on(run, refused) from refused


def mark_away(run: Run) -> Record:
    """Records that the device's attributes are overwritten.

    Raises:
        RecoverySupersededError: the device is not this run's (any more).
    """
    since = {":since": {"N": str(int(clock.now()))}}
    return _update_held(run, "SET awaySince = :since, #timestamp = :now", since)


def check_again(run: Run, wait_seconds: int) -> None:
    """Records that the device has not left its groups, and is looked at again a little later.

    Raises:
        RecoverySupersededError: the device is not this run's (any more).
    """
    values = {":due": {"N": str(int(clock.now()) + wait_seconds)}, ":one": {"N": "1"}}
    _update_held(run, "SET dueAt = :due, #timestamp = :now ADD leaveChecks :one", values)


def release(run: Run, reason: str) -> None:
    """Ends a cool-down: the device is tracked again, for its next cycle.

    Raises:
        RecoverySupersededError: the device is not this run's (any more).
        TransientError: the episode was asked to end meanwhile.
    """
    change = _change(
        run.device_id,
        "SET #state = :tracking, #timestamp = :now"
        " REMOVE recoveryId, dueAt, awaySince, leftGroups, leaveChecks",
        "recoveryId = :run AND attribute_not_exists(ending)",
        {":tracking": {"S": State.TRACKING}, ":run": {"S": run.recovery_id}},
    )
    back = _step(run, State.COOLING_DOWN, State.TRACKING, reason)
    try:
        _write_together({"Update": change}, history_table.put(back))
    except ConditionFailedError as refused:
        raise _gone_on(run, refused) from refused


def mark_notified(run: Run) -> None:
    """Records that it was told that the device failed; nothing more is due.

    Raises:
        RecoverySupersededError: the device is not this run's (any more).
    """
    _update_held(
        run,
        "SET notifiedAt = if_not_exists(notifiedAt, :now), #timestamp = :now REMOVE dueAt",
        {},
    )


def ask_to_end(run: Run, cause: Cause, up_to: int) -> Record:
    """Records that the episode is to end, and why; what was asked first stays.

    Raises:
        RecoverySupersededError: the device is not this run's (any more).
    """
    return _update_held(
        run,
        "SET ending = if_not_exists(ending, :cause), endingUpTo = if_not_exists(endingUpTo, :upto),"
        " #timestamp = :now",
        {":cause": {"S": cause}, ":upto": {"N": str(up_to)}},
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


def everyone() -> Iterator[list[Record]]:
    """Reads all records, as far as a census of them needs it: of the rest nothing is there.

    Yields:
        Page by page, each read when it is asked for, so the cost grows with the devices that have a
        record, not with the fleet.
    """
    pages = aws.scan(
        TableName=settings().retries_table,
        ProjectionExpression=(
            "deviceId, #state, campaign, RetryCounter, isFatal, usedUpAt, dueAt, awaySince,"
            " notifiedAt, ending, #timestamp"
        ),
        # What this package did not write has none: see docs/moving-from-cdk.md.
        FilterExpression="attribute_exists(#state)",
        ExpressionAttributeNames={"#state": "state", "#timestamp": "timestamp"},
    )
    for page in pages:
        yield [Record.of(item) for item in page]


def end(device: Record, reason: str, up_to: int) -> None:
    """Ends the episode of a device: record and backup go, the history stays; all or nothing.

    Args:
        device: as it was read.
        reason: why, for the history.
        up_to: messages sent before this moment are of the past, milliseconds since the epoch.

    Raises:
        RecoverySupersededError: the device went on since it was read.
    """
    key = {"deviceId": {"S": device.device_id}}
    ended = Transition(
        device.device_id,
        device.tracking_id,
        device.campaign,
        device.state,
        history_table.FREE,
        reason,
        device.recovery_id,
        max(up_to, device.not_before),
    )
    delete = {
        "TableName": settings().retries_table,
        "Key": key,
        "ConditionExpression": (
            "trackingId = :tracking_id AND #state = :state AND ResetRetryCount = :cycles"
            " AND reportedBy = :reporter AND "
            # Who was told that the device failed is to be told how it ended.
            + ("notifiedAt = :told" if device.notified_at else "attribute_not_exists(notifiedAt)")
        ),
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {
            ":tracking_id": {"S": device.tracking_id},
            ":state": {"S": device.state},
            ":cycles": {"N": str(device.reset_retry_count)},
            ":reporter": {"S": device.reported_by},
            **({":told": {"S": device.notified_at}} if device.notified_at else {}),
        },
    }
    backup = {"Delete": {"TableName": settings().backup_table, "Key": key}}
    try:
        _write_together({"Delete": delete}, backup, history_table.put(ended))
    except ConditionFailedError as refused:
        raise RecoverySupersededError(f"{device.device_id} went on meanwhile") from refused


def forget(run: Run) -> None:
    """Ends the episode of a device that vanished.

    Nothing changes when a later episode has begun.
    """
    device = read(run.device_id)
    if device is not None and device.tracking_id == run.tracking_id:
        end(device, Cause.VANISHED, device.present_up_to)


def _update(device_id: str, update: str, condition: str, values: dict[str, Any]) -> dict[str, Any]:
    return aws.call(
        "dynamodb",
        "update_item",
        **_change(device_id, update, condition, values),
        ReturnValues="ALL_NEW",
    )


def _change(device_id: str, update: str, condition: str, values: dict[str, Any]) -> dict[str, Any]:
    """The parameters of an update: of its own, or as one action of a transaction."""
    expressions = f"{update} {condition} "
    names = {"#state": "state", "#timestamp": "timestamp"}
    known = values | {":now": {"S": _now()}}
    # DynamoDB refuses a name or a value that no expression uses.
    return {
        "TableName": settings().retries_table,
        "Key": {"deviceId": {"S": device_id}},
        "UpdateExpression": update,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": _used(names, expressions),
        "ExpressionAttributeValues": _used(known, expressions),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _used(of: dict[str, Any], expressions: str) -> dict[str, Any]:
    return {name: value for name, value in of.items() if re.search(rf"{name}\b", expressions)}


def _write_together(*actions: dict[str, Any]) -> None:
    aws.call("dynamodb", "transact_write_items", TransactItems=list(actions))


def _now() -> str:
    return clock.iso(clock.now())
