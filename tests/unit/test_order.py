"""Whatever the order of messages and the clock of a device: the later one of its words counts."""

from itertools import permutations
from typing import Any

import pytest

from firmware_retry import history_table
from firmware_retry.errors import StaleMessageError, TransientError
from firmware_retry.handlers import (
    check_if_device_exists,
    clear_device_record,
    create_device_record,
    increment_retry_counter,
)
from firmware_retry.history_table import LatestEnd

from .conftest import Cloud, configure, failure, job_event, success
from .journey import ORIGINAL, Stage, bring, handle

DAY = 86_400_000
LATER = 60_000
ARRIVED = 1_711_320_208_793


@pytest.fixture
def thing(cloud: Cloud) -> Cloud:
    cloud.create_thing(**ORIGINAL)
    return cloud


@pytest.fixture(params=["true", "false"], ids=["job events on", "job events off"])
def alone(thing: Cloud, environment: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Cloud:
    """A thing that is reported by the device alone, and not by AWS IoT Jobs."""
    configure(environment, JOB_EVENTS_ENABLED=request.param)
    return thing


def counter(cloud: Cloud) -> int | None:
    item = cloud.record()
    return int(item["RetryCounter"]) if item else None


# A later success wins


@pytest.mark.parametrize(
    "words",
    [
        pytest.param({"jobId": "fw-228"}, id="of a job"),
        pytest.param({}, id="of an update that names the firmware"),
        pytest.param({"FW": None}, id="of an update that names nothing"),
    ],
)
@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_a_success_that_was_sent_later_wins_in_any_order(
    thing: Cloud, words: dict[str, Any], order: tuple[int, ...]
) -> None:
    events = [failure(1, **words), failure(2, **words), success(3, **({"FW": "2.28"} | words))]
    for number in order:
        handle(events[number])
    assert thing.record() is None


def test_a_success_of_a_device_without_a_record_lets_the_next_update_fail(thing: Cloud) -> None:
    handle(success(1, FW="2.28"))
    assert handle(failure(LATER, FW="2.28")) == "counted"


def test_no_message_begins_an_episode_after_a_later_success_was_handled_beside_it(
    thing: Cloud,
) -> None:
    event: dict[str, Any] = failure(1)
    event |= {"past": check_if_device_exists.handler(event, None)}
    handle(success(2, FW="2.28"))
    create_device_record.handler(event, None)
    assert thing.record() is None
    assert increment_retry_counter.handler(event, None)["outcome"] == "not_tracked"
    with pytest.raises(StaleMessageError):
        check_if_device_exists.handler(event, None)


def test_no_message_reopens_an_episode_that_ended_beside_it(thing: Cloud) -> None:
    late: dict[str, Any] = failure(2)
    late |= {"past": check_if_device_exists.handler(late, None)}
    handle(failure(1))
    handle(success(3))
    create_device_record.handler(late, None)
    assert thing.record() is None


def test_an_earlier_success_takes_nothing_back_from_a_later_one(thing: Cloud) -> None:
    for number in (5, 3):
        handle(success(number, FW="2.28"))
    assert handle(failure(4)) == "of the past"


def test_a_success_in_the_middle_of_the_first_failure_ends_its_episode(
    thing: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record did not exist when the success looked first, and did when it looked again."""
    record = history_table.record_success

    def begin_first(message: Any) -> None:
        monkeypatch.setattr(history_table, "record_success", record)
        handle(failure(1))
        record(message)

    monkeypatch.setattr(history_table, "record_success", begin_first)
    clear_device_record.handler(success(2), None)
    assert thing.record() is None


# Clocks that cannot be right


def test_a_campaign_never_seen_before_is_not_stale_though_the_clock_is_days_behind(
    alone: Cloud,
) -> None:
    bring_and_succeed(alone)
    assert handle(failure(-3 * DAY, jobId="job-2")) == "counted"
    assert handle(failure(1 - 3 * DAY, jobId="job-2")) == "counted"
    assert counter(alone) == 2


def test_late_failure_of_an_update_that_succeeded_is_stale_though_it_has_no_history(
    alone: Cloud,
) -> None:
    handle(success(1, jobId="job-2"))
    assert handle(failure(-3 * DAY, jobId="job-2")) == "of the past"


def test_a_failure_looks_again_if_an_episode_has_begun_and_ended_beside_it(
    thing: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle(arriving(success(FW="2.30"), ARRIVED))
    first, second = (
        arriving(failure(fw=fw), ARRIVED + 600_000, str(ARRIVED - 5 * DAY))
        for fw in ("2.30", "2.30")
    )
    has_begun = history_table.has_begun

    def read(device_id: str, campaign: str) -> bool:
        monkeypatch.undo()
        handle(first)
        handle(arriving(success(FW="2.31"), ARRIVED + 1_200_000))
        return has_begun(device_id, campaign)

    monkeypatch.setattr(history_table, "has_begun", read)
    with pytest.raises(TransientError, match="look again"):
        check_if_device_exists.handler(second, None)


def begin_beside(monkeypatch: pytest.MonkeyPatch, event: dict[str, Any]) -> None:
    """Have a failure begin its episode just before the history is read for another one."""
    has_begun = history_table.has_begun

    def read(device_id: str, campaign: str) -> bool:
        monkeypatch.undo()
        assert handle(event) == "counted"
        return has_begun(device_id, campaign)

    monkeypatch.setattr(history_table, "has_begun", read)


@pytest.mark.parametrize("before", ["a success", "an episode of another campaign"])
def test_failures_that_begin_a_new_campaign_beside_one_another_all_count(
    alone: Cloud, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    """The clock of the device is days behind."""
    handle(arriving(success(FW="2.30") if before == "a success" else failure(), ARRIVED))
    first, second = (
        arriving(failure(fw="2.30"), ARRIVED + number * 600_000, str(ARRIVED - 5 * DAY + number))
        for number in (1, 2)
    )
    begin_beside(monkeypatch, first)
    assert handle(second) == "counted"
    assert counter(alone) == 2


def test_it_ends_the_episode_of_the_campaign_before(alone: Cloud) -> None:
    handle(failure(1))
    assert handle(failure(-3 * DAY, jobId="job-2")) == "counted"
    item = alone.record()
    assert item
    assert (item["campaign"], item["RetryCounter"]) == ("job-2", 1)


def test_a_message_of_a_campaign_that_the_device_was_in_stays_stale(alone: Cloud) -> None:
    bring_and_succeed(alone)
    assert handle(failure(-3 * DAY)) == "of the past"
    handle(failure(LATER, fw="2.28"))
    assert handle(failure(-3 * DAY)) == "stale"


@pytest.mark.parametrize("has_failed", [True, False])
def test_a_kept_message_of_the_device_begins_nothing_where_aws_iot_jobs_reports(
    thing: Cloud, has_failed: bool
) -> None:
    if has_failed:
        handle(job_event(1))
    handle(job_event(2, kind="succeeded"))
    assert handle(failure(-DAY)) == "of the past"
    # Nor does it count in an episode that another failure has begun.
    handle(failure(DAY, receivedAt=int(failure(DAY)["timestamp"])))
    assert handle(failure(-DAY)) == "stale"


def test_it_begins_an_episode_once_the_job_events_are_off(
    thing: Cloud, environment: pytest.MonkeyPatch
) -> None:
    handle(job_event(1))
    handle(job_event(2, kind="succeeded"))
    configure(environment, JOB_EVENTS_ENABLED="false")
    assert handle(failure(-DAY)) == "counted"


def test_the_clock_of_aws_is_right(thing: Cloud) -> None:
    handle(job_event(900, "job-2"))
    assert handle(job_event(1, "job-1")) == "stale"


def test_a_success_whose_clock_is_minutes_behind_ends_what_was_dated_by_arrival(
    thing: Cloud,
) -> None:
    arrived = int(failure()["timestamp"])
    handle(failure(receivedAt=arrived) | {"timestamp": "1970-01-01T00:00:03"})
    handle(success(-180_000, receivedAt=arrived + 1_000))
    assert thing.record() is None


def arriving(event: dict[str, Any], at: int, clock: str | None = None) -> dict[str, Any]:
    """A message that arrives at a time, milliseconds, from a device whose clock says something."""
    return event | {"receivedAt": at, "timestamp": clock or str(at)}


def test_a_clock_that_is_set_back_after_the_first_failure_hides_no_other(alone: Cloud) -> None:
    """Each attempt reboots the device, and its clock is five days behind from then on."""
    handle(arriving(success(), ARRIVED - 2 * DAY))
    for number in range(3):
        at = ARRIVED + number * 600_000
        behind = str(at - 5 * DAY) if number else None
        handle(arriving(failure(fw="2.28"), at, behind))
    assert counter(alone) == 3


@pytest.mark.parametrize("stage", [Stage.TRACKED, Stage.COOLING_DOWN, Stage.NOTIFIED])
def test_a_success_of_new_firmware_ends_the_episode_though_it_set_the_clock_back(
    cloud: Cloud, stage: Stage
) -> None:
    bring(cloud, stage)
    at = ARRIVED + 3_600_000
    handle(arriving(success(FW="2.28"), at, str(at - 10 * DAY)))
    assert (cloud.record(), cloud.attributes()) == (None, ORIGINAL)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param({"jobId": "fw-228"}, id="of the job"),
        pytest.param({"FW": "2.28"}, id="of new firmware"),
        pytest.param({"FW": None}, id="of nothing"),
    ],
)
@pytest.mark.parametrize("days", [1, 10], ids=["between the failures", "before the first"])
def test_a_success_long_after_the_last_failure_ends_the_episode_whatever_its_clock_says(
    thing: Cloud, words: dict[str, Any], days: int
) -> None:
    """A device that delivered a failure has kept nothing from before."""
    for number in range(3):
        handle(arriving(failure(**words), ARRIVED + number * DAY))
    at = ARRIVED + 2 * DAY + 3_600_000
    handle(arriving(success(**words), at, str(at - days * DAY)))
    assert thing.record() is None
    late = arriving(failure(**words), at + 60_000, str(ARRIVED + DAY + 1))
    assert handle(late) == "of the past"


@pytest.mark.parametrize("earlier_end", [False, True])
def test_a_success_whose_clock_is_days_behind_makes_failures_of_its_update_stale(
    thing: Cloud, *, earlier_end: bool
) -> None:
    if earlier_end:
        handle(arriving(success(FW="2.27"), ARRIVED - 5 * DAY))
    at = ARRIVED + 3_600_000
    handle(arriving(success(FW="2.28"), at, str(at - 10 * DAY)))
    late = [arriving(failure(number), at + 1_000, str(ARRIVED + number)) for number in range(3)]
    assert [handle(event) for event in late] == ["of the past"] * 3
    assert handle(arriving(failure(fw="2.28"), at + 2_000)) == "counted"


def test_a_success_that_was_kept_takes_nothing_back_from_a_later_end(thing: Cloud) -> None:
    handle(arriving(success(FW="2.29"), ARRIVED))
    handle(arriving(success(FW="2.28"), ARRIVED - 1_000, str(ARRIVED - DAY)))
    assert history_table.read_latest_end("dev-1").succeeded == "2.29"


def test_a_success_beside_another_end_looks_again(
    thing: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle(arriving(success(FW="2.27"), ARRIVED - 5 * DAY))
    read = LatestEnd.of

    def of(item: dict[str, Any]) -> LatestEnd:
        monkeypatch.undo()
        handle(arriving(success(FW="2.28"), ARRIVED - DAY))
        return read(item)

    monkeypatch.setattr(LatestEnd, "of", of)
    with pytest.raises(TransientError, match="look again"):
        handle(arriving(success(FW="2.29"), ARRIVED, str(ARRIVED - 10 * DAY)))


def test_a_success_of_the_firmware_that_fails_now_is_of_an_earlier_update(thing: Cloud) -> None:
    handle(arriving(failure(), ARRIVED))
    handle(arriving(success(), ARRIVED + 1_000, str(ARRIVED - 10 * DAY)))
    assert counter(thing) == 1


@pytest.mark.parametrize("clock", ["2024-03-24T21:43:28Z", "1711316608.793", "1711316608793000"])
def test_a_failure_from_before_a_success_is_stale_in_whatever_form_its_time_is(
    thing: Cloud, clock: str
) -> None:
    handle(arriving(success(FW="2.28"), ARRIVED))
    assert handle(arriving(failure(), ARRIVED + 1_000, clock)) == "of the past"


def test_failures_that_were_sent_after_a_success_outlive_it(thing: Cloud) -> None:
    handle(arriving(failure(1), ARRIVED))
    handle(arriving(failure(2), ARRIVED + 40 * 60_000))
    late = arriving(success(FW="2.28"), ARRIVED + 41 * 60_000, str(ARRIVED + 10 * 60_000))
    handle(late)
    assert counter(thing) == 2


def test_a_campaign_that_was_not_named_at_first_goes_on_under_its_name(thing: Cloud) -> None:
    for number in range(2):
        handle(failure(number, FW=None))
    assert handle(failure(2)) == "cool_down_due"


def bring_and_succeed(cloud: Cloud) -> None:
    handle(failure(1))
    handle(success(2))
    assert cloud.record() is None


# One update that reports from either slot


def test_a_device_that_falls_back_has_not_begun_another_campaign(thing: Cloud) -> None:
    firmwares = ["2.27", "2.28"]
    for number in range(4):
        handle(failure(number * LATER, fw=firmwares[number % 2]))
    # The first failure after the change might have been of a new campaign.
    assert counter(thing) == 3
    assert [reason for *_, reason in thing.steps()].count("another campaign began") == 1


def test_a_late_failure_from_before_the_fall_back_is_stale(thing: Cloud) -> None:
    handle(failure(10))
    handle(failure(20, fw="2.28"))
    assert handle(failure(5)) == "stale"
    assert handle(failure(30)) == "counted"


def test_a_device_that_succeeded_has_no_firmware_to_fall_back_to(thing: Cloud) -> None:
    handle(failure(10))
    handle(failure(20, fw="2.28"))
    handle(success(30))
    handle(failure(40, fw="2.28"))
    item = thing.record()
    assert item
    assert "formerCampaigns" not in item


def test_an_old_success_of_any_firmware_that_failed_before_ends_nothing(thing: Cloud) -> None:
    for minor in range(1, 7):
        handle(failure(minor, fw=f"2.{minor}"))
    for minor in range(1, 7):
        handle(success(-5 * DAY, FW=f"2.{minor}"))
    assert thing.record()


@pytest.mark.parametrize("stage", [Stage.COOLING_DOWN, Stage.NOTIFIED])
def test_the_success_of_a_later_job_frees_a_device(cloud: Cloud, stage: Stage) -> None:
    bring(cloud, stage)
    handle(job_event(LATER, "hotfix", "succeeded"))
    assert (cloud.record(), cloud.attributes()) == (None, ORIGINAL)


def test_a_job_that_succeeded_before_the_last_failure_frees_nobody(cloud: Cloud) -> None:
    bring(cloud, Stage.TRACKED)
    handle(failure(LATER))
    handle(job_event(1, "other", "succeeded"))
    assert cloud.record()
