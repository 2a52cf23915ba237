"""ClearDeviceRecord: an episode ends by a success, or by a failure of a later campaign."""

import json
from typing import Any

import pytest

from firmware_retry.errors import (
    InvalidMessageError,
    RecoverySupersededError,
    ThingNotFoundError,
    TransientError,
)
from firmware_retry.handlers import (
    clear_device_record,
    increment_retry_counter,
    move_device_to_failed_group,
    reset_retry_count_to_failed_update,
    reset_retry_counter_and_move_out,
    restore_device_attributes,
    send_sns_notification,
)

from .conftest import GROUP, Cloud, failure, job_event, success
from .journey import ORIGINAL, Handler, Stage, bring, handle

LATER = 1_000
"""The number of a message that is sent after those of the journey."""
TRACKED = (Stage.TRACKED, Stage.DUE, Stage.BACK, Stage.FAILING)
OWNED = (Stage.COOLING_DOWN, Stage.FAILED, Stage.NOTIFIED)
BEING_MOVED: dict[Stage, Handler] = {
    Stage.MOVING: reset_retry_counter_and_move_out.handler,
    Stage.MARKING: reset_retry_count_to_failed_update.handler,
}


def clear(event: dict[str, Any]) -> None:
    clear_device_record.handler(event, None)


def assert_free(cloud: Cloud) -> None:
    """Nothing of the journey is left."""
    assert (cloud.record(), cloud.backup()) == (None, None)
    assert (cloud.attributes(), cloud.members()) == (ORIGINAL, [])


# Success


@pytest.mark.parametrize("stage", TRACKED)
def test_a_success_of_a_tracked_device_ends_its_episode(cloud: Cloud, stage: Stage) -> None:
    bring(cloud, stage)
    cloud.calls.clear()
    clear(success(LATER))
    assert_free(cloud)
    # Only what was overwritten once is kept aside.
    kept = (
        ["dynamodb.get_item", "dynamodb.put_item"] if stage in (Stage.BACK, Stage.FAILING) else []
    )
    assert cloud.calls == ["dynamodb.get_item", *kept, "dynamodb.transact_write_items"]


@pytest.mark.parametrize("stage", OWNED)
def test_a_success_of_a_device_that_is_away_puts_it_back_at_once(
    cloud: Cloud, stage: Stage
) -> None:
    bring(cloud, stage)
    clear(success(LATER))
    assert_free(cloud)


@pytest.mark.parametrize("stage", BEING_MOVED)
def test_a_success_of_a_device_that_is_just_being_moved_ends_its_episode_when_it_is_away(
    cloud: Cloud, stage: Stage
) -> None:
    recovery = bring(cloud, stage)
    clear(success(LATER))
    item = cloud.record()
    assert item
    assert (item["ending"], "awaySince" in item) == ("update succeeded", False)
    BEING_MOVED[stage](recovery, None)
    assert_free(cloud)
    assert cloud.messages() == []


@pytest.mark.parametrize(
    ("stage", "following"),
    [
        (Stage.DUE, reset_retry_counter_and_move_out),
        (Stage.COOLING_DOWN, restore_device_attributes),
        (Stage.FAILING, reset_retry_count_to_failed_update),
        (Stage.FAILED, move_device_to_failed_group),
        (Stage.FAILED, send_sns_notification),
    ],
)
def test_after_a_success_the_run_of_the_device_ends_quietly(
    cloud: Cloud, stage: Stage, following: Any
) -> None:
    recovery = bring(cloud, stage)
    clear(success(LATER))
    with pytest.raises(RecoverySupersededError):
        following.handler(recovery, None)
    assert_free(cloud)
    assert cloud.messages() == []


def test_who_was_told_that_a_device_failed_is_told_that_it_healed(cloud: Cloud) -> None:
    recovery = bring(cloud, Stage.NOTIFIED)
    clear(success(LATER))
    _, message = map(json.loads, cloud.messages())
    assert message == {
        "version": 2,
        "event": "healed",
        "fleet": "",
        "deviceId": "dev-1",
        "model": "wo:v8",
        "firmware": "2.26",
        "campaign": "2.27",
        "reason": "",
        "cycles": 2,
        "startedAt": "2024-03-24T22:43:28Z",
        "failedAt": "2024-03-24T22:43:28Z",
        "healedAt": "2024-03-24T22:45:00Z",
        "attributes": {"FW": "2.26", "model": "wo:v8"},
        "failedAttributes": {"FW": "failedtoupdate", "model": "failedtoupdate"},
        "thingGroup": GROUP,
        "recoveryId": f"{recovery['trackingId']}-2",
    }


def test_who_was_not_told_that_a_device_failed_is_told_nothing(cloud: Cloud) -> None:
    bring(cloud, Stage.FAILED)
    clear(success(LATER))
    assert cloud.messages() == []


def test_a_success_of_a_device_without_a_record_leaves_no_record_and_no_transition(
    cloud: Cloud,
) -> None:
    cloud.create_thing(**ORIGINAL)
    clear(success())
    assert cloud.calls == ["dynamodb.get_item", "dynamodb.put_item", "dynamodb.get_item"]
    assert (cloud.record(), cloud.history()) == (None, [])


@pytest.mark.parametrize("stage", Stage)
def test_a_success_from_before_the_episode_is_nothing(cloud: Cloud, stage: Stage) -> None:
    bring(cloud, stage)
    before = (cloud.record(), cloud.attributes(), cloud.members())
    clear(success(0, receivedAt=int(success(0)["timestamp"])))
    assert (cloud.record(), cloud.attributes(), cloud.members()) == before


def test_a_success_in_the_millisecond_of_the_first_failure_ends_the_episode(cloud: Cloud) -> None:
    bring(cloud, Stage.TRACKED)
    clear(success(1))
    assert_free(cloud)


def test_a_success_ends_the_episode_whatever_firmware_it_reports(cloud: Cloud) -> None:
    """A device that updated reports the firmware that it has now."""
    bring(cloud, Stage.TRACKED)
    clear(success(LATER, fw="2.28"))
    assert_free(cloud)


@pytest.mark.parametrize("stage", [Stage.MOVING, Stage.COOLING_DOWN, Stage.FAILED, Stage.NOTIFIED])
def test_a_thing_that_vanished_ends_its_episode_too(cloud: Cloud, stage: Stage) -> None:
    recovery = bring(cloud, stage)
    cloud.iot.delete_thing(thingName="dev-1")
    if stage in BEING_MOVED:
        clear(success(LATER))
        with pytest.raises(ThingNotFoundError):
            BEING_MOVED[stage](recovery, None)
    else:
        with pytest.raises(ThingNotFoundError):
            clear(success(LATER))
    assert (cloud.record(), cloud.backup()) == (None, None)


def test_a_message_that_cannot_be_read_clears_nothing(cloud: Cloud) -> None:
    with pytest.raises(InvalidMessageError):
        clear(success(device="no such/thing"))
    assert cloud.calls == []


# Success of a job


@pytest.fixture
def job_episode(cloud: Cloud) -> Cloud:
    cloud.create_thing(**ORIGINAL)
    assert handle(job_event(1)) == "counted"
    return cloud


def test_a_job_that_succeeded_ends_the_episode_that_is_about_it(job_episode: Cloud) -> None:
    clear(job_event(2, kind="succeeded"))
    assert_free(job_episode)


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(job_event(0, "job-2", "succeeded"), id="of an earlier job"),
        pytest.param(job_event(0, kind="succeeded"), id="of an earlier run of the job"),
    ],
)
def test_no_other_success_of_a_job_does(job_episode: Cloud, event: dict[str, Any]) -> None:
    before = job_episode.record()
    clear(event)
    assert job_episode.record() == before


def test_the_success_of_a_later_job_ends_the_episode_of_an_earlier_one(
    job_episode: Cloud,
) -> None:
    clear(job_event(60, "job-2", "succeeded"))
    assert_free(job_episode)


def test_a_device_may_say_itself_that_its_job_succeeded(job_episode: Cloud) -> None:
    clear(success(5_000))
    assert_free(job_episode)


# Late messages


def test_a_failure_from_before_the_success_counts_for_nothing(cloud: Cloud) -> None:
    bring(cloud, Stage.TRACKED)
    clear(success(LATER))
    assert handle(failure(LATER - 1)) == "of the past"
    assert_free(cloud)


def test_a_failure_from_after_the_success_begins_an_episode(cloud: Cloud) -> None:
    bring(cloud, Stage.TRACKED)
    clear(success(LATER))
    assert handle(failure(LATER + 1)) == "counted"


def test_a_failure_from_before_a_success_that_had_to_wait_counts_for_nothing(cloud: Cloud) -> None:
    """The episode ended only when its run had moved the device; what counts is the success."""
    recovery = bring(cloud, Stage.MOVING)
    clear(success(LATER))
    reset_retry_counter_and_move_out.handler(recovery, None)
    assert handle(failure(LATER - 1)) == "of the past"
    assert handle(failure(LATER + 1)) == "counted"


def test_a_failure_from_before_the_success_counts_for_nothing_in_the_next_episode(
    cloud: Cloud,
) -> None:
    bring(cloud, Stage.TRACKED)
    clear(success(LATER))
    handle(failure(LATER + 1))
    assert handle(failure(LATER - 1)) == "stale"


# Campaigns


def assert_begun(cloud: Cloud, tracking_id: str) -> None:
    """The episode of the campaign 2.28 is on, with one failure."""
    item = cloud.record()
    backup = cloud.backup()
    assert item
    assert backup
    assert (item["campaign"], item["state"]) == ("2.28", "tracking")
    assert (item["RetryCounter"], item["ResetRetryCount"]) == (1, 0)
    assert item["trackingId"] != tracking_id
    assert backup["written"] == {}
    assert (cloud.attributes(), cloud.members()) == (ORIGINAL, [])


@pytest.mark.parametrize("stage", [*TRACKED, *OWNED])
def test_a_failure_of_a_later_campaign_begins_an_episode(cloud: Cloud, stage: Stage) -> None:
    bring(cloud, stage)
    item = cloud.record()
    assert item
    assert handle(failure(LATER, fw="2.28")) == "counted"
    assert_begun(cloud, item["trackingId"])
    assert [json.loads(message)["event"] for message in cloud.messages()] == (
        ["failed"] if stage is Stage.NOTIFIED else []
    )


@pytest.mark.parametrize("stage", BEING_MOVED)
def test_it_waits_for_a_device_that_is_just_being_moved(cloud: Cloud, stage: Stage) -> None:
    recovery = bring(cloud, stage)
    for _ in range(2):
        with pytest.raises(TransientError, match="just being moved"):
            clear(failure(LATER, fw="2.28"))
    BEING_MOVED[stage](recovery, None)
    assert handle(failure(LATER, fw="2.28")) == "counted"
    assert_begun(cloud, recovery["trackingId"])


def test_a_copy_of_the_failure_that_began_the_campaign_is_a_copy(cloud: Cloud) -> None:
    bring(cloud, Stage.COOLING_DOWN)
    event = failure(LATER, fw="2.28")
    assert [handle(event), handle(event)] == ["counted", "duplicate"]


@pytest.mark.parametrize("stage", Stage)
def test_a_late_failure_of_an_earlier_campaign_changes_nothing(cloud: Cloud, stage: Stage) -> None:
    bring(cloud, stage)
    before = (cloud.record(), cloud.attributes())
    assert handle(failure(0, fw="2.25")) == "stale"
    assert (cloud.record(), cloud.attributes()) == before


def test_a_clearing_that_comes_too_late_ends_no_later_episode(cloud: Cloud) -> None:
    bring(cloud, Stage.TRACKED)
    handle(failure(LATER, fw="2.28"))
    before = cloud.record()
    clear(failure(LATER, fw="2.28"))
    clear(failure(1, fw="2.27"))
    assert cloud.record() == before


def test_the_failures_of_a_new_campaign_may_come_in_any_order(cloud: Cloud) -> None:
    """The second comes first; the first comes just when the earlier episode has ended."""
    bring(cloud, Stage.TRACKED)
    second = failure(LATER + 1, fw="2.28")
    assert increment_retry_counter.handler(second, None) == {"outcome": "campaign_changed"}
    clear(second)
    assert handle(failure(LATER, fw="2.28")) == "counted"
    assert handle(second) == "counted"
    item = cloud.record()
    assert item
    assert (item["campaign"], item["RetryCounter"]) == ("2.28", 2)


def test_a_late_failure_in_between_does_not_bring_the_earlier_campaign_back(cloud: Cloud) -> None:
    bring(cloud, Stage.TRACKED)
    event = failure(LATER, fw="2.28")
    clear(event)
    handle(failure(2))
    assert handle(event) == "counted"
    item = cloud.record()
    assert item
    assert (item["campaign"], item["RetryCounter"]) == ("2.28", 1)
