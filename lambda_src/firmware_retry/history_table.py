"""The table ``DeviceFirmwareHistory``: the state transitions of each device.

One item per transition, written in the same transaction as the change of the record, so that
neither exists without the other. Nothing changes it afterwards; DynamoDB deletes it when it
expires.

An item:

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
"""

from dataclasses import dataclass
from typing import Any

from firmware_retry import aws, clock
from firmware_retry.settings import settings

FREE = "free"
"""The state of a device that has no record."""
_DAY = 86_400


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


def put(transition: Transition) -> dict[str, Any]:
    """Return the write of a transition, as one action of ``TransactWriteItems``."""
    item = make_item(transition, settings().history_days)
    return {"Put": {"TableName": settings().history_table, "Item": item}}


def make_item(transition: Transition, history_days: int) -> dict[str, Any]:
    """Return the item of a transition that happens now, in DynamoDB's typed JSON.

    Args:
        transition: what happens.
        history_days: days until the item expires.
    """
    moment = clock.now()
    item = {
        "deviceId": {"S": transition.device_id},
        "at": {"S": f"{clock.iso_milliseconds(moment)}#{clock.unique_id()[:8]}"},
        "from": {"S": transition.before},
        "to": {"S": transition.after},
        "reason": {"S": transition.reason},
        "execution": {"S": transition.execution},
        "campaign": {"S": transition.campaign},
        "trackingId": {"S": transition.tracking_id},
        "expiresAt": {"N": str(int(moment) + history_days * _DAY)},
    }
    if transition.up_to is not None:
        item["upTo"] = {"N": str(transition.up_to)}
    return item


def last_episode_end(device_id: str) -> int:
    """Return when the last episode of a device without a record ended: earlier messages are stale.

    Returns:
        Milliseconds since the epoch; 0 when no episode of the device has ended (lately).

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    newest = aws.call(
        "dynamodb",
        "query",
        TableName=settings().history_table,
        KeyConditionExpression="deviceId = :device",
        ExpressionAttributeValues={":device": {"S": device_id}},
        ScanIndexForward=False,
        Limit=1,
        ConsistentRead=True,
    )["Items"]
    if not newest:
        return 0
    return Transition.of(newest[0]).up_to or 0
