"""The ladder of waits, and the groups that a device has to leave before it may come back."""

import logging
from typing import Any

import pytest

from firmware_retry import clock, recovery
from firmware_retry.errors import StillInGroupError
from firmware_retry.handlers import (
    clear_device_record,
    reset_retry_count_to_failed_update,
    reset_retry_counter_and_move_out,
    restore_device_attributes,
)

from .conftest import Cloud, configure, success
from .journey import (
    MOVED_OUT,
    ORIGINAL,
    Recovery,
    Stage,
    bring,
    handle,
    interrupt,
    use_up_a_cycle,
)

WAVE = "dynamic-wave"


def restore(run: Recovery) -> list[str]:
    restored: list[str] = restore_device_attributes.handler(run, None)["restored"]
    return restored


def read_record(cloud: Cloud) -> dict[str, Any]:
    item = cloud.record()
    assert item
    return item


# The ladder


@pytest.mark.parametrize(("share", "waits"), [(0.0, [60, 600, 6000]), (0.5, [63, 630, 6300])])
def test_each_cycle_has_its_own_wait(
    cloud: Cloud,
    environment: pytest.MonkeyPatch,
    fake_time: list[float],
    share: float,
    waits: list[int],
) -> None:
    configure(environment, COOL_DOWN_SECONDS="[60, 600, 6000]", COOL_DOWN_JITTER="0.1")
    environment.setattr(clock, "share", lambda: share)
    run = bring(cloud, Stage.DUE)
    for cycle, wait in enumerate(waits, 1):
        assert run["cycle"] == cycle
        reset_retry_counter_and_move_out.handler(run, None)
        assert read_record(cloud)["dueAt"] == fake_time[0] + wait
        restore(run)
        run = use_up_a_cycle(100 * cycle)
    reset_retry_count_to_failed_update.handler(run, None)
    assert (read_record(cloud)["state"], read_record(cloud)["ResetRetryCount"]) == ("failed", 4)


def test_the_jitter_is_drawn_once(
    cloud: Cloud, environment: pytest.MonkeyPatch, fake_time: list[float]
) -> None:
    run = bring(cloud, Stage.MOVING)
    due = read_record(cloud)["dueAt"]
    environment.setattr(clock, "share", lambda: 0.9)
    fake_time[0] += 30
    for _ in range(2):
        answer = reset_retry_counter_and_move_out.handler(run, None)
        assert answer == {"dueAt": clock.iso(int(due))}
    assert read_record(cloud)["dueAt"] == due


@pytest.mark.parametrize(("late_seconds", "restarts"), [(0, False), (1, True)])
def test_a_wait_that_was_over_before_the_device_moved_out_restarts(
    cloud: Cloud, fake_time: list[float], late_seconds: int, restarts: bool
) -> None:
    began_at = fake_time[0]
    run = bring(cloud, Stage.MOVING)
    due = int(read_record(cloud)["dueAt"])
    fake_time[0] = due + late_seconds
    reset_retry_counter_and_move_out.handler(run, None)
    wait = due - began_at
    assert read_record(cloud)["dueAt"] == (fake_time[0] + wait if restarts else due)


# The groups that it is to leave


@pytest.fixture
def away(cloud: Cloud) -> Recovery:
    """The input of a cool-down whose device was in a dynamic and in a static group."""
    run = bring(cloud, Stage.DUE)
    for group in (WAVE, "site-7"):
        cloud.iot.create_thing_group(thingGroupName=group)
        cloud.add_to(group)
    reset_retry_counter_and_move_out.handler(run, None)
    return run


def test_the_dynamic_groups_that_a_device_is_to_leave_are_recorded(
    cloud: Cloud, away: Recovery
) -> None:
    assert read_record(cloud)["leftGroups"] == {WAVE}


def test_the_groups_are_those_from_before_the_overwriting(cloud: Cloud, away: Recovery) -> None:
    """The step was repeated when the device had left already."""
    cloud.remove_from(WAVE)
    reset_retry_counter_and_move_out.handler(away, None)
    assert read_record(cloud)["leftGroups"] == {WAVE}


def test_a_device_that_left_its_groups_is_restored(cloud: Cloud, away: Recovery) -> None:
    cloud.remove_from(WAVE)
    assert restore(away) == ["FW", "model"]
    assert cloud.attributes() == ORIGINAL
    assert not {"leftGroups", "leaveChecks"} & read_record(cloud).keys()
    assert cloud.steps()[-1] == ("cooling_down", "tracking", "cool-down is over")


def test_a_group_that_has_nothing_to_do_with_the_update_holds_nobody_up(cloud: Cloud) -> None:
    run = bring(cloud, Stage.DUE)
    for group in (WAVE, f"{WAVE}-of-all-pumps"):
        cloud.iot.create_thing_group(thingGroupName=group)
        cloud.add_to(group)
    reset_retry_counter_and_move_out.handler(run, None)
    cloud.remove_from(WAVE)
    assert restore(run) == ["FW", "model"]


def test_a_device_that_is_still_in_a_group_stays_away_a_little_longer(
    cloud: Cloud, away: Recovery, fake_time: list[float]
) -> None:
    fake_time[0] += 100_000
    for check in range(1, recovery.MOST_CHECKS + 1):
        with pytest.raises(StillInGroupError, match=f"dev-1 is still in {WAVE}"):
            restore(away)
        item = read_record(cloud)
        assert (item["state"], item["leaveChecks"]) == ("cooling_down", check)
        assert item["dueAt"] == fake_time[0] + recovery.CHECK_AGAIN_SECONDS
    assert cloud.attributes() == MOVED_OUT
    cloud.remove_from(WAVE)
    assert restore(away) == ["FW", "model"]


def test_one_that_never_leaves_is_restored_all_the_same_and_that_is_said(
    cloud: Cloud, away: Recovery, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(recovery.MOST_CHECKS):
        with pytest.raises(StillInGroupError):
            restore(away)
    with caplog.at_level(logging.WARNING):
        assert restore(away) == ["FW", "model"]
    assert cloud.attributes() == ORIGINAL
    reason = f"cool-down is over, though it never left {WAVE}"
    assert cloud.steps()[-1] == ("cooling_down", "tracking", reason)
    (warning,) = [entry for entry in caplog.records if entry.levelno == logging.WARNING]
    assert "never left its dynamic groups" in warning.message
    assert vars(warning)["groups"] == WAVE


def test_each_cycle_looks_anew(cloud: Cloud, away: Recovery, environment: Any) -> None:
    configure(environment, COOL_DOWN_SECONDS="[60, 60]")
    with pytest.raises(StillInGroupError):
        restore(away)
    cloud.remove_from(WAVE)
    restore(away)
    reset_retry_counter_and_move_out.handler(use_up_a_cycle(100), None)
    assert not {"leftGroups", "leaveChecks"} & read_record(cloud).keys()


def test_a_device_without_a_dynamic_group_is_not_held_up(cloud: Cloud) -> None:
    run = bring(cloud, Stage.DUE)
    cloud.iot.create_thing_group(thingGroupName="site-7")
    cloud.add_to("site-7")
    reset_retry_counter_and_move_out.handler(run, None)
    assert "leftGroups" not in read_record(cloud)
    cloud.calls.clear()
    assert restore(run) == ["FW", "model"]
    assert "iot.list_thing_groups_for_thing" not in cloud.calls


def test_a_device_that_failed_for_good_need_not_leave_its_groups(cloud: Cloud) -> None:
    run = bring(cloud, Stage.FAILING)
    cloud.iot.create_thing_group(thingGroupName=WAVE)
    cloud.add_to(WAVE)
    cloud.calls.clear()
    reset_retry_count_to_failed_update.handler(run, None)
    assert "leftGroups" not in read_record(cloud)
    assert "iot.list_thing_groups_for_thing" not in cloud.calls


def test_a_group_that_was_deleted_meanwhile_holds_nobody_up(cloud: Cloud, away: Recovery) -> None:
    cloud.iot.delete_thing_group(thingGroupName=WAVE)
    assert restore(away) == ["FW", "model"]


def test_a_device_that_rejoined_before_its_release_is_not_held_up(
    cloud: Cloud, away: Recovery, environment: pytest.MonkeyPatch
) -> None:
    """The step died when the attributes were back; meanwhile its failures would go uncounted."""
    cloud.remove_from(WAVE)

    class DiedError(Exception):
        pass

    def die(*_: object) -> None:
        raise DiedError

    with environment.context() as patch:
        patch.setattr("firmware_retry.retries_table.release", die)
        with pytest.raises(DiedError):
            restore(away)
    cloud.add_to(WAVE)
    restore(away)
    assert cloud.steps()[-1] == ("cooling_down", "tracking", "cool-down is over")


def test_a_device_whose_update_succeeded_need_not_leave_its_groups(
    cloud: Cloud, away: Recovery
) -> None:
    handle(success(1_000))
    assert (cloud.record(), cloud.attributes()) == (None, ORIGINAL)


def test_nor_does_one_whose_episode_its_own_run_ends(cloud: Cloud, away: Recovery) -> None:
    """Who asked for the end died before it came to it."""
    interrupt(clear_device_record.handler, success(1_000))
    restore(away)
    assert (cloud.record(), cloud.attributes()) == (None, ORIGINAL)
