"""Each step by its entry point, and the journey that they make together."""

import json
from typing import Any

import pytest

from firmware_retry import registry
from firmware_retry.aws import call
from firmware_retry.errors import (
    BackupMissingError,
    InvalidMessageError,
    RecoverySupersededError,
    RequestRefusedError,
    ThingNotFoundError,
    TransientError,
)
from firmware_retry.handlers import (
    check_if_device_exists,
    create_device_record,
    increment_retry_counter,
    move_device_to_failed_group,
    reset_retry_count_to_failed_update,
    reset_retry_counter_and_move_out,
    restore_device_attributes,
    send_sns_notification,
    store_device_attributes,
)
from firmware_retry.settings import settings

from .conftest import BACKUP, GROUP, LIMIT, Cloud, failure

ORIGINAL = {"model": "wo:v8", "FW": "2.26", "site": "7"}
MOVED_OUT = {"model": "moveOut", "FW": "moveOut", "site": "7"}
FAILED = {"model": "failedtoupdate", "FW": "failedtoupdate", "site": "7"}


def begin() -> None:
    for step in (check_if_device_exists, store_device_attributes, create_device_record):
        step.handler(failure(), None)


def use_up_a_cycle(first: int = 0) -> dict[str, Any]:
    """The input of the recovery that follows."""
    for number in range(first, first + LIMIT):
        answer = increment_retry_counter.handler(failure(number), None)
    recovery: dict[str, Any] = answer["recovery"]
    return recovery


@pytest.fixture
def cooling(cloud: Cloud) -> dict[str, Any]:
    """The input of a recovery whose device is about to be moved out."""
    cloud.create_thing(**ORIGINAL)
    begin()
    return use_up_a_cycle()


@pytest.fixture
def failing(cloud: Cloud, cooling: dict[str, Any]) -> dict[str, Any]:
    """The input of an escalation that is about to begin."""
    reset_retry_counter_and_move_out.handler(cooling, None)
    restore_device_attributes.handler(cooling, None)
    return use_up_a_cycle(100)


def group_members(cloud: Cloud) -> list[str]:
    members: list[str] = cloud.iot.list_things_in_thing_group(thingGroupName=GROUP)["things"]
    return members


def test_the_whole_journey(cloud: Cloud, cooling: dict[str, Any]) -> None:
    wait = reset_retry_counter_and_move_out.handler(cooling, None)
    assert wait == {"dueAt": "2024-03-25T23:57:00Z"}  # 24 h and half of the jitter's tenth
    assert cloud.attributes() == MOVED_OUT
    assert increment_retry_counter.handler(failure(50), None) == {"outcome": "cooling_down"}

    assert restore_device_attributes.handler(cooling, None) == {"restored": ["FW", "model"]}
    assert cloud.attributes() == ORIGINAL

    escalation = use_up_a_cycle(100)
    assert escalation["cycle"] == 2
    assert reset_retry_count_to_failed_update.handler(escalation, None) == {
        "dueAt": "2024-03-24T23:00:00Z"
    }
    assert cloud.attributes() == FAILED
    move_device_to_failed_group.handler(escalation, None)
    assert group_members(cloud) == ["dev-1"]
    send_sns_notification.handler(escalation, None)
    assert [json.loads(message) for message in cloud.messages()] == [
        {
            "version": 1,
            "deviceId": "dev-1",
            "campaign": "2.27",
            "cycles": 2,
            "attributes": {"FW": "2.26", "model": "wo:v8"},
            "thingGroup": GROUP,
            "recoveryId": f"{escalation['trackingId']}-2",
        }
    ]
    for number in range(200, 211):
        assert increment_retry_counter.handler(failure(number), None) == {"outcome": "failed"}
    assert cloud.messages() == []


def test_the_execution_is_named_by_episode_and_cycle(cloud: Cloud) -> None:
    cloud.create_thing()
    begin()
    for number in range(LIMIT):
        answer = increment_retry_counter.handler(failure(number), None)
    item = cloud.record()
    assert item
    assert answer["recoveryId"] == f"{item['trackingId']}-1"
    assert len(answer["recoveryId"]) <= 80
    assert answer["recovery"] == {
        "deviceId": "dev-1",
        "trackingId": item["trackingId"],
        "cycle": 1,
    }


@pytest.mark.parametrize(
    "step",
    [
        increment_retry_counter,
        check_if_device_exists,
        store_device_attributes,
        create_device_record,
    ],
)
def test_a_bad_message_is_refused_by_every_step_and_leaves_nothing(cloud: Cloud, step: Any) -> None:
    with pytest.raises(InvalidMessageError):
        step.handler(failure(device="no such/thing"), None)
    assert cloud.calls == []


@pytest.mark.parametrize("step", [check_if_device_exists, store_device_attributes])
def test_a_thing_that_does_not_exist_leaves_nothing(cloud: Cloud, step: Any) -> None:
    with pytest.raises(ThingNotFoundError):
        step.handler(failure(), None)
    assert (cloud.record(), cloud.backup()) == (None, None)


def test_the_ladder_may_be_empty(cloud: Cloud, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("COOL_DOWN_SECONDS", "[]")
    settings.cache_clear()
    cloud.create_thing(**ORIGINAL)
    begin()
    for number in range(LIMIT):
        answer = increment_retry_counter.handler(failure(number), None)
    assert answer["outcome"] == "escalation_due"


def test_a_ladder_shortened_meanwhile_still_has_a_last_step(
    cloud: Cloud, failing: dict[str, Any]
) -> None:
    assert reset_retry_counter_and_move_out.handler(failing, None) == {
        "dueAt": "2024-03-25T23:57:00Z"
    }


def test_an_attribute_that_did_not_exist_is_removed_again(cloud: Cloud) -> None:
    cloud.create_thing(site="7")
    begin()
    recovery = use_up_a_cycle()
    reset_retry_counter_and_move_out.handler(recovery, None)
    assert cloud.attributes() == MOVED_OUT
    restore_device_attributes.handler(recovery, None)
    assert cloud.attributes() == {"site": "7"}


def test_what_a_person_changed_meanwhile_stays(cloud: Cloud, cooling: dict[str, Any]) -> None:
    reset_retry_counter_and_move_out.handler(cooling, None)
    cloud.iot.update_thing(
        thingName="dev-1", attributePayload={"attributes": {"FW": "3.0"}, "merge": True}
    )
    assert restore_device_attributes.handler(cooling, None) == {"restored": ["model"]}
    assert cloud.attributes() == {**ORIGINAL, "FW": "3.0"}


def test_the_registry_is_the_truth_at_the_moment_of_overwriting(
    cloud: Cloud, cooling: dict[str, Any]
) -> None:
    """Somebody corrected the thing after the first failure was recorded."""
    cloud.iot.update_thing(
        thingName="dev-1", attributePayload={"attributes": {"FW": "2.27"}, "merge": True}
    )
    reset_retry_counter_and_move_out.handler(cooling, None)
    restore_device_attributes.handler(cooling, None)
    assert cloud.attributes() == {**ORIGINAL, "FW": "2.27"}


@pytest.mark.parametrize("vanishes_before", ["move out", "restore", "mark failed", "move to group"])
def test_a_thing_that_vanished_ends_its_episode(
    cloud: Cloud, cooling: dict[str, Any], vanishes_before: str
) -> None:
    steps = {
        "move out": reset_retry_counter_and_move_out,
        "restore": restore_device_attributes,
        "mark failed": reset_retry_count_to_failed_update,
        "move to group": move_device_to_failed_group,
    }
    recovery = cooling
    for name, step in steps.items():
        if name == "mark failed":
            recovery = use_up_a_cycle(100)
        if name == vanishes_before:
            cloud.iot.delete_thing(thingName="dev-1")
            with pytest.raises(ThingNotFoundError):
                step.handler(recovery, None)
            break
        step.handler(recovery, None)
    assert (cloud.record(), cloud.backup()) == (None, None)


@pytest.mark.parametrize(
    "step",
    [
        reset_retry_counter_and_move_out,
        restore_device_attributes,
        reset_retry_count_to_failed_update,
        move_device_to_failed_group,
        send_sns_notification,
    ],
)
def test_a_run_that_does_not_hold_the_device_ends_and_touches_nothing(
    cloud: Cloud, cooling: dict[str, Any], step: Any
) -> None:
    before = (cloud.record(), cloud.backup(), cloud.attributes())
    with pytest.raises(RecoverySupersededError):
        step.handler({**cooling, "trackingId": "other"}, None)
    assert (cloud.record(), cloud.backup(), cloud.attributes()) == before
    assert group_members(cloud) == []
    assert cloud.messages() == []


def test_a_missing_backup_is_not_passed_over(cloud: Cloud, cooling: dict[str, Any]) -> None:
    reset_retry_counter_and_move_out.handler(cooling, None)
    cloud.dynamodb.Table(BACKUP).delete_item(Key={"deviceId": "dev-1"})
    with pytest.raises(BackupMissingError, match="no backup of dev-1 in DeviceAttributeBackup"):
        restore_device_attributes.handler(cooling, None)


def test_a_missing_group_fails_and_tells_nobody_yet(cloud: Cloud, failing: dict[str, Any]) -> None:
    reset_retry_count_to_failed_update.handler(failing, None)
    cloud.iot.delete_thing_group(thingGroupName=GROUP)
    with pytest.raises(RequestRefusedError, match=GROUP):
        move_device_to_failed_group.handler(failing, None)
    assert cloud.record()


def test_people_are_told_once_however_often_the_step_runs(
    cloud: Cloud, failing: dict[str, Any]
) -> None:
    reset_retry_count_to_failed_update.handler(failing, None)
    send_sns_notification.handler(failing, None)
    cloud.calls.clear()
    send_sns_notification.handler(failing, None)
    assert "sns.publish" not in cloud.calls
    assert len(cloud.messages()) == 1


def test_people_with_a_mail_subscription_get_a_letter(
    cloud: Cloud, failing: dict[str, Any], environment: pytest.MonkeyPatch
) -> None:
    topic = cloud.sns.create_topic(Name="people")["TopicArn"]
    queue = cloud.sqs.create_queue(QueueName="people")["QueueUrl"]
    cloud.sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=queue.replace(
            "https://sqs.eu-west-1.amazonaws.com/", "arn:aws:sqs:eu-west-1:"
        ).replace("/", ":"),
        Attributes={"RawMessageDelivery": "true"},
    )
    environment.setenv("OPERATOR_TOPIC_ARN", topic)
    settings.cache_clear()
    reset_retry_count_to_failed_update.handler(failing, None)
    send_sns_notification.handler(failing, None)
    (letter,) = cloud.sqs.receive_message(QueueUrl=queue)["Messages"]
    assert "device dev-1 failed in all its 2 cycle(s)" in letter["Body"]
    assert "FW = 2.26, model = wo:v8" in letter["Body"]


def test_trouble_with_one_topic_tells_the_other_no_second_time(
    cloud: Cloud, failing: dict[str, Any], environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("OPERATOR_TOPIC_ARN", "arn:aws:sns:eu-west-1:123456789012:deleted")
    settings.cache_clear()
    reset_retry_count_to_failed_update.handler(failing, None)
    for _ in range(3):
        with pytest.raises(RequestRefusedError):
            send_sns_notification.handler(failing, None)
    assert cloud.calls.count("sns.publish") == 1 + 3
    assert len(cloud.messages()) == 1


def test_settings_changed_while_a_device_is_away_do_not_lose_its_originals(
    cloud: Cloud, cooling: dict[str, Any], environment: pytest.MonkeyPatch
) -> None:
    reset_retry_counter_and_move_out.handler(cooling, None)
    environment.setenv("MOVE_OUT_ATTRIBUTES", '{"firmwareRetry": "coolingDown"}')
    environment.setenv("FAILED_ATTRIBUTES", '{"firmwareRetry": "failed"}')
    settings.cache_clear()
    restore_device_attributes.handler(cooling, None)
    assert cloud.attributes() == ORIGINAL


def test_a_fleet_may_keep_its_attributes_and_set_a_marker(
    cloud: Cloud, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("MOVE_OUT_ATTRIBUTES", '{"firmwareRetry": "coolingDown"}')
    environment.setenv("FAILED_ATTRIBUTES", '{"firmwareRetry": "failed"}')
    settings.cache_clear()
    cloud.create_thing(model="wo:v8", FW="2.27")
    begin()
    recovery = use_up_a_cycle()
    reset_retry_counter_and_move_out.handler(recovery, None)
    assert cloud.attributes() == {"model": "wo:v8", "FW": "2.27", "firmwareRetry": "coolingDown"}
    restore_device_attributes.handler(recovery, None)
    assert cloud.attributes() == {"model": "wo:v8", "FW": "2.27"}


class CrashError(Exception):
    """The process dies here."""


def crash_after(environment: pytest.MonkeyPatch, fatal: int) -> None:
    """Lets the ``fatal``-th call of the package take effect, and then the process die."""
    made = 0

    def crashing(service: str, operation: str, **parameters: Any) -> Any:
        nonlocal made
        answer = call(service, operation, **parameters)
        made += 1
        if made == fatal:
            raise CrashError
        return answer

    environment.setattr("firmware_retry.aws.call", crashing)


# How many calls each step makes on its way.
RECOVERY_STEPS = [
    (reset_retry_counter_and_move_out, 6, MOVED_OUT),
    (restore_device_attributes, 5, ORIGINAL),
]


@pytest.mark.parametrize(
    ("position", "fatal"),
    [(p, n) for p, (_, calls, _) in enumerate(RECOVERY_STEPS) for n in range(1, calls + 1)],
)
def test_a_recovery_step_that_died_after_any_call_can_run_again(
    cloud: Cloud,
    cooling: dict[str, Any],
    environment: pytest.MonkeyPatch,
    position: int,
    fatal: int,
) -> None:
    for step, _, _ in RECOVERY_STEPS[:position]:
        step.handler(cooling, None)
    step, _, attributes = RECOVERY_STEPS[position]
    crash_after(environment, fatal)
    with pytest.raises(CrashError):
        step.handler(cooling, None)
    environment.setattr("firmware_retry.aws.call", call)
    try:
        step.handler(cooling, None)
    except RecoverySupersededError:  # it died after its very last call
        assert fatal == RECOVERY_STEPS[position][1]
    assert cloud.attributes() == attributes


def test_a_slow_twin_cannot_move_a_restored_device_out_again(
    cloud: Cloud, cooling: dict[str, Any], environment: pytest.MonkeyPatch
) -> None:
    """It read the thing and claimed the device; then its twin finished, and the day went by."""
    update = registry.update

    def late(thing: registry.Thing, changes: Any) -> None:
        environment.setattr(registry, "update", update)
        reset_retry_counter_and_move_out.handler(cooling, None)
        restore_device_attributes.handler(cooling, None)
        update(thing, changes)

    environment.setattr(registry, "update", late)
    with pytest.raises(TransientError, match="VersionConflict"):
        reset_retry_counter_and_move_out.handler(cooling, None)
    with pytest.raises(RecoverySupersededError):
        reset_retry_counter_and_move_out.handler(cooling, None)
    assert cloud.attributes() == ORIGINAL


def test_a_slow_twin_cannot_restore_a_device_in_its_second_cool_down(
    cloud: Cloud, cooling: dict[str, Any], environment: pytest.MonkeyPatch
) -> None:
    """It read the thing and its record; then the second cycle came and went."""
    environment.setenv("COOL_DOWN_SECONDS", "[60, 60]")
    settings.cache_clear()
    reset_retry_counter_and_move_out.handler(cooling, None)
    update = registry.update

    def late(thing: registry.Thing, changes: Any) -> None:
        environment.setattr(registry, "update", update)
        restore_device_attributes.handler(cooling, None)
        reset_retry_counter_and_move_out.handler(use_up_a_cycle(100), None)
        update(thing, changes)

    environment.setattr(registry, "update", late)
    with pytest.raises(TransientError, match="VersionConflict"):
        restore_device_attributes.handler(cooling, None)
    with pytest.raises(RecoverySupersededError):
        restore_device_attributes.handler(cooling, None)
    assert cloud.attributes() == MOVED_OUT
