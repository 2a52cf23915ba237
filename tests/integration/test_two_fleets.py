"""Two instances in one account, with a prefix, a topic and options of their own."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import pytest

from localcloud import eventually
from localcloud.fleet import Fleet


def _names(outputs: Any) -> set[str]:
    if isinstance(outputs, dict):
        return set().union(*map(_names, outputs.values()))
    if isinstance(outputs, list):
        return set().union(*map(_names, outputs))
    return set() if outputs is None else {str(outputs)}


def test_they_share_no_name(quickstart: Fleet, second: Fleet) -> None:
    assert _names(quickstart.outputs).isdisjoint(_names(second.outputs))
    for name in _names(second.outputs):
        assert "second-" in name or "second_" in name
    assert quickstart.outputs["operator_topic_arn"] is None


def test_a_failure_of_one_counts_nothing_in_the_other(quickstart: Fleet, second: Fleet) -> None:
    quickstart.add_thing("in-both")
    quickstart.fail("in-both", [1])
    assert second.record("in-both") is None
    second.fail("in-both", [1])
    assert (quickstart.retry_counter("in-both"), second.retry_counter("in-both")) == (1, 1)
    assert {line["topic"] for line in quickstart.failures_logged('"in-both"')} == {
        "iot/device/data"
    }
    assert {line["topic"] for line in second.failures_logged('"in-both"')} == {
        "second/in-both/data"
    }


def test_the_topic_names_the_device_whatever_its_message_says(second: Fleet) -> None:
    second.add_thing("by-topic")
    second.fail("by-topic", [1], _id_="somebody-else")
    assert second.retry_counter("by-topic") == 1
    assert second.record("somebody-else") is None


def test_a_journey_in_one_leaves_the_other_alone(quickstart: Fleet, second: Fleet) -> None:
    device, kept = "second-journey", {"model": "gw:v3", "FW": "2.26"}
    second.add_thing(device, **kept)
    of_first, of_second = quickstart.mark(), second.mark()
    second.fail(device, [1], status="TIMED_OUT")
    away = {**kept, "firmwareRetry": "coolingDown"}
    with second.away(device):
        second.fail(device, [2])
        assert eventually(lambda: second.attributes(device) == away)
    # An attribute that was not there is removed again.
    assert eventually(lambda: second.attributes(device) == kept)
    assert eventually(lambda: not second.is_running("cool_down"))
    second.fail(device, [3, 4])
    assert eventually(lambda: second.alerts(device))
    assert second.attributes(device) == {**kept, "firmwareRetry": "failed"}
    assert second.groups(device) == {"second-FailedToUpdate"}

    assert quickstart.calls(of_first) == []
    assert quickstart.alerts(device) == []
    assert quickstart.record(device) is None
    touched = json.dumps([call.parameters for call in second.calls(of_second)])
    for key in ("retries_table_name", "backup_table_name", "alerts_topic_arn"):
        assert json.dumps(quickstart.outputs[key]) not in touched


MOVED_OUT = {"model": "moveOut", "FW": "moveOut"}
FAILED = {"model": "failedtoupdate", "FW": "failedtoupdate"}


SAME = {"MOVE_OUT_ATTRIBUTES": MOVED_OUT, "FAILED_ATTRIBUTES": FAILED}
OTHER = {"FAILED_ATTRIBUTES": {"FW": "quarantined"}, "FOREIGN_MARKS": [MOVED_OUT, FAILED]}


@pytest.mark.parametrize("settings", [SAME, OTHER], ids=["same marks", "other marks"])
def test_a_mark_of_one_is_no_original_of_the_other(
    quickstart: Fleet, second: Fleet, settings: dict[str, Any]
) -> None:
    """Two fleets over one thing: the second fails it while the first has it away."""
    failed: dict[str, str] = settings["FAILED_ATTRIBUTES"]
    device, original = f"in-two-{len(failed)}", {"model": "gw:v3", "FW": "2.26"}
    quickstart.add_thing(device, **original)
    environment = {name: json.dumps(value) for name, value in settings.items()}
    with ExitStack() as stack:
        for step in ("StoreDeviceAttributes", "ResetRetryCountToFailedUpdate", "ReconcileDevices"):
            stack.enter_context(second.with_environment(step, **environment))
        with quickstart.away(device):
            quickstart.fail(device, range(1, 11))
            assert eventually(lambda: quickstart.attributes(device) == MOVED_OUT)
            second.fail(device, [1], reason="signature invalid")
            assert eventually(lambda: (second.record(device) or {})["state"] == "failed")
            assert quickstart.attributes(device) == MOVED_OUT
            quickstart.succeed(device, 20)
            assert quickstart.record(device) is None
        assert eventually(lambda: _has_failed(second, device))
    assert second.attributes(device) == original | failed
    second.invoke("ReleaseDevice", deviceId=device)
    assert second.attributes(device) == original


def _has_failed(fleet: Fleet, device: str) -> bool:
    """Run a pass as well: a run tries again for a day, which lasts four seconds here."""
    fleet.invoke("ReconcileDevices", graceSeconds=-5)
    return "notifiedAt" in (fleet.record(device) or {})
