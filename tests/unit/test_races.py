"""Who is slow, or comes in between, does no harm."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest

from firmware_retry import backup_table, registry, retries_table
from firmware_retry import recovery as recoveries
from firmware_retry.errors import BackupMissingError, RecoverySupersededError, TransientError
from firmware_retry.handlers import (
    clear_device_record,
    move_device_to_failed_group,
    release_device,
    reset_retry_count_to_failed_update,
    reset_retry_counter_and_move_out,
    restore_device_attributes,
    send_sns_notification,
)
from firmware_retry.record import Cause, Run

from .conftest import BACKUP, GROUP, Cloud, configure, failure, success
from .journey import MOVED_OUT, ORIGINAL, Handler, Stage, bring, handle, interrupt, use_up_a_cycle

LATER = 1_000


def succeed() -> None:
    clear_device_record.handler(success(LATER), None)


def once(module: Any, name: str, *, before: Callable[[], Any] = int, after: Any = int) -> Any:
    """Lets something happen just before, or just after, the next call of a function."""
    patch = pytest.MonkeyPatch()
    function = getattr(module, name)

    def disturb(*arguments: Any) -> Any:
        patch.undo()
        before()
        answer = function(*arguments)
        after()
        return answer

    patch.setattr(module, name, disturb)


# A device that joins the failed group while its episode ends


def assert_free(cloud: Cloud) -> None:
    assert (cloud.record(), cloud.backup()) == (None, None)
    assert (cloud.attributes(), cloud.members()) == (ORIGINAL, [])


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(succeed, id="succeeded"),
        pytest.param(lambda: release_device.handler({"deviceId": "dev-1"}, None), id="released"),
    ],
)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_device_whose_episode_ends_while_it_joins_the_failed_group_does_not_stay_in_it(
    cloud: Cloud, end: Callable[[], Any], moment: str
) -> None:
    recovery = bring(cloud, Stage.FAILED)
    once(registry, "add_to_group", **{moment: end})
    with pytest.raises(RecoverySupersededError):
        move_device_to_failed_group.handler(recovery, None)
    assert_free(cloud)


def test_nor_does_one_that_begins_its_next_episode_meanwhile(cloud: Cloud) -> None:
    recovery = bring(cloud, Stage.FAILED)
    once(registry, "add_to_group", before=lambda: handle(failure(LATER, fw="2.28")))
    with pytest.raises(RecoverySupersededError):
        move_device_to_failed_group.handler(recovery, None)
    assert cloud.members() == []
    item = cloud.record()
    assert item
    assert item["campaign"] == "2.28"


def test_nor_does_one_whose_end_has_taken_it_out_already(cloud: Cloud) -> None:
    recovery = bring(cloud, Stage.FAILED)
    ending = partial(interrupt, clear_device_record.handler, success(LATER))
    once(registry, "add_to_group", before=ending)
    with pytest.raises(RecoverySupersededError):
        move_device_to_failed_group.handler(recovery, None)
    item = cloud.record()
    assert item
    assert (item["ending"], cloud.members()) == ("update succeeded", [])


def test_nor_does_one_that_joined_before_the_process_died(cloud: Cloud) -> None:
    """The step is repeated when the episode has ended: it must not leave what it did."""
    recovery = bring(cloud, Stage.FAILED)
    succeed()
    cloud.add_to(GROUP)
    with pytest.raises(RecoverySupersededError):
        move_device_to_failed_group.handler(recovery, None)
    assert cloud.members() == []


def test_a_run_of_an_earlier_episode_does_not_take_a_failed_device_out(cloud: Cloud) -> None:
    recovery = bring(cloud, Stage.NOTIFIED)
    with pytest.raises(RecoverySupersededError):
        move_device_to_failed_group.handler({**recovery, "trackingId": "earlier"}, None)
    assert cloud.members() == ["dev-1"]


# Two who end the same episode


@pytest.mark.parametrize(
    ("stage", "step"),
    [
        (Stage.COOLING_DOWN, restore_device_attributes.handler),
        (Stage.NOTIFIED, lambda recovery, _: recoveries.finish(Run.parse(recovery))),
    ],
)
@pytest.mark.parametrize("function", ["describe", "update"])
def test_a_second_worker_that_ends_the_episode_leaves_nothing_to_do_and_nothing_missing(
    cloud: Cloud, stage: Stage, step: Handler, function: str
) -> None:
    recovery = bring(cloud, stage)
    once(registry, function, before=succeed)
    with pytest.raises((RecoverySupersededError, TransientError)):
        step(recovery, None)
    with pytest.raises(RecoverySupersededError):
        step(recovery, None)
    assert_free(cloud)


@pytest.mark.parametrize("stage", [Stage.COOLING_DOWN, Stage.NOTIFIED])
def test_a_backup_that_a_second_worker_took_with_the_record_is_not_missing(
    cloud: Cloud, stage: Stage
) -> None:
    recovery = bring(cloud, stage)
    once(backup_table, "read", before=succeed)
    with pytest.raises(RecoverySupersededError):
        recoveries.finish(Run.parse(recovery))
    assert_free(cloud)


def test_a_backup_that_somebody_deleted_is(cloud: Cloud) -> None:
    bring(cloud, Stage.COOLING_DOWN)
    cloud.dynamodb.Table(BACKUP).delete_item(Key={"deviceId": "dev-1"})
    with pytest.raises(BackupMissingError):
        succeed()


# An end that is asked for while a step is under way


def test_a_restored_device_whose_success_came_in_between_ends_its_episode(cloud: Cloud) -> None:
    recovery = bring(cloud, Stage.COOLING_DOWN)
    run = Run.parse(recovery)
    once(retries_table, "release", before=lambda: retries_table.ask_to_end(run, Cause.SUCCEEDED, 5))
    with pytest.raises(TransientError, match="went on meanwhile"):
        restore_device_attributes.handler(recovery, None)
    restore_device_attributes.handler(recovery, None)
    assert_free(cloud)
    assert cloud.steps()[-1] == ("cooling_down", "free", "update succeeded")


@pytest.mark.parametrize(
    ("stage", "step"),
    [
        (Stage.DUE, reset_retry_counter_and_move_out),
        (Stage.FAILING, reset_retry_count_to_failed_update),
    ],
)
@pytest.mark.parametrize("function", ["claim", "mark_away"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_success_at_any_moment_of_an_overwriting_ends_the_episode(
    cloud: Cloud, stage: Stage, step: Any, function: str, moment: str
) -> None:
    recovery = bring(cloud, stage)
    once(retries_table, function, **{moment: succeed})
    # Before the claim, and after the step has recorded that the device is away, the success ends
    # the episode itself; in between it is left to the step.
    is_left_to_step = (function, moment) in {("claim", "after"), ("mark_away", "before")}
    with (
        nullcontext()
        if is_left_to_step or moment == "after"
        else pytest.raises(RecoverySupersededError)
    ):
        step.handler(recovery, None)
    assert_free(cloud)


def test_a_device_that_was_claimed_since_it_was_read_is_looked_at_again(cloud: Cloud) -> None:
    recovery = bring(cloud, Stage.DUE)
    once(
        recoveries,
        "end_episode",
        before=lambda: reset_retry_counter_and_move_out.handler(recovery, None),
    )
    with pytest.raises(TransientError, match="went on meanwhile"):
        succeed()
    assert cloud.attributes() == MOVED_OUT
    succeed()
    assert_free(cloud)


def test_people_who_were_told_just_before_the_end_are_told_that_the_device_healed(
    cloud: Cloud,
) -> None:
    """Whoever ends the episode had read the record before."""
    recovery = bring(cloud, Stage.FAILED)
    once(retries_table, "end", before=lambda: retries_table.mark_notified(Run.parse(recovery)))
    with pytest.raises(TransientError, match="went on meanwhile"):
        succeed()
    succeed()
    assert_free(cloud)
    assert [json.loads(message)["event"] for message in cloud.messages()] == ["healed"]


def test_nobody_is_told_of_a_device_whose_episode_is_to_end(cloud: Cloud) -> None:
    recovery = bring(cloud, Stage.FAILED)
    retries_table.ask_to_end(Run.parse(recovery), Cause.SUCCEEDED, 5)
    with pytest.raises(RecoverySupersededError):
        send_sns_notification.handler(recovery, None)
    assert cloud.messages() == []


# A stale worker of a step


def test_a_stale_worker_cannot_move_a_restored_device_out_again(cloud: Cloud) -> None:
    """It read the thing and claimed the device; then another run finished, and the day went by."""
    recovery = bring(cloud, Stage.DUE)

    def a_day() -> None:
        reset_retry_counter_and_move_out.handler(recovery, None)
        restore_device_attributes.handler(recovery, None)

    once(registry, "update", before=a_day)
    with pytest.raises(TransientError, match="VersionConflict"):
        reset_retry_counter_and_move_out.handler(recovery, None)
    with pytest.raises(RecoverySupersededError):
        reset_retry_counter_and_move_out.handler(recovery, None)
    assert cloud.attributes() == ORIGINAL


def test_a_stale_worker_cannot_restore_a_device_in_its_second_cool_down(
    cloud: Cloud, environment: pytest.MonkeyPatch
) -> None:
    """It read the thing and its record; then the second cycle came and went."""
    configure(environment, COOL_DOWN_SECONDS="[60, 60]")
    recovery = bring(cloud, Stage.COOLING_DOWN)

    def a_cycle() -> None:
        restore_device_attributes.handler(recovery, None)
        reset_retry_counter_and_move_out.handler(use_up_a_cycle(100), None)

    once(registry, "update", before=a_cycle)
    with pytest.raises(TransientError, match="VersionConflict"):
        restore_device_attributes.handler(recovery, None)
    with pytest.raises(RecoverySupersededError):
        restore_device_attributes.handler(recovery, None)
    assert cloud.attributes() == MOVED_OUT


def test_a_stale_worker_cannot_overwrite_a_device_whose_update_succeeded(cloud: Cloud) -> None:
    recovery = bring(cloud, Stage.MOVING)

    def finish_update() -> None:
        succeed()
        reset_retry_counter_and_move_out.handler(recovery, None)

    once(registry, "update", before=finish_update)
    with pytest.raises(TransientError, match="VersionConflict"):
        reset_retry_counter_and_move_out.handler(recovery, None)
    with pytest.raises(RecoverySupersededError):
        reset_retry_counter_and_move_out.handler(recovery, None)
    assert_free(cloud)
