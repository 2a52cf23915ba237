"""The table ``DeviceFirmwareRetries``: the records of devices, changed only by conditional writes.

No read-then-write anywhere: each change is one write whose condition states what it builds on. When
the condition does not hold, the item that DynamoDB returns
(``ReturnValuesOnConditionCheckFailure``) shows why. A change of the state is written together with
its transition in the history, in one transaction.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html

An item:

===================  ====  ===================================================================
``deviceId``         S     the key
``state``            S     a ``State``
``RetryCounter``     N     failures of this cycle
``ResetRetryCount``  N     cycles used up
``timestamp``        S     last change, ISO 8601, UTC
``campaign``         S
``formerCampaigns``  SS    the campaigns before, which a device that falls back still fails in
``trackingId``       S     identifies the episode
``reportedBy``       S     ``device`` or ``jobs``
``startedAt``        N     when the episode's first message was sent, milliseconds
``lastSentAt``       N     when the message was sent that was counted last, milliseconds
``lastReceivedAt``   N     when it arrived, milliseconds
``notBefore``        N     messages sent before are of an earlier episode, milliseconds
``countedEvents``    SS    the ids of the failures counted, see ``message.EventIds``
``lastReason``       S     the reason of the last failure
``isFatal``          BOOL  no further try is worthwhile
``usedUpAt``         N     when a cycle was used up last, epoch seconds
``recoveryId``       S     the recovery run that owns the device
``dueAt``            N     when the run's wait ends, epoch seconds
``awaySince``        N     when the attributes were overwritten, epoch seconds
``leftGroups``       SS    the dynamic groups that the device was in before
``leaveChecks``      N     how often it was found in all of them since
``failedGroupId``    S     the id of the thing group for failed devices that it is in
``notifiedAt``       S     when operators were notified of its failure, ISO 8601, UTC
``ending``           S     the cause for which the end of the episode was requested
``endingUpTo``       N     messages sent before are stale then, milliseconds
===================  ====  ===================================================================
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from firmware_retry import aws, clock, history_table
from firmware_retry.aws import ConditionFailedError
from firmware_retry.errors import RecoverySupersededError, TransientError
from firmware_retry.history_table import LatestEnd, Transition
from firmware_retry.message import UNKNOWN_CAMPAIGN, Message
from firmware_retry.record import MOST_CAMPAIGNS, Cause, Outcome, Record, Run, State
from firmware_retry.settings import settings


def create(message: Message, not_before: int, latest: LatestEnd) -> str | None:
    """Begin the episode of a device.

    Args:
        message: its first failure.
        not_before: messages sent before are of an earlier episode, milliseconds since the epoch.
        latest: the latest end, which does not make the message stale.

    Returns:
        The trackingId of the new episode; None when the device is tracked already, or an episode
        or update of it has ended since ``latest`` was read.
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
    if former := set(latest.former_campaigns) - {message.campaign}:
        item["formerCampaigns"] = {"SS": sorted(former)}
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
    unchanged = history_table.make_end_check(message.device_id, latest.end_id)
    try:
        _write_together({"Put": put}, unchanged, history_table.make_put(begun))
    except ConditionFailedError:
        return None
    return tracking_id


def count(message: Message, is_fatal: bool = False) -> tuple[Outcome, Record | None]:
    """Count a failure, once.

    Args:
        message: the failure.
        is_fatal: whether no further try is worthwhile, so that the device joins the failed ones.

    Returns:
        The outcome of the message, and the present record; None when the device is not tracked.
    """
    fatal = ", isFatal = :fatal" if is_fatal else ""
    of_campaign = (
        ""
        if message.is_of_unknown_campaign
        else " AND (campaign = :campaign OR campaign = :unknown"
        " OR (contains(formerCampaigns, :campaign) AND startedAt < :sent))"
    )
    values = {
        ":one": {"N": "1"},
        ":events": {"SS": [message.event_ids.own]},
        ":event": {"S": message.event_ids.own},
        ":earlier": {"S": message.event_ids.earlier},
        ":later": {"S": message.event_ids.later},
        ":reason": {"S": message.reason},
        ":sent": {"N": str(message.sent_at)},
        ":received": {"N": str(message.received_at)},
        ":fatal": {"BOOL": True},
        ":tracking": {"S": State.TRACKING},
        ":campaign": {"S": message.campaign},
        ":unknown": {"S": UNKNOWN_CAMPAIGN},
        ":reporter": {"S": message.reported_by},
        ":limit": {"N": str(settings().retry_limit)},
    }
    try:
        answer = _update(
            message.device_id,
            "SET RetryCounter = RetryCounter + :one, lastReason = :reason, lastSentAt = :sent,"
            f" lastReceivedAt = :received, #timestamp = :now{fatal} ADD countedEvents :events",
            f"#state = :tracking AND reportedBy = :reporter{of_campaign}"
            " AND RetryCounter < :limit AND attribute_not_exists(isFatal)"
            " AND NOT contains(countedEvents, :event) AND NOT contains(countedEvents, :earlier)"
            " AND NOT contains(countedEvents, :later) AND notBefore <= :sent",
            values,
        )
    except ConditionFailedError as refused:
        if refused.item is None:
            return Outcome.NOT_TRACKED, None
        record = Record.of(refused.item)
        return record.outcome_of(message), record
    record = Record.of(answer["Attributes"])
    return record.due or Outcome.COUNTED, record


def take_over(record: Record, message: Message, is_fatal: bool = False) -> tuple[Outcome, Record]:
    """Change the reporter of an episode: to AWS IoT Jobs, or back to the device.

    Counters and cycles stay. No failure that the former reporter reported is counted again: the two
    share no id, but report a failure at about the same time.

    Args:
        record: as read.
        message: the first of the new reporter.
        is_fatal: whether no further try is worthwhile.

    Returns:
        The outcome of the message, and the present record.

    Raises:
        TransientError: the record was changed since it was read.
    """
    fatal = ", isFatal = :fatal" if is_fatal else ""
    is_new = message.sent_at >= record.overlap_end
    values = {
        ":one": {"N": str(int(is_new))},
        ":bound": {"N": str(max(record.not_before, record.overlap_end))},
        ":reporter": {"S": message.reported_by},
        ":campaign": {"S": message.campaign},
        ":events": {"SS": [message.event_ids.own]},
        ":reason": {"S": message.reason},
        ":sent": {"N": str(message.sent_at)},
        ":received": {"N": str(message.received_at)},
        ":fatal": {"BOOL": True},
        ":tracking": {"S": State.TRACKING},
        ":tracking_id": {"S": record.tracking_id},
        ":former": {"S": record.reported_by},
        ":told": {"N": str(record.last_sent_at)},
    }
    try:
        answer = _update(
            record.device_id,
            "SET reportedBy = :reporter, campaign = :campaign, RetryCounter = RetryCounter + :one,"
            " lastReason = :reason, lastSentAt = :sent, lastReceivedAt = :received,"
            f" notBefore = :bound, #timestamp = :now{fatal} ADD countedEvents :events",
            "#state = :tracking AND trackingId = :tracking_id AND reportedBy = :former"
            " AND lastSentAt = :told",
            values,
        )
    except ConditionFailedError as refused:
        raise TransientError(f"{record.device_id} went on meanwhile: look again") from refused
    changed = Record.of(answer["Attributes"])
    return changed.due or Outcome.TAKEN_OVER, changed


def claim(run: Run, state: State, wait_seconds: int, groups: frozenset[str]) -> Record:
    """Claim the device for a recovery run: the first write of a run, which decides.

    Args:
        run: the future owner of the device.
        state: the next state of the device: cooling down or failed.
        wait_seconds: how long the run will wait then.
        groups: the dynamic thing groups that the device has to leave.

    Returns:
        The record. A repeated claim returns that of the first, so that a repeated step does not
        wait twice.

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
    # AWS IoT Jobs may report after the last try that it was fatal.
    has_further = "" if state is State.FAILED else " AND attribute_not_exists(isFatal)"
    change = _change(
        run.device_id,
        "SET #state = :state, recoveryId = :run, dueAt = :due, RetryCounter = :zero,"
        f" ResetRetryCount = :cycle, usedUpAt = :used, #timestamp = :now{leaving}",
        f"#state = :tracking AND trackingId = :tracking_id AND {used_up}"
        f" AND ResetRetryCount = :previous{has_further}",
        values,
    )
    # If it is claimed already, by this run or by another, the record shows it.
    with suppress(ConditionFailedError):
        moved = _transition(run, State.TRACKING, state)
        _write_together({"Update": change}, history_table.make_put(moved))
    return read_owned(run, state)


def _transition(run: Run, before: State, after: State, reason: str = "") -> Transition:
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
    """Read the record of a device; None when it is not tracked."""
    item = aws.get_item(settings().retries_table, {"deviceId": {"S": device_id}})
    return Record.of(item) if item else None


def read_owned(run: Run, state: State | None = None) -> Record:
    """Read the record of a device that the run has claimed.

    Args:
        run: the owner.
        state: the state required, if any; when the ladder is shortened while a run is under way, a
            cool-down and an escalation have the same name.

    Raises:
        RecoverySupersededError: the run does not own the device (any more).
    """
    record = read(run.device_id)
    if (
        record is None
        or record.recovery_id != run.recovery_id
        or record.state != (state or record.state)
    ):
        raise _not_owned_error(run)
    return record


def read_failed_owned(run: Run) -> Record:
    """Read the record of a device that the run has marked as failed, and that stays so.

    Raises:
        RecoverySupersededError: the run does not own the device, or the end of its episode was
            requested.
    """
    record = read_owned(run, State.FAILED)
    if record.ending:
        raise RecoverySupersededError(f"{run.device_id}: {record.ending}")
    return record


def _not_owned_error(run: Run) -> RecoverySupersededError:
    return RecoverySupersededError(f"{run.device_id} is not held by {run.recovery_id}")


def _explain_refusal(run: Run, refused: ConditionFailedError) -> Exception:
    """Return why a write of a run was rejected: the record was changed by this run or another."""
    if refused.item and Record.of(refused.item).recovery_id == run.recovery_id:
        return TransientError(f"{run.device_id} went on meanwhile: look again")
    return _not_owned_error(run)


def postpone(run: Run, wait_seconds: int) -> None:
    """Restart the wait of a run that owns the device, and has not moved it yet.

    Raises:
        RecoverySupersededError: the run does not own the device (any more).
        TransientError: a concurrent duplicate of this step has moved the device.
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
        raise _explain_refusal(run, refused) from refused


def mark_away(run: Run) -> Record:
    """Record that the device's attributes are overwritten.

    Raises:
        RecoverySupersededError: the run does not own the device (any more).
    """
    since = {":since": {"N": str(int(clock.now()))}}
    return _update_owned(run, "SET awaySince = :since, #timestamp = :now", since)


def check_again(run: Run, wait_seconds: int) -> None:
    """Record that the device has not left its groups, and is checked again later.

    Raises:
        RecoverySupersededError: the run does not own the device (any more).
    """
    values = {":due": {"N": str(int(clock.now()) + wait_seconds)}, ":one": {"N": "1"}}
    _update_owned(run, "SET dueAt = :due, #timestamp = :now ADD leaveChecks :one", values)


def release(run: Run, reason: str) -> None:
    """End a cool-down: the device is tracked again, for its next cycle.

    Raises:
        RecoverySupersededError: the run does not own the device (any more).
        TransientError: the end of the episode was requested since the record was read.
    """
    change = _change(
        run.device_id,
        "SET #state = :tracking, #timestamp = :now"
        " REMOVE recoveryId, dueAt, awaySince, leftGroups, leaveChecks",
        "recoveryId = :run AND attribute_not_exists(ending)",
        {":tracking": {"S": State.TRACKING}, ":run": {"S": run.recovery_id}},
    )
    back = _transition(run, State.COOLING_DOWN, State.TRACKING, reason)
    try:
        _write_together({"Update": change}, history_table.make_put(back))
    except ConditionFailedError as refused:
        raise _explain_refusal(run, refused) from refused


def mark_joined(run: Run, group_id: str) -> None:
    """Record which thing group a failed device was put into.

    Raises:
        RecoverySupersededError: the run does not own the device (any more), or the end of its
            episode was requested.
    """
    try:
        _update(
            run.device_id,
            "SET failedGroupId = :group, #timestamp = :now",
            "recoveryId = :run AND #state = :failed AND attribute_not_exists(ending)",
            {
                ":group": {"S": group_id},
                ":run": {"S": run.recovery_id},
                ":failed": {"S": State.FAILED},
            },
        )
    except ConditionFailedError as refused:
        raise _not_owned_error(run) from refused


def mark_notified(run: Run) -> None:
    """Record that operators were notified of the failure; nothing more is due.

    Raises:
        RecoverySupersededError: the run does not own the device (any more).
    """
    _update_owned(
        run,
        "SET notifiedAt = if_not_exists(notifiedAt, :now), #timestamp = :now REMOVE dueAt",
        {},
    )


def ask_to_end(run: Run, cause: Cause, up_to: int) -> Record:
    """Request the end of the episode; the cause of the first request stays.

    Raises:
        RecoverySupersededError: the run does not own the device (any more).
    """
    return _update_owned(
        run,
        "SET ending = if_not_exists(ending, :cause), endingUpTo = if_not_exists(endingUpTo, :upto),"
        " #timestamp = :now",
        {":cause": {"S": cause}, ":upto": {"N": str(up_to)}},
    )


def _update_owned(run: Run, update: str, values: dict[str, Any]) -> Record:
    try:
        answer = _update(
            run.device_id,
            update,
            "recoveryId = :run",
            {":run": {"S": run.recovery_id}} | values,
        )
    except ConditionFailedError as refused:
        raise _not_owned_error(run) from refused
    return Record.of(answer["Attributes"])


def read_all() -> Iterator[list[dict[str, Any]]]:
    """Read all items, with the attributes that a census needs; see ``Record.of``.

    Yields:
        The items of a page, page by page, each read on demand. The cost grows with the number of
        devices that have a record, not with the fleet.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    yield from aws.scan(
        TableName=settings().retries_table,
        ProjectionExpression=(
            "deviceId, #state, campaign, RetryCounter, isFatal, usedUpAt, dueAt, awaySince,"
            " failedGroupId, notifiedAt, ending, #timestamp"
        ),
        # Items of another program have none: see docs/migrating-from-cdk.md.
        FilterExpression="attribute_exists(#state)",
        ExpressionAttributeNames={"#state": "state", "#timestamp": "timestamp"},
    )


def end(record: Record, reason: str, up_to: int) -> None:
    """End the episode of a device: delete record and backup, in one transaction with the history.

    A campaign that ends because another one began is remembered: a device may fall back to it.

    Args:
        record: as read.
        reason: the reason, for the history.
        up_to: messages sent before this moment are stale, milliseconds since the epoch.

    Raises:
        RecoverySupersededError: the record was changed since it was read.
    """
    key = {"deviceId": {"S": record.device_id}}
    up_to = max(up_to, record.not_before)
    former = record.known_campaigns[:MOST_CAMPAIGNS] if reason == Cause.CAMPAIGN_CHANGED else ()
    ended = Transition(
        record.device_id,
        record.tracking_id,
        record.campaign,
        record.state,
        history_table.FREE,
        reason,
        record.recovery_id,
        up_to,
    )
    delete = {
        "TableName": settings().retries_table,
        "Key": key,
        "ConditionExpression": (
            "trackingId = :tracking_id AND #state = :state AND ResetRetryCount = :cycles"
            " AND reportedBy = :reporter AND lastSentAt = :last AND "
            # Operators who were notified of the failure must be notified of the end.
            + ("notifiedAt = :told" if record.notified_at else "attribute_not_exists(notifiedAt)")
        ),
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {
            ":tracking_id": {"S": record.tracking_id},
            ":state": {"S": record.state},
            ":cycles": {"N": str(record.reset_retry_count)},
            ":reporter": {"S": record.reported_by},
            ":last": {"N": str(record.last_sent_at)},
            **({":told": {"S": record.notified_at}} if record.notified_at else {}),
        },
    }
    backup = {"Delete": {"TableName": settings().backup_table, "Key": key}}
    latest = history_table.make_end_put(record.device_id, up_to, record.reported_by, former)
    try:
        _write_together({"Delete": delete}, backup, history_table.make_put(ended), latest)
    except ConditionFailedError as refused:
        raise RecoverySupersededError(f"{record.device_id} went on meanwhile") from refused


def forget(run: Run) -> None:
    """End the episode of a device whose thing is gone; nothing changes if a later one has begun."""
    record = read(run.device_id)
    if record is not None and record.tracking_id == run.tracking_id:
        end(record, Cause.VANISHED, record.present_up_to)


def _update(device_id: str, update: str, condition: str, values: dict[str, Any]) -> dict[str, Any]:
    return aws.call(
        "dynamodb",
        "update_item",
        **_change(device_id, update, condition, values),
        ReturnValues="ALL_NEW",
    )


def _change(device_id: str, update: str, condition: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of an ``UpdateItem`` call, or of an ``Update`` in a transaction."""
    expressions = f"{update} {condition} "
    names = {"#state": "state", "#timestamp": "timestamp"}
    known = values | {":now": {"S": _now()}}
    # DynamoDB rejects a name or a value that no expression uses.
    return {
        "TableName": settings().retries_table,
        "Key": {"deviceId": {"S": device_id}},
        "UpdateExpression": update,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": _select_used(names, expressions),
        "ExpressionAttributeValues": _select_used(known, expressions),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _select_used(values: dict[str, Any], expressions: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if re.search(rf"{name}\b", expressions)}


def _write_together(*actions: dict[str, Any]) -> None:
    aws.call("dynamodb", "transact_write_items", TransactItems=list(actions))


def _now() -> str:
    return clock.iso(clock.now())
