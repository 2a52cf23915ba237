"""The table ``DeviceFirmwareHistory``: what happened to a device, when and why.

One item a transition, written in the same transaction as the change of the record that it tells of,
so that neither is there without the other. Nothing changes it afterwards; DynamoDB removes it when
its time is over.

An item: ``deviceId`` (S, the key), ``at`` (S, sort key: ISO 8601, UTC, to the millisecond, and
``#`` with eight characters that tell apart what happened in the same one), ``from`` and ``to`` (S,
a ``State``, or ``free`` where there is no record), ``reason`` (S), ``execution`` (S, the recovery
run, or empty), ``campaign`` and ``trackingId`` (S), ``upTo`` (N, where an episode ended or began:
what was sent before, milliseconds since the epoch, is of the past), ``expiresAt`` (N, epoch
seconds).
"""

from dataclasses import dataclass
from typing import Any

from firmware_retry import aws, clock
from firmware_retry.settings import settings

FREE = "free"
"""Where a device is that has no record."""
_DAY = 86_400


@dataclass(frozen=True)
class Transition:
    """One change of a device's state."""

    device_id: str
    tracking_id: str
    campaign: str
    before: str
    after: str
    reason: str
    execution: str = ""
    up_to: int | None = None
    """Where an episode ended or began: what was sent before is late, milliseconds."""


def put(transition: Transition) -> dict[str, Any]:
    """The write of a transition, as one action of ``TransactWriteItems``."""
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
        "expiresAt": {"N": str(int(moment) + settings().history_days * _DAY)},
    }
    if transition.up_to is not None:
        item["upTo"] = {"N": str(transition.up_to)}
    return {"Put": {"TableName": settings().history_table, "Item": item}}


def ended_up_to(device_id: str) -> int:
    """Up to when messages of a device without a record are of the past.

    Returns:
        Milliseconds since the epoch; 0 when no episode of the device has ended (lately).
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
    return int(newest[0].get("upTo", {}).get("N", "0")) if newest else 0
