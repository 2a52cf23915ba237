"""What is being installed changes: the episode of the old is over, and the new is counted anew."""

from __future__ import annotations

import time

import pytest

from localcloud import eventually
from localcloud.fleet import Fleet

ORIGINAL = {"model": "gw:v3", "FW": "2.26"}


@pytest.mark.parametrize("field", ["jobId", "FW"])
def test_another_campaign_starts_from_zero_and_late_messages_count_for_nothing(
    quickstart: Fleet, field: str
) -> None:
    device = f"changes-{field}"
    quickstart.add_thing(device, **ORIGINAL)
    quickstart.fail(device, range(1, 6), **{field: "first"})
    assert quickstart.retry_counter(device) == 5
    quickstart.fail(device, [6], **{field: "second"})
    assert quickstart.retry_counter(device) == 1
    quickstart.fail(device, [3, 4, 5], **{field: "first"})
    assert quickstart.retry_counter(device) == 1
    assert quickstart.history(device) == [
        ("free", "tracking", "first failure"),
        ("tracking", "free", "another campaign began"),
        ("free", "tracking", "first failure"),
    ]


def test_a_device_that_cools_down_is_restored_for_the_next_campaign(quickstart: Fleet) -> None:
    device = "changes-while-away"
    quickstart.add_thing(device, **ORIGINAL)
    with quickstart.away(device):
        quickstart.fail(device, range(1, 11), jobId="first")
        assert eventually(lambda: quickstart.attributes(device)["FW"] == "moveOut")
        quickstart.fail(device, [20], jobId="second")
        assert quickstart.attributes(device) == ORIGINAL
    assert quickstart.retry_counter(device) == 1
    record = quickstart.record(device)
    assert record
    assert (record["campaign"], record["ResetRetryCount"]) == ("second", 0)


def test_a_failed_device_is_released_for_the_next_campaign(second: Fleet) -> None:
    device = "changes-when-failed"
    second.add_thing(device, **ORIGINAL)
    second.fail(device, [1], jobId="first", reason="signature invalid")
    assert eventually(lambda: second.alerts(device))
    assert eventually(lambda: not second.is_running("escalation"))
    second.fail(device, [2], jobId="first")
    assert second.groups(device) == {"second-FailedToUpdate"}
    second.fail(device, [3], jobId="second")
    assert second.attributes(device) == ORIGINAL
    assert second.groups(device) == set()
    assert second.retry_counter(device) == 1


def test_a_device_that_falls_back_and_reports_from_both_slots_reaches_its_limit(
    quickstart: Fleet,
) -> None:
    """Its first failure with the new firmware may be one of another campaign; none after it is."""
    device, firmwares = "two-slots", ["2.27", "2.28"]
    quickstart.add_thing(device, **ORIGINAL)
    with quickstart.away(device):
        for number in range(11):
            quickstart.fail(device, [number], FW=firmwares[number % 2])
        assert eventually(lambda: quickstart.attributes(device)["FW"] == "moveOut")
        quickstart.fail(device, [11], FW=firmwares[1])
        assert quickstart.attributes(device)["FW"] == "moveOut"
    assert eventually(lambda: not quickstart.is_running("cool_down"))
    causes = [reason for *_, reason in quickstart.history(device)]
    assert causes.count("another campaign began") == 1


@pytest.mark.parametrize("succeeds", [True, False])
def test_another_campaign_begins_though_the_clock_is_weeks_behind(
    quickstart: Fleet, succeeds: bool
) -> None:
    device, now = f"weeks-behind-{succeeds}", int(time.time() * 1000)
    weeks_ago = now - 21 * 86_400_000
    quickstart.add_thing(device, **ORIGINAL)
    quickstart.fail(device, [1], jobId="first")
    if succeeds:
        quickstart.succeed(device, 2, jobId="first")
        assert quickstart.record(device) is None
    for number in range(2):
        quickstart.fail(device, [0], jobId="second", timestamp=str(weeks_ago + number))
    record = quickstart.record(device) or {}
    assert (record["campaign"], record["RetryCounter"]) == ("second", 2)
    quickstart.fail(device, [0], jobId="first", timestamp=str(weeks_ago))
    assert quickstart.record(device) == record, "a late message of the campaign before"
