"""The table ``DeviceFirmwareHistory``: the state transitions of each device.

One item per transition, written in the same transaction as the change of the record, so that
neither exists without the other. Nothing changes it afterwards; DynamoDB deletes it when it
expires.

A transition:

==============  ====  ========================================================================
``deviceId``    S     the key
``at``          S     the sort key: ISO 8601, UTC, to the millisecond, then ``#`` and eight
                      characters that tell apart transitions of the same millisecond
``from``        S     a ``State``, or ``free`` where there is no record
``to``          S     the same
``reason``      S
``execution``   S     the recovery run, or empty
``campaign``    S
``trackingId``  S
``upTo``        N     where an episode ended or began: messages sent before are stale,
                      milliseconds since the epoch
``expiresAt``   N     epoch seconds
==============  ====  ========================================================================

One further item per device is the latest end: of an episode, or of an update that succeeded without
a failure. It is written with the end, and an episode begins only while it is as it was read, so
that no message begins an episode that a later one has ended:

===================  ====  ===================================================================
``deviceId``         S     the key
``at``               S     ``#end``, which sorts before all transitions
``endId``            S     identifies the end
``upTo``             N     messages sent before are stale, milliseconds since the epoch
``succeeded``        S     the campaign of the success, where there was no episode
``arrivedAt``        N     when such a success arrived whose clock may be behind, milliseconds
``reportedBy``       S     ``device`` or ``jobs``: who reported the success, or the episode
``formerCampaigns``  SS    the campaigns that ended because another one began; a device that falls
                           back to one of them has not begun another update
``expiresAt``        N     epoch seconds
===================  ====  ===================================================================

One item per hour counts the failed devices that were released by their removal from the failed
group:

=============  ====  =========================================================================
``deviceId``   S     ``#removals``
``at``         S     the hour: ISO 8601, UTC, without minutes
``removals``   N     by a pass
``released``   SS    by events: the names of the devices, so that a repeated event counts once
``expiresAt``  N     a day later, epoch seconds
=============  ====  =========================================================================

One item per failed group has the number of devices that are missing from it, of which operators
were notified, and which could not be put back yet:

=============  ====  =========================================================================
``deviceId``   S     ``#missing``
``at``         S     the id of the group
``missing``    N
``expiresAt``  N     a day later, epoch seconds: then operators are notified again
=============  ====  =========================================================================
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from firmware_retry import aws, clock
from firmware_retry.aws import ConditionFailedError
from firmware_retry.errors import TransientError
from firmware_retry.message import Message, Reporter
from firmware_retry.settings import settings

FREE = "free"
"""The state of a device that has no record."""
TRANSITIONS = "0"
"""Sort keys of transitions are not less than this."""
_LATEST_END = "#end"
_DAY, _HOUR = 86_400, 3_600


@dataclass(frozen=True)
class Transition:
    """One change of a device's state."""

    device_id: str
    tracking_id: str
    campaign: str
    before: str
    """A ``State``, or ``FREE``; so is ``after``."""
    after: str
    reason: str
    execution: str = ""
    """The recovery run that made the change; empty where none did."""
    up_to: int | None = None
    """Where an episode ended or began: messages sent before are stale, milliseconds."""
    at: str = ""
    """ISO 8601, UTC, to the millisecond; empty before it is written."""

    @classmethod
    def of(cls, item: dict[str, Any]) -> "Transition":
        """Read an item in DynamoDB's typed JSON; a missing attribute is empty, or None."""

        def text(name: str) -> str:
            return str(item.get(name, {}).get("S", ""))

        return cls(
            device_id=text("deviceId"),
            tracking_id=text("trackingId"),
            campaign=text("campaign"),
            before=text("from"),
            after=text("to"),
            reason=text("reason"),
            execution=text("execution"),
            up_to=int(item["upTo"]["N"]) if "upTo" in item else None,
            at=text("at").partition("#")[0],
        )


def make_put(transition: Transition) -> dict[str, Any]:
    """Return the write of a transition, as one action of ``TransactWriteItems``."""
    item = make_item(transition, settings().history_days)
    return {"Put": {"TableName": settings().history_table, "Item": item}}


def write(transition: Transition) -> None:
    """Write a transition that comes with no change of a record.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    aws.call("dynamodb", "put_item", **make_put(transition)["Put"])


def make_item(transition: Transition, history_days: int) -> dict[str, Any]:
    """Return the item of a transition that happens now, in DynamoDB's typed JSON.

    Args:
        transition: what happens.
        history_days: days until the item expires.
    """
    moment = clock.now()
    item: dict[str, Any] = {
        "deviceId": {"S": transition.device_id},
        "at": {"S": f"{clock.iso_milliseconds(moment)}#{clock.unique_id()[:8]}"},
        "from": {"S": transition.before},
        "to": {"S": transition.after},
        "reason": {"S": transition.reason},
        "execution": {"S": transition.execution},
        "campaign": {"S": transition.campaign},
        "trackingId": {"S": transition.tracking_id},
        "expiresAt": _expiry(moment, history_days),
    }
    if transition.up_to is not None:
        item["upTo"] = {"N": str(transition.up_to)}
    return item


@dataclass(frozen=True)
class LatestEnd:
    """The latest end of an episode, or of an update that succeeded without a failure."""

    end_id: str = ""
    """Identifies it; empty where there was none (lately)."""
    up_to: int = 0
    """Messages sent before are stale, milliseconds since the epoch."""
    succeeded: str = ""
    """The campaign of a success without an episode; otherwise empty."""
    arrived_at: int = 0
    """When that success arrived, if its clock may be behind: failures of the update that succeeded
    are stale that were sent before. Milliseconds since the epoch."""
    former_campaigns: tuple[str, ...] = ()
    """The campaigns that ended because another one began, just before."""
    reported_by: str = Reporter.DEVICE
    """A ``Reporter``: of the episode, or of the success."""

    @classmethod
    def of(cls, item: dict[str, Any]) -> "LatestEnd":
        """Read an item in DynamoDB's typed JSON.

        Raises:
            KeyError: an attribute is missing that each end has.
        """
        return cls(
            end_id=item["endId"]["S"],
            up_to=int(item["upTo"]["N"]),
            succeeded=item.get("succeeded", {}).get("S", ""),
            arrived_at=int(item.get("arrivedAt", {"N": "0"})["N"]),
            former_campaigns=tuple(sorted(item.get("formerCampaigns", {}).get("SS", ()))),
            reported_by=item.get("reportedBy", {}).get("S", Reporter.DEVICE),
        )

    def ends(self, failure: Message) -> bool:
        """Return whether a failure that was sent before is of the update that succeeded.

        A campaign is the job, or else the firmware that the device had when it failed: the success
        of a job ends the failures of this job, and a success that names a firmware those with
        another one, which was replaced.
        """
        is_same = failure.campaign == self.succeeded
        return bool(self.succeeded) and is_same is failure.names_job


def read_latest_end(device_id: str) -> LatestEnd:
    """Read the latest end of a device; one without values when there is none.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    item = aws.get_item(settings().history_table, _key_of_end(device_id))
    return LatestEnd() if item is None else LatestEnd.of(item)


def has_begun(device_id: str, campaign: str) -> bool:
    """Return whether an episode of this campaign is in the history of the device.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    query: dict[str, Any] = {
        "TableName": settings().history_table,
        "KeyConditionExpression": "deviceId = :device AND #at >= :transitions",
        "FilterExpression": "campaign = :campaign",
        "ExpressionAttributeNames": {"#at": "at"},
        "ExpressionAttributeValues": {
            ":device": {"S": device_id},
            ":transitions": {"S": TRANSITIONS},
            ":campaign": {"S": campaign},
        },
        "ConsistentRead": True,
    }
    return any(page for page in aws.read_pages("query", query))


def make_end_put(
    device_id: str, up_to: int, reporter: Reporter, former_campaigns: Collection[str] = ()
) -> dict[str, Any]:
    """Return the write of the end of an episode, as one action of ``TransactWriteItems``."""
    former = {"formerCampaigns": {"SS": sorted(former_campaigns)}} if former_campaigns else {}
    item = _make_end(device_id, up_to, reporter) | former
    return {"Put": {"TableName": settings().history_table, "Item": item}}


def make_end_check(device_id: str, end_id: str) -> dict[str, Any]:
    """Return the check that the latest end is as it was read, for ``TransactWriteItems``."""
    present = {
        "ConditionExpression": "endId = :end",
        "ExpressionAttributeValues": {":end": {"S": end_id}},
    }
    return {
        "ConditionCheck": {
            "TableName": settings().history_table,
            "Key": _key_of_end(device_id),
            **(present if end_id else {"ConditionExpression": "attribute_not_exists(deviceId)"}),
        }
    }


def record_success(success: Message) -> None:
    """Record that a device without an episode succeeded: failures sent before are stale.

    Where its clock may be behind, those of the same update are that were sent before it arrived.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    newer = {":sent": {"N": str(success.sent_at)}}
    try:
        _put_success(success, success.sent_at, "attribute_not_exists(upTo) OR upTo < :sent", newer)
    except ConditionFailedError as refused:
        latest = LatestEnd.of(refused.item) if refused.item else LatestEnd()
        if success.is_fresh or latest.up_to >= success.received_at:
            return  # a later end makes the same messages stale
        _put_success_after(success, latest)


def _put_success_after(success: Message, latest: LatestEnd) -> None:
    unchanged = {":end": {"S": latest.end_id}}
    try:
        _put_success(success, latest.up_to, "endId = :end", unchanged)
    except ConditionFailedError as refused:
        message = f"another end of {success.device_id} was written: look again"
        raise TransientError(message) from refused


def _put_success(
    success: Message, up_to: int, condition: str, values: dict[str, dict[str, str]]
) -> None:
    item = _make_end(success.device_id, up_to, success.reported_by)
    item["succeeded"] = {"S": success.campaign}
    if not success.is_fresh:
        item["arrivedAt"] = {"N": str(success.received_at)}
    aws.call(
        "dynamodb",
        "put_item",
        TableName=settings().history_table,
        Item=item,
        ConditionExpression=condition,
        ExpressionAttributeValues=values,
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )


def _expiry(moment: float, days: int) -> dict[str, str]:
    return {"N": str(int(moment) + days * _DAY)}


def reserve_removal(device_id: str, most: int) -> bool:
    """Count a release by removal from the failed group, unless there were as many lately.

    Args:
        device_id: the device; safe to repeat for the same one.
        most: how many there may be in this hour and the one before.

    Returns:
        Whether it was counted.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    before, now = _read_removals(hours_ago=1), _read_removals(hours_ago=0)
    if device_id in now.released:
        return True
    left = most - before.total - now.by_passes
    if left <= 0:
        return False
    try:
        _update_removals(
            "ADD released :device",
            {":device": {"SS": [device_id]}, ":left": {"N": str(left)}},
            ConditionExpression="attribute_not_exists(released) OR size(released) < :left",
        )
    except ConditionFailedError:
        return False
    return True


def count_removals(number: int) -> None:
    """Count releases by removal from the failed group.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    _update_removals("ADD removals :number", {":number": {"N": str(number)}})


def read_removals() -> int:
    """Read how many devices were released by their removal in this hour and the one before.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    return _read_removals(hours_ago=1).total + _read_removals(hours_ago=0).total


def _update_removals(update: str, values: dict[str, Any], **condition: str) -> None:
    aws.call(
        "dynamodb",
        "update_item",
        TableName=settings().history_table,
        Key=_key_of_removals(hours_ago=0),
        UpdateExpression=f"SET expiresAt = :expires {update}",
        ExpressionAttributeValues=values | {":expires": _expiry(clock.now(), days=1)},
        **condition,
    )


@dataclass(frozen=True)
class _Removals:
    """The releases by removal in an hour."""

    by_passes: int
    released: frozenset[str]
    """The devices that events released."""

    @property
    def total(self) -> int:
        return self.by_passes + len(self.released)


def _read_removals(hours_ago: int) -> _Removals:
    item = aws.get_item(settings().history_table, _key_of_removals(hours_ago)) or {}
    by_passes = int(item.get("removals", {"N": "0"})["N"])
    return _Removals(by_passes, frozenset(item.get("released", {}).get("SS", ())))


def read_missing(group_id: str) -> int:
    """Read how many missing devices operators were notified of that could not be put back.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    item = aws.get_item(settings().history_table, _key_of_missing(group_id))
    is_recent = item is not None and int(item["expiresAt"]["N"]) > clock.now()
    return int(item["missing"]["N"]) if item and is_recent else 0


def record_missing(group_id: str, devices: int) -> None:
    """Record how many devices could not be put back into a failed group.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    item = {
        **_key_of_missing(group_id),
        "missing": {"N": str(devices)},
        "expiresAt": _expiry(clock.now(), days=1),
    }
    aws.call("dynamodb", "put_item", TableName=settings().history_table, Item=item)


def _key_of_missing(group_id: str) -> dict[str, Any]:
    return {"deviceId": {"S": "#missing"}, "at": {"S": group_id}}


def _key_of_removals(hours_ago: int) -> dict[str, Any]:
    hour = clock.iso(clock.now() - hours_ago * _HOUR)[:13]
    # No thing has such a name.
    return {"deviceId": {"S": "#removals"}, "at": {"S": hour}}


def _key_of_end(device_id: str) -> dict[str, Any]:
    return {"deviceId": {"S": device_id}, "at": {"S": _LATEST_END}}


def _make_end(device_id: str, up_to: int, reporter: Reporter) -> dict[str, Any]:
    return {
        **_key_of_end(device_id),
        "endId": {"S": clock.unique_id()},
        "upTo": {"N": str(up_to)},
        "reportedBy": {"S": reporter},
        "expiresAt": _expiry(clock.now(), settings().history_days),
    }
