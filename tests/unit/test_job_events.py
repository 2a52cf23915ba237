"""Devices and AWS IoT Jobs tell of the same failures: each is counted once."""

from itertools import permutations
from typing import Any

import pytest

from .conftest import LIMIT, Cloud, configure, failure, job_event
from .journey import ORIGINAL, Stage, bring, handle


@pytest.fixture
def thing(cloud: Cloud) -> Cloud:
    cloud.create_thing(**ORIGINAL)
    return cloud


def read_item(cloud: Cloud) -> dict[str, Any]:
    item = cloud.record()
    assert item
    return item


def test_an_event_begins_an_episode_whose_campaign_is_the_job(thing: Cloud) -> None:
    assert handle(job_event(1)) == "counted"
    item = read_item(thing)
    assert (item["campaign"], item["reportedBy"], item["RetryCounter"]) == ("job-1", "jobs", 1)
    assert item["countedEvents"] == {"event-1"}


def test_an_event_delivered_twice_counts_once(thing: Cloud) -> None:
    outcomes = [handle(job_event(number)) for number in (1, 1, 2, 1)]
    assert outcomes == ["counted", "duplicate", "counted", "duplicate"]


def test_events_of_one_second_are_told_apart_by_their_id(thing: Cloud) -> None:
    assert handle(job_event(1)) == "counted"
    assert handle(job_event(1, eventId="another")) == "counted"


@pytest.mark.parametrize("fields", [{}, {"jobId": "job-1"}, {"fw": "2.28"}, {"fw": ""}])
def test_what_the_device_says_does_not_count_beside_the_events(
    thing: Cloud, fields: dict[str, str]
) -> None:
    handle(job_event(1))
    before = read_item(thing)
    assert handle(failure(5_000, **fields)) == "counted_by_other"
    assert read_item(thing) == before


@pytest.mark.parametrize("fields", [{}, {"jobId": "job-1"}])
def test_one_failure_that_both_tell_of_counts_once_in_whatever_order(
    thing: Cloud, fields: dict[str, str]
) -> None:
    """The clocks of AWS IoT and of the device need not agree, nor are they equally fine."""
    handle(failure(1, **fields))
    handle(job_event(0))
    for number in range(1, LIMIT):
        handle(job_event(number))
        handle(failure(1 + number, **fields))
    item = read_item(thing)
    assert (item["reportedBy"], item["RetryCounter"]) == ("jobs", LIMIT)


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_two_failures_of_which_both_tell_count_twice(thing: Cloud, order: tuple[int, ...]) -> None:
    """Off by one at most, where messages overtake each other at the moment of the takeover."""
    events = (failure(1), job_event(0), failure(60_001), job_event(60))
    for index in order:
        handle(events[index])
    item = read_item(thing)
    is_in_order = order.index(0) < order.index(2) and order.index(1) < order.index(3)
    assert item["reportedBy"] == "jobs"
    assert item["RetryCounter"] == 2 if is_in_order else item["RetryCounter"] in (1, 2, 3)


def test_the_events_take_over_counters_and_cycles(cloud: Cloud) -> None:
    bring(cloud, Stage.BACK)
    handle(failure(LIMIT))
    before = read_item(cloud)
    assert handle(job_event(60)) == "taken_over"
    assert handle(job_event(120)) in ("counted", "escalation_due")
    item = read_item(cloud)
    assert (item["reportedBy"], item["campaign"]) == ("jobs", "job-1")
    assert item["RetryCounter"] == before["RetryCounter"] + 2
    assert item["ResetRetryCount"] == before["ResetRetryCount"] == 1
    assert item["trackingId"] == before["trackingId"]


def test_an_event_of_what_the_device_has_told_is_not_counted(thing: Cloud) -> None:
    handle(failure(1))
    handle(failure(60_001))
    assert handle(job_event(60)) == "taken_over"
    assert handle(job_event(0)) == "stale"
    assert read_item(thing)["RetryCounter"] == 2


@pytest.mark.parametrize(("number", "counted"), [(207, 2), (208, 1)])
def test_an_event_counts_as_another_failure_a_second_after_the_device_reported(
    thing: Cloud, number: int, counted: int
) -> None:
    """AWS IoT dates an event to the second: less than one apart, both report the same failure."""
    handle(failure(number))
    assert handle(job_event(1)) == "taken_over"
    assert read_item(thing)["RetryCounter"] == counted


@pytest.mark.parametrize(
    ("number", "outcome"), [(2_207, "taken_over"), (2_208, "stale"), (60_001, "stale")]
)
def test_an_event_from_over_a_second_before_the_episode_takes_nothing_over(
    thing: Cloud, number: int, outcome: str
) -> None:
    handle(failure(number))
    before = read_item(thing)
    assert handle(job_event(1)) == outcome
    assert (read_item(thing) == before) is (outcome == "stale")


def test_a_fatal_event_takes_over_and_escalates(
    thing: Cloud, environment: pytest.MonkeyPatch
) -> None:
    configure(environment, FATAL_REASONS='["*signature*"]')
    handle(failure(1))
    assert handle(job_event(60, reason="signature invalid")) == "escalation_due"


def test_what_is_due_stays_due_whoever_reports(cloud: Cloud) -> None:
    bring(cloud, Stage.DUE)
    assert handle(job_event(60)) == "cool_down_due"
    assert read_item(cloud)["reportedBy"] == "device"


@pytest.mark.parametrize("stage", [Stage.MOVING, Stage.COOLING_DOWN, Stage.MARKING, Stage.NOTIFIED])
def test_they_do_not_take_over_in_the_middle_of_a_recovery(cloud: Cloud, stage: Stage) -> None:
    bring(cloud, stage)
    before = (read_item(cloud), cloud.attributes())
    assert handle(job_event(1)) == before[0]["state"]
    assert (read_item(cloud), cloud.attributes()) == before


def test_a_later_job_begins_an_episode_and_an_earlier_one_does_not(thing: Cloud) -> None:
    handle(job_event(5))
    assert handle(job_event(4, "job-0")) == "stale"
    assert handle(job_event(5, "job-0")) == "stale"
    assert handle(job_event(6, "job-2")) == "counted"
    assert (read_item(thing)["campaign"], read_item(thing)["RetryCounter"]) == ("job-2", 1)


def test_a_device_counts_itself_again_where_the_events_were_switched_off(
    thing: Cloud, environment: pytest.MonkeyPatch
) -> None:
    handle(job_event(1))
    configure(environment, JOB_EVENTS_ENABLED="false")
    assert handle(failure(65_000)) == "taken_over"
    item = read_item(thing)
    assert (item["reportedBy"], item["campaign"], item["RetryCounter"]) == ("device", "2.27", 2)
    assert handle(job_event(120)) == "counted_by_other"


def test_the_success_of_a_job_ends_what_the_device_counts_for_it(thing: Cloud) -> None:
    handle(failure(1, jobId="job-1"))
    handle(job_event(5_000, kind="succeeded"))
    assert thing.record() is None
