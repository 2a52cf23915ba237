"""Marks: the attributes that an instance of the module writes over originals.

They are ``move_out_attributes`` and ``failed_attributes``. A thing holds them with reason while a
record explains them: of this instance, or of another one over the same registry.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from firmware_retry.backup_table import Backup
from firmware_retry.errors import UnreadableRecordError
from firmware_retry.record import Record, State
from firmware_retry.registry import Thing

_TABLE = "DeviceFirmwareRetries"
"""How the name of each instance's table of records ends."""

Marks = Mapping[str, str]
Page = list[tuple[str, Mapping[str, str]]]
ReadBackup = Callable[[str], Backup | None]


@dataclass
class Holders:
    """The names of the things that hold marks, as listed."""

    whole: set[str] = field(default_factory=set)
    """Of those that hold all marks of a kind of this instance."""
    part: set[str] = field(default_factory=set)
    """Of those that hold some, or foreign ones: not necessarily ones that this instance wrote."""

    def add(self, page: Page, kinds: Sequence[Marks]) -> None:
        """Add a page of things that hold a mark: their names and attributes."""
        for name, attributes in page:
            (self.whole if holds_any(attributes, kinds) else self.part).add(name)


def list_pairs(kinds: Iterable[Marks]) -> list[tuple[str, str]]:
    """Return each attribute of marks with its value, once."""
    return sorted({pair for marks in kinds for pair in marks.items()})


def holds_any(attributes: Mapping[str, str], kinds: Iterable[Marks]) -> bool:
    """Return whether the attributes of a thing contain all marks of a kind."""
    return any(marks.items() <= attributes.items() for marks in kinds)


def holds_part(attributes: Mapping[str, str], kinds: Iterable[Marks]) -> bool:
    """Return whether the attributes of a thing contain any mark of a kind."""
    return any(marks.items() & attributes.items() for marks in kinds)


def select_other_instances(tables: Iterable[str], own: str) -> list[str]:
    """Return the tables of records of other instances.

    Args:
        tables: the names of all tables of the account in this region.
        own: the table of records of this instance.
    """
    return [name for name in tables if name.endswith(_TABLE) and name != own]


def prefix_of(table: str) -> str:
    """Return the ``name_prefix`` of the instance with a table of records that it has created."""
    return table.removesuffix(_TABLE)


def may_overwrite(item: dict[str, Any] | None) -> bool:
    """Return whether the device of an item is, or is being, overwritten, of whatever instance.

    A record of the CDK stack has no state and may be either: see docs/migrating-from-cdk.md.

    Args:
        item: of a table of records, in DynamoDB's typed JSON; None where there is none.
    """
    return item is not None and item.get("state", {}).get("S") != State.TRACKING


def explains(item: dict[str, Any] | None, thing: Thing, read_backup: ReadBackup) -> bool:
    """Return whether a thing's record in this instance explains its marks, or cannot be read.

    Args:
        item: the record in DynamoDB's typed JSON; None where there is none.
        thing: as read.
        read_backup: reads the backup of a device by its name; None when there is none.
    """
    if item is None or not may_overwrite(item):
        return False
    try:
        record = Record.of(item)
        if record.away_since:
            return True
        # Between the overwriting and the next write of its step, the backup explains the marks. A
        # device that was claimed while it held marks of unknown origin has none.
        backup = read_backup(thing.name)
    except UnreadableRecordError:  # of the CDK stack, or broken
        return True
    return bool(backup and backup.originals_to_restore(thing, record.recovery_id))
