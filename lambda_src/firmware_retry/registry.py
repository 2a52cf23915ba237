"""The registry of AWS IoT: things and their groups. It overrides what devices report."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from firmware_retry import aws
from firmware_retry.errors import RequestRefusedError, ThingNotFoundError


@dataclass(frozen=True)
class Thing:
    """A thing at one version."""

    name: str
    thing_id: str
    """Distinguishes a thing from a later one of the same name."""
    version: int
    attributes: Mapping[str, str]
    thing_type: str = ""
    """The name of its thing type; empty where it has none."""

    @classmethod
    def of(cls, response: Mapping[str, Any]) -> "Thing":
        """Read the response of DescribeThing.

        https://docs.aws.amazon.com/iot/latest/apireference/API_DescribeThing.html
        """
        return cls(
            name=response["thingName"],
            thing_id=response["thingId"],
            version=response["version"],
            attributes=response.get("attributes", {}),
            thing_type=response.get("thingTypeName") or "",
        )


def describe(name: str) -> Thing:
    """Read a thing.

    Raises:
        ThingNotFoundError: there is none of this name.
        TransientError: see ``aws.call``.
    """
    return Thing.of(_call("describe_thing", name))


def update(thing: Thing, changes: Mapping[str, str | None]) -> None:
    """Change attributes of a thing under optimistic locking.

    Args:
        thing: as read; the change is bound to its version.
        changes: name to new value, or None to remove the attribute. Attributes that have the new
            value already are left out; no call is made if none remains.

    Raises:
        TransientError: the thing was changed since it was read (read it again), or see
            ``aws.call``.
        ThingNotFoundError: the thing is gone.
        RequestRefusedError: the registry rejects the attributes: a thing without a type has three
            at most.

    ``merge`` keeps all other attributes, an empty value removes one:
    https://docs.aws.amazon.com/iot/latest/apireference/API_AttributePayload.html
    """
    wanted = {
        name: value or "" for name, value in changes.items() if thing.attributes.get(name) != value
    }
    if not wanted:
        return
    _call(
        "update_thing",
        thing.name,
        attributePayload={"attributes": wanted, "merge": True},
        expectedVersion=thing.version,
    )


def add_to_group(thing_name: str, group: str) -> None:
    """Add a thing to a static thing group; nothing changes if it is a member already.

    Raises:
        ThingNotFoundError: the thing is gone.
        RequestRefusedError: the group is gone.
    """
    try:
        _call("add_thing_to_thing_group", thing_name, thingGroupName=group)
    except ThingNotFoundError as error:
        # AWS raises the same error for a missing thing and a missing group, and only the former may
        # end the episode of the device.
        describe(thing_name)
        raise RequestRefusedError(f"the thing group {group} does not exist: {error}") from error


def remove_from_group(thing_name: str, group: str) -> None:
    """Remove a thing from a static thing group; nothing changes if it is not a member.

    Raises:
        ThingNotFoundError: the thing is gone.
    """
    try:
        _call("remove_thing_from_thing_group", thing_name, thingGroupName=group)
    except ThingNotFoundError:
        # AWS raises the same error for a missing thing and a missing group; a missing group has no
        # members.
        describe(thing_name)


def groups_of(thing_name: str) -> frozenset[str]:
    """Return the names of the thing groups that a thing is in, static and dynamic.

    Raises:
        ThingNotFoundError: the thing is gone.

    https://docs.aws.amazon.com/iot/latest/apireference/API_ListThingGroupsForThing.html
    """
    pages = _pages(partial(_call, "list_thing_groups_for_thing", thing_name))
    return frozenset(group["groupName"] for page in pages for group in page["thingGroups"])


def dynamic_groups_of(thing_name: str) -> frozenset[str]:
    """Return the names of the dynamic thing groups that a thing is in: those that have a query.

    Raises:
        ThingNotFoundError: the thing is gone.

    https://docs.aws.amazon.com/iot/latest/apireference/API_DescribeThingGroup.html
    """
    # Sorted, so that a replay makes the same calls.
    return frozenset(group for group in sorted(groups_of(thing_name)) if _is_dynamic(group))


def _is_dynamic(group: str) -> bool:
    try:
        return bool(
            aws.call("iot", "describe_thing_group", thingGroupName=group).get("queryString")
        )
    except ThingNotFoundError:
        return False  # deleted since it was listed


def group_id(group: str) -> str | None:
    """Return the id of a thing group, which a later group of the same name does not have.

    Returns:
        None when there is no such group.

    https://docs.aws.amazon.com/iot/latest/apireference/API_DescribeThingGroup.html
    """
    try:
        answer = aws.call("iot", "describe_thing_group", thingGroupName=group)
    except ThingNotFoundError:
        return None
    return str(answer["thingGroupId"])


def has_members(group: str) -> bool:
    """Return whether any thing is in a thing group that exists."""
    list_page = partial(
        aws.call, "iot", "list_things_in_thing_group", thingGroupName=group, maxResults=1
    )
    try:
        return any(page["things"] for page in _pages(list_page))
    except ThingNotFoundError:
        return False


def members_of(group: str) -> frozenset[str]:
    """Return the names of all things in a thing group.

    Raises:
        RequestRefusedError: the group is gone.

    https://docs.aws.amazon.com/iot/latest/apireference/API_ListThingsInThingGroup.html
    """
    list_page = partial(
        aws.call, "iot", "list_things_in_thing_group", thingGroupName=group, maxResults=250
    )
    try:
        return frozenset(name for page in _pages(list_page) for name in page["things"])
    except ThingNotFoundError as error:
        raise RequestRefusedError(f"the thing group {group} does not exist: {error}") from error


def list_with_attribute(name: str, value: str) -> Iterator[list[tuple[str, Mapping[str, str]]]]:
    """Yield the names and attributes of the things that have a value of an attribute, by page.

    https://docs.aws.amazon.com/iot/latest/apireference/API_ListThings.html
    """
    list_page = partial(
        aws.call, "iot", "list_things", attributeName=name, attributeValue=value, maxResults=250
    )
    for page in _pages(list_page):
        yield [(thing["thingName"], thing.get("attributes", {})) for thing in page["things"]]


def _pages(list_page: Callable[..., dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield all pages of a list that is continued by ``nextToken``."""
    query: dict[str, Any] = {}
    while True:
        page = list_page(**query)
        yield page
        if not page.get("nextToken"):
            return
        query["nextToken"] = page["nextToken"]


def _call(operation: str, thing_name: str, **parameters: Any) -> dict[str, Any]:
    try:
        return aws.call("iot", operation, thingName=thing_name, **parameters)
    except ThingNotFoundError as error:
        # The message from AWS does not always contain the name.
        raise ThingNotFoundError(f"the registry has no thing {thing_name}: {error}") from error
