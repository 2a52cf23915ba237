"""``fleet-retry list``: where the devices are."""

from __future__ import annotations

import time
from typing import Any

import pytest

from firmware_retry.clock import iso

from .conftest import DAY, HOUR, Fleet


def devices(fleet: Fleet, *options: str) -> list[str]:
    return [line["deviceId"] for line in fleet.run_json("list", *options)]


@pytest.fixture
def four(fleet: Fleet) -> Fleet:
    now = int(time.time())
    fleet.put("counting", startedAt=(now - 2 * HOUR) * 1000, RetryCounter=4)
    fleet.put("resting", "cooling_down", campaign="job-7", awaySince=now - 3 * HOUR)
    fleet.put("failed-today", "failed", awaySince=now - HOUR, lastReason="Battery low")
    fleet.put("failed-long-ago", "failed", awaySince=now - 5 * DAY, dueAt=now - DAY)
    return fleet


def test_failed_devices_come_first_and_then_who_waits_longest(four: Fleet) -> None:
    assert devices(four) == ["failed-long-ago", "failed-today", "resting", "counting"]


def test_a_device_is_one_line_however_narrow_the_terminal(four: Fleet) -> None:
    code, output = four.run("list")
    header, *rows, summary = output.splitlines()
    assert code == 0
    assert header.split()[:4] == ["device", "state", "cycles", "failures"]
    assert rows[3].split()[:5] == ["counting", "tracking", "0", "4", "2.27"]
    assert "(2h)" in rows[3]
    assert rows[2].split()[:2] == ["resting", "cooling_down"]
    assert "(in 23h)" in rows[2]
    assert "(24h ago)" in rows[0]
    assert summary == "4 devices: 2 failed, 1 cooling down, 1 tracking, 1 overdue"


def test_as_json_it_is_one_object_a_line(four: Fleet) -> None:
    now = int(time.time())
    four.put("resting", "cooling_down", awaySince=now - HOUR, dueAt=now + DAY, campaign="job-7")
    (line,) = four.run_json("list", "--campaign", "job-7")
    assert line == {
        "deviceId": "resting",
        "state": "cooling_down",
        "cycles": 1,
        "failures": 0,
        "campaign": "job-7",
        "since": iso(now - HOUR),
        "due": iso(now + DAY),
        "isHeld": False,
        "isOverdue": False,
        "isNotAway": False,
        "lastReason": "flash error",
    }


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--state", "failed"], ["failed-long-ago", "failed-today"]),
        (["--campaign", "job-7"], ["resting"]),
        (["--older-than", "3d"], ["failed-long-ago"]),
        (["--older-than", "90m"], ["failed-long-ago", "resting", "counting"]),
        (["--reason", "*battery*"], ["failed-today"]),
        (["--state", "failed", "--reason", "flash*"], ["failed-long-ago"]),
    ],
)
def test_options_say_which(four: Fleet, options: list[str], found: list[str]) -> None:
    assert devices(four, *options) == found


def test_an_age_that_is_none_is_refused(fleet: Fleet) -> None:
    code, output = fleet.run("list", "--older-than", "long")
    assert code == 2
    assert "such as 2h or 3d" in output


def test_a_device_that_its_campaigns_pause_keeps_away_is_held_and_not_overdue(fleet: Fleet) -> None:
    fleet.put("held", "cooling_down", dueAt=int(time.time()) - HOUR)
    fleet.pause("2.27")
    _, output = fleet.run("list")
    assert "held: its campaign is paused" in output
    assert output.splitlines()[-1] == "1 device: 1 cooling down, 1 held by a paused campaign"
    (line,) = fleet.run_json("list")
    assert (line["isHeld"], line["isOverdue"]) == (True, False)


@pytest.mark.parametrize("used_up", [{"RetryCounter": 10}, {"isFatal": True}])
def test_device_whose_recovery_never_started_is_overdue_as_for_doctor(
    fleet: Fleet, used_up: dict[str, Any]
) -> None:
    used_up_at = iso(time.time() - 2 * HOUR)
    fleet.put("unclaimed", timestamp=used_up_at, **used_up)
    _, output = fleet.run("list")
    assert "(2h ago)" in output
    assert output.splitlines()[-1] == "1 device: 1 tracking, 1 overdue"
    (line,) = fleet.run_json("list")
    assert (line["isOverdue"], line["due"]) == (True, used_up_at)


def test_device_whose_requested_end_is_not_made_is_overdue(fleet: Fleet) -> None:
    fleet.put("ending", "cooling_down", timestamp=iso(time.time() - 2 * HOUR), ending="succeeded")
    (line,) = fleet.run_json("list")
    assert line["isOverdue"]


def test_what_a_device_said_cannot_play_with_the_terminal(fleet: Fleet) -> None:
    fleet.put("loud", lastReason="\x1b[2Jboo\nfree")
    _, output = fleet.run("list")
    assert "\\x1b[2Jboo\\nfree" in output


def test_a_fleet_without_failures_is_said(fleet: Fleet) -> None:
    assert fleet.run("list") == (0, "No such device.\n")


def test_records_of_another_making_are_left_out(fleet: Fleet) -> None:
    fleet.table("DeviceFirmwareRetries").put_item(Item={"deviceId": "old", "RetryCounter": 3})
    assert devices(fleet) == []


def test_record_that_cannot_be_read_is_left_out_and_named(four: Fleet) -> None:
    four.put("broken", state="paused")
    code, output = four.run("list")
    assert code == 0
    assert "Left out: the record of broken cannot be read: ValueError: 'paused'" in output
    assert output.splitlines()[-1].startswith("4 devices: ")
    assert len(devices(four)) == 4


def test_device_that_should_be_away_and_is_not_is_marked(four: Fleet) -> None:
    used_up = {"usedUpAt": int(time.time()) - 600, "awaySince": 0}
    four.put("stays", "cooling_down", **used_up)
    output = four.run("list")[1]
    (row,) = [line for line in output.splitlines() if line.startswith("stays")]
    assert "not away: its attributes could not be overwritten" in row
    assert output.splitlines()[-1].endswith("1 overdue, 1 not away")
    marked = [line["deviceId"] for line in four.run_json("list") if line["isNotAway"]]
    assert marked == ["stays"]
