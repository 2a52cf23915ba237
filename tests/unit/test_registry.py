from typing import Any
from unittest.mock import patch

import pytest

from firmware_retry import aws, registry
from firmware_retry.aws import call
from firmware_retry.errors import RequestRefusedError, ThingNotFoundError

from .conftest import GROUP, Cloud


def test_a_change_touches_no_other_attribute_and_is_bound_to_the_version(cloud: Cloud) -> None:
    cloud.create_thing(model="wo:v8", FW="2.27", site="7")
    thing = registry.describe("dev-1")
    with patch("firmware_retry.aws.call", wraps=call) as seen:
        registry.update(thing, {"model": "moveOut", "FW": None})
    assert seen.call_args.kwargs["expectedVersion"] == thing.version
    assert seen.call_args.kwargs["attributePayload"]["merge"] is True
    assert cloud.attributes() == {"model": "moveOut", "site": "7"}


def test_no_call_is_made_when_nothing_would_change(cloud: Cloud) -> None:
    cloud.create_thing(model="moveOut")
    thing = registry.describe("dev-1")
    cloud.calls.clear()
    registry.update(thing, {"model": "moveOut", "FW": None})
    assert cloud.calls == []


def test_an_unknown_thing_is_told(cloud: Cloud) -> None:
    with pytest.raises(ThingNotFoundError, match="the registry has no thing nobody"):
        registry.describe("nobody")


def test_a_thing_is_added_to_a_group_once(cloud: Cloud) -> None:
    cloud.create_thing()
    registry.add_to_group("dev-1", GROUP)
    registry.add_to_group("dev-1", GROUP)
    assert cloud.iot.list_things_in_thing_group(thingGroupName=GROUP)["things"] == ["dev-1"]


def test_a_missing_group_is_not_taken_for_a_missing_thing(cloud: Cloud) -> None:
    cloud.create_thing()
    with pytest.raises(RequestRefusedError, match="thing group nowhere does not exist"):
        registry.add_to_group("dev-1", "nowhere")
    with pytest.raises(ThingNotFoundError):
        registry.add_to_group("nobody", GROUP)


def test_a_thing_is_taken_out_of_a_group_once(cloud: Cloud) -> None:
    cloud.create_thing()
    cloud.add_to(GROUP)
    registry.remove_from_group("dev-1", GROUP)
    registry.remove_from_group("dev-1", GROUP)
    assert cloud.members() == []


def test_nobody_is_in_a_missing_group(cloud: Cloud) -> None:
    cloud.create_thing()
    registry.remove_from_group("dev-1", "nowhere")
    with pytest.raises(ThingNotFoundError):
        registry.remove_from_group("nobody", GROUP)
    with pytest.raises(RequestRefusedError, match="thing group nowhere does not exist"):
        registry.members_of("nowhere")


def test_a_group_with_a_query_is_dynamic(cloud: Cloud) -> None:
    cloud.create_thing()
    for group in ("dynamic-wave", "dynamic-beta", "site-7"):
        cloud.iot.create_thing_group(thingGroupName=group)
        cloud.add_to(group)
    assert registry.groups_of("dev-1") == {"dynamic-wave", "dynamic-beta", "site-7"}
    assert registry.dynamic_groups_of("dev-1") == {"dynamic-wave", "dynamic-beta"}
    with pytest.raises(ThingNotFoundError):
        registry.dynamic_groups_of("nobody")


def test_a_group_that_was_deleted_since_it_was_listed_is_not_dynamic(
    cloud: Cloud, environment: pytest.MonkeyPatch
) -> None:
    environment.setattr(registry, "groups_of", lambda _: frozenset({"dynamic-deleted"}))
    assert registry.dynamic_groups_of("dev-1") == frozenset()


def test_every_page_of_a_list_is_read(environment: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    sizes: list[int | None] = []

    def answer_by_page(_: str, operation: str, **parameters: Any) -> dict[str, Any]:
        asked.append(parameters.get("nextToken"))
        sizes.append(parameters.get("maxResults"))
        number = len(asked)
        lists = {"thingGroups": [{"groupName": f"{number}"}], "things": [f"{number}"]}
        return {**lists, "nextToken": f"after {number}" if number < 3 else None}

    environment.setattr(aws, "call", answer_by_page)
    for read in (registry.groups_of, registry.members_of):
        asked.clear()
        assert read("any") == {"1", "2", "3"}
        assert asked == [None, "after 1", "after 2"]
    assert sizes[3:] == [250] * 3
