"""The table ``DeviceAttributeBackup``: what the registry had before the workflow overwrote it.

An item: ``deviceId`` (S, the key), ``attributes`` (M: of the names that get overwritten, and of
model and FW, which people are told, the original value as S, or NULL where the thing had no such
attribute), ``written`` (M: name to SS,
the values that were written over the original), ``thingId`` (S) and ``thingVersion`` (N) of the
thing as it was read, ``timestamp`` (S, ISO 8601, UTC).

What was written is kept beside the originals, not taken from the settings: those may change while a
device is away.
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

_TOLD = ("model", "FW")
"""Attributes that people are told of a device that failed, by then overwritten or not."""


@dataclass(frozen=True)
class Backup:
    """The original attributes of a device."""

    thing_id: str
    attributes: Mapping[str, str | None]
    """Name to original value; None where the thing had no such attribute."""
    written: Mapping[str, frozenset[str]]
    """Name to the values that were, or are about to be, written over the original."""

    def owed(self, thing: Thing) -> dict[str, str | None]:
        """The originals that the thing has to get back: where it still holds what was written."""
        if self.thing_id != thing.thing_id:
            return {}
        return {
            name: self.attributes.get(name)
            for name, values in self.written.items()
            if thing.attributes.get(name) in values
        }


def load(device_id: str) -> Backup | None:
    """Reads the backup of a device; None when there is none."""
    item = aws.get_item(settings().backup_table, {"deviceId": {"S": device_id}})
    if item is None:
        return None
    attributes = {name: value.get("S") for name, value in item["attributes"]["M"].items()}
    written = {name: frozenset(value["SS"]) for name, value in item["written"]["M"].items()}
    return Backup(item["thingId"]["S"], attributes, written)


def store(thing: Thing, overwriting: Mapping[str, str] = MappingProxyType({})) -> None:
    """Stores the original attributes of a thing, as they are just now.

    May run at any time and again: an attribute that is overwritten already keeps the original that
    was stored before.

    Args:
        thing: as read; the write is bound to its version.
        overwriting: name to value, what is about to be written over the originals.

    Raises:
        TransientError: a newer version of the thing was stored meanwhile: read it again. When
            nothing is about to be overwritten, that is as good, and no error.
    """
    # A second reading of the same version knows nothing new, and not what a twin is about to write.
    older = "<=" if overwriting else "<"
    previous = load(thing.name)
    owed = previous.owed(thing) if previous else {}
    names = {*settings().overwritten_names, *owed, *_TOLD}
    originals = {name: thing.attributes.get(name) for name in sorted(names)} | owed
    written = {name: previous.written[name] for name in owed} if previous else {}
    for name, value in overwriting.items():
        written[name] = written.get(name, frozenset()) | {value}
    try:
        aws.call(
            "dynamodb",
            "put_item",
            TableName=settings().backup_table,
            Item={
                "deviceId": {"S": thing.name},
                "attributes": {"M": {name: _typed(value) for name, value in originals.items()}},
                "written": {"M": {name: {"SS": sorted(of)} for name, of in written.items()}},
                "thingId": {"S": thing.thing_id},
                "thingVersion": {"N": str(thing.version)},
                "timestamp": {"S": clock.iso(clock.now())},
            },
            # A slow twin of this step must not put an older reading over a newer one.
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


def _typed(value: str | None) -> dict[str, Any]:
    return {"NULL": True} if value is None else {"S": value}
