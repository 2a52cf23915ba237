"""Things that are renamed or created again while the workflow has overwritten their attributes."""

from typing import Any

import pytest

from firmware_retry.errors import ThingNotFoundError
from firmware_retry.handlers import (
    clear_device_record,
    release_device,
    reset_retry_counter_and_move_out,
    restore_device_attributes,
)

from .conftest import BACKUP, Cloud, success
from .journey import FAILED, MOVED_OUT, ORIGINAL, Stage, begin, bring

TEMPLATE = {"model": "wo:v8", "FW": "2.20"}
LATER = 1_000
YEAR = 365 * 86_400


def orphans(cloud: Cloud) -> list[dict[str, Any]]:
    """The originals that are kept of things that are gone."""
    items = cloud.dynamodb.Table(BACKUP).scan()["Items"]
    return [item for item in items if "orphanedAt" in item]


def originals(orphan: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in orphan["attributes"].items() if value is not None}


def recreate(cloud: Cloud, attributes: dict[str, str], name: str = "dev-1") -> None:
    cloud.iot.delete_thing(thingName=name)
    cloud.create_thing(name, **attributes)


# Originals of a thing that is gone


def test_originals_of_a_thing_that_vanished_while_it_was_overwritten_are_kept(
    cloud: Cloud, fake_time: list[float]
) -> None:
    recovery = bring(cloud, Stage.COOLING_DOWN)
    cloud.iot.delete_thing(thingName="dev-1")
    with pytest.raises(ThingNotFoundError):
        restore_device_attributes.handler(recovery, None)
    assert cloud.record() is None
    assert cloud.backup() is None
    (orphan,) = orphans(cloud)
    assert originals(orphan) == {"model": "wo:v8", "FW": "2.26"}
    assert orphan["rest"] == {"site": "7"}
    assert orphan["expiresAt"] == int(fake_time[0]) + YEAR


@pytest.mark.parametrize("stage", [Stage.COOLING_DOWN, Stage.FAILED, Stage.NOTIFIED])
@pytest.mark.parametrize("ends_by", ["success", "release"])
def test_originals_are_kept_whoever_finds_that_the_thing_is_gone(
    cloud: Cloud, stage: Stage, ends_by: str
) -> None:
    bring(cloud, stage)
    cloud.iot.delete_thing(thingName="dev-1")
    if ends_by == "release":
        assert release_device.handler({"deviceId": "dev-1"}, None) == {"gone": ["dev-1"]}
    else:
        with pytest.raises(ThingNotFoundError):
            clear_device_record.handler(success(LATER), None)
    assert cloud.record() is None
    assert [originals(orphan)["FW"] for orphan in orphans(cloud)] == ["2.26"]


def test_nothing_is_kept_of_a_thing_that_was_never_overwritten(cloud: Cloud) -> None:
    recovery = bring(cloud, Stage.DUE)
    cloud.iot.delete_thing(thingName="dev-1")
    with pytest.raises(ThingNotFoundError):
        reset_retry_counter_and_move_out.handler(recovery, None)
    assert (cloud.record(), cloud.backup(), orphans(cloud)) == (None, None, [])


def test_a_later_episode_under_the_same_name_replaces_no_kept_originals(cloud: Cloud) -> None:
    """Its thing may live on under another name."""
    recovery = bring(cloud, Stage.COOLING_DOWN)
    recreate(cloud, TEMPLATE)
    restore_device_attributes.handler(recovery, None)
    begin()
    (orphan,) = orphans(cloud)
    assert originals(orphan)["FW"] == "2.26"
    backup = cloud.backup()
    assert backup
    assert backup["attributes"]["FW"] == "2.20"


# The same name, created again


@pytest.mark.parametrize("stage", [Stage.COOLING_DOWN, Stage.FAILED, Stage.NOTIFIED])
def test_a_thing_created_again_from_a_template_is_left_as_it_is(cloud: Cloud, stage: Stage) -> None:
    recovery = bring(cloud, stage)
    recreate(cloud, TEMPLATE)
    if stage is Stage.COOLING_DOWN:
        restore_device_attributes.handler(recovery, None)
    else:
        release_device.handler({"deviceId": "dev-1"}, None)
    assert cloud.attributes() == TEMPLATE


@pytest.mark.parametrize(
    ("stage", "marks"), [(Stage.COOLING_DOWN, MOVED_OUT), (Stage.NOTIFIED, FAILED)]
)
def test_a_thing_created_again_as_it_was_left_gets_its_originals(
    cloud: Cloud, stage: Stage, marks: dict[str, str]
) -> None:
    recovery = bring(cloud, stage)
    recreate(cloud, marks)
    if stage is Stage.COOLING_DOWN:
        restore_device_attributes.handler(recovery, None)
    else:
        release_device.handler({"deviceId": "dev-1"}, None)
    assert cloud.attributes() == ORIGINAL
