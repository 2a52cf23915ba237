"""The fleet, counted: what the log says of it, and what a pass takes up."""

import logging
import random
from typing import Any

import pytest

from firmware_retry import aws, clock
from firmware_retry.fleet_scan import Sample
from firmware_retry.handlers import reconcile_devices
from firmware_retry.record import GRACE_SECONDS

from .conftest import GROUP, RETRIES, Cloud
from .journey import Stage, bring

DAY, HOUR = 86_400, 3_600


@pytest.fixture
def count_fleet(caplog: pytest.LogCaptureFixture) -> Any:
    """Runs a pass; what it logged of the fleet."""

    def run(context: Any = None, **event: Any) -> dict[str, Any]:
        caplog.clear()
        with caplog.at_level(logging.INFO):
            reconcile_devices.handler(event, context)
        (line,) = [vars(entry) for entry in caplog.records if entry.message == "fleet counted"]
        names = ("tracking", "cooling_down", "failed", "held", "overdue", "oldestOverdueSeconds")
        return {name: line[name] for name in (*names, "notAway", "isPartial") if line[name]}

    return run


def test_an_empty_fleet(cloud: Cloud, count_fleet: Any) -> None:
    assert count_fleet() == {}


def test_devices_are_counted_by_state(cloud: Cloud, count_fleet: Any) -> None:
    for number, stage in enumerate(
        (Stage.TRACKED, Stage.TRACKED, Stage.DUE, Stage.COOLING_DOWN, Stage.NOTIFIED)
    ):
        bring(cloud, stage, f"dev-{number}")
    assert count_fleet() == {"tracking": 3, "cooling_down": 1, "failed": 1}


def test_what_is_overdue_is_counted_and_how_long_the_oldest_is(
    cloud: Cloud, count_fleet: Any, fake_time: list[float]
) -> None:
    bring(cloud, Stage.TRACKED, "idle")
    bring(cloud, Stage.NOTIFIED, "failed")
    bring(cloud, Stage.DUE, "due")
    fake_time[0] += HOUR
    bring(cloud, Stage.DUE, "due-later")
    fake_time[0] += HOUR
    assert count_fleet() == {
        "tracking": 3,
        "failed": 1,
        "overdue": 2,
        "oldestOverdueSeconds": 2 * HOUR,
    }


def test_the_age_is_that_of_the_wait_that_ended(
    cloud: Cloud, count_fleet: Any, fake_time: list[float]
) -> None:
    bring(cloud, Stage.COOLING_DOWN)
    fake_time[0] = clock.epoch("2024-03-26T12:00:00Z")
    item = cloud.record()
    assert item
    late = int(fake_time[0]) - int(item["dueAt"])
    assert count_fleet() == {"cooling_down": 1, "overdue": 1, "oldestOverdueSeconds": late}


def test_one_within_its_grace_is_not_overdue(
    cloud: Cloud, count_fleet: Any, fake_time: list[float]
) -> None:
    bring(cloud, Stage.DUE)
    fake_time[0] += GRACE_SECONDS
    assert count_fleet() == {"tracking": 1}
    fake_time[0] += 1
    assert count_fleet()["overdue"] == 1


def test_a_campaign_resumed_before_the_device_was_due_changes_nothing(
    cloud: Cloud, count_fleet: Any, fake_time: list[float]
) -> None:
    bring(cloud, Stage.COOLING_DOWN)
    cloud.resume(clock.iso(fake_time[0]))
    fake_time[0] += 2 * DAY
    item = cloud.record()
    assert item
    late = int(fake_time[0]) - int(item["dueAt"])
    assert count_fleet()["oldestOverdueSeconds"] == late


def test_one_that_was_held_is_overdue_since_its_campaign_was_resumed(
    cloud: Cloud, count_fleet: Any, fake_time: list[float]
) -> None:
    bring(cloud, Stage.COOLING_DOWN)
    cloud.pause()
    fake_time[0] += 2 * DAY
    cloud.resume(clock.iso(fake_time[0]))
    fake_time[0] += 600
    assert count_fleet() == {"cooling_down": 1, "overdue": 1, "oldestOverdueSeconds": 600}


def test_one_that_is_held_is_not_overdue(
    cloud: Cloud, count_fleet: Any, fake_time: list[float]
) -> None:
    bring(cloud, Stage.COOLING_DOWN)
    cloud.pause()
    fake_time[0] += 2 * DAY
    assert count_fleet() == {"cooling_down": 1, "held": 1}


@pytest.mark.parametrize(
    ("stage", "state"), [(Stage.MOVING, "cooling_down"), (Stage.MARKING, "failed")]
)
def test_device_whose_attributes_are_not_overwritten_in_time_is_counted(
    cloud: Cloud, count_fleet: Any, fake_time: list[float], stage: Stage, state: str
) -> None:
    bring(cloud, stage)
    bring(cloud, Stage.COOLING_DOWN, "away")
    bring(cloud, Stage.NOTIFIED, "failed")
    bring(cloud, Stage.DUE, "due")
    fake_time[0] += GRACE_SECONDS
    assert "notAway" not in count_fleet()
    fake_time[0] += 1
    found = count_fleet()
    assert found["notAway"] == 1
    assert found[state] == 2


class Hurried:
    """Lambda's context, when there is less than half of the time left once a page is read."""

    def __init__(self, pages: int) -> None:
        self.seconds = [900] * (1 + pages)

    def get_remaining_time_in_millis(self) -> int:
        return 1_000 * (self.seconds.pop() if self.seconds else 449)


def test_a_table_that_is_too_large_for_a_pass_is_counted_in_part(
    cloud: Cloud, count_fleet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = aws.call

    def small_pages(service: str, operation: str, **parameters: Any) -> Any:
        limit = {"Limit": 1} if operation == "scan" else {}
        return call(service, operation, **parameters, **limit)

    monkeypatch.setattr(aws, "call", small_pages)
    for number in range(4):
        bring(cloud, Stage.TRACKED, f"dev-{number}")
    assert count_fleet(Hurried(2)) == {"tracking": 2, "isPartial": True}
    assert count_fleet(Hurried(9)) == {"tracking": 4}


def test_only_what_a_census_needs_is_read(
    cloud: Cloud, count_fleet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names of all counted messages would take most of the memory."""
    bring(cloud, Stage.TRACKED)
    pages: list[dict[str, Any]] = []
    call = aws.call

    def looking(*names: str, **parameters: Any) -> Any:
        answer = call(*names, **parameters)
        pages.append(answer)
        return answer

    monkeypatch.setattr(aws, "call", looking)
    count_fleet()
    items = [item for page in pages for item in page.get("Items", ())]
    assert items
    assert "countedEvents" not in items[0]


def test_an_item_of_another_program_is_not_counted(cloud: Cloud, count_fleet: Any) -> None:
    """The table may be one that somebody else used before."""
    cloud.dynamodb.Table(RETRIES).put_item(Item={"deviceId": "old", "RetryCounter": 10})
    bring(cloud, Stage.TRACKED)
    assert count_fleet() == {"tracking": 1}


# Which devices a pass takes


def test_a_sample_is_all_there_is_as_long_as_that_is_few(fake_time: list[float]) -> None:
    sample = Sample[str](most=3)
    for name in "abc":
        sample.add(name)
    assert (sample.seen, sorted(sample.devices)) == (3, ["a", "b", "c"])


def test_each_name_has_the_same_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "share", random.Random(1).random)
    taken = dict.fromkeys("abcdefghij", 0)
    for _ in range(5_000):
        sample = Sample[str](most=3)
        for name in taken:
            sample.add(name)
        assert len(set(sample.devices)) == 3
        for name in sample.devices:
            taken[name] += 1
    # 1,500 each, and by chance 32 more or less.
    assert all(1_350 < times < 1_650 for times in taken.values()), taken


def test_an_order_is_another_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "share", random.Random(1).random)
    sample = Sample[str]()
    for number in range(100):
        sample.add(str(number))
    first, second = sample.shuffle(), sample.shuffle()
    assert sorted(first) == sorted(second) == sorted(sample.devices)
    assert len({tuple(first), tuple(second), tuple(sample.devices)}) == 3


def test_the_group_of_the_failed_is_no_census_of_its_own(
    cloud: Cloud, fake_time: list[float]
) -> None:
    """A failed device in its group is at rest, however long."""
    bring(cloud, Stage.NOTIFIED)
    fake_time[0] += 30 * DAY
    assert reconcile_devices.handler({}, None) == {"failed": 1}
    assert cloud.members(GROUP) == ["dev-1"]
