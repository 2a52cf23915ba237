"""The table ``DeviceAttributeBackup``: what the registry had before the workflow overwrote it.

An item: ``deviceId`` (S, the key), ``attributes`` (M: of exactly the names that get overwritten,
the original value as S, or NULL where the thing had no such attribute), ``thingId`` (S) and
``thingVersion`` (N) of the thing as it was read, ``timestamp`` (S, ISO 8601, UTC).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from firmware_retry import ambient, aws
from firmware_retry.aws import ConditionFailedError
from firmware_retry.errors import TransientError
from firmware_retry.registry import Thing
from firmware_retry.settings import settings


@dataclass(frozen=True)
class Backup:
    """The original attributes of a device."""

    thing_id: str
    attributes: Mapping[str, str | None]
    """Name to original value; None where the thing had no such attribute."""


def load(device_id: str) -> Backup | None:
    """Reads the backup of a device; None when there is none."""
    item = aws.call(
        "dynamodb",
        "get_item",
        TableName=settings().backup_table,
        Key={"deviceId": {"S": device_id}},
        ConsistentRead=True,
    ).get("Item")
    if item is None:
        return None
    attributes = {name: value.get("S") for name, value in item["attributes"]["M"].items()}
    return Backup(item["thingId"]["S"], attributes)


def store(thing: Thing) -> None:
    """Stores the original attributes of a thing, as they are just now.

    May run at any time and again: an attribute that is overwritten already keeps the original that
    was stored before.

    Raises:
        TransientError: a newer version of the thing was stored meanwhile: read it again.
    """
    originals = _originals(thing, load(thing.name))
    try:
        aws.call(
            "dynamodb",
            "put_item",
            TableName=settings().backup_table,
            Item={
                "deviceId": {"S": thing.name},
                "attributes": {"M": {name: _typed(value) for name, value in originals.items()}},
                "thingId": {"S": thing.thing_id},
                "thingVersion": {"N": str(thing.version)},
                "timestamp": {"S": ambient.iso(ambient.now())},
            },
            # A slow twin of this step must not put an older reading over a newer one.
            ConditionExpression=(
                "attribute_not_exists(deviceId) OR thingId <> :thing OR thingVersion <= :version"
            ),
            ExpressionAttributeValues={
                ":thing": {"S": thing.thing_id},
                ":version": {"N": str(thing.version)},
            },
        )
    except ConditionFailedError as error:
        raise TransientError("the backup holds a newer version of the thing") from error


def _originals(thing: Thing, previous: Backup | None) -> dict[str, str | None]:
    known = previous.attributes if previous and previous.thing_id == thing.thing_id else {}
    return {
        name: known[name]
        if name in known and settings().is_overwritten(name, thing.attributes.get(name))
        else thing.attributes.get(name)
        for name in settings().overwritten_names
    }


def _typed(value: str | None) -> dict[str, Any]:
    return {"NULL": True} if value is None else {"S": value}
