"""The table ``DeviceAttributeBackup``: the attributes of things before they were overwritten.

An item:

================  ====  ======================================================================
``deviceId``      S     the key
``attributes``    M     name to original value (S), or NULL where the thing had no such
                        attribute: those that get overwritten, and model and FW for alerts;
                        without those whose original is unknown
``written``       M     name to the values (SS) that were written over the original
``recoveryId``    S     the run that wrote them; absent where none did
``rest``          M     name to value (S) of the attributes that are not overwritten
``thingType``     S     the thing type as read, or empty
``thingId``       S     of the thing as read
``thingVersion``  N     of the thing as read
``timestamp``     S     ISO 8601, UTC
``orphanedAt``    S     when it was kept aside, ISO 8601, UTC
``expiresAt``     N     a year later, epoch seconds
================  ====  ======================================================================

The values written may live on in another thing, although the one that was overwritten is gone or
restored: AWS IoT cannot rename a thing, so tools copy it and delete it later. So a backup that is
deleted or replaced is kept aside where anything was written over its originals: the key gets ``#``
and the thingId, and no later backup of the name replaces it. No thing has ``#`` in its name:
https://docs.aws.amazon.com/iot/latest/apireference/API_CreateThing.html

The values written are stored beside the originals, and not taken from the settings: those may
change while a device is moved out. They are of one run: the next one may find the same values
there, and another instance of the module has written them.
"""

import logging
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import Any

from firmware_retry import aws, clock
from firmware_retry.aws import ConditionFailedError
from firmware_retry.errors import TransientError, UnreadableRecordError
from firmware_retry.registry import Thing
from firmware_retry.settings import settings

_logger = logging.getLogger(__name__)

_YEAR = 365 * 86_400
_ALERT_ATTRIBUTES = ("model", "FW")
"""Attributes that an alert contains, overwritten by then or not."""


@dataclass(frozen=True)
class Backup:
    """The original attributes of a device."""

    device_id: str
    thing_id: str
    attributes: Mapping[str, str | None]
    """Name to original value; None where the thing had no such attribute.

    Without the attributes that held a mark which this instance had not written over an original.
    """
    written: Mapping[str, frozenset[str]]
    """Name to the values that were, or are about to be, written over the original."""
    recovery_id: str = ""
    """The run that wrote them; empty where none did, and in the backup of an adopted device."""
    rest: Mapping[str, str] | None = None
    """Name to value of all other attributes; None in the backup of an adopted device."""
    thing_type: str = ""
    kept_since: float = inf
    """When it was kept aside, epoch seconds; infinite where it is the present one of its name."""

    @classmethod
    def of(cls, item: dict[str, Any]) -> "Backup":
        """Read an item in DynamoDB's typed JSON.

        Raises:
            UnreadableRecordError: an attribute is missing, or has another type.
        """
        try:
            return cls._parse(item)
        except (KeyError, TypeError, AttributeError) as error:
            name = item.get("deviceId", {}).get("S", "")
            message = f"the backup of {name} cannot be read: {type(error).__name__}: {error}"
            raise UnreadableRecordError(message) from error

    @classmethod
    def _parse(cls, item: dict[str, Any]) -> "Backup":
        rest = item.get("rest")
        return cls(
            device_id=item["deviceId"]["S"].partition("#")[0],
            thing_id=item["thingId"]["S"],
            attributes={name: value.get("S") for name, value in item["attributes"]["M"].items()},
            written={name: frozenset(value["SS"]) for name, value in item["written"]["M"].items()},
            recovery_id=item.get("recoveryId", {}).get("S", ""),
            rest=rest and {name: value["S"] for name, value in rest["M"].items()},
            thing_type=item.get("thingType", {}).get("S", ""),
            kept_since=clock.epoch(item["orphanedAt"]["S"]) if "orphanedAt" in item else inf,
        )

    def is_of(self, thing: Thing) -> bool:
        """Return whether this is the backup of a thing, which may have been created again."""
        is_same = self.device_id == thing.name and self.resembles(thing)
        return is_same or self.thing_id == thing.thing_id

    def resembles(self, thing: Thing) -> bool:
        """Return whether a thing is as the workflow left the one that was backed up.

        Its device may have written some of the attributes since, when it booted, but not all.
        """
        holds = any(thing.attributes.get(name) in values for name, values in self.written.items())
        as_left = _without(self.written, thing) == self.rest and thing.thing_type == self.thing_type
        return holds and as_left

    def originals_to_restore(self, thing: Thing, recovery_id: str) -> dict[str, str | None]:
        """Return the originals of the attributes that still have a value that this run wrote."""
        is_by_run = self.recovery_id in ("", recovery_id)
        return self.originals_over(thing) if is_by_run and self.is_of(thing) else {}

    def originals_over(self, thing: Thing) -> dict[str, str | None]:
        """Return the originals of the attributes that have a value that was written.

        Also if this is the backup of another thing.
        """
        return {
            name: self.attributes[name]
            for name, values in self.written.items()
            if thing.attributes.get(name) in values and name in self.attributes
        }


def read(device_id: str) -> Backup | None:
    """Read the backup of a device; None when there is none.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    item = aws.get_item(settings().backup_table, _key(device_id))
    return None if item is None else Backup.of(item)


def read_all() -> Iterator[list[Backup]]:
    """Read all backups, orphans included, page by page, each read on demand.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    for page in aws.scan(TableName=settings().backup_table):
        # Items of another program have none: see docs/migrating-from-cdk.md.
        yield list(list_readable(item for item in page if "written" in item))


def list_readable(items: Iterable[dict[str, Any]]) -> Iterator[Backup]:
    """Yield the backups of items, without those that cannot be read."""
    for item in items:
        try:
            yield Backup.of(item)
        except UnreadableRecordError as error:
            _logger.warning("backup left out", exc_info=error)


def store(
    thing: Thing, overwriting: Mapping[str, str] = MappingProxyType({}), recovery_id: str = ""
) -> None:
    """Store the original attributes of a thing, as read.

    Safe at any time and to repeat: an attribute that this run has overwritten already keeps the
    original that was stored before. No other mark is taken for an original: another instance of the
    module may have written it, and restores it later.

    Args:
        thing: as read; the write is bound to its version.
        overwriting: name to value, about to be written over the originals.
        recovery_id: the run that is about to write them.

    Raises:
        TransientError: a newer version of the thing is stored: read the thing again. Where nothing
            is about to be overwritten, the newer backup serves as well, and this is no error. Or an
            attribute that is about to be overwritten has no known original.
        RequestRefusedError: see ``aws.call``.
    """
    previous = read(thing.name) or Backup(thing.name, thing.thing_id, {}, {})
    writer = recovery_id or previous.recovery_id
    kept = previous.originals_to_restore(thing, writer)
    if kept.keys() != previous.written.keys():
        keep(thing.name)
    originals = _collect_originals(thing, overwriting, kept)
    written = {name: previous.written[name] for name in kept}
    for name, value in overwriting.items():
        written[name] = written.get(name, frozenset()) | {value}
    # A second backup of the same version contains nothing new, and may lack what a concurrent
    # duplicate of this step is about to write.
    older = "<=" if overwriting else "<"
    try:
        aws.call(
            "dynamodb",
            "put_item",
            TableName=settings().backup_table,
            Item=_make_item(thing, originals, written, writer),
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
        if overwriting:
            raise TransientError("the backup holds a newer version of the thing") from error


def can_overwrite(thing: Thing, names: Collection[str], recovery_id: str) -> bool:
    """Return whether a run knows the originals of attributes; another instance's marks are none.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    previous = read(thing.name)
    kept = previous.originals_to_restore(thing, recovery_id) if previous else {}
    return not any(_is_mark(name, thing) for name in names if name not in kept)


def _collect_originals(
    thing: Thing, overwriting: Mapping[str, str], kept: Mapping[str, str | None]
) -> dict[str, str | None]:
    """Return the originals ``kept``, and those of the other attributes as they are now.

    Raises:
        TransientError: an attribute that is about to be overwritten holds a mark of unknown origin.
    """
    names = {*settings().names_to_overwrite, *kept, *_ALERT_ATTRIBUTES}
    unknown = {name for name in names - kept.keys() if _is_mark(name, thing)}
    if held := sorted(unknown & overwriting.keys()):
        raise TransientError(f"{thing.name} holds marks of unknown origin in {', '.join(held)}")
    return {**{name: thing.attributes.get(name) for name in sorted(names - unknown)}, **kept}


def _make_item(
    thing: Thing,
    originals: Mapping[str, str | None],
    written: Mapping[str, frozenset[str]],
    recovery_id: str,
) -> dict[str, Any]:
    rest = _without(written, thing)
    writer = {"recoveryId": {"S": recovery_id}} if written else {}
    return {
        **_key(thing.name),
        "attributes": {"M": {name: _attribute_value(value) for name, value in originals.items()}},
        "written": {"M": {name: {"SS": sorted(values)} for name, values in written.items()}},
        **writer,
        "rest": {"M": {name: {"S": value} for name, value in rest.items()}},
        "thingType": {"S": thing.thing_type},
        "thingId": {"S": thing.thing_id},
        "thingVersion": {"N": str(thing.version)},
        "timestamp": {"S": clock.iso(clock.now())},
    }


def keep(device_id: str) -> None:
    """Keep a backup that is about to be deleted or replaced: another thing may need it.

    Does nothing where no value was written over an original. Safe to repeat.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    item = aws.get_item(settings().backup_table, _key(device_id))
    if item is None or not item.get("written", {}).get("M"):
        return
    now = clock.now()
    orphan = {
        **item,
        **_key(f"{device_id}#{item['thingId']['S']}"),
        "orphanedAt": {"S": clock.iso(now)},
        "expiresAt": {"N": str(int(now) + _YEAR)},
    }
    aws.call("dynamodb", "put_item", TableName=settings().backup_table, Item=orphan)


def _key(device_id: str) -> dict[str, Any]:
    return {"deviceId": {"S": device_id}}


def _is_mark(name: str, thing: Thing) -> bool:
    value = thing.attributes.get(name)
    return value is not None and any(marks.get(name) == value for marks in settings().known_marks)


def _without(names: Container[str], thing: Thing) -> dict[str, str]:
    return {name: value for name, value in thing.attributes.items() if name not in names}


def _attribute_value(value: str | None) -> dict[str, Any]:
    return {"NULL": True} if value is None else {"S": value}
