"""The conditional writes: each test is a line of the specification of the record."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import pytest

from firmware_retry import clock, history_table, retries_table
from firmware_retry.errors import RecoverySupersededError, TransientError
from firmware_retry.history_table import LatestEnd
from firmware_retry.message import Message
from firmware_retry.record import Cause, Outcome, Record, Run, State

from .conftest import LIMIT, RETRIES, Cloud, failure, job_event

NOW = "2024-03-24T22:45:00Z"


def message(number: int = 1, **fields: Any) -> Message:
    return Message.parse(failure(number, **fields))


def count(number: int = 1, **fields: Any) -> Outcome:
    return retries_table.count(message(number, **fields))[0]


def begin(number: int = 1, not_before: int = 0, **fields: Any) -> str | None:
    return retries_table.create(message(number, **fields), not_before, LatestEnd())


@pytest.fixture
def episode(cloud: Cloud) -> Cloud:
    begin()
    return cloud


@pytest.fixture
def run(episode: Cloud) -> Run:
    """The recovery of a device that used up its first cycle."""
    for number in range(LIMIT):
        count(number)
    item = episode.record()
    assert item
    return run_of(item["trackingId"])


def run_of(tracking_id: str, cycle: int = 1, device_id: str = "dev-1") -> Run:
    return Run(device_id, tracking_id, cycle, "2.27", "retry limit reached")


def claim(run: Run, state: State = State.COOLING_DOWN, wait_seconds: int = 60) -> int:
    return retries_table.claim(run, state, wait_seconds, frozenset()).due_at


def release(run: Run) -> None:
    retries_table.release(run, Cause.COOLED_DOWN)


def read_record(cloud: Cloud) -> dict[str, Any]:
    item = cloud.record()
    assert item
    return item


def test_an_episode_begins_with_counters_at_zero(episode: Cloud) -> None:
    item = read_record(episode)
    assert (item["RetryCounter"], item["ResetRetryCount"]) == (0, 0)
    assert (item["state"], item["campaign"]) == ("tracking", "2.27")
    assert item["timestamp"] == NOW


def test_an_episode_that_is_on_is_not_begun_again(episode: Cloud) -> None:
    count()
    before = read_record(episode)
    begin(2)
    assert read_record(episode) == before


def test_a_failure_is_counted_with_one_write_and_no_read(episode: Cloud) -> None:
    episode.calls.clear()
    assert count() is Outcome.COUNTED
    assert episode.calls == ["dynamodb.update_item"]
    assert read_record(episode)["RetryCounter"] == 1
    assert read_record(episode)["countedEvents"] == {message().event_ids.own}


def test_a_device_without_a_record_is_not_tracked(cloud: Cloud) -> None:
    assert retries_table.count(message()) == (Outcome.NOT_TRACKED, None)
    assert cloud.record() is None


def test_a_copy_of_a_message_is_not_counted(episode: Cloud) -> None:
    assert [count(1), count(1), count(2), count(1)] == [
        Outcome.COUNTED,
        Outcome.DUPLICATE,
        Outcome.COUNTED,
        Outcome.DUPLICATE,
    ]
    assert read_record(episode)["RetryCounter"] == 2


@pytest.mark.parametrize("arrivals", [(-1, 0, -1), (0, -1, 0)])
def test_a_copy_is_not_counted_whichever_of_the_two_is_handled_first(
    episode: Cloud, arrivals: tuple[int, ...]
) -> None:
    """Two that arrive in neighboring intervals, of a device whose clock starts at 1970."""
    boundary = 1_711_320_600_000
    outcomes = [
        count(timestamp="1970-01-01T00:00:03", receivedAt=boundary + moment) for moment in arrivals
    ]
    assert outcomes == [Outcome.COUNTED, Outcome.DUPLICATE, Outcome.DUPLICATE]


def test_failures_after_reboots_count_though_the_clock_says_the_same(episode: Cloud) -> None:
    attempts = [1_711_320_300_000 + number * 300_000 for number in range(LIMIT)]
    outcomes = [count(timestamp="1970-01-01T00:00:03", receivedAt=arrived) for arrived in attempts]
    assert outcomes == [Outcome.COUNTED] * (LIMIT - 1) + [Outcome.COOL_DOWN_DUE]


def test_each_message_counts_that_a_device_kept_while_it_was_offline(episode: Cloud) -> None:
    arrived = 1_711_320_300_000
    kept = [str(arrived - day * 86_400_000) for day in range(2, 2 + LIMIT)]
    outcomes = [count(timestamp=sent, receivedAt=arrived) for sent in kept]
    assert outcomes == [Outcome.COUNTED] * (LIMIT - 1) + [Outcome.COOL_DOWN_DUE]


def test_the_failure_that_reaches_the_limit_makes_the_recovery_due(episode: Cloud) -> None:
    outcomes = [count(number) for number in range(LIMIT)]
    assert outcomes == [Outcome.COUNTED] * (LIMIT - 1) + [Outcome.COOL_DOWN_DUE]


def test_the_recovery_stays_due_until_it_has_begun(run: Run, cloud: Cloud) -> None:
    """Whoever counted the last failure may have died: copies and later failures say it again."""
    assert count(LIMIT - 1) is Outcome.COOL_DOWN_DUE
    assert count(LIMIT) is Outcome.COOL_DOWN_DUE
    assert read_record(cloud)["RetryCounter"] == LIMIT


def test_concurrent_failures_are_counted_exactly(episode: Cloud) -> None:
    episode.dynamodb.Table(RETRIES)  # one table for all threads
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, [number % 2 for number in range(16)]))
    assert read_record(episode)["RetryCounter"] == 2


def test_the_last_cycle_makes_the_escalation_due(run: Run, cloud: Cloud) -> None:
    claim(run)
    release(run)
    outcomes = [count(100 + number) for number in range(LIMIT)]
    assert outcomes == [Outcome.COUNTED] * (LIMIT - 1) + [Outcome.ESCALATION_DUE]
    record = retries_table.read("dev-1")
    assert record
    assert record.next_run == run_of(run.tracking_id, 2)


@pytest.mark.parametrize(
    ("state", "outcome"),
    [(State.COOLING_DOWN, Outcome.COOLING_DOWN), (State.FAILED, Outcome.FAILED)],
)
def test_a_device_in_recovery_is_not_counted(
    run: Run, cloud: Cloud, state: State, outcome: Outcome
) -> None:
    claim(run, state)
    before = read_record(cloud)
    assert count(50) is outcome
    assert read_record(cloud) == before


def test_a_copy_from_the_first_cycle_does_not_count_in_the_second(run: Run, cloud: Cloud) -> None:
    claim(run)
    release(run)
    assert count(0) is Outcome.DUPLICATE
    assert read_record(cloud)["RetryCounter"] == 0


def test_a_failure_from_before_the_episode_counts_for_nothing(cloud: Cloud) -> None:
    not_before = message(5).sent_at
    begin(7, not_before)
    assert [count(4), count(5), count(5), count(6)] == [
        Outcome.STALE,
        Outcome.COUNTED,
        Outcome.DUPLICATE,
        Outcome.COUNTED,
    ]
    assert read_record(cloud)["RetryCounter"] == 2


@pytest.mark.parametrize("state", [None, State.COOLING_DOWN, State.FAILED])
def test_a_failure_of_a_later_campaign_changes_it_in_every_state(
    run: Run, cloud: Cloud, state: State | None
) -> None:
    if state:
        claim(run, state)
    before = read_record(cloud)
    assert count(9, fw="2.28") is Outcome.CAMPAIGN_CHANGED
    assert read_record(cloud) == before


@pytest.mark.parametrize("state", [None, State.COOLING_DOWN, State.FAILED])
def test_a_late_failure_of_an_earlier_campaign_counts_for_nothing_in_every_state(
    run: Run, cloud: Cloud, state: State | None
) -> None:
    if state:
        claim(run, state)
    before = read_record(cloud)
    assert count(0, fw="2.25") is Outcome.STALE
    assert read_record(cloud) == before


def test_a_failure_that_names_no_campaign_is_of_the_one_that_is_on(episode: Cloud) -> None:
    assert count(2, fw="") is Outcome.COUNTED
    assert read_record(episode)["campaign"] == "2.27"


def test_nor_does_it_change_the_campaign_in_the_middle_of_a_recovery(run: Run) -> None:
    claim(run)
    assert count(9, fw="") is Outcome.COOLING_DOWN


def test_an_episode_of_another_campaign_does_not_replace_the_one_that_is_on(
    run: Run, cloud: Cloud
) -> None:
    before = read_record(cloud)
    assert begin(9, fw="2.28") is None
    assert read_record(cloud) == before


def test_the_reason_of_the_last_failure_is_kept(episode: Cloud) -> None:
    count(1, reason="battery low", errorCode=7)
    assert read_record(episode)["lastReason"] == "7, battery low"
    count(2)
    assert read_record(episode)["lastReason"] == ""


@pytest.mark.parametrize("cycles", [0, 1])
def test_a_fatal_failure_makes_the_escalation_due_in_every_cycle(
    run: Run, cloud: Cloud, cycles: int
) -> None:
    claim(run)
    release(run)
    cloud.dynamodb.Table(RETRIES).update_item(
        Key={"deviceId": "dev-1"},
        UpdateExpression="SET ResetRetryCount = :cycles",
        ExpressionAttributeValues={":cycles": cycles},
    )
    outcome, record = retries_table.count(message(100, reason="no such image"), is_fatal=True)
    assert outcome is Outcome.ESCALATION_DUE
    assert record
    assert record.next_run.reason == "fatal reason: no such image"
    claimed = retries_table.claim(record.next_run, State.FAILED, 60, frozenset())
    assert (claimed.state, claimed.reset_retry_count) == (State.FAILED, cycles + 1)


def test_the_escalation_of_a_fatal_failure_stays_due_until_it_has_begun(episode: Cloud) -> None:
    retries_table.count(message(2), is_fatal=True)
    assert [count(2), count(3)] == [Outcome.ESCALATION_DUE] * 2
    assert read_record(episode)["RetryCounter"] == 1


def test_only_the_reporter_of_an_episode_counts_in_it(episode: Cloud) -> None:
    job = Message.parse(job_event())
    assert retries_table.count(job)[0] is Outcome.TAKEN_OVER
    assert read_record(episode)["RetryCounter"] == 0
    episode.dynamodb.Table(RETRIES).delete_item(Key={"deviceId": "dev-1"})
    retries_table.create(job, 0, LatestEnd())
    assert read_record(episode)["reportedBy"] == "jobs"
    assert count(2) is Outcome.COUNTED_BY_OTHER
    assert count(3, jobId="job-1") is Outcome.COUNTED_BY_OTHER
    assert retries_table.count(job)[0] is Outcome.COUNTED


def test_a_stale_worker_does_not_put_off_what_is_done(run: Run, cloud: Cloud) -> None:
    claim(run)
    retries_table.mark_away(run)
    before = read_record(cloud)
    with pytest.raises(TransientError, match="went on meanwhile"):
        retries_table.postpone(run, 60)
    assert read_record(cloud) == before


def test_only_the_run_that_holds_a_device_puts_it_off(episode: Cloud) -> None:
    before = read_record(episode)
    for device_id in ("dev-1", "gone"):
        with pytest.raises(RecoverySupersededError):
            retries_table.postpone(run_of(before["trackingId"], device_id=device_id), 60)
    assert read_record(episode) == before


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"state": "cooling_down"},
        {"trackingId": "another-episode"},
        {"reportedBy": "jobs"},
        # A failure that is counted meanwhile might be the very one that is taken over.
        {"lastSentAt": 1_711_320_209_000},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_takeover_is_bound_to_what_was_read(episode: Cloud, meanwhile: dict[str, Any]) -> None:
    record = retries_table.read("dev-1")
    assert record
    table = episode.dynamodb.Table(RETRIES)
    table.put_item(Item={**read_record(episode), **meanwhile})
    before = read_record(episode)
    with pytest.raises(TransientError, match="went on meanwhile"):
        retries_table.take_over(record, Message.parse(job_event(60)))
    assert read_record(episode) == before


def test_a_takeover_keeps_what_is_of_the_past_and_counts_the_event(cloud: Cloud) -> None:
    not_before = message(5).sent_at
    begin(7, not_before)
    record = retries_table.read("dev-1")
    assert record
    event = Message.parse(job_event(60, reason="E_FLASH"))
    assert retries_table.take_over(record, event)[0] is Outcome.TAKEN_OVER
    item = read_record(cloud)
    assert (item["notBefore"], item["RetryCounter"]) == (not_before, 1)
    assert (item["lastReason"], item["lastSentAt"]) == ("E_FLASH", event.sent_at)
    assert item["countedEvents"] == {event.event_ids.own}


def take_over() -> None:
    record = retries_table.read("dev-1")
    assert record
    retries_table.take_over(record, Message.parse(job_event(60)))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(
            [
                claim,
                lambda run: retries_table.postpone(run, 60),
                retries_table.mark_away,
                lambda run: retries_table.check_again(run, 60),
                release,
                lambda _: count(100),
                lambda _: take_over(),
            ],
            id="of a cool-down",
        ),
        pytest.param(
            [
                lambda run: claim(run, State.FAILED),
                retries_table.mark_notified,
                lambda run: retries_table.ask_to_end(run, Cause.SUCCEEDED, 5),
            ],
            id="of an escalation",
        ),
    ],
)
def test_each_change_is_dated(
    run: Run, cloud: Cloud, fake_time: list[float], changes: list[Callable[[Run], object]]
) -> None:
    for change in changes:
        fake_time[0] += 60
        change(run)
        assert read_record(cloud)["timestamp"] == clock.iso(fake_time[0])


def test_a_census_reads_the_attributes_that_it_needs_only(episode: Cloud) -> None:
    ((item,),) = retries_table.read_all()
    record = Record.of(item)
    assert (record.device_id, record.state, record.campaign) == ("dev-1", "tracking", "2.27")
    assert record.tracking_id == ""


def test_a_run_claims_the_device_and_turns_the_cycle(run: Run, cloud: Cloud) -> None:
    due = claim(run)
    item = read_record(cloud)
    assert item["state"] == "cooling_down"
    assert (item["RetryCounter"], item["ResetRetryCount"]) == (0, 1)
    assert (item["recoveryId"], item["dueAt"]) == (f"{run.tracking_id}-1", due)


def test_a_run_that_claims_again_keeps_its_first_wait(
    run: Run, cloud: Cloud, fake_time: list[float]
) -> None:
    due = claim(run)
    fake_time[0] += 30
    assert claim(run, wait_seconds=99) == due


def test_a_run_that_shares_its_name_with_one_of_the_other_machine_does_not_share_the_device(
    run: Run, cloud: Cloud
) -> None:
    """The ladder was shortened while the cool-down was on its way."""
    claim(run, State.FAILED)
    before = read_record(cloud)
    with pytest.raises(RecoverySupersededError):
        claim(run)
    with pytest.raises(RecoverySupersededError):
        retries_table.read_owned(run, State.COOLING_DOWN)
    assert read_record(cloud) == before


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda run: run_of("other"), id="of another episode"),
        pytest.param(lambda run: run_of(run.tracking_id, 2), id="of a later cycle"),
        pytest.param(
            lambda run: run_of(run.tracking_id, 1, "gone"), id="of a device without record"
        ),
    ],
)
def test_a_run_that_is_not_due_claims_nothing(run: Run, cloud: Cloud, other: Any) -> None:
    before = read_record(cloud)
    with pytest.raises(RecoverySupersededError):
        claim(other(run))
    assert read_record(cloud) == before


def test_a_run_below_the_limit_claims_nothing(episode: Cloud) -> None:
    count()
    with pytest.raises(RecoverySupersededError):
        claim(run_of(read_record(episode)["trackingId"]))


def test_a_device_that_failed_for_good_is_claimed_by_nobody_else(episode: Cloud) -> None:
    retries_table.count(message(2), is_fatal=True)
    run = run_of(read_record(episode)["trackingId"])
    claim(run, State.FAILED)
    before = read_record(episode)
    with pytest.raises(RecoverySupersededError):
        claim(run_of(run.tracking_id, 2), State.FAILED)
    assert read_record(episode) == before


def test_device_that_failed_for_good_at_its_limit_does_not_cool_down(episode: Cloud) -> None:
    for number in range(1, LIMIT):
        retries_table.count(message(number), is_fatal=number == LIMIT - 1)
    run = run_of(read_record(episode)["trackingId"])
    with pytest.raises(RecoverySupersededError):
        claim(run)
    claim(run, State.FAILED)


def test_a_finished_run_claims_nothing(run: Run, cloud: Cloud) -> None:
    claim(run)
    release(run)
    with pytest.raises(RecoverySupersededError):
        claim(run)
    with pytest.raises(RecoverySupersededError):
        retries_table.read_owned(run, State.COOLING_DOWN)
    with pytest.raises(RecoverySupersededError):
        release(run)


def test_a_released_device_is_tracked_for_its_next_cycle(run: Run, cloud: Cloud) -> None:
    claim(run)
    release(run)
    item = read_record(cloud)
    assert (item["state"], item["ResetRetryCount"]) == ("tracking", 1)
    assert not {"recoveryId", "dueAt"} & item.keys()


def test_something_is_due_until_it_was_told(run: Run, cloud: Cloud) -> None:
    claim(run, State.FAILED)
    assert "dueAt" in read_record(cloud)
    retries_table.mark_notified(run)
    assert read_record(cloud)["notifiedAt"] == NOW
    assert "dueAt" not in read_record(cloud)


def test_group_of_failed_device_is_recorded(cloud: Cloud, run: Run) -> None:
    claim(run, State.FAILED)
    retries_table.mark_joined(run, "group-1")
    assert read_record(cloud)["failedGroupId"] == "group-1"


@pytest.mark.parametrize("case", ["not its run's", "cools down", "is to end"])
def test_group_is_recorded_only_while_its_run_has_failed_device(
    cloud: Cloud, run: Run, case: str
) -> None:
    claim(run, State.COOLING_DOWN if case == "cools down" else State.FAILED)
    if case == "is to end":
        retries_table.ask_to_end(run, Cause.SUCCEEDED, 0)
    other = Run("dev-1", run.tracking_id, 7, "2.27", "") if case == "not its run's" else run
    with pytest.raises(RecoverySupersededError):
        retries_table.mark_joined(other, "group-1")
    assert "failedGroupId" not in read_record(cloud)


def test_forgetting_takes_record_and_backup(run: Run, cloud: Cloud) -> None:
    cloud.dynamodb.Table("DeviceAttributeBackup").put_item(Item={"deviceId": "dev-1"})
    retries_table.forget(run)
    assert (cloud.record(), cloud.backup()) == (None, None)
    retries_table.forget(run)


def test_forgetting_leaves_a_later_episode_alone(run: Run, cloud: Cloud) -> None:
    cloud.dynamodb.Table("DeviceAttributeBackup").put_item(Item={"deviceId": "dev-1"})
    retries_table.forget(run_of("earlier"))
    assert cloud.record()
    assert cloud.backup()


def test_an_episode_ends_with_record_and_backup(run: Run, cloud: Cloud) -> None:
    cloud.dynamodb.Table("DeviceAttributeBackup").put_item(Item={"deviceId": "dev-1"})
    record = retries_table.read("dev-1")
    assert record
    retries_table.end(record, Cause.SUCCEEDED, 0)
    assert (cloud.record(), cloud.backup()) == (None, None)


def test_an_episode_does_not_end_on_an_old_reading(run: Run, cloud: Cloud) -> None:
    record = retries_table.read("dev-1")
    assert record
    claim(run)
    cooling = retries_table.read("dev-1")
    assert cooling
    release(run)
    before = read_record(cloud)
    for old in (record, cooling):
        with pytest.raises(RecoverySupersededError):
            retries_table.end(old, Cause.SUCCEEDED, 0)
    assert read_record(cloud) == before


@pytest.mark.parametrize(("attribute", "value"), [("reportedBy", "jobs"), ("lastSentAt", 7)])
def test_an_episode_does_not_end_on_a_reading_from_before_another_message(
    episode: Cloud, attribute: str, value: object
) -> None:
    record = retries_table.read("dev-1")
    assert record
    episode.dynamodb.Table(RETRIES).update_item(
        Key={"deviceId": "dev-1"},
        UpdateExpression="SET #attribute = :value",
        ExpressionAttributeNames={"#attribute": attribute},
        ExpressionAttributeValues={":value": value},
    )
    with pytest.raises(RecoverySupersededError):
        retries_table.end(record, Cause.SUCCEEDED, 0)
    assert episode.record()


def test_an_episode_does_not_end_on_a_reading_of_the_one_before(episode: Cloud) -> None:
    record = retries_table.read("dev-1")
    assert record
    retries_table.end(record, Cause.SUCCEEDED, 0)
    latest = history_table.read_latest_end("dev-1")
    assert retries_table.create(message(), 0, latest)
    with pytest.raises(RecoverySupersededError):
        retries_table.end(record, Cause.SUCCEEDED, 0)
    assert episode.record()


def test_the_first_wish_to_end_stays(run: Run, cloud: Cloud) -> None:
    claim(run)
    retries_table.ask_to_end(run, Cause.SUCCEEDED, 5)
    record = retries_table.ask_to_end(run, Cause.RELEASED, 9)
    assert (record.ending, record.ending_up_to) == ("update succeeded", 5)


def test_a_device_that_is_to_end_its_episode_does_not_go_into_its_next_cycle(
    run: Run, cloud: Cloud
) -> None:
    claim(run)
    retries_table.ask_to_end(run, Cause.SUCCEEDED, 5)
    with pytest.raises(TransientError):
        release(run)
    assert read_record(cloud)["state"] == "cooling_down"


def test_a_failed_record_whose_end_was_requested_is_not_read_as_failed(run: Run) -> None:
    claim(run, State.FAILED)
    assert retries_table.read_failed_owned(run)
    retries_table.ask_to_end(run, Cause.SUCCEEDED, 5)
    with pytest.raises(RecoverySupersededError, match="update succeeded"):
        retries_table.read_failed_owned(run)


def test_only_the_owner_of_a_record_can_request_its_end(run: Run, cloud: Cloud) -> None:
    claim(run)
    release(run)
    with pytest.raises(RecoverySupersededError):
        retries_table.ask_to_end(run, Cause.SUCCEEDED, 5)
    assert "ending" not in read_record(cloud)


def test_what_was_of_the_past_at_the_beginning_is_so_at_the_end(cloud: Cloud) -> None:
    begin(7, not_before=5)
    assert cloud.history()[-1]["upTo"] == 5
    record = retries_table.read("dev-1")
    assert record
    retries_table.end(record, Cause.CAMPAIGN_CHANGED, 0)
    assert history_table.read_latest_end("dev-1").up_to == 5


@pytest.mark.parametrize("is_read_before", [False, True])
def test_an_episode_does_not_end_on_a_reading_from_before_people_were_told(
    run: Run, cloud: Cloud, is_read_before: bool
) -> None:
    claim(run, State.FAILED)
    record = retries_table.read_owned(run)
    retries_table.mark_notified(run)
    if not is_read_before:
        record = retries_table.read_owned(run)
    with pytest.raises(RecoverySupersededError) if is_read_before else nullcontext():
        retries_table.end(record, Cause.SUCCEEDED, 0)
    assert bool(cloud.record()) is is_read_before
