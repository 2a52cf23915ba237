"""Why an update failed decides whether it counts, and whether another try is worth it."""

import json
from typing import Any

import pytest

from firmware_retry.handlers import (
    increment_retry_counter,
    move_device_to_failed_group,
    reset_retry_count_to_failed_update,
    send_sns_notification,
)

from .conftest import LIMIT, Cloud, configure, failure, job_event
from .journey import FAILED, ORIGINAL, Stage, bring, handle

IGNORED = '["battery*", "*offline", "E17"]'
FATAL = '["wrong image*", "666"]'


@pytest.fixture(autouse=True)
def patterns(cloud: Cloud, environment: pytest.MonkeyPatch) -> None:
    configure(environment, IGNORED_REASONS=IGNORED, FATAL_REASONS=FATAL)


@pytest.fixture
def thing(cloud: Cloud) -> Cloud:
    cloud.create_thing(**ORIGINAL)
    return cloud


IGNORED_FIELDS = [
    {"reason": "battery low"},
    {"reason": "Server is OFFLINE"},
    {"errorCode": "E17", "reason": "whatever"},
    {"reason": "battery " + "very " * 1_000 + "low"},
    {"reason": "battery\n\x1b[31m"},
]


@pytest.mark.parametrize("fields", IGNORED_FIELDS)
def test_an_ignored_failure_costs_nothing_and_counts_for_nothing(
    cloud: Cloud, fields: dict[str, Any]
) -> None:
    for event in (failure(**fields), job_event(**fields)):
        assert increment_retry_counter.handler(event, None) == {"outcome": "ignored"}
    assert cloud.calls == []


@pytest.mark.parametrize("stage", Stage)
def test_it_changes_nothing_in_any_state(cloud: Cloud, stage: Stage) -> None:
    bring(cloud, stage)
    before = cloud.record()
    assert handle(failure(500, reason="battery low", fw="2.28")) == "ignored"
    assert cloud.record() == before


@pytest.mark.parametrize(
    "fields", [{}, {"reason": "low battery"}, {"errorCode": 17}, {"reason": "E17 or so"}]
)
def test_a_failure_for_any_other_reason_counts(thing: Cloud, fields: dict[str, Any]) -> None:
    assert handle(failure(**fields)) == "counted"


@pytest.mark.parametrize(
    "fields", [{"reason": "WRONG image for wo:v8"}, {"errorCode": 666}, {"errorCode": "666"}]
)
def test_a_fatal_failure_goes_straight_to_the_failed_group(
    thing: Cloud, fields: dict[str, Any]
) -> None:
    assert handle(failure(1, **fields)) == "escalation_due"
    answer = increment_retry_counter.handler(failure(1, **fields), None)
    recovery = answer["recovery"]
    assert answer["recoveryId"] == f"{recovery['trackingId']}-1"
    assert recovery["reason"] == f"fatal reason: {next(iter(fields.values()))}"
    for step in (
        reset_retry_count_to_failed_update,
        move_device_to_failed_group,
        send_sns_notification,
    ):
        step.handler(recovery, None)
    assert (thing.attributes(), thing.members()) == (FAILED, ["dev-1"])
    (message,) = map(json.loads, thing.messages())
    assert message["cycles"] == 1


def test_a_fatal_failure_in_a_later_cycle_does_too(cloud: Cloud) -> None:
    bring(cloud, Stage.BACK)
    assert handle(failure(500)) == "counted"
    assert handle(failure(501, reason="wrong image")) == "escalation_due"


def test_what_is_ignored_and_fatal_is_ignored(thing: Cloud) -> None:
    assert handle(failure(errorCode=666, reason="battery low")) == "ignored"


def test_the_reason_of_the_last_failure_is_in_record_history_and_alert(
    thing: Cloud, environment: pytest.MonkeyPatch
) -> None:
    configure(environment, COOL_DOWN_SECONDS="[]")
    for number in range(LIMIT):
        handle(failure(number, errorCode=number, reason="flash is full"))
    item = thing.record()
    assert item
    assert item["lastReason"] == f"{LIMIT - 1}, flash is full"
    recovery = increment_retry_counter.handler(failure(0), None)["recovery"]
    reset_retry_count_to_failed_update.handler(recovery, None)
    send_sns_notification.handler(recovery, None)
    assert thing.steps()[-1] == ("tracking", "failed", "retry limit reached: 2, flash is full")
    (message,) = map(json.loads, thing.messages())
    assert message["reason"] == "2, flash is full"
