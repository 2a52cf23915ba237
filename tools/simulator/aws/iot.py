"""AWS IoT: the registry of things, static groups, and dynamic groups that lag behind it.

Limits and characters: https://docs.aws.amazon.com/general/latest/gr/iot-core.html#thing-limits and
https://docs.aws.amazon.com/iot/latest/apireference/API_AttributePayload.html .
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from simulator.aws.errors import client_error, only

Parameters = Mapping[str, Any]

_NAME = re.compile(r"[a-zA-Z0-9_.,@/:#-]{1,128}")
_VALUE = re.compile(r"[a-zA-Z0-9_.,@/:#=\[\]-]{0,800}")
_MOST_ATTRIBUTES = 3  # of a thing without a type, and none here has one


@dataclass
class Thing:
    """A thing. ``attributes`` is replaced, never changed, so that a reader may keep it."""

    name: str
    thing_id: str
    attributes: Mapping[str, str]
    version: int = 1


@dataclass
class DynamicGroup:
    """A group whose members are the things that its query finds, some time later."""

    wanted: Callable[[Mapping[str, str]], bool]
    """The query, as a function of a thing's attributes."""
    query: str = "simulated"
    """What stands for the query where somebody asks for it."""
    members: dict[str, None] = field(default_factory=dict)


@dataclass
class IoT:
    """The registry.

    ``thing_id`` makes the id of a new thing; ``later`` is called with an action that brings the
    dynamic groups in line, after the lag of fleet indexing; ``on_join`` with the name of a thing
    that became a member of a dynamic group; ``on_leave`` with the names of a static group and of a
    thing that is no member of it any more. Lists come in pages of ``page``, or of what is asked.
    """

    thing_id: Callable[[], str]
    later: Callable[[Callable[[], None]], None]
    on_join: Callable[[str], None] = lambda _: None
    on_leave: Callable[[str, str], None] = lambda *_: None
    page: int = 25
    things: dict[str, Thing] = field(default_factory=dict)
    groups: dict[str, dict[str, None]] = field(default_factory=dict)
    group_ids: dict[str, str] = field(default_factory=dict)
    """The ids of groups that were replaced; any other has its name as its id."""
    dynamic_groups: dict[str, DynamicGroup] = field(default_factory=dict)

    def describe_thing(self, parameters: Parameters) -> dict[str, Any]:
        """DescribeThing."""
        only(parameters, ("thingName",))
        thing = self._thing(parameters["thingName"])
        return {
            "thingName": thing.name,
            "thingId": thing.thing_id,
            "version": thing.version,
            "attributes": thing.attributes,
        }

    def list_things(self, parameters: Parameters) -> dict[str, Any]:
        """ListThings that have a value of an attribute."""
        only(parameters, ("attributeName", "attributeValue", "maxResults", "nextToken"))
        name, value = parameters["attributeName"], parameters["attributeValue"]
        names = [
            thing.name for thing in self.things.values() if thing.attributes.get(name) == value
        ]
        found, more = self._page(names, parameters)
        things = [self.describe_thing({"thingName": name}) for name in found]
        return {"things": things, **more}

    def create_thing(self, parameters: Parameters) -> dict[str, Any]:
        """CreateThing; a repetition gets the same answer."""
        only(parameters, ("thingName", "attributePayload"))
        name = parameters["thingName"]
        attributes = _attributes(parameters)
        _check(attributes, attributes)
        thing = self.things.get(name)
        if thing is None:
            kept = {key: value for key, value in attributes.items() if value}
            thing = self.things[name] = Thing(name, self.thing_id(), kept)
            self._schedule_alignment(name)
        elif dict(thing.attributes) != attributes:
            message = f"Thing {name} already exists in account with different attributes"
            raise client_error("ResourceAlreadyExistsException", message, 409)
        return {"thingName": name, "thingId": thing.thing_id}

    def update_thing(self, parameters: Parameters) -> dict[str, Any]:
        """UpdateThing: an empty value removes an attribute."""
        only(parameters, ("thingName", "attributePayload", "expectedVersion"))
        thing = self._thing(parameters["thingName"])
        _expect(thing, parameters)
        given = _attributes(parameters)
        kept = thing.attributes if parameters.get("attributePayload", {}).get("merge") else {}
        after = {name: value for name, value in {**kept, **given}.items() if value}
        _check(given, after)
        if "attributePayload" in parameters:
            thing.attributes = after
        thing.version += 1
        self._schedule_alignment(thing.name)
        return {}

    def delete_thing(self, parameters: Parameters) -> dict[str, Any]:
        """DeleteThing; a thing that is not there is deleted already."""
        only(parameters, ("thingName", "expectedVersion"))
        thing = self.things.get(parameters["thingName"])
        if thing is None:
            return {}
        _expect(thing, parameters)
        del self.things[thing.name]
        for group in self.groups:
            self._leave(group, thing.name)
        self._schedule_alignment(thing.name)
        return {}

    def add_thing_to_thing_group(self, parameters: Parameters) -> dict[str, Any]:
        """AddThingToThingGroup; a member stays one."""
        group, name = self._membership(parameters)
        self.groups[group][name] = None
        return {}

    def remove_thing_from_thing_group(self, parameters: Parameters) -> dict[str, Any]:
        """RemoveThingFromThingGroup; nothing changes for one that is no member."""
        self._leave(*self._membership(parameters))
        return {}

    def describe_thing_group(self, parameters: Parameters) -> dict[str, Any]:
        """DescribeThingGroup; a dynamic group has a query."""
        only(parameters, ("thingGroupName",))
        name = parameters["thingGroupName"]
        if name in self.dynamic_groups:
            return {"thingGroupName": name, "queryString": self.dynamic_groups[name].query}
        self._members(name)
        return {"thingGroupName": name, "thingGroupId": self.group_ids.get(name, name)}

    def replace_group(self, name: str) -> list[str]:
        """Delete a static group and create it again; return the names of its former members."""
        former = list(self.groups[name])
        self.groups[name] = {}
        self.group_ids[name] = self.thing_id()
        return former

    def list_thing_groups_for_thing(self, parameters: Parameters) -> dict[str, Any]:
        """ListThingGroupsForThing, static groups first."""
        only(parameters, ("thingName", "maxResults", "nextToken"))
        name = self._thing(parameters["thingName"]).name
        groups = [group for group, members in self.groups.items() if name in members]
        groups += [
            group for group, details in self.dynamic_groups.items() if name in details.members
        ]
        found, more = self._page(groups, parameters)
        return {"thingGroups": [{"groupName": group} for group in found], **more}

    def list_things_in_thing_group(self, parameters: Parameters) -> dict[str, Any]:
        """ListThingsInThingGroup."""
        only(parameters, ("thingGroupName", "maxResults", "nextToken"))
        found, more = self._page(list(self._members(parameters["thingGroupName"])), parameters)
        return {"things": found, **more}

    def _page(self, names: list[str], parameters: Parameters) -> tuple[list[str], dict[str, str]]:
        start = int(parameters.get("nextToken", "0"))
        end = start + min(self.page, parameters.get("maxResults", self.page))
        return names[start:end], {"nextToken": str(end)} if end < len(names) else {}

    def _leave(self, group: str, name: str) -> None:
        if name in self.groups[group]:
            del self.groups[group][name]
            self.on_leave(group, name)

    def _membership(self, parameters: Parameters) -> tuple[str, str]:
        only(parameters, ("thingName", "thingGroupName"))
        group = parameters["thingGroupName"]
        if group in self.dynamic_groups:
            raise _invalid(f"Cannot add or remove things by hand: {group} is a dynamic group")
        self._members(group)
        return group, self._thing(parameters["thingName"]).name

    def _members(self, group: str) -> dict[str, None]:
        if group in self.dynamic_groups:
            return self.dynamic_groups[group].members
        if group not in self.groups:
            raise client_error("ResourceNotFoundException", f"No thing group {group}", 404)
        return self.groups[group]

    def _thing(self, name: str) -> Thing:
        thing = self.things.get(name)
        if thing is None:
            raise client_error("ResourceNotFoundException", f"Thing {name} cannot be found", 404)
        return thing

    def _schedule_alignment(self, name: str) -> None:
        if self.dynamic_groups:
            self.later(lambda: self._align(name))

    def _align(self, name: str) -> None:
        thing = self.things.get(name)
        for group in self.dynamic_groups.values():
            member = thing is not None and group.wanted(thing.attributes)
            if member and name not in group.members:
                group.members[name] = None
                self.on_join(name)
            elif not member:
                group.members.pop(name, None)


def _attributes(parameters: Parameters) -> dict[str, str]:
    return dict(parameters.get("attributePayload", {}).get("attributes", {}))


def _expect(thing: Thing, parameters: Parameters) -> None:
    if parameters.get("expectedVersion", thing.version) != thing.version:
        message = f"The version for thing {thing.name} does not match the expected version."
        raise client_error("VersionConflictException", message, 409)


def _check(given: Mapping[str, str], after: Mapping[str, str]) -> None:
    for name, value in given.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise _invalid(f"Attribute {name!r} or its value is not valid")
    if len(after) > _MOST_ATTRIBUTES:
        raise _invalid(f"A thing without a type has at most {_MOST_ATTRIBUTES} attributes")


def _invalid(message: str) -> ClientError:
    return client_error("InvalidRequestException", message)
