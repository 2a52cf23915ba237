"""The things of AWS IoT. The registry is the truth about a device, not its messages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from firmware_retry import aws
from firmware_retry.errors import RequestRefusedError, ThingNotFoundError


@dataclass(frozen=True)
class Thing:
    """A thing as the registry had it at one version."""

    name: str
    thing_id: str
    """Tells a thing from a later one of the same name."""
    version: int
    attributes: Mapping[str, str]


def describe(name: str) -> Thing:
    """Reads a thing.

    Raises:
        ThingNotFoundError: there is none of this name.
        TransientError: see ``aws.call``.
    """
    answer = _call("describe_thing", name)
    return Thing(name, answer["thingId"], answer["version"], answer.get("attributes", {}))


def update(thing: Thing, changes: Mapping[str, str | None]) -> None:
    """Changes some attributes of a thing that nobody changed since it was read.

    Args:
        thing: as read; its version is what the change is bound to.
        changes: name to new value, or None to remove the attribute. What has the wanted value
            already is left alone, and when that is everything, no call is made.

    Raises:
        TransientError: somebody changed the thing meanwhile (read it again), or see ``aws.call``.
        ThingNotFoundError: the thing is gone.
        RequestRefusedError: the registry does not take the attributes: a thing without a type has
            three at most.

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
    """Adds a thing to a static thing group; nothing changes when it is in it already.

    Raises:
        ThingNotFoundError: the thing is gone.
        RequestRefusedError: the group is gone.
    """
    try:
        _call("add_thing_to_thing_group", thing_name, thingGroupName=group)
    except ThingNotFoundError as error:
        # AWS answers the same for a missing thing and a missing group, and only the first may
        # end the episode of the device.
        describe(thing_name)
        raise RequestRefusedError(f"the thing group {group} does not exist: {error}") from error


def _call(operation: str, thing_name: str, **parameters: Any) -> dict[str, Any]:
    try:
        return aws.call("iot", operation, thingName=thing_name, **parameters)
    except ThingNotFoundError as error:
        # What AWS says may name it or not.
        raise ThingNotFoundError(f"the registry has no thing {thing_name}: {error}") from error
