"""Each step by its entry point, and the journey that they make together."""

import json
from typing import Any

import pytest

from firmware_retry import aws
from firmware_retry.errors import (
    BackupMissingError,
    EpisodeContendedError,
    InvalidMessageError,
    RecoverySupersededError,
    RequestRefusedError,
    ThingNotFoundError,
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

from .conftest import BACKUP, GROUP, LIMIT, TABLES, Cloud, configure, failure
from .journey import (
    FAILED,
    MOVED_OUT,
    ORIGINAL,
    Recovery,
    Stage,
    begin,
    bring,
    use_up_a_cycle,
)


@pytest.fixture
def cool_down(cloud: Cloud) -> Recovery:
    """The input of a recovery whose device is about to be moved out."""
    return bring(cloud, Stage.DUE)


@pytest.fixture
def escalation(cloud: Cloud) -> Recovery:
    """The input of an escalation that is about to begin."""
    return bring(cloud, Stage.FAILING)


def test_the_whole_journey(cloud: Cloud, cool_down: Recovery) -> None:
    wait = reset_retry_counter_and_move_out.handler(cool_down, None)
    assert wait == {"dueAt": "2024-03-25T23:57:00Z"}  # 24 h and half of the jitter's tenth
    assert cloud.attributes() == MOVED_OUT
    assert increment_retry_counter.handler(failure(50), None) == {"outcome": "cooling_down"}

    assert restore_device_attributes.handler(cool_down, None) == {"restored": ["FW", "model"]}
    assert cloud.attributes() == ORIGINAL

    escalation = use_up_a_cycle(100)
    assert escalation["cycle"] == 2
    assert reset_retry_count_to_failed_update.handler(escalation, None) == {
        "dueAt": "2024-03-24T23:00:00Z"
    }
    assert cloud.attributes() == FAILED
    move_device_to_failed_group.handler(escalation, None)
    assert cloud.members() == ["dev-1"]
    send_sns_notification.handler(escalation, None)
    assert [json.loads(message) for message in cloud.messages()] == [
        {
            "version": 2,
            "event": "failed",
            "fleet": "",
            "deviceId": "dev-1",
            "model": "wo:v8",
            "firmware": "2.26",
            "campaign": "2.27",
            "reason": "",
            "cycles": 2,
            "startedAt": "2024-03-24T22:43:28Z",
            "failedAt": "2024-03-24T22:43:28Z",
            "attributes": {"FW": "2.26", "model": "wo:v8"},
            "failedAttributes": {"FW": "failedtoupdate", "model": "failedtoupdate"},
            "thingGroup": GROUP,
            "recoveryId": f"{escalation['trackingId']}-2",
        }
    ]
    for number in range(200, 211):
        assert increment_retry_counter.handler(failure(number), None) == {"outcome": "failed"}
    assert cloud.messages() == []


def _alert(cloud: Cloud) -> dict[str, Any]:
    (message,) = cloud.messages()
    alert: dict[str, Any] = json.loads(message)
    return alert


def test_an_attribute_that_the_thing_never_had_is_empty_in_the_alert(cloud: Cloud) -> None:
    bring(cloud, Stage.NOTIFIED, original={"site": "7"})
    alert = _alert(cloud)
    assert (alert["model"], alert["firmware"]) == ("", "")


def test_an_alert_does_without_a_backup(cloud: Cloud) -> None:
    escalation = bring(cloud, Stage.FAILED)
    cloud.dynamodb.Table(BACKUP).delete_item(Key={"deviceId": "dev-1"})
    send_sns_notification.handler(escalation, None)
    alert = _alert(cloud)
    assert (alert["model"], alert["firmware"], alert["attributes"]) == ("", "", {})


def test_every_read_sees_what_was_written_before(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: set[tuple[str, bool]] = set()
    call = aws.call

    def watch(service: str, operation: str, **parameters: Any) -> Any:
        if operation in ("get_item", "query"):
            reads.add((parameters["TableName"], parameters.get("ConsistentRead", False)))
        return call(service, operation, **parameters)

    monkeypatch.setattr(aws, "call", watch)
    bring(cloud, Stage.NOTIFIED)
    assert reads == {(table, True) for table in TABLES}


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
        "campaign": "2.27",
        "reason": "retry limit reached",
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


def test_a_thing_that_does_not_exist_leaves_nothing(cloud: Cloud) -> None:
    with pytest.raises(ThingNotFoundError):
        check_if_device_exists.handler(failure(), None)
    assert (cloud.record(), cloud.backup()) == (None, None)


def test_the_beginning_of_an_episode_reads_the_thing_once(cloud: Cloud) -> None:
    """AWS allows 350 readings a second: a bad release has hundreds of devices begin in each."""
    cloud.create_thing(**ORIGINAL)
    begin()
    assert [call for call in cloud.calls if call.startswith("iot.")] == ["iot.describe_thing"]
    assert cloud.backup() is not None


def test_the_ladder_may_be_empty(cloud: Cloud, environment: pytest.MonkeyPatch) -> None:
    configure(environment, COOL_DOWN_SECONDS="[]")
    cloud.create_thing(**ORIGINAL)
    begin()
    for number in range(LIMIT):
        answer = increment_retry_counter.handler(failure(number), None)
    assert answer["outcome"] == "escalation_due"


def test_a_ladder_shortened_meanwhile_still_has_a_last_step(
    cloud: Cloud, escalation: Recovery
) -> None:
    assert reset_retry_counter_and_move_out.handler(escalation, None) == {
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


def test_an_attribute_that_a_person_changed_during_the_cool_down_stays(
    cloud: Cloud, cool_down: Recovery
) -> None:
    reset_retry_counter_and_move_out.handler(cool_down, None)
    cloud.iot.update_thing(
        thingName="dev-1", attributePayload={"attributes": {"FW": "3.0"}, "merge": True}
    )
    assert restore_device_attributes.handler(cool_down, None) == {"restored": ["model"]}
    assert cloud.attributes() == {**ORIGINAL, "FW": "3.0"}


def test_the_registry_is_the_truth_at_the_moment_of_overwriting(
    cloud: Cloud, cool_down: Recovery
) -> None:
    """Somebody corrected the thing after the first failure was recorded."""
    cloud.iot.update_thing(
        thingName="dev-1", attributePayload={"attributes": {"FW": "2.27"}, "merge": True}
    )
    reset_retry_counter_and_move_out.handler(cool_down, None)
    restore_device_attributes.handler(cool_down, None)
    assert cloud.attributes() == {**ORIGINAL, "FW": "2.27"}


@pytest.mark.parametrize("vanishes_before", ["move out", "restore", "mark failed", "move to group"])
def test_a_thing_that_vanished_ends_its_episode(
    cloud: Cloud, cool_down: Recovery, vanishes_before: str
) -> None:
    steps = {
        "move out": reset_retry_counter_and_move_out,
        "restore": restore_device_attributes,
        "mark failed": reset_retry_count_to_failed_update,
        "move to group": move_device_to_failed_group,
    }
    recovery = cool_down
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
    cloud: Cloud, cool_down: Recovery, step: Any
) -> None:
    before = (cloud.record(), cloud.backup(), cloud.attributes())
    with pytest.raises(RecoverySupersededError):
        step.handler({**cool_down, "trackingId": "other"}, None)
    assert (cloud.record(), cloud.backup(), cloud.attributes()) == before
    assert cloud.members() == []
    assert cloud.messages() == []


def test_a_missing_backup_is_not_passed_over(cloud: Cloud, cool_down: Recovery) -> None:
    reset_retry_counter_and_move_out.handler(cool_down, None)
    cloud.dynamodb.Table(BACKUP).delete_item(Key={"deviceId": "dev-1"})
    with pytest.raises(BackupMissingError, match="no backup of dev-1 in DeviceAttributeBackup"):
        restore_device_attributes.handler(cool_down, None)


def test_a_missing_group_fails_and_tells_nobody_yet(cloud: Cloud, escalation: Recovery) -> None:
    reset_retry_count_to_failed_update.handler(escalation, None)
    cloud.iot.delete_thing_group(thingGroupName=GROUP)
    with pytest.raises(RequestRefusedError, match=GROUP):
        move_device_to_failed_group.handler(escalation, None)
    assert cloud.record()


def test_a_device_that_was_told_of_does_not_join_the_failed_group_again(cloud: Cloud) -> None:
    """An operator has taken it out, and its step runs once more."""
    recovery = bring(cloud, Stage.NOTIFIED)
    cloud.remove_from(GROUP)
    move_device_to_failed_group.handler(recovery, None)
    assert cloud.members() == []


def test_operators_are_notified_once_however_often_the_step_runs(
    cloud: Cloud, escalation: Recovery
) -> None:
    reset_retry_count_to_failed_update.handler(escalation, None)
    send_sns_notification.handler(escalation, None)
    cloud.calls.clear()
    send_sns_notification.handler(escalation, None)
    assert "sns.publish" not in cloud.calls
    assert len(cloud.messages()) == 1


def test_settings_changed_while_a_device_is_away_do_not_lose_its_originals(
    cloud: Cloud, cool_down: Recovery, environment: pytest.MonkeyPatch
) -> None:
    reset_retry_counter_and_move_out.handler(cool_down, None)
    configure(
        environment,
        MOVE_OUT_ATTRIBUTES='{"firmwareRetry": "coolingDown"}',
        FAILED_ATTRIBUTES='{"firmwareRetry": "failed"}',
    )
    restore_device_attributes.handler(cool_down, None)
    assert cloud.attributes() == ORIGINAL


def test_a_fleet_may_keep_its_attributes_and_set_a_marker(
    cloud: Cloud, environment: pytest.MonkeyPatch
) -> None:
    configure(
        environment,
        MOVE_OUT_ATTRIBUTES='{"firmwareRetry": "coolingDown"}',
        FAILED_ATTRIBUTES='{"firmwareRetry": "failed"}',
    )
    cloud.create_thing(model="wo:v8", FW="2.27")
    begin()
    recovery = use_up_a_cycle()
    reset_retry_counter_and_move_out.handler(recovery, None)
    assert cloud.attributes() == {"model": "wo:v8", "FW": "2.27", "firmwareRetry": "coolingDown"}
    restore_device_attributes.handler(recovery, None)
    assert cloud.attributes() == {"model": "wo:v8", "FW": "2.27"}


def test_an_intake_does_not_go_round_for_ever(cloud: Cloud) -> None:
    """Messages of other campaigns end each episode before its first failure is counted."""
    cloud.create_thing()
    event = failure()
    for _ in range(check_if_device_exists.MOST_ROUNDS):
        event["past"] = check_if_device_exists.handler(event, None)
    with pytest.raises(EpisodeContendedError, match="dev-1: its episode ended 3 times"):
        check_if_device_exists.handler(event, None)
