"""A bad campaign trips the breaker, which holds its devices back until somebody resumes it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from localcloud import eventually
from localcloud.fleet import Fleet

ORIGINAL = {"model": "gw:v3", "FW": "2.26"}
AWAY = {**ORIGINAL, "firmwareRetry": "coolingDown"}
LATER = -36_005
"""A grace with which the second fleet's cool-down is over: the functions' clock is not scaled."""


@pytest.fixture(scope="module")
def campaigns_to_resume(second: Fleet) -> Iterator[list[str]]:
    """Campaigns that are resumed for those who come after."""
    campaigns: list[str] = []
    yield campaigns
    for campaign in campaigns:
        second.resume(campaign)


def test_the_rule_is_what_the_variable_says(quickstart: Fleet, second: Fleet) -> None:
    assert _rule(quickstart) is None
    assert _rule(second) == {
        "share": 0.3,
        "window_seconds": 900,
        "min_devices": 1000,
        "pauses": True,
    }


def test_a_bad_campaign_is_told_of_once_and_paused_until_it_is_resumed(
    second: Fleet, campaigns_to_resume: list[str]
) -> None:
    campaign, started = "tripping", time.time()
    campaigns_to_resume.append(campaign)
    devices = [f"tripping-{number}" for number in range(8)]
    for device in devices:
        second.add_thing(device, **ORIGINAL)
        second.fail(device, [1, 2], FW=campaign)
    assert eventually(
        lambda: all("usedUpAt" in (second.record(device) or {}) for device in devices)
    )
    with _few_are_enough(second, since=started):
        assert second.reconcile(300)["tripped"] == 1
        assert "tripped" not in second.reconcile(300)
    assert eventually(lambda: second.trips(campaign))
    (told,) = second.trips(campaign)
    assert (told["devices"], told["isPaused"]) == (8, True)
    assert second.campaign(campaign)["pausedBy"] == "breaker"

    # One more of it is moved out, and its run ends without bringing it back.
    held = "tripping-late"
    second.add_thing(held, **ORIGINAL)
    second.fail(held, [1, 2], FW=campaign)
    assert eventually(lambda: _cool_down_of(second, held) == "HeldByPause")
    for _ in range(2):
        assert second.reconcile(LATER)["held"] >= 1
        assert second.attributes(held) == AWAY
    counted = second.log_lines("ReconcileDevices", "fleet counted")[-1]
    assert counted["held"] >= 1
    assert counted["cooling_down"] >= counted["held"]

    second.resume(campaign)
    assert second.reconcile(LATER)["restored"] >= 1
    assert second.attributes(held) == ORIGINAL
    assert (second.record(held) or {})["state"] == "tracking"


def test_an_operator_pauses_a_campaign_and_a_success_ends_it_all_the_same(
    second: Fleet, campaigns_to_resume: list[str]
) -> None:
    campaign = "paused"
    campaigns_to_resume.append(campaign)
    second.pause(campaign)
    devices = ("paused-1", "paused-2")
    for device in devices:
        second.add_thing(device, **ORIGINAL)
        second.fail(device, [1, 2], FW=campaign)
    for device in devices:
        assert eventually(partial(_is_held, second, device))
        assert second.attributes(device) == AWAY
    bad_ends = second.bad_ends()
    second.succeed("paused-1", 9, "SUCCEEDED", FW=campaign)
    assert second.attributes("paused-1") == ORIGINAL
    assert second.record("paused-1") is None
    assert second.attributes("paused-2") == AWAY
    assert second.bad_ends() == bad_ends
    second.resume(campaign)
    second.reconcile(LATER)
    assert second.attributes("paused-2") == ORIGINAL


def _rule(fleet: Fleet) -> Any:
    name = fleet.outputs["handler_function_names"]["ReconcileDevices"]
    function = fleet.client("lambda").get_function_configuration(FunctionName=name)
    return json.loads(function["Environment"]["Variables"]["BREAKER"])


@contextmanager
def _few_are_enough(fleet: Fleet, since: float) -> Iterator[None]:
    """A rule that the devices of this test break, and that knows of no others."""
    # A function whose environment was changed takes some seconds to start anew.
    window = int(time.time() - since) + 20
    rule = {**_rule(fleet), "min_devices": 8, "share": 0.2, "window_seconds": window}
    with fleet.with_environment("ReconcileDevices", BREAKER=json.dumps(rule)):
        yield


def _is_held(fleet: Fleet, device: str) -> bool:
    return _cool_down_of(fleet, device) == "HeldByPause"


def _cool_down_of(fleet: Fleet, device: str) -> str:
    """The state that the cool-down of a device has come to; empty before it has begun."""
    runs = fleet.recoveries(device)["cool_down"]
    return "".join(fleet.states_entered(runs[0])[-1:]) if runs else ""
