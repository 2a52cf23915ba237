"""An operator who is done with a device: it gets its attributes back, and is free."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from localcloud import Listing, eventually
from localcloud.fleet import Fleet

ORIGINAL = {"model": "gw:v3", "FW": "2.26"}
GROUP = "second-FailedToUpdate"
LAG = 3600.0
"""Seconds: a lag that outlasts each test."""


def _bring_into_failed_group(fleet: Fleet, device: str) -> None:
    """Bring a device into the failed group."""
    _let_fail_for_good(fleet, device)
    assert fleet.groups(device) == {GROUP}


def _let_fail_for_good(fleet: Fleet, device: str) -> None:
    fleet.add_thing(device, **ORIGINAL)
    fleet.fail(device, [1], reason="signature invalid")
    assert eventually(lambda: fleet.alerts(device))
    assert eventually(lambda: not fleet.is_running("escalation"))


def _is_failed(fleet: Fleet, device: str) -> bool:
    is_recorded = fleet.record(device) is not None and fleet.backup(device) is not None
    return is_recorded and fleet.groups(device) == {GROUP}


def _is_free(fleet: Fleet, device: str) -> bool:
    return (
        fleet.record(device) is None
        and fleet.backup(device) is None
        and fleet.attributes(device) == ORIGINAL
        and fleet.groups(device) == set()
    )


@pytest.fixture
def membership_events(second: Fleet) -> Iterator[None]:
    """The account's membership events are on."""
    iot = second.client("iot")
    iot.update_event_configurations(
        eventConfigurations={"THING_GROUP_MEMBERSHIP": {"Enabled": True}}
    )
    yield
    iot.update_event_configurations(
        eventConfigurations={"THING_GROUP_MEMBERSHIP": {"Enabled": False}}
    )


def test_by_the_function_for_one_device(second: Fleet) -> None:
    _bring_into_failed_group(second, "released")
    assert second.invoke("ReleaseDevice", deviceId="released") == {"released": ["released"]}
    assert _is_free(second, "released")
    assert second.history("released")[-1] == ("failed", "free", "released by an operator")
    second.fail("released", [50])
    assert second.retry_counter("released") == 1


def test_by_the_function_for_a_list(second: Fleet) -> None:
    names = ["list-1", "list-2"]
    for name in names:
        _bring_into_failed_group(second, name)
    second.add_thing("list-3")
    answer = second.invoke("ReleaseDevice", deviceIds=[*names, "list-3", "no-such-thing"])
    assert answer == {"released": names, "not_tracked": ["list-3"], "gone": ["no-such-thing"]}
    assert all(_is_free(second, name) for name in names)


def test_one_of_a_list_that_cannot_be_released_is_answered_with_why(second: Fleet) -> None:
    for name in ("list-4", "list-5"):
        _bring_into_failed_group(second, name)
    second.client("dynamodb").delete_item(
        TableName=second.outputs["backup_table_name"], Key={"deviceId": {"S": "list-4"}}
    )
    answer = second.invoke("ReleaseDevice", deviceIds=["list-4", "list-5"])
    assert answer["released"] == ["list-5"]
    assert answer["refused"]["list-4"].startswith("BackupMissingError: no backup of list-4")
    assert _is_free(second, "list-5")
    second.client("iot").update_thing(
        thingName="list-4", attributePayload={"attributes": ORIGINAL, "merge": False}
    )
    assert second.invoke("ReleaseDevice", deviceId="list-4") == {"released": ["list-4"]}


def test_a_name_that_cannot_be_one_is_refused(second: Fleet) -> None:
    answer = second.invoke("ReleaseDevice", deviceId="no such/thing")
    assert answer["errorType"] == "InvalidMessageError"
    assert "1 to 128 of" in answer["errorMessage"]


def test_of_a_device_that_cools_down(second: Fleet) -> None:
    second.add_thing("released-early", **ORIGINAL)
    with second.away("released-early"):
        second.fail("released-early", [1, 2])
        assert eventually(lambda: "firmwareRetry" in second.attributes("released-early"))
        second.invoke("ReleaseDevice", deviceId="released-early")
        assert _is_free(second, "released-early")


@pytest.mark.usefixtures("membership_events")
def test_by_removing_it_from_the_group_where_membership_events_are_on(second: Fleet) -> None:
    _bring_into_failed_group(second, "removed")
    _bring_into_failed_group(second, "stays")
    second.client("iot").remove_thing_from_thing_group(thingGroupName=GROUP, thingName="removed")
    assert eventually(lambda: _is_free(second, "removed"))


@pytest.mark.usefixtures("membership_events")
def test_what_the_module_itself_removes_is_not_an_operators_wish(second: Fleet) -> None:
    _bring_into_failed_group(second, "healed-itself")
    bad_ends = second.bad_ends()
    second.succeed("healed-itself", 9, "SUCCEEDED")
    second.settle()
    assert second.history("healed-itself")[-1] == ("failed", "free", "update succeeded")
    assert second.bad_ends() == bad_ends


def test_by_removing_it_from_the_group_where_they_are_off(second: Fleet) -> None:
    _bring_into_failed_group(second, "noticed-late")
    _bring_into_failed_group(second, "still-failed")
    second.client("iot").remove_thing_from_thing_group(
        thingGroupName=GROUP, thingName="noticed-late"
    )
    second.reconcile()
    assert second.record("noticed-late")
    second.settle_failed("noticed-late")
    mark = second.mark()
    second.reconcile()
    assert _is_free(second, "noticed-late")
    assert second.groups("still-failed") == {GROUP}
    assert second.operations(mark).count("iot.ListThingsInThingGroup") == 1


def _remove(fleet: Fleet, device: str) -> None:
    fleet.client("iot").remove_thing_from_thing_group(thingGroupName=GROUP, thingName=device)


def test_pages_of_one_entry_release_the_removed_device_and_no_other(second: Fleet) -> None:
    names = [f"paged-{number}" for number in range(3)]
    for name in names:
        _bring_into_failed_group(second, name)
        second.settle_failed(name)
    _remove(second, "paged-1")
    with second.cloud.with_listings(Listing(page_size=1)):
        second.reconcile()
    assert _is_free(second, "paged-1")
    assert _is_failed(second, "paged-0")
    assert _is_failed(second, "paged-2")


def test_device_that_no_listing_shows_yet_is_not_released(second: Fleet) -> None:
    """It counts as settled five minutes after operators were notified, whatever the grace is."""
    with second.cloud.with_listings(Listing(lag_seconds=LAG)):
        _let_fail_for_good(second, "not-listed")
        assert second.groups("not-listed") == set()
        second.reconcile()
    assert _is_failed(second, "not-listed")


def test_listing_of_the_group_that_lags_releases_no_device(second: Fleet) -> None:
    _bring_into_failed_group(second, "listed-late")
    second.settle_failed("listed-late")
    with second.cloud.with_listings(Listing("ListThingsInThingGroup", lag_seconds=LAG)):
        _bring_into_failed_group(second, "listed-later")
        second.settle_failed("listed-later")
        _remove(second, "listed-late")
        second.reconcile()
        assert second.record("listed-late")
        assert _is_failed(second, "listed-later")
    second.reconcile()
    assert _is_free(second, "listed-late")
    assert _is_failed(second, "listed-later")


@pytest.mark.parametrize("has_events", [False, True])
def test_group_that_is_deleted_and_created_again_releases_no_device(
    second: Fleet, request: pytest.FixtureRequest, has_events: bool
) -> None:
    """An operator deletes the group, and ``terraform apply`` creates it again."""
    if has_events:
        request.getfixturevalue("membership_events")
    names = [f"replaced-{has_events}-{number}" for number in range(2)]
    for name in names:
        _bring_into_failed_group(second, name)
    iot = second.client("iot")
    group = iot.describe_thing_group(thingGroupName=GROUP)
    tags = iot.list_tags_for_resource(resourceArn=group["thingGroupArn"])["tags"]
    description = group["thingGroupProperties"]["thingGroupDescription"]
    iot.delete_thing_group(thingGroupName=GROUP)
    iot.create_thing_group(
        thingGroupName=GROUP,
        thingGroupProperties={"thingGroupDescription": description},
        tags=tags,
    )
    second.settle()
    for name in names:
        second.settle_failed(name)
    assert second.reconcile()["put_back"] >= 2
    for name in names:
        assert second.groups(name) == {GROUP}
        assert second.record(name)
        assert second.attributes(name) != ORIGINAL
        assert second.history(name)[-1][1] == "failed"
    assert "failed_group_refilled" in {alert["event"] for alert in second.all_alerts()}
