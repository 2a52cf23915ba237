"""Adopts the devices of the CDK stack: turns its records and backups into the module's, in place.

The registry is the truth about where a device is, its record only about how often it failed. Each
device is one transaction that holds only if the original's items are still as they were read, so
this may be interrupted and run again. What the original's items look like: see ``original``; the
module's: ``lambda_src/firmware_retry/retries_table.py``, ``backup.py`` and ``history.py``.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError

from fleet_retry import cdk_stack, tables, times
from fleet_retry.deployment import BACKUP, HISTORY, RETRIES, Deployment, is_missing
from fleet_retry.tables import Item

REASON = "adopted from the CDK stack"
"""What a device's history begins with."""
_COUNTERS = ("RetryCounter", "ResetRetryCount")
_UNKNOWN_CAMPAIGN = "unknown"
_LAST_CYCLE = 2
"""``ResetRetryCount`` of a device for which the original does nothing more."""
_DAY = 86_400
_serialize = TypeSerializer().serialize


class Fate(StrEnum):
    """What becomes of a device."""

    TRACKED = "goes on counting"
    COOLING_DOWN = "cools down"
    FAILED = "failed"
    FORGOTTEN = "forgotten"
    NEEDS_A_PERSON = "needs a person"
    CHANGED = "changed meanwhile"


@dataclass(frozen=True)
class Adopted:
    """A device, and what became of it."""

    device_id: str
    fate: Fate
    why: str


@dataclass(frozen=True)
class _Thing:
    """A thing, as the registry has it now."""

    thing_id: str
    version: int
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class _Device:
    """A device of the original, with all that is known of it."""

    device_id: str
    record: Item | None
    backup: Item
    """Empty where there is none."""
    thing: _Thing | None
    is_in_failed_group: bool

    @cached_property
    def overwritten(self) -> dict[str, str]:
        """The attributes that do not have their original value, and what they have instead."""
        has = self.thing.attributes if self.thing else {}
        written = (cdk_stack.MOVED_OUT, cdk_stack.FAILED)
        return {name: has[name] for name in cdk_stack.ATTRIBUTES if has.get(name) in written}

    @cached_property
    def originals(self) -> dict[str, str | None]:
        """The attributes' values as they were, from the backup only where they are overwritten."""
        has = self.thing.attributes if self.thing else {}
        return {
            name: (self.backup if name in self.overwritten else has).get(name)
            for name in cdk_stack.ATTRIBUTES
        }

    @cached_property
    def fate(self) -> tuple[Fate, str]:
        """What is to become of it, and why."""
        if self.thing is None:
            return Fate.FORGOTTEN, "the thing is gone"
        lost = [name for name in self.overwritten if not self.originals[name]]
        if lost:
            return Fate.NEEDS_A_PERSON, (
                f"it has no original of {' and '.join(lost)}: set them with"
                f" aws iot update-thing --thing-name={self.device_id}, then adopt again"
            )
        if self.record is None:
            return self._fate_without_record
        if not _is_readable(self.record):
            return Fate.NEEDS_A_PERSON, "its record is not as the CDK stack writes it: delete it"
        return self._fate_of_record(self.record)

    @property
    def _fate_without_record(self) -> tuple[Fate, str]:
        if self.overwritten:
            return Fate.NEEDS_A_PERSON, "its attributes are overwritten, and it has no record"
        return Fate.FORGOTTEN, "no failure was ever counted"

    def _fate_of_record(self, record: Item) -> tuple[Fate, str]:
        if self.is_in_failed_group:
            return Fate.FAILED, "told already: release it when you are done with it"
        if cdk_stack.FAILED in self.overwritten.values():
            return Fate.FAILED, "not in the failed group yet: ReconcileDevices moves it and tells"
        if self.overwritten:
            until = record.get("waitsUntil")
            return Fate.COOLING_DOWN, f"until {times.iso(until)}" if until else "restored at once"
        if record["ResetRetryCount"] >= _LAST_CYCLE:
            return Fate.FORGOTTEN, "it had failed, and a person has put its attributes right"
        cycle = record["ResetRetryCount"] + 1
        return Fate.TRACKED, f"at {record['RetryCounter']} in cycle {cycle}"


def _is_readable(record: Item) -> bool:
    try:
        times.moment(record["timestamp"])
    except (KeyError, TypeError, ValueError):
        return False
    return all(isinstance(record.get(name), int) for name in _COUNTERS)


def count_left(deployment: Deployment) -> int:
    """How many devices are still the original's.

    Raises:
        DeploymentError: the module is not there.
    """
    tables_of_theirs = ((BACKUP, "attributes"), (RETRIES, "state"))
    return len(
        {
            of["deviceId"]
            for table, ours in tables_of_theirs
            for of in _originals(deployment, table, ours)
        }
    )


def adopt(deployment: Deployment, dry_run: bool = False) -> Generator[Adopted, None, None]:
    """Adopts all devices that are still the original's.

    Args:
        deployment: the module, applied on the original's tables.
        dry_run: only look.

    Yields:
        Each of the devices, and what became of it. What needs a person is left as it is.

    Raises:
        DeploymentError: the module is not there.
    """
    for device in _devices(deployment):
        fate, why = device.fate
        is_left = dry_run or fate is Fate.NEEDS_A_PERSON
        if not is_left and not _written(deployment, device):
            fate, why = Fate.CHANGED, "is the CDK stack still there? Adopt again"
        yield Adopted(device.device_id, fate, why)


def _devices(deployment: Deployment) -> Iterator[_Device]:
    group = deployment.settings.failed_thing_group_name
    members = frozenset(_members(deployment, group))
    backups = {of["deviceId"]: of for of in _originals(deployment, BACKUP, "attributes")}
    records = {of["deviceId"]: of for of in _originals(deployment, RETRIES, "state")}
    for device_id in sorted(records.keys() | backups.keys()):
        yield _Device(
            device_id,
            records.get(device_id),
            backups.get(device_id, {}),
            _thing(deployment.client("iot"), device_id),
            device_id in members,
        )


def _originals(deployment: Deployment, table: str, ours: str) -> Iterator[Item]:
    """The items of a table that have no attribute ``ours``, which each of the module's has."""
    return tables.scan(
        deployment,
        table,
        FilterExpression="attribute_not_exists(#ours)",
        ExpressionAttributeNames={"#ours": ours},
        ConsistentRead=True,
    )


def _members(deployment: Deployment, group: str) -> Iterator[str]:
    pages = deployment.client("iot").get_paginator("list_things_in_thing_group")
    with deployment.looking_for(f"thing group {group}"):
        for page in pages.paginate(thingGroupName=group):
            yield from page["things"]


def _thing(iot: Any, name: str) -> _Thing | None:
    try:
        answer = iot.describe_thing(thingName=name)
    except ClientError as error:
        if not is_missing(error):
            raise
        return None
    return _Thing(answer["thingId"], answer["version"], answer.get("attributes", {}))


def _written(deployment: Deployment, device: _Device) -> bool:
    """Adopts a device in one transaction; whether its items were still as they had been read."""
    names = {table: deployment.table(table) for table in (RETRIES, BACKUP, HISTORY)}
    record = _record(device)
    writes = [_replaced(names[BACKUP], device.device_id, _backup(device, record), _THEIR_BACKUP)]
    if device.record:
        still = _as_read(device.record)
        writes.append(_replaced(names[RETRIES], device.device_id, record, still))
    if record:
        line = _history(record, deployment.settings.history_retention_days)
        writes.append({"Put": {"TableName": names[HISTORY], "Item": _typed(line)}})
    try:
        deployment.client("dynamodb").transact_write_items(TransactItems=writes)
    except ClientError as error:
        if error.response["Error"]["Code"] != "TransactionCanceledException":
            raise
        return False
    return True


_THEIR_BACKUP = {
    "ConditionExpression": "attribute_not_exists(#attributes)",
    "ExpressionAttributeNames": {"#attributes": "attributes"},
}


def _as_read(record: Item) -> dict[str, Any]:
    """The condition that the original has not counted, and the module not adopted, meanwhile."""
    counters = [name for name in _COUNTERS if name in record]
    condition: dict[str, Any] = {
        "ConditionExpression": " AND ".join(
            ["attribute_not_exists(#state)", *(f"{name} = :{name}" for name in counters)]
        ),
        "ExpressionAttributeNames": {"#state": "state"},
    }
    if counters:
        values = {f":{name}": record[name] for name in counters}
        condition["ExpressionAttributeValues"] = _typed(values)
    return condition


def _replaced(
    table: str, device_id: str, item: Item | None, condition: dict[str, Any]
) -> dict[str, Any]:
    """The write that puts an item, or none, in the place of the original's."""
    if item is None:
        key = _typed({"deviceId": device_id})
        return {"Delete": {"TableName": table, "Key": key, **condition}}
    return {"Put": {"TableName": table, "Item": _typed(item), **condition}}


def _record(device: _Device) -> Item | None:
    """The module's record of a device; None for one that is forgotten."""
    fate, _ = device.fate
    if fate is Fate.FORGOTTEN or device.record is None:
        return None
    now = int(time.time())
    began = int(times.moment(device.record["timestamp"]))
    tracking_id = uuid.uuid4().hex
    cycles = device.record["ResetRetryCount"]
    record = {
        "deviceId": device.device_id,
        "RetryCounter": 0,
        "ResetRetryCount": cycles,
        "timestamp": times.iso(now),
        "campaign": device.originals["FW"] or _UNKNOWN_CAMPAIGN,
        "reportedBy": "device",
        "startedAt": began * 1000,
        # When it failed last is not known, but not before.
        "lastSentAt": began * 1000,
        "notBefore": 0,
        "trackingId": tracking_id,
    }
    if fate is Fate.TRACKED:
        return record | {"state": "tracking", "RetryCounter": device.record["RetryCounter"]}
    record |= {
        "recoveryId": f"{tracking_id}-{cycles}",
        "awaySince": device.record.get("waitsSince", began),
    }
    if fate is Fate.COOLING_DOWN:
        return record | {"state": "cooling_down", "dueAt": device.record.get("waitsUntil", now)}
    what_is_left = {"notifiedAt": times.iso(now)} if device.is_in_failed_group else {"dueAt": now}
    return record | {"state": "failed"} | what_is_left


def _backup(device: _Device, record: Item | None) -> Item | None:
    if record is None or device.thing is None:
        return None
    return {
        "deviceId": device.device_id,
        "attributes": device.originals,
        "written": {name: {value} for name, value in device.overwritten.items()},
        "thingId": device.thing.thing_id,
        "thingVersion": device.thing.version,
        "timestamp": record["timestamp"],
    }


def _history(record: Item, keeps_days: int) -> Item:
    now = time.time()
    moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    return {
        "deviceId": record["deviceId"],
        "at": f"{moment.replace('+00:00', 'Z')}#{uuid.uuid4().hex[:8]}",
        "from": "free",
        "to": record["state"],
        "reason": REASON,
        "execution": record.get("recoveryId", ""),
        "campaign": record["campaign"],
        "trackingId": record["trackingId"],
        "expiresAt": int(now) + keeps_days * _DAY,
    }


def _typed(item: Item) -> dict[str, Any]:
    """An item as DynamoDB's typed JSON."""
    return {name: _serialize(value) for name, value in item.items()}
