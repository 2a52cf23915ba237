"""Listings of the registry: pages, and a lag between a change and its appearance."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError

from localcloud import Listing, LocalCloud, eventually
from localcloud.listings import OPERATIONS

HOUR = 3600.0
"""A lag that outlasts each test."""
MakeThing = Callable[..., str]


@pytest.fixture
def group(cloud: LocalCloud) -> str:
    """A static group of its own."""
    name = f"listed-{uuid.uuid4().hex[:12]}"
    cloud.client("iot").create_thing_group(thingGroupName=name)
    return name


def add(cloud: LocalCloud, thing: str, group: str) -> None:
    cloud.client("iot").add_thing_to_thing_group(thingName=thing, thingGroupName=group)


def list_pages(cloud: LocalCloud, operation: str, thing: str, group: str) -> list[list[str]]:
    """The names on each page of a listing: groups of a thing, things of a group or site."""
    iot = cloud.client("iot")
    call, request, key = {
        "ListThings": (
            iot.list_things,
            {"attributeName": "site", "attributeValue": group},
            "things",
        ),
        "ListThingsInThingGroup": (
            iot.list_things_in_thing_group,
            {"thingGroupName": group},
            "things",
        ),
        "ListThingGroupsForThing": (
            iot.list_thing_groups_for_thing,
            {"thingName": thing},
            "thingGroups",
        ),
        "SearchIndex": (iot.search_index, {"queryString": f"attributes.site:{group}"}, "things"),
    }[operation]
    pages: list[list[str]] = []
    token: dict[str, str] = {}
    while token or not pages:
        answer = call(**request, **token)
        pages.append([name_of(entry) for entry in answer[key]])
        token = {"nextToken": answer["nextToken"]} if answer.get("nextToken") else {}
    return pages


def name_of(entry: Any) -> str:
    if isinstance(entry, str):
        return entry
    return str(entry.get("thingName") or entry["groupName"])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_listing_has_pages_of_the_size_that_is_set(
    cloud: LocalCloud, make_thing: MakeThing, group: str, operation: str
) -> None:
    things = [make_thing(site=group) for _ in range(3)]
    others = [f"{group}-{number}" for number in range(2)]
    for name in others:
        cloud.client("iot").create_thing_group(thingGroupName=name)
        add(cloud, things[0], name)
    for thing in things:
        add(cloud, thing, group)
    listed = {*others, group} if operation == "ListThingGroupsForThing" else set(things)

    with cloud.with_listings(Listing(page_size=2)):
        first, second = list_pages(cloud, operation, things[0], group)
    assert (len(first), len(second), {*first, *second}) == (2, 1, listed)
    (only,) = list_pages(cloud, operation, things[0], group)
    assert set(only) == listed


def test_a_caller_may_ask_for_smaller_pages(
    cloud: LocalCloud, make_thing: MakeThing, group: str
) -> None:
    iot = cloud.client("iot")
    for _ in range(3):
        add(cloud, make_thing(), group)
    pages = iot.get_paginator("list_things_in_thing_group").paginate(
        thingGroupName=group, PaginationConfig={"PageSize": 1}
    )
    assert [len(page["things"]) for page in pages] == [1, 1, 1]
    for wrong in ({"nextToken": "none"}, {"maxResults": 251}):
        with pytest.raises(ClientError, match="InvalidRequestException"):
            iot.list_things(**wrong)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_change_appears_in_a_listing_when_its_lag_is_over(
    cloud: LocalCloud, make_thing: MakeThing, group: str, operation: str
) -> None:
    thing = make_thing(site="elsewhere")

    def is_listed() -> bool:
        return any(list_pages(cloud, operation, thing, group))

    with cloud.with_listings(Listing(operation, lag_seconds=HOUR)):
        add(cloud, thing, group)
        cloud.client("iot").update_thing(
            thingName=thing, attributePayload={"attributes": {"site": group}}
        )
        assert not is_listed()
        others = set(OPERATIONS) - {operation}
        assert all(any(list_pages(cloud, other, thing, group)) for other in others)
    assert is_listed()
    with cloud.with_listings(Listing(lag_seconds=0.2)):
        cloud.client("iot").delete_thing_group(thingGroupName=group)
        cloud.client("iot").create_thing_group(thingGroupName=group)
        cloud.client("iot").update_thing(
            thingName=thing, attributePayload={"attributes": {"site": "elsewhere"}}
        )
        assert eventually(lambda: not is_listed())


def test_a_thing_that_was_removed_is_listed_until_the_lag_is_over(
    cloud: LocalCloud, make_thing: MakeThing, group: str
) -> None:
    iot = cloud.client("iot")
    removed, deleted = make_thing(site=group), make_thing(site=group)
    for thing in (removed, deleted):
        add(cloud, thing, group)
    with cloud.with_listings(Listing(lag_seconds=HOUR)):
        iot.remove_thing_from_thing_group(thingName=removed, thingGroupName=group)
        iot.delete_thing(thingName=deleted)
        for operation in set(OPERATIONS) - {"ListThingGroupsForThing"}:
            (listed,) = list_pages(cloud, operation, removed, group)
            assert set(listed) == {removed, deleted}
        assert list_pages(cloud, "ListThingGroupsForThing", removed, group) == [[group]]
        with pytest.raises(iot.exceptions.ResourceNotFoundException):
            iot.list_thing_groups_for_thing(thingName=deleted)
        with pytest.raises(iot.exceptions.ResourceNotFoundException):
            iot.describe_thing(thingName=deleted)


def test_a_group_that_is_created_again_does_not_list_the_things_of_the_earlier_one(
    cloud: LocalCloud, make_thing: MakeThing, group: str
) -> None:
    iot = cloud.client("iot")
    thing = make_thing()
    add(cloud, thing, group)
    with cloud.with_listings(Listing(lag_seconds=HOUR)):
        iot.delete_thing_group(thingGroupName=group)
        iot.create_thing_group(thingGroupName=group)
        assert list_pages(cloud, "ListThingsInThingGroup", thing, group) == [[]]
        assert list_pages(cloud, "ListThingGroupsForThing", thing, group) == [[group]]


def test_a_listing_that_does_not_exist_is_an_error(cloud: LocalCloud) -> None:
    with pytest.raises(HTTPError), cloud.with_listings(Listing("ListDevices")):
        pass
