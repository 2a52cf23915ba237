"""The history has one line for each transition, written together with it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from firmware_retry import aws, history_table
from firmware_retry.errors import (
    RecoverySupersededError,
    RequestRefusedError,
    StaleMessageError,
    ThingNotFoundError,
    TransientError,
)
from firmware_retry.handlers import (
    check_if_device_exists,
    clear_device_record,
    release_device,
    reset_retry_counter_and_move_out,
    restore_device_attributes,
)
from firmware_retry.history_table import Transition

from .conftest import HISTORY, HISTORY_DAYS, Cloud, failure, success
from .journey import ORIGINAL, Recovery, Stage, begin, bring, handle

LATER = 1_000


def test_a_whole_life_can_be_read(cloud: Cloud) -> None:
    bring(cloud, Stage.NOTIFIED)
    release_device.handler({"deviceId": "dev-1"}, None)
    handle(failure(LATER, reason="flash is full"))
    handle(failure(LATER + 1, fw="2.28"))
    handle(success(LATER + 2))
    assert cloud.steps() == [
        ("free", "tracking", "first failure"),
        ("tracking", "cooling_down", "retry limit reached"),
        ("cooling_down", "tracking", "cool-down is over"),
        ("tracking", "failed", "retry limit reached"),
        ("failed", "free", "released by an operator"),
        ("free", "tracking", "first failure: flash is full"),
        ("tracking", "free", "another campaign began"),
        ("free", "tracking", "first failure"),
        ("tracking", "free", "update succeeded"),
    ]


def test_each_line_says_in_which_episode_and_by_which_run(cloud: Cloud) -> None:
    tracking_id = bring(cloud, Stage.FAILED)["trackingId"]
    lines = cloud.history()
    assert {line["trackingId"] for line in lines} == {tracking_id}
    assert {line["campaign"] for line in lines} == {"2.27"}
    cool_down, escalation = f"{tracking_id}-1", f"{tracking_id}-2"
    assert [line["execution"] for line in lines] == ["", cool_down, cool_down, escalation]


def test_each_line_says_when_and_is_kept_for_its_time(cloud: Cloud, fake_time: list[float]) -> None:
    fake_time[0] += 0.25
    bring(cloud, Stage.TRACKED)
    (line,) = cloud.history()
    assert line["at"].startswith("2024-03-24T22:45:00.250Z#")
    assert line["expiresAt"] == int(fake_time[0]) + HISTORY_DAYS * 86_400


@pytest.mark.usefixtures("fake_time")
@pytest.mark.parametrize("up_to", [None, 0, 1_711_000_000_000])
def test_a_line_is_read_as_it_was_written(up_to: int | None) -> None:
    written = Transition("dev-1", "t", "2.27", "tracking", "free", "update succeeded", "t-1", up_to)
    read = Transition.of(history_table.make_item(written, HISTORY_DAYS))
    assert read == replace(written, at="2024-03-24T22:45:00.000Z")


@pytest.mark.parametrize(
    ("stage", "last"),
    [
        (Stage.COOLING_DOWN, ("cooling_down", "free", "update succeeded")),
        (Stage.NOTIFIED, ("failed", "free", "update succeeded")),
    ],
)
def test_the_end_of_an_episode_says_where_the_device_was(
    cloud: Cloud, stage: Stage, last: tuple[str, str, str]
) -> None:
    recovery = bring(cloud, stage)
    handle(success(LATER))
    assert cloud.steps()[-1] == last
    line = cloud.history()[-1]
    assert line["execution"] == f"{recovery['trackingId']}-{recovery['cycle']}"
    assert line["upTo"] == int(success(LATER)["timestamp"])


def test_a_thing_that_vanished_has_its_line(cloud: Cloud) -> None:
    recovery = bring(cloud, Stage.COOLING_DOWN)
    cloud.iot.delete_thing(thingName="dev-1")
    with pytest.raises(ThingNotFoundError):
        restore_device_attributes.handler(recovery, None)
    assert cloud.steps()[-1] == ("cooling_down", "free", "thing is gone")


def test_counting_leaves_no_line(cloud: Cloud) -> None:
    bring(cloud, Stage.DUE)
    assert len(cloud.history()) == 1


def test_what_changes_nothing_leaves_no_line(cloud: Cloud) -> None:
    recovery = bring(cloud, Stage.COOLING_DOWN)
    before = cloud.history()
    begin()
    with pytest.raises(RecoverySupersededError):
        reset_retry_counter_and_move_out.handler({**recovery, "trackingId": "other"}, None)
    early = success(0)
    clear_device_record.handler(early | {"receivedAt": int(early["timestamp"])}, None)
    clear_device_record.handler(failure(0, fw="2.25"), None)
    assert cloud.history() == before


# A transition, by the step that makes it: where the device is before, and the step.
TRANSITIONS: dict[str, tuple[Stage, Callable[[Recovery], Any]]] = {
    "claim": (Stage.DUE, lambda recovery: reset_retry_counter_and_move_out.handler(recovery, None)),
    "release": (
        Stage.COOLING_DOWN,
        lambda recovery: restore_device_attributes.handler(recovery, None),
    ),
    "end": (Stage.TRACKED, lambda _: clear_device_record.handler(success(LATER), None)),
    "end of one held": (
        Stage.NOTIFIED,
        lambda _: clear_device_record.handler(success(LATER), None),
    ),
}


@pytest.mark.parametrize("transition", TRANSITIONS)
def test_a_transition_whose_answer_was_lost_has_one_line(
    cloud: Cloud, environment: pytest.MonkeyPatch, transition: str
) -> None:
    stage, step = TRANSITIONS[transition]
    recovery = bring(cloud, stage)
    before = len(cloud.history())
    with environment.context() as patch:
        lose_answers_of_transactions(patch)
        with pytest.raises(TransientError):
            step(recovery)
    try:
        step(recovery)
    except RecoverySupersededError:  # the end of a run, or of its cycle
        assert transition == "release"
    assert len(cloud.history()) == before + 1


def test_a_beginning_whose_answer_was_lost_has_one_line(
    cloud: Cloud, environment: pytest.MonkeyPatch
) -> None:
    cloud.create_thing(**ORIGINAL)
    with environment.context() as patch:
        lose_answers_of_transactions(patch)
        with pytest.raises(TransientError):
            handle(failure())
    assert handle(failure()) == "counted"
    assert len(cloud.history()) == 1


def lose_answers_of_transactions(patch: pytest.MonkeyPatch) -> None:
    call = aws.call

    def losing(service: str, operation: str, **parameters: Any) -> Any:
        answer = call(service, operation, **parameters)
        if operation == "transact_write_items":
            raise TransientError("no answer")
        return answer

    patch.setattr(aws, "call", losing)


@pytest.mark.parametrize("transition", TRANSITIONS)
def test_there_is_no_transition_without_its_line(cloud: Cloud, transition: str) -> None:
    stage, step = TRANSITIONS[transition]
    recovery = bring(cloud, stage)
    before = state_of(cloud)
    cloud.dynamodb.Table(HISTORY).delete()
    with pytest.raises((TransientError, RequestRefusedError)):
        step(recovery)
    assert state_of(cloud) == before


def state_of(cloud: Cloud) -> tuple[Any, Any]:
    item = cloud.record()
    assert item
    return item["state"], item["trackingId"]


# What it says of late messages


def test_of_a_device_that_nothing_is_known_of_nothing_is_of_the_past(cloud: Cloud) -> None:
    cloud.create_thing()
    found = check_if_device_exists.handler(failure(), None)
    assert (found["notBefore"], found["rounds"]) == (0, 1)


def test_what_was_sent_before_the_last_episode_ended_is_of_the_past(cloud: Cloud) -> None:
    bring(cloud, Stage.TRACKED)
    handle(success(LATER))
    with pytest.raises(StaleMessageError, match="dev-1: sent before the last episode ended"):
        check_if_device_exists.handler(failure(LATER - 1), None)
    not_before = int(success(LATER)["timestamp"])
    found = check_if_device_exists.handler(failure(LATER), None)
    assert (found["notBefore"], found["rounds"]) == (not_before, 1)


def test_the_latest_end_counts_and_costs_one_read(cloud: Cloud) -> None:
    cloud.create_thing(**ORIGINAL)
    for number in (10, 30):
        handle(failure(number))
        handle(success(number + 1))
    cloud.calls.clear()
    assert history_table.read_latest_end("dev-1").up_to == int(success(31)["timestamp"])
    assert cloud.calls == ["dynamodb.get_item"]


def test_what_is_of_the_past_stays_so_while_the_next_episode_is_on(cloud: Cloud) -> None:
    """Another message may have begun it just before this one is looked up."""
    bring(cloud, Stage.TRACKED)
    handle(success(LATER))
    handle(failure(LATER + 1))
    check_if_device_exists.handler(failure(LATER - 1), None)
    assert handle(failure(LATER - 1)) == "stale"
