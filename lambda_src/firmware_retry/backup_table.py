"""The table ``DeviceAttributeBackup``: the attributes of things before they were overwritten.

An item:

================  ====  ======================================================================
``deviceId``      S     the key
``attributes``    M     name to original value (S), or NULL where the thing had no such
                        attribute: those that get overwritten, and model and FW for alerts
``written``       M     name to the values (SS) that were written over the original
``thingId``       S     of the thing as read
``thingVersion``  N     of the thing as read
``timestamp``     S     ISO 8601, UTC
================  ====  ======================================================================

The values written are stored beside the originals, and not taken from the settings: those may
change while a device is moved out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from firmware_retry import aws, clock
from firmware_retry.aws import ConditionFailedError
from firmware_retry.errors import TransientError
from firmware_retry.registry import Thing
from firmware_retry.settings import settings

_ALERT_ATTRIBUTES = ("model", "FW")
"""Attributes that an alert contains, overwritten by then or not."""


@dataclass(frozen=True)
class Backup:
    """The original attributes of a device."""

    thing_id: str
    attributes: Mapping[str, str | None]
    """Name to original value; None where the thing had no such attribute."""
    written: Mapping[str, frozenset[str]]
    """Name to the values that were, or are about to be, written over the original."""

    @classmethod
    def of(cls, item: dict[str, Any]) -> "Backup":
        """Read an item in DynamoDB's typed JSON.

        Raises:
            KeyError: an attribute is missing.
        """
        return cls(
            thing_id=item["thingId"]["S"],
            attributes={name: value.get("S") for name, value in item["attributes"]["M"].items()},
            written={name: frozenset(value["SS"]) for name, value in item["written"]["M"].items()},
        )

    def originals_to_restore(self, thing: Thing) -> dict[str, str | None]:
        """Return the originals of the attributes that still have a value that was written."""
        if self.thing_id != thing.thing_id:
            return {}
        return {
            name: self.attributes.get(name)
            for name, values in self.written.items()
            if thing.attributes.get(name) in values
        }


def load(device_id: str) -> Backup | None:
    """Read the backup of a device; None when there is none.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    item = aws.get_item(settings().backup_table, {"deviceId": {"S": device_id}})
    return None if item is None else Backup.of(item)


def store(thing: Thing, overwriting: Mapping[str, str] = MappingProxyType({})) -> None:
    """Store the original attributes of a thing, as read.

    Safe at any time and to repeat: an attribute that is overwritten already keeps the original that
    was stored before.

    Args:
        thing: as read; the write is bound to its version.
        overwriting: name to value, about to be written over the originals.

    Raises:
        TransientError: a newer version of the thing is stored: read the thing again. No error when
            nothing is about to be overwritten, since the newer backup serves as well.
        RequestRefusedError: see ``aws.call``.
    """
    # A second backup of the same version contains nothing new, and may lack what a concurrent
    # duplicate of this step is about to write.
    older = "<=" if overwriting else "<"
    previous = load(thing.name)
    kept = previous.originals_to_restore(thing) if previous else {}
    names = {*settings().names_to_overwrite, *kept, *_ALERT_ATTRIBUTES}
    originals = {name: thing.attributes.get(name) for name in sorted(names)} | kept
    written = {name: previous.written[name] for name in kept} if previous else {}
    for name, value in overwriting.items():
        written[name] = written.get(name, frozenset()) | {value}
    try:
        aws.call(
            "dynamodb",
            "put_item",
            TableName=settings().backup_table,
            Item={
                "deviceId": {"S": thing.name},
                "attributes": {
                    "M": {name: _attribute_value(value) for name, value in originals.items()}
                },
                "written": {
                    "M": {name: {"SS": sorted(values)} for name, values in written.items()}
                },
                "thingId": {"S": thing.thing_id},
                "thingVersion": {"N": str(thing.version)},
                "timestamp": {"S": clock.iso(clock.now())},
            },
            # A stale worker of this step must not replace a newer backup by an older one.
            ConditionExpression=(
                "attribute_not_exists(deviceId) OR thingId <> :thing"
                f" OR thingVersion {older} :version"
            ),
            ExpressionAttributeValues={
                ":thing": {"S": thing.thing_id},
                ":version": {"N": str(thing.version)},
            },
        )
    except ConditionFailedError as error:
        if not overwriting:
            return
        raise TransientError("the backup holds a newer version of the thing") from error


def _attribute_value(value: str | None) -> dict[str, Any]:
    return {"NULL": True} if value is None else {"S": value}
