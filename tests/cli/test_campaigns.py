"""``fleet-retry campaigns``, ``pause`` and ``resume``."""

from __future__ import annotations

import time
from typing import Any

from firmware_retry.clock import epoch
from tests.unit.conftest import CAMPAIGNS

from .conftest import Fleet


def item(fleet: Fleet, campaign: str = "2.27") -> dict[str, Any]:
    return dict(fleet.table(CAMPAIGNS).get_item(Key={"campaign": campaign}).get("Item", {}))


def put_two_cooling_down(fleet: Fleet) -> None:
    """The cool-down of one is over."""
    fleet.put("over", "cooling_down", dueAt=int(time.time()) - 1)
    fleet.put("resting", "cooling_down")
    fleet.put("other", "cooling_down", campaign="job-7")


def test_pause_writes_who_when_and_why(fleet: Fleet) -> None:
    put_two_cooling_down(fleet)
    fleet.table(CAMPAIGNS).put_item(Item={"campaign": "2.27", "resumedAt": "2026-11-01T00:00:00Z"})
    code, output = fleet.run("pause", "2.27", "--why", "bootloader bug", "--prefix", "")
    paused_at = item(fleet).get("pausedAt", "")
    assert code == 0
    assert output.startswith("2.27 is paused. 2 of its devices cool down now")
    assert "`fleet-retry resume -- 2.27`" in output
    assert abs(time.time() - epoch(paused_at)) < 10
    assert item(fleet) == {
        "campaign": "2.27",
        "pausedAt": paused_at,
        "pausedBy": "operator",
        "why": "bootloader bug",
    }


def test_resume_says_who_comes_back(fleet: Fleet) -> None:
    put_two_cooling_down(fleet)
    fleet.pause("2.27", toldAt="2026-11-24T10:00:00Z")
    code, output = fleet.run("resume", "2.27")
    assert code == 0
    assert output.startswith("2.27 is resumed. 1 of its devices were held")
    assert "1 still cool down" in output
    assert set(item(fleet)) == {"campaign", "resumedAt"}


def test_resume_of_one_that_is_not_paused_says_so_and_leaves_nothing(fleet: Fleet) -> None:
    code, output = fleet.run("resume", "2.28")
    assert code == 1
    assert "2.28 is not paused" in output
    assert item(fleet, "2.28") == {}


def test_resume_of_one_that_was_only_told_of_has_it_looked_at_anew(fleet: Fleet) -> None:
    fleet.table(CAMPAIGNS).put_item(Item={"campaign": "2.27", "toldAt": "2026-11-24T10:00:00Z"})
    assert fleet.run("resume", "2.27")[0] == 0
    assert "toldAt" not in item(fleet)


def test_the_empty_campaign_can_be_neither(fleet: Fleet) -> None:
    for command in ("pause", "resume"):
        code, output = fleet.run(command, "")
        assert code == 2
        assert "the campaign is empty" in output


def test_campaigns_are_listed_with_their_devices(fleet: Fleet) -> None:
    put_two_cooling_down(fleet)
    fleet.put("failed", "failed")
    fleet.pause("2.27")
    fleet.pause("nobody's")
    fleet.table(CAMPAIGNS).put_item(Item={"campaign": "job-9", "toldAt": "2026-11-24T10:00:00Z"})
    fleet.table(CAMPAIGNS).put_item(Item={"campaign": "past", "resumedAt": "2026-11-01T00:00:00Z"})
    code, output = fleet.run("campaigns")
    rows = output.splitlines()[1:]
    assert code == 0
    assert rows[0].split()[:5] == ["2.27", "1", "2", "0", "1"]
    assert "by breaker since 2026-11-24T10:00:00Z: 20 of 22 devices" in rows[0]
    assert rows[1].split() == ["job-7", "0", "1", "0", "0"]
    assert "no; too many failed, told at 2026-11-24T10:00:00Z" in rows[2]
    assert [row.split()[0] for row in rows] == ["2.27", "job-7", "job-9", "nobody's"]


def test_as_json_a_campaign_is_a_line(fleet: Fleet) -> None:
    put_two_cooling_down(fleet)
    fleet.pause("2.27")
    first, second = fleet.run_json("campaigns")
    assert first == {
        "campaign": "2.27",
        "failed": 0,
        "cooling_down": 2,
        "tracking": 0,
        "held": 1,
        "pausedAt": "2026-11-24T10:00:00Z",
        "pausedBy": "breaker",
        "why": "20 of 22 devices",
        "toldAt": None,
    }
    assert (second["campaign"], second["pausedAt"]) == ("job-7", None)


def test_no_campaign_is_said(fleet: Fleet) -> None:
    assert fleet.run("campaigns") == (
        0,
        "No campaign has a device with a failure, and none is paused.\n",
    )


def test_a_module_without_the_table_says_so(fleet: Fleet) -> None:
    fleet.environment["CAMPAIGNS_TABLE"] = "their-campaigns"
    code, output = fleet.run("pause", "2.27")
    assert code == 2
    assert "there is no table their-campaigns" in output
