"""A paused campaign: its devices stay away until it is resumed, and nobody is lost."""

from collections.abc import Callable

import pytest

from firmware_retry import clock, retries_table
from firmware_retry.campaigns_table import Campaign
from firmware_retry.errors import CampaignPausedError, StillInGroupError
from firmware_retry.fleet_scan import Census
from firmware_retry.handlers import (
    clear_device_record,
    reconcile_devices,
    release_device,
    reset_retry_count_to_failed_update,
    reset_retry_counter_and_move_out,
    restore_device_attributes,
)
from firmware_retry.record import Cause, Run

from .conftest import MACHINES, RETRIES, Cloud, failure, success
from .journey import FAILED, MOVED_OUT, ORIGINAL, Recovery, Stage, bring, handle

DAY, HOUR = 86_400, 3_600


@pytest.fixture
def away(cloud: Cloud, fake_time: list[float]) -> Recovery:
    """A device whose time away is over; the input of its run."""
    recovery = bring(cloud, Stage.COOLING_DOWN)
    fake_time[0] += 2 * DAY
    return recovery


def reconcile() -> dict[str, int]:
    return reconcile_devices.handler({}, None)


def resume(cloud: Cloud, fake_time: list[float]) -> None:
    cloud.resume(clock.iso(fake_time[0]))


def test_a_campaign_is_read_with_all_that_was_written() -> None:
    names = ("campaign", "pausedAt", "toldAt", "resumedAt", "pausedBy", "why")
    read = Campaign.of({name: {"S": f"its {name}"} for name in names})
    assert read == Campaign(*(f"its {name}" for name in names))
    assert Campaign.of({"campaign": {"S": "2.27"}}) == Campaign("2.27")


def test_a_device_of_a_paused_campaign_is_not_put_back(cloud: Cloud, away: Recovery) -> None:
    cloud.pause()
    before = (cloud.record(), cloud.backup(), cloud.history())
    with pytest.raises(CampaignPausedError, match=r"dev-1: 2\.27 is paused"):
        restore_device_attributes.handler(away, None)
    assert cloud.attributes() == MOVED_OUT
    assert (cloud.record(), cloud.backup(), cloud.history()) == before


def test_it_is_held_until_its_campaign_is_resumed(
    cloud: Cloud, away: Recovery, fake_time: list[float]
) -> None:
    cloud.pause()
    for _ in range(3):
        assert reconcile() == {"held": 1}
        fake_time[0] += HOUR
    assert cloud.attributes() == MOVED_OUT
    resume(cloud, fake_time)
    assert reconcile() == {"restored": 1}
    assert cloud.attributes() == ORIGINAL
    assert handle(failure(50)) == "counted"


def test_a_moment_of_resuming_that_is_no_date_delays_no_device(
    cloud: Cloud, away: Recovery
) -> None:
    cloud.resume("yesterday")
    assert reconcile() == {"restored": 1}


def test_one_that_is_held_costs_nothing_but_its_place_in_the_table(
    cloud: Cloud, away: Recovery
) -> None:
    cloud.pause()
    cloud.calls.clear()
    reconcile()
    lists = ["iot.list_things"] * 4  # one of each mark
    assert cloud.calls == ["dynamodb.scan", *lists, "dynamodb.scan"]


def test_one_that_is_not_due_yet_is_not_held(cloud: Cloud, fake_time: list[float]) -> None:
    bring(cloud, Stage.COOLING_DOWN)
    cloud.pause()
    assert reconcile() == {}


def test_one_whose_campaign_was_paused_since_it_was_counted_is_held(
    cloud: Cloud, away: Recovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Census.take

    def take_and_pause(self: Census, is_over: Callable[[], bool]) -> None:
        take(self, is_over)
        cloud.pause()

    monkeypatch.setattr(Census, "take", take_and_pause)
    assert reconcile() == {"held": 1}
    assert cloud.attributes() == MOVED_OUT


def test_devices_of_other_campaigns_go_on(cloud: Cloud, away: Recovery) -> None:
    cloud.pause("2.28")
    restore_device_attributes.handler(away, None)
    assert cloud.attributes() == ORIGINAL


def test_a_device_of_no_campaign_cannot_be_held(cloud: Cloud, away: Recovery) -> None:
    """A key of DynamoDB cannot be empty."""
    cloud.dynamodb.Table(RETRIES).update_item(
        Key={"deviceId": "dev-1"},
        UpdateExpression="SET campaign = :none",
        ExpressionAttributeValues={":none": ""},
    )
    restore_device_attributes.handler(away, None)
    assert cloud.attributes() == ORIGINAL


def test_it_is_asked_once_a_restore(cloud: Cloud, away: Recovery) -> None:
    """The device, its record, its originals, and its campaign."""
    cloud.calls.clear()
    restore_device_attributes.handler(away, None)
    assert cloud.calls.count("dynamodb.get_item") == 3


def test_while_it_is_held_nobody_looks_whether_it_left_its_groups(
    cloud: Cloud, fake_time: list[float]
) -> None:
    recovery = bring(cloud, Stage.DUE)
    cloud.iot.create_thing_group(thingGroupName="dynamic-wave")
    cloud.add_to("dynamic-wave")
    reset_retry_counter_and_move_out.handler(recovery, None)
    fake_time[0] += 2 * DAY
    cloud.pause()
    with pytest.raises(CampaignPausedError):
        restore_device_attributes.handler(recovery, None)
    resume(cloud, fake_time)
    with pytest.raises(StillInGroupError):
        restore_device_attributes.handler(recovery, None)


def test_one_whose_attributes_are_back_already_is_not_held(cloud: Cloud, away: Recovery) -> None:
    """Its step died right after it had put them back: now its failures are to be counted."""
    cloud.iot.update_thing(thingName="dev-1", attributePayload={"attributes": ORIGINAL})
    cloud.pause()
    restore_device_attributes.handler(away, None)
    item = cloud.record()
    assert item
    assert item["state"] == "tracking"


# What ends an episode, or goes on, all the same


def test_a_held_device_that_succeeds_is_back_at_once(cloud: Cloud, away: Recovery) -> None:
    cloud.pause()
    clear_device_record.handler(success(1_000), None)
    assert (cloud.record(), cloud.attributes()) == (None, ORIGINAL)


def test_a_held_device_that_is_released_is_back_at_once(cloud: Cloud, away: Recovery) -> None:
    cloud.pause()
    assert release_device.handler({"deviceId": "dev-1"}, None) == {"released": ["dev-1"]}
    assert cloud.attributes() == ORIGINAL


def test_a_held_device_that_is_updated_anew_is_back_at_once(cloud: Cloud, away: Recovery) -> None:
    cloud.pause()
    assert handle(failure(1_000, fw="2.28")) == "counted"
    assert cloud.attributes() == ORIGINAL


@pytest.fixture
def to_end(away: Recovery) -> Recovery:
    """The update succeeded, and who handled that died on the way."""
    retries_table.ask_to_end(Run.parse(away), Cause.SUCCEEDED, 0)
    return away


def test_an_end_that_nobody_finished_is_made_by_the_run_of_a_paused_campaign(
    cloud: Cloud, to_end: Recovery
) -> None:
    cloud.pause()
    restore_device_attributes.handler(to_end, None)
    assert (cloud.record(), cloud.attributes()) == (None, ORIGINAL)


def test_an_end_that_nobody_finished_is_made_though_the_campaign_is_paused(
    cloud: Cloud, to_end: Recovery, fake_time: list[float]
) -> None:
    cloud.pause()
    fake_time[0] += HOUR
    assert reconcile() == {"ended": 1}
    assert (cloud.record(), cloud.attributes()) == (None, ORIGINAL)


def test_a_paused_campaign_moves_devices_out_and_escalates_them_as_ever(cloud: Cloud) -> None:
    due, failing = bring(cloud, Stage.DUE), bring(cloud, Stage.FAILING, "dev-2")
    cloud.pause()
    reset_retry_counter_and_move_out.handler(due, None)
    reset_retry_count_to_failed_update.handler(failing, None)
    assert cloud.attributes() == MOVED_OUT
    assert cloud.attributes("dev-2") == FAILED


def test_a_cool_down_of_a_paused_campaign_that_was_stopped_still_begins(
    cloud: Cloud, fake_time: list[float]
) -> None:
    recovery = bring(cloud, Stage.MOVING)
    stop_run(cloud, "CoolDown", recovery)
    cloud.pause()
    fake_time[0] += 2 * DAY
    assert reconcile() == {"moved_out": 1}
    assert cloud.attributes() == MOVED_OUT


def test_an_escalation_of_a_paused_campaign_that_was_stopped_is_finished(
    cloud: Cloud, fake_time: list[float]
) -> None:
    recovery = bring(cloud, Stage.FAILED)
    stop_run(cloud, "Escalation", recovery)
    cloud.pause()
    fake_time[0] += 2 * DAY
    assert reconcile() == {"told": 1}


def stop_run(cloud: Cloud, machine: str, recovery: Recovery) -> None:
    """Stop the run of a recovery."""
    run = cloud.stepfunctions.start_execution(
        stateMachineArn=MACHINES + machine, name=Run.parse(recovery).recovery_id
    )
    cloud.stepfunctions.stop_execution(executionArn=run["executionArn"])
