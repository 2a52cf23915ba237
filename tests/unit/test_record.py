"""The conditional writes: each test is a line of the specification of the record."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from firmware_retry import record
from firmware_retry.errors import RecoverySupersededError
from firmware_retry.message import FailureMessage
from firmware_retry.record import Outcome, Run, State

from .conftest import LIMIT, RETRIES, Cloud, failure

NOW = "2024-03-24T22:45:00Z"


def message(number: int = 1, **fields: Any) -> FailureMessage:
    return FailureMessage.parse(failure(number, **fields))


def count(number: int = 1, **fields: Any) -> Outcome:
    return record.count(message(number, **fields))[0]


@pytest.fixture
def tracked(cloud: Cloud) -> Cloud:
    record.create(message())
    return cloud


@pytest.fixture
def run(tracked: Cloud) -> Run:
    """The recovery of a device that used up its first cycle."""
    for number in range(LIMIT):
        count(number)
    item = tracked.record()
    assert item
    return Run("dev-1", item["trackingId"], 1)


def stored(cloud: Cloud) -> dict[str, Any]:
    item = cloud.record()
    assert item
    return item


def test_an_episode_begins_with_counters_at_zero(tracked: Cloud) -> None:
    item = stored(tracked)
    assert (item["RetryCounter"], item["ResetRetryCount"]) == (0, 0)
    assert (item["state"], item["campaign"]) == ("tracking", "2.27")
    assert item["timestamp"] == NOW


def test_an_episode_that_is_on_is_not_begun_again(tracked: Cloud) -> None:
    count()
    before = stored(tracked)
    record.create(message(2))
    assert stored(tracked) == before


def test_a_failure_is_counted_with_one_write_and_no_read(tracked: Cloud) -> None:
    tracked.calls.clear()
    assert count() is Outcome.COUNTED
    assert tracked.calls == ["dynamodb.update_item"]
    assert stored(tracked)["RetryCounter"] == 1
    assert stored(tracked)["countedEvents"] == {message().event_id}


def test_a_device_without_a_record_is_not_tracked(cloud: Cloud) -> None:
    assert record.count(message()) == (Outcome.NOT_TRACKED, None)
    assert cloud.record() is None


def test_a_copy_of_a_message_is_not_counted(tracked: Cloud) -> None:
    assert [count(1), count(1), count(2), count(1)] == [
        Outcome.COUNTED,
        Outcome.DUPLICATE,
        Outcome.COUNTED,
        Outcome.DUPLICATE,
    ]
    assert stored(tracked)["RetryCounter"] == 2


def test_the_failure_that_reaches_the_limit_makes_the_recovery_due(tracked: Cloud) -> None:
    outcomes = [count(number) for number in range(LIMIT)]
    assert outcomes == [Outcome.COUNTED] * (LIMIT - 1) + [Outcome.COOL_DOWN_DUE]


def test_the_recovery_stays_due_until_it_has_begun(run: Run, cloud: Cloud) -> None:
    """Whoever counted the last failure may have died: copies and later failures say it again."""
    assert count(LIMIT - 1) is Outcome.COOL_DOWN_DUE
    assert count(LIMIT) is Outcome.COOL_DOWN_DUE
    assert stored(cloud)["RetryCounter"] == LIMIT


def test_failures_at_once_are_counted_exactly(tracked: Cloud) -> None:
    tracked.dynamodb.Table(RETRIES)  # one table for all threads
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, [number % 2 for number in range(16)]))
    assert stored(tracked)["RetryCounter"] == 2


def test_the_last_cycle_makes_the_escalation_due(run: Run, cloud: Cloud) -> None:
    record.claim(run, State.COOLING_DOWN, 60)
    record.release(run)
    outcomes = [count(100 + number) for number in range(LIMIT)]
    assert outcomes == [Outcome.COUNTED] * (LIMIT - 1) + [Outcome.ESCALATION_DUE]
    assert record.count(message(200))[1].next_run == Run("dev-1", run.tracking_id, 2)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("state", "outcome"),
    [(State.COOLING_DOWN, Outcome.COOLING_DOWN), (State.FAILED, Outcome.FAILED)],
)
def test_a_device_in_recovery_is_not_counted(
    run: Run, cloud: Cloud, state: State, outcome: Outcome
) -> None:
    record.claim(run, state, 60)
    before = stored(cloud)
    assert count(50) is outcome
    assert stored(cloud) == before


def test_a_copy_from_the_first_cycle_does_not_count_in_the_second(run: Run, cloud: Cloud) -> None:
    record.claim(run, State.COOLING_DOWN, 60)
    record.release(run)
    assert count(0) is Outcome.DUPLICATE
    assert stored(cloud)["RetryCounter"] == 0


def test_a_later_campaign_starts_from_zero(run: Run, cloud: Cloud) -> None:
    assert count(9, fw="2.28") is Outcome.CAMPAIGN_CHANGED
    record.create(message(9, fw="2.28"))
    assert count(9, fw="2.28") is Outcome.COUNTED
    item = stored(cloud)
    assert (item["campaign"], item["RetryCounter"], item["ResetRetryCount"]) == ("2.28", 1, 0)
    assert item["trackingId"] != run.tracking_id


def test_a_late_message_of_an_earlier_campaign_counts_for_nothing(tracked: Cloud) -> None:
    record.create(message(9, fw="2.28"))
    before = stored(tracked)
    assert count(2, fw="2.27") is Outcome.STALE
    record.create(message(2, fw="2.27"))
    assert stored(tracked) == before


def test_a_campaign_does_not_begin_anew_in_the_middle_of_a_recovery(run: Run, cloud: Cloud) -> None:
    record.claim(run, State.COOLING_DOWN, 60)
    before = stored(cloud)
    record.create(message(9, fw="2.28"))
    assert stored(cloud) == before


def test_a_run_claims_the_device_and_turns_the_cycle(run: Run, cloud: Cloud) -> None:
    due = record.claim(run, State.COOLING_DOWN, 60).due_at
    item = stored(cloud)
    assert item["state"] == "cooling_down"
    assert (item["RetryCounter"], item["ResetRetryCount"]) == (0, 1)
    assert (item["recoveryId"], item["dueAt"]) == (f"{run.tracking_id}-1", due)


def test_a_run_that_claims_again_keeps_its_first_wait(
    run: Run, cloud: Cloud, clock: list[float]
) -> None:
    due = record.claim(run, State.COOLING_DOWN, 60).due_at
    clock[0] += 30
    assert record.claim(run, State.COOLING_DOWN, 99).due_at == due


def test_a_run_that_shares_its_name_with_one_of_the_other_machine_does_not_share_the_device(
    run: Run, cloud: Cloud
) -> None:
    """The ladder was shortened while the cool-down was on its way."""
    record.claim(run, State.FAILED, 60)
    before = stored(cloud)
    with pytest.raises(RecoverySupersededError):
        record.claim(run, State.COOLING_DOWN, 60)
    with pytest.raises(RecoverySupersededError):
        record.held(run, State.COOLING_DOWN)
    assert stored(cloud) == before


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda run: Run(run.device_id, "other", 1), id="of another episode"),
        pytest.param(lambda run: Run(run.device_id, run.tracking_id, 2), id="of a later cycle"),
        pytest.param(lambda run: Run("gone", run.tracking_id, 1), id="of a device without record"),
    ],
)
def test_a_run_that_is_not_due_claims_nothing(run: Run, cloud: Cloud, other: Any) -> None:
    before = stored(cloud)
    with pytest.raises(RecoverySupersededError):
        record.claim(other(run), State.COOLING_DOWN, 60)
    assert stored(cloud) == before


def test_a_run_below_the_limit_claims_nothing(tracked: Cloud) -> None:
    count()
    with pytest.raises(RecoverySupersededError):
        record.claim(Run("dev-1", stored(tracked)["trackingId"], 1), State.COOLING_DOWN, 60)


def test_a_finished_run_claims_nothing(run: Run, cloud: Cloud) -> None:
    record.claim(run, State.COOLING_DOWN, 60)
    record.release(run)
    with pytest.raises(RecoverySupersededError):
        record.claim(run, State.COOLING_DOWN, 60)
    with pytest.raises(RecoverySupersededError):
        record.held(run, State.COOLING_DOWN)
    with pytest.raises(RecoverySupersededError):
        record.release(run)


def test_a_released_device_is_tracked_for_its_next_cycle(run: Run, cloud: Cloud) -> None:
    record.claim(run, State.COOLING_DOWN, 60)
    record.release(run)
    item = stored(cloud)
    assert (item["state"], item["ResetRetryCount"]) == ("tracking", 1)
    assert not {"recoveryId", "dueAt"} & item.keys()


@pytest.mark.parametrize("has_people", [False, True])
def test_something_is_due_until_everybody_was_told(
    run: Run, cloud: Cloud, has_people: bool
) -> None:
    record.claim(run, State.FAILED, 60)
    record.mark_notified(run, is_last=not has_people)
    assert stored(cloud)["notifiedAt"] == NOW
    assert ("dueAt" in stored(cloud)) is has_people
    record.mark_mailed(run)
    assert stored(cloud)["mailedAt"] == NOW
    assert "dueAt" not in stored(cloud)


def test_forgetting_takes_record_and_backup(run: Run, cloud: Cloud) -> None:
    cloud.dynamodb.Table("DeviceAttributeBackup").put_item(Item={"deviceId": "dev-1"})
    record.forget(run)
    assert (cloud.record(), cloud.backup()) == (None, None)
    record.forget(run)


def test_forgetting_leaves_a_later_episode_alone(run: Run, cloud: Cloud) -> None:
    cloud.dynamodb.Table("DeviceAttributeBackup").put_item(Item={"deviceId": "dev-1"})
    record.forget(Run("dev-1", "earlier", 1))
    assert cloud.record()
    assert cloud.backup()
