"""The thing group for failed devices, compared with the records of those that were put into it.

An operator releases a device by removing it from the group. A device may also be absent because the
group was replaced (deleted and created again, renamed, or another one was configured) or emptied.
Then no operator has decided about the device, and it is put back.
"""

from collections.abc import Collection
from dataclasses import dataclass

from firmware_retry import history_table, registry
from firmware_retry.settings import settings

MOST_REMOVED = 10
"""So many devices may be released by their removal in this hour and the one before, or a tenth of
all if that is more. Events of removal release no more than ten: only a pass knows how many await an
operator."""


@dataclass(frozen=True)
class Settled:
    """A failed device that awaits an operator."""

    device_id: str
    group_id: str
    """The id of the thing group that it was put into; empty in a record of an earlier version."""


@dataclass(frozen=True)
class Group:
    """The present failed group."""

    group_id: str
    members: Collection[str]
    removals: int = 0
    """How many devices were released by their removal lately."""


@dataclass(frozen=True)
class Review:
    """The settled devices by what the listing of the group says about them."""

    group_id: str
    members: list[str]
    """In the group, as recorded."""
    unrecorded: list[str]
    """In the group, while the record names another one."""
    removed: list[str]
    """Not in the group into which they were put: perhaps released by an operator."""
    missing: list[str]
    """Not in the group, and not released: it was replaced or emptied."""
    is_replaced: bool
    """Whether devices are missing because the group was replaced."""


def read() -> Group:
    """Read the failed group.

    Raises:
        RequestRefusedError: the group does not exist.
    """
    name = settings().failed_thing_group_name
    # First: a group that is replaced in between has another id than that of its members.
    group_id = registry.group_id(name) or ""
    return Group(group_id, registry.members_of(name), history_table.read_removals())


def sort(settled: Collection[Settled], group: Group) -> Review:
    """Sort the settled devices by what the group says about them."""

    def names(*, is_listed: bool, is_recorded: bool) -> list[str]:
        return [
            device.device_id
            for device in settled
            if (device.device_id in group.members) is is_listed
            and (device.group_id == group.group_id) is is_recorded
        ]

    of_another_group = names(is_listed=False, is_recorded=False)
    removed = names(is_listed=False, is_recorded=True)
    awaited = len(settled) + group.removals
    is_emptied = len(removed) + group.removals > max(MOST_REMOVED, awaited // 10)
    return Review(
        group_id=group.group_id,
        members=names(is_listed=True, is_recorded=True),
        unrecorded=names(is_listed=True, is_recorded=False),
        removed=[] if is_emptied else removed,
        missing=of_another_group + removed if is_emptied else of_another_group,
        is_replaced=bool(of_another_group),
    )
