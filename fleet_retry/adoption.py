"""Adoption of the CDK stack's devices: its records and backups become the module's, in place.

The registry is authoritative for where a device is, its record only for how often it failed. Each
device is one transaction, conditional on the stack's items being as they were read, so adoption may
be interrupted and repeated. For the stack's items see ``cdk_stack``, for the module's
``retries_table``, ``backup_table`` and ``history_table`` of ``firmware_retry``.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError

from firmware_retry import clock, history_table
from firmware_retry.history_table import Transition
from firmware_retry.message import UNKNOWN_CAMPAIGN, Reporter
from firmware_retry.record import Run, State
from firmware_retry.registry import Thing
from fleet_retry import cdk_stack, registry, tables
from fleet_retry.deployment import Deployment
from fleet_retry.tables import Item

REASON = "adopted from the CDK stack"
"""The first line of an adopted device's history."""
_COUNTERS = ("RetryCounter", "ResetRetryCount")
_LAST_CYCLE = 2
"""``ResetRetryCount`` after which the stack takes no further action."""
_serialize = TypeSerializer().serialize


class AdoptionOutcome(StrEnum):
    """The outcome of adopting a device."""

    TRACKED = "goes on counting"
    COOLING_DOWN = "cools down"
    FAILED = "failed"
    FORGOTTEN = "forgotten"
    NEEDS_A_PERSON = "needs a person"
    CHANGED = "changed meanwhile"


@dataclass(frozen=True)
class Adopted:
    """A device and the outcome of its adoption."""

    device_id: str
    outcome: AdoptionOutcome
    why: str


@dataclass(frozen=True)
class _Device:
    """A device of the stack, with all that is known of it. Items are plain values."""

    device_id: str
    record: dict[str, Any] | None
    backup: dict[str, Any]
    """Empty when there is none."""
    thing: Thing | None
    failed_group_id: str
    """The id of the failed group; empty when it is not in it."""

    @cached_property
    def overwritten(self) -> dict[str, str]:
        """The overwritten attributes, and their present values."""
        has = self.thing.attributes if self.thing else {}
        written = (cdk_stack.MOVED_OUT, cdk_stack.FAILED)
        return {name: has[name] for name in cdk_stack.ATTRIBUTES if has.get(name) in written}

    @cached_property
    def originals(self) -> dict[str, str | None]:
        """The attributes' original values, from the backup only where they are overwritten."""
        has = self.thing.attributes if self.thing else {}
        return {
            name: (self.backup if name in self.overwritten else has).get(name)
            for name in cdk_stack.ATTRIBUTES
        }

    @cached_property
    def outcome(self) -> tuple[AdoptionOutcome, str]:
        """The outcome of adopting it, and why."""
        if self.thing is None:
            return AdoptionOutcome.FORGOTTEN, "the thing is gone"
        lost = [name for name in self.overwritten if not self.originals[name]]
        if lost:
            return AdoptionOutcome.NEEDS_A_PERSON, (
                f"it has no original of {' and '.join(lost)}: set them with"
                f" aws iot update-thing --thing-name={self.device_id}, then adopt again"
            )
        if self.record is None:
            return self._outcome_without_record
        if not _is_readable(self.record):
            return (
                AdoptionOutcome.NEEDS_A_PERSON,
                "its record is not as the CDK stack writes it: delete it",
            )
        return self._outcome_of_record(self.record)

    @property
    def _outcome_without_record(self) -> tuple[AdoptionOutcome, str]:
        if self.overwritten:
            return (
                AdoptionOutcome.NEEDS_A_PERSON,
                "its attributes are overwritten, and it has no record",
            )
        return AdoptionOutcome.FORGOTTEN, "no failure was ever counted"

    def _outcome_of_record(self, record: dict[str, Any]) -> tuple[AdoptionOutcome, str]:
        if self.failed_group_id:
            return AdoptionOutcome.FAILED, "told already: release it when you are done with it"
        if cdk_stack.FAILED in self.overwritten.values():
            return (
                AdoptionOutcome.FAILED,
                "not in the failed group yet: ReconcileDevices moves it and tells",
            )
        if self.overwritten:
            until = record.get("waitsUntil")
            when = f"until {clock.iso(until)}" if until else "restored at once"
            return AdoptionOutcome.COOLING_DOWN, when
        if record["ResetRetryCount"] >= _LAST_CYCLE:
            return (
                AdoptionOutcome.FORGOTTEN,
                "it had failed, and a person has put its attributes right",
            )
        cycle = record["ResetRetryCount"] + 1
        return AdoptionOutcome.TRACKED, f"at {record['RetryCounter']} in cycle {cycle}"


def _parse_timestamp(timestamp: str) -> int:
    """Parse the stack's ISO 8601, which is UTC also without a time zone, into epoch seconds."""
    moment = datetime.fromisoformat(timestamp)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _is_readable(record: dict[str, Any]) -> bool:
    try:
        _parse_timestamp(record["timestamp"])
    except (KeyError, TypeError, ValueError):
        return False
    return all(isinstance(record.get(name), int) for name in _COUNTERS)


def count_left(deployment: Deployment) -> int:
    """Count the devices that still belong to the stack.

    Raises:
        DeploymentError: the module is not deployed.
    """
    backups, records = _scan_stack(deployment)
    return len(backups.keys() | records.keys())


def adopt(deployment: Deployment, dry_run: bool = False) -> Generator[Adopted, None, None]:
    """Adopt all devices that still belong to the stack.

    Args:
        deployment: the module, applied on the stack's tables.
        dry_run: change nothing.

    Yields:
        Each device and its outcome. Devices that need a person are left as they are.

    Raises:
        DeploymentError: the module is not deployed.
    """
    for device in _read_devices(deployment):
        outcome, why = device.outcome
        is_left = dry_run or outcome is AdoptionOutcome.NEEDS_A_PERSON
        if not is_left and not _write(deployment, device):
            outcome, why = AdoptionOutcome.CHANGED, "is the CDK stack still there? Adopt again"
        yield Adopted(device.device_id, outcome, why)


def _read_devices(deployment: Deployment) -> Iterator[_Device]:
    group = registry.read_failed_group(deployment)
    backups, records = _scan_stack(deployment)
    for device_id in sorted(records.keys() | backups.keys()):
        yield _Device(
            device_id,
            records.get(device_id),
            backups.get(device_id, {}),
            registry.read_thing(deployment, device_id),
            group.group_id if device_id in group.members else "",
        )


_Items = dict[str, dict[str, Any]]


def _scan_stack(deployment: Deployment) -> tuple[_Items, _Items]:
    """Read the stack's backups and records, by device."""
    settings = deployment.settings
    backups = _scan_without(deployment, settings.backup_table, "attributes")
    return backups, _scan_without(deployment, settings.retries_table, "state")


def _scan_without(deployment: Deployment, table: str, attribute: str) -> _Items:
    """Read the items without an attribute that every item of the module has."""
    items = tables.scan(
        deployment,
        table,
        FilterExpression="attribute_not_exists(#attribute)",
        ExpressionAttributeNames={"#attribute": attribute},
        ConsistentRead=True,
    )
    return {item["deviceId"]: item for item in map(tables.to_plain, items)}


def _write(deployment: Deployment, device: _Device) -> bool:
    """Adopt a device in one transaction; False when its items have changed since they were read."""
    settings = deployment.settings
    record = _make_record(device)
    backup = _make_backup(device, record)
    writes = [_replace(settings.backup_table, device.device_id, backup, _IS_STACKS_BACKUP)]
    if device.record:
        condition = _is_unchanged(device.record)
        writes.append(_replace(settings.retries_table, device.device_id, record, condition))
    if record:
        item = history_table.make_item(_make_transition(record), settings.history_days)
        writes.append({"Put": {"TableName": settings.history_table, "Item": item}})
    try:
        deployment.client("dynamodb").transact_write_items(TransactItems=writes)
    except ClientError as error:
        if error.response["Error"]["Code"] != "TransactionCanceledException":
            raise
        return False
    return True


_IS_STACKS_BACKUP = {
    "ConditionExpression": "attribute_not_exists(#attributes)",
    "ExpressionAttributeNames": {"#attributes": "attributes"},
}


def _is_unchanged(record: dict[str, Any]) -> dict[str, Any]:
    """Return the condition that neither the stack nor the module has written the record since."""
    counters = [name for name in _COUNTERS if name in record]
    condition: dict[str, Any] = {
        "ConditionExpression": " AND ".join(
            ["attribute_not_exists(#state)", *(f"{name} = :{name}" for name in counters)]
        ),
        "ExpressionAttributeNames": {"#state": "state"},
    }
    if counters:
        values = {f":{name}": record[name] for name in counters}
        condition["ExpressionAttributeValues"] = _to_item(values)
    return condition


def _replace(
    table: str, device_id: str, values: dict[str, Any] | None, condition: dict[str, Any]
) -> dict[str, Any]:
    """Return the write that replaces the stack's item, or deletes it when there are no values."""
    if values is None:
        key = _to_item({"deviceId": device_id})
        return {"Delete": {"TableName": table, "Key": key, **condition}}
    return {"Put": {"TableName": table, "Item": _to_item(values), **condition}}


def _make_record(device: _Device) -> dict[str, Any] | None:
    """Return the module's record of a device; None for a forgotten device."""
    outcome, _ = device.outcome
    if outcome is AdoptionOutcome.FORGOTTEN or device.record is None:
        return None
    now = int(clock.now())
    began = _parse_timestamp(device.record["timestamp"])
    campaign = device.originals["FW"] or UNKNOWN_CAMPAIGN
    run = Run(
        device.device_id, clock.unique_id(), device.record["ResetRetryCount"], campaign, REASON
    )
    record = {
        "deviceId": device.device_id,
        "RetryCounter": 0,
        "ResetRetryCount": run.cycle,
        "timestamp": clock.iso(now),
        "campaign": campaign,
        "reportedBy": Reporter.DEVICE,
        "startedAt": began * 1000,
        # The time of the last failure is unknown, but not earlier.
        "lastSentAt": began * 1000,
        "notBefore": 0,
        "trackingId": run.tracking_id,
    }
    if outcome is AdoptionOutcome.TRACKED:
        counter = device.record["RetryCounter"]
        return record | {"state": State.TRACKING, "RetryCounter": counter}
    record |= {
        "recoveryId": run.recovery_id,
        "awaySince": device.record.get("waitsSince", began),
    }
    if outcome is AdoptionOutcome.COOLING_DOWN:
        due_at = device.record.get("waitsUntil", now)
        return record | {"state": State.COOLING_DOWN, "dueAt": due_at}
    record |= {"state": State.FAILED}
    if not device.failed_group_id:
        return record | {"dueAt": now}
    return record | {"notifiedAt": clock.iso(now), "failedGroupId": device.failed_group_id}


def _make_backup(device: _Device, record: dict[str, Any] | None) -> dict[str, Any] | None:
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


def _make_transition(record: dict[str, Any]) -> Transition:
    return Transition(
        record["deviceId"],
        record["trackingId"],
        record["campaign"],
        history_table.FREE,
        record["state"],
        REASON,
        record.get("recoveryId", ""),
    )


def _to_item(values: dict[str, Any]) -> Item:
    """Convert plain values to DynamoDB's typed JSON."""
    return {name: _serialize(value) for name, value in values.items()}
