"""ReleaseDevice: whatever state a device is in, an operator can set it free."""

from typing import Any

import pytest

from firmware_retry import recovery as recoveries
from firmware_retry import retries_table
from firmware_retry.errors import (
    BackupMissingError,
    InvalidMessageError,
    RecoverySupersededError,
    TransientError,
)
from firmware_retry.failed_group import MOST_REMOVED
from firmware_retry.handlers import (
    move_device_to_failed_group,
    reconcile_devices,
    release_device,
    reset_retry_count_to_failed_update,
    reset_retry_counter_and_move_out,
    restore_device_attributes,
    send_sns_notification,
)
from firmware_retry.record import GRACE_SECONDS
from firmware_retry.release import Results

from .conftest import BACKUP, GROUP, RETRIES, Cloud, failure
from .journey import FAILED, ORIGINAL, Handler, Stage, bring, handle, interrupt

NOW_MS = 1_711_320_300_000
BEING_MOVED: dict[Stage, Handler] = {
    Stage.MOVING: reset_retry_counter_and_move_out.handler,
    Stage.MARKING: reset_retry_count_to_failed_update.handler,
}
AT_REST = [stage for stage in Stage if stage not in BEING_MOVED]


def release(*names: str) -> Results:
    event = {"deviceId": names[0]} if len(names) == 1 else {"deviceIds": list(names)}
    return release_device.handler(event, None)


def report_removal(at: int = NOW_MS, name: Any = "dev-1") -> Results:
    """Handle AWS IoT's event that the thing was removed from the failed group."""
    event = {"kind": "removed", "deviceId": name, "timestamp": at}
    return release_device.handler(event, None)


def assert_free(cloud: Cloud, name: str = "dev-1") -> None:
    """Nothing of the journey is left."""
    assert (cloud.record(name), cloud.backup(name)) == (None, None)
    assert cloud.attributes(name) == ORIGINAL
    assert name not in cloud.members()


# By hand


@pytest.mark.parametrize("stage", AT_REST)
def test_a_device_is_free_as_if_nothing_had_been(cloud: Cloud, stage: Stage) -> None:
    bring(cloud, stage)
    cloud.messages()
    cloud.calls.clear()
    assert release("dev-1") == {"released": ["dev-1"]}
    assert_free(cloud)
    assert cloud.messages() == []
    has_failed = stage in (Stage.FAILED, Stage.NOTIFIED)
    assert ("iot.remove_thing_from_thing_group" in cloud.calls) is has_failed
    assert release("dev-1") == {"not_tracked": ["dev-1"]}


@pytest.mark.parametrize("stage", BEING_MOVED)
def test_one_that_is_just_being_moved_is_free_when_that_is_over(cloud: Cloud, stage: Stage) -> None:
    recovery = bring(cloud, stage)
    assert release("dev-1") == {"releasing": ["dev-1"]}
    BEING_MOVED[stage](recovery, None)
    assert_free(cloud)


@pytest.mark.parametrize(
    ("stage", "following"),
    [
        (Stage.COOLING_DOWN, restore_device_attributes),
        (Stage.FAILED, move_device_to_failed_group),
        (Stage.FAILED, send_sns_notification),
    ],
)
def test_its_run_ends_quietly(cloud: Cloud, stage: Stage, following: Any) -> None:
    recovery = bring(cloud, stage)
    release("dev-1")
    with pytest.raises(RecoverySupersededError):
        following.handler(recovery, None)
    assert_free(cloud)
    assert cloud.messages() == []


def test_its_next_failure_begins_an_episode(cloud: Cloud) -> None:
    bring(cloud, Stage.NOTIFIED)
    release("dev-1")
    assert handle(failure(1_000)) == "counted"
    item = cloud.record()
    assert item
    assert (item["RetryCounter"], item["ResetRetryCount"]) == (1, 0)


def test_what_it_had_sent_before_counts_for_nothing(cloud: Cloud) -> None:
    bring(cloud, Stage.NOTIFIED)
    release("dev-1")
    for number in (1, 101, 102):
        assert handle(failure(number)) == "of the past"


def test_what_a_person_changed_meanwhile_stays(cloud: Cloud) -> None:
    bring(cloud, Stage.NOTIFIED)
    cloud.iot.update_thing(
        thingName="dev-1", attributePayload={"attributes": {"FW": "3.0"}, "merge": True}
    )
    release("dev-1")
    assert cloud.attributes() == {**ORIGINAL, "FW": "3.0"}


def test_one_that_is_not_tracked_is_taken_out_of_the_failed_group_all_the_same(
    cloud: Cloud,
) -> None:
    cloud.create_thing(**ORIGINAL)
    cloud.add_to(GROUP)
    assert release("dev-1") == {"not_tracked": ["dev-1"]}
    assert_free(cloud)


@pytest.mark.parametrize("stage", [None, Stage.COOLING_DOWN, Stage.NOTIFIED])
def test_one_whose_thing_is_gone_is_gone(cloud: Cloud, stage: Stage | None) -> None:
    if stage:
        bring(cloud, stage)
        cloud.iot.delete_thing(thingName="dev-1")
    assert release("dev-1") == {"gone": ["dev-1"]}
    assert (cloud.record(), cloud.backup()) == (None, None)


def test_a_group_that_is_gone_holds_nobody_up(cloud: Cloud) -> None:
    bring(cloud, Stage.NOTIFIED)
    cloud.iot.delete_thing_group(thingGroupName=GROUP)
    assert release("dev-1") == {"released": ["dev-1"]}
    assert cloud.attributes() == ORIGINAL


def test_several_are_released_at_once(cloud: Cloud) -> None:
    for name, stage in (("a", Stage.NOTIFIED), ("b", Stage.COOLING_DOWN), ("c", Stage.MOVING)):
        bring(cloud, stage, name)
    cloud.create_thing("d")
    assert release("a", "b", "c", "d", "e") == {
        "released": ["a", "b"],
        "releasing": ["c"],
        "not_tracked": ["d"],
        "gone": ["e"],
    }


def test_one_that_cannot_be_released_is_refused_and_all_others_are_told_of(cloud: Cloud) -> None:
    for name, stage in (("a", Stage.NOTIFIED), ("b", Stage.NOTIFIED), ("c", Stage.MOVING)):
        bring(cloud, stage, name)
    cloud.dynamodb.Table(BACKUP).delete_item(Key={"deviceId": "b"})
    done = release("a", "b", "c", "no-such-thing")
    refused = done.pop("refused")
    assert done == {"released": ["a"], "releasing": ["c"], "gone": ["no-such-thing"]}
    assert isinstance(refused, dict)
    assert list(refused) == ["b"]
    assert refused["b"].startswith("BackupMissingError: no backup of b")
    assert_free(cloud, "a")


def test_a_single_one_that_cannot_be_released_is_an_error_that_the_intake_sees(
    cloud: Cloud,
) -> None:
    bring(cloud, Stage.NOTIFIED)
    cloud.dynamodb.Table(BACKUP).delete_item(Key={"deviceId": "dev-1"})
    add_another_failed_device(cloud)
    cloud.remove_from(GROUP)
    with pytest.raises(BackupMissingError):
        report_removal()
    with pytest.raises(BackupMissingError):
        release("dev-1")


def test_one_that_went_on_meanwhile_is_looked_at_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    recovery = bring(cloud, Stage.COOLING_DOWN)
    end = recoveries.end_episode

    def late(*arguments: Any) -> bool:
        restore_device_attributes.handler(recovery, None)
        return end(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(recoveries, "end_episode", late)
        with pytest.raises(TransientError, match="went on meanwhile"):
            release("dev-1")
    assert release("dev-1") == {"released": ["dev-1"]}


def test_one_whose_thing_was_deleted_and_whose_episode_another_run_ended_is_looked_at_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(cloud, Stage.NOTIFIED)
    cloud.iot.delete_thing(thingName="dev-1")
    end = retries_table.end

    def late(*arguments: Any) -> None:
        end(*arguments)
        end(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(retries_table, "end", late)
        with pytest.raises(TransientError, match="went on meanwhile"):
            report_removal()
    assert report_removal() == {"not_tracked": ["dev-1"]}


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"deviceId": "a/b"},
        {"deviceId": ["dev-1"]},
        {"deviceIds": "dev-1"},
        {"deviceIds": None},
        {"deviceIds": ["dev-1", "a/b"]},
        {"deviceIds": ["dev-1", None]},
        {"kind": "removed", "timestamp": NOW_MS},
        {"kind": "removed", "deviceId": "a/b", "timestamp": NOW_MS},
    ],
)
def test_an_event_that_names_no_device_releases_nobody(cloud: Cloud, event: dict[str, Any]) -> None:
    cloud.create_thing(**ORIGINAL)
    cloud.add_to(GROUP)
    with pytest.raises(InvalidMessageError):
        release_device.handler(event, None)
    assert cloud.calls == []


def test_nobody_is_a_list_too(cloud: Cloud) -> None:
    assert release_device.handler({"deviceIds": []}, None) == {}


# By removing it from the failed group


def add_another_failed_device(cloud: Cloud) -> None:
    cloud.create_thing("dev-2", **FAILED)
    cloud.add_to(GROUP, "dev-2")


def test_an_operator_releases_a_device_by_taking_it_out_of_the_failed_group(cloud: Cloud) -> None:
    bring(cloud, Stage.NOTIFIED)
    add_another_failed_device(cloud)
    cloud.remove_from(GROUP)
    assert report_removal() == {"released": ["dev-1"]}
    assert_free(cloud)
    assert cloud.steps()[-1] == ("failed", "free", "released by an operator")
    assert report_removal() == {"not_tracked": ["dev-1"]}


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.NOTIFIED])
def test_a_removal_of_a_device_that_was_not_settled_there_is_not_an_operators(
    cloud: Cloud, stage: Stage
) -> None:
    bring(cloud, stage)
    before = (cloud.record(), cloud.attributes())
    assert report_removal() == {"not_settled": ["dev-1"]}
    assert (cloud.record(), cloud.attributes()) == before


@pytest.mark.parametrize("case", ["emptied", "deleted", "replaced", "a member", "unknown group"])
def test_event_of_removal_that_no_operator_decided_releases_no_device(
    cloud: Cloud, case: str
) -> None:
    bring(cloud, Stage.NOTIFIED)
    if case != "a member":
        cloud.remove_from(GROUP)
    if case in {"deleted", "replaced"}:
        cloud.iot.delete_thing_group(thingGroupName=GROUP)
    if case == "replaced":
        cloud.iot.create_thing_group(thingGroupName=GROUP)
    if case not in {"emptied", "deleted"}:
        add_another_failed_device(cloud)
    if case == "unknown group":
        cloud.dynamodb.Table(RETRIES).update_item(
            Key={"deviceId": "dev-1"}, UpdateExpression="REMOVE failedGroupId"
        )
    before = cloud.record()
    assert report_removal() == {"not_settled": ["dev-1"]}
    assert (cloud.record(), cloud.attributes()) == (before, FAILED)


def remove_one_by_one(cloud: Cloud, names: list[str]) -> None:
    for name in names:
        cloud.remove_from(GROUP, name)
        report_removal(name=name)


def kept_of(cloud: Cloud, names: list[str]) -> list[str]:
    return [name for name in names if cloud.record(name)]


@pytest.mark.parametrize("pause", [0, 1_800])
def test_events_release_no_more_devices_of_an_emptied_group_than_a_pass_does(
    cloud: Cloud, fake_time: list[float], pause: int
) -> None:
    """Also where an hour of the clock ends while somebody empties it."""
    names = [f"dev-{number}" for number in range(14)]
    for name in names:
        bring(cloud, Stage.NOTIFIED, name)
    fake_time[0] += GRACE_SECONDS + 1
    remove_one_by_one(cloud, names[:7])
    fake_time[0] += pause
    remove_one_by_one(cloud, names[7:])
    kept = kept_of(cloud, names)
    assert kept == names[10:]
    assert reconcile_devices.handler({}, None)["put_back"] == 4
    assert sorted(cloud.members()) == sorted(kept)


def test_retries_of_one_release_take_the_place_of_no_other(
    cloud: Cloud, fake_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The intake tries again while AWS throttles the end of the episode."""
    for name in ("dev-1", "dev-2", "dev-3"):
        bring(cloud, Stage.NOTIFIED, name)
    fake_time[0] += GRACE_SECONDS + 1
    cloud.remove_from(GROUP, "dev-1")

    def throttle(*_: Any) -> None:
        raise TransientError("throttled")

    with monkeypatch.context() as patch:
        patch.setattr("firmware_retry.recovery.end_episode", throttle)
        for _ in range(MOST_REMOVED + 1):
            with pytest.raises(TransientError):
                report_removal(at=int(fake_time[0] * 1000))
    remove_one_by_one(cloud, ["dev-2"])
    assert kept_of(cloud, ["dev-1", "dev-2"]) == ["dev-1"]
    assert report_removal(at=int(fake_time[0] * 1000)) == {"released": ["dev-1"]}


def test_slow_emptying_releases_no_more_devices_across_passes(
    cloud: Cloud, fake_time: list[float]
) -> None:
    names = [f"dev-{number}" for number in range(14)]
    for name in names:
        bring(cloud, Stage.NOTIFIED, name)
    fake_time[0] += GRACE_SECONDS + 1
    for name in names[:7]:
        cloud.remove_from(GROUP, name)
    assert reconcile_devices.handler({}, None)["released"] == 7
    fake_time[0] += 900
    remove_one_by_one(cloud, names[7:])
    assert kept_of(cloud, names) == names[10:]
    assert reconcile_devices.handler({}, None)["put_back"] == 4
    fake_time[0] += 7_200
    for name in names[10:]:
        cloud.remove_from(GROUP, name)
    assert reconcile_devices.handler({}, None)["released"] == 4


def test_nor_is_one_before_people_were_told(cloud: Cloud) -> None:
    """It is of an earlier episode, and comes late."""
    bring(cloud, Stage.NOTIFIED)
    assert report_removal(at=NOW_MS - 1) == {"not_settled": ["dev-1"]}
    assert (cloud.attributes(), cloud.members()) == (FAILED, ["dev-1"])


def test_nor_is_the_one_of_an_episode_that_is_just_ending(cloud: Cloud) -> None:
    """Whoever ends it takes the device out of the group; its event comes before the end."""
    recovery = bring(cloud, Stage.NOTIFIED)
    interrupt(release_device.handler, recovery)
    assert cloud.members() == []
    before = cloud.record()
    assert report_removal() == {"not_settled": ["dev-1"]}
    assert cloud.record() == before
    assert release("dev-1") == {"released": ["dev-1"]}
    assert_free(cloud)


def test_without_a_backup_a_device_is_free_once_a_person_has_set_its_attributes(
    cloud: Cloud,
) -> None:
    bring(cloud, Stage.NOTIFIED)
    cloud.dynamodb.Table(BACKUP).delete_item(Key={"deviceId": "dev-1"})
    with pytest.raises(BackupMissingError, match="set its attributes"):
        release_device.handler({"deviceId": "dev-1"}, None)
    cloud.iot.update_thing(thingName="dev-1", attributePayload={"attributes": ORIGINAL})
    assert release_device.handler({"deviceId": "dev-1"}, None) == {"released": ["dev-1"]}
    assert (cloud.record(), cloud.members(), cloud.attributes()) == (None, [], ORIGINAL)
