"""Why an update failed decides whether it counts, and whether another try is worth it."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud import eventually
from localcloud.fleet import Fleet


@pytest.mark.parametrize(
    ("device", "why"),
    [
        ("ignored-1", {"reason": "Battery low (12%)"}),
        ("ignored-2", {"errorCode": "E_BUSY"}),
        ("ignored-3", {"errorCode": "e_busy", "reason": "no matter"}),
    ],
)
def test_an_ignored_reason_is_not_counted(second: Fleet, device: str, why: dict[str, Any]) -> None:
    second.add_thing(device)
    mark = second.mark()
    second.fail(device, [1], **why)
    assert second.record(device) is None
    assert second.operations(mark) == ["lambda.Invoke"]
    (line,) = second.failures_logged(f'"{device}"')
    assert line["deviceId"] == device
    second.fail(device, [2], reason="flash write error")
    assert second.retry_counter(device) == 1


def test_a_fatal_reason_goes_straight_to_the_failed_group(second: Fleet) -> None:
    second.add_thing("fatal", model="gw:v3")
    second.fail("fatal", [1], reason="Signature invalid: key 7", errorCode="E_SIG")
    (alert,) = eventually(lambda: second.alerts("fatal"))
    assert (alert["event"], alert["cycles"]) == ("failed", 1)
    assert alert["reason"] == "E_SIG, Signature invalid: key 7"
    assert second.attributes("fatal") == {"model": "gw:v3", "firmwareRetry": "failed"}
    assert second.groups("fatal") == {"second-FailedToUpdate"}
    assert second.history("fatal")[-1] == (
        "tracking",
        "failed",
        "fatal reason: E_SIG, Signature invalid: key 7",
    )


@pytest.mark.parametrize(
    ("device", "why", "reason"),
    [
        ("greengrass", {"deployment-failure-cause": "it broke"}, "it broke"),
        ("client", {"stderr": "no space\nleft\n"}, "no space left"),
    ],
)
def test_a_reason_is_found_under_the_keys_of_agents_of_aws(
    second: Fleet, device: str, why: dict[str, Any], reason: str
) -> None:
    second.add_thing(device)
    second.fail(device, [1], **why)
    assert (second.record(device) or {})["lastReason"] == reason


def test_the_reason_of_the_last_failure_is_in_the_record(second: Fleet) -> None:
    second.add_thing("reasoned")
    second.fail("reasoned", [1], reason="download timed out")
    record = second.record("reasoned")
    assert record
    assert record["lastReason"] == "download timed out"
