from unittest.mock import patch

import pytest

from firmware_retry import registry
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
    with pytest.raises(ThingNotFoundError):
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
