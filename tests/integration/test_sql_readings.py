"""The deployed rules mean the same under both readings of AWS IoT's SQL, the usual and the strict.

AWS documents no grammar: docs/internals/local-cloud.md lists the differences of the readings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from localcloud import LocalCloud, eventually
from localcloud.fleet import Fleet
from tests.integration.job_device import updating

OF_PAYLOAD = ("sql", "actions", "errorAction", "awsIotSqlVersion", "description", "ruleDisabled")


@pytest.fixture(params=["usual", "strict"])
def reading(request: pytest.FixtureRequest, account: LocalCloud) -> Iterator[str]:
    """The reading of SQL; for the strict one, each rule is written again."""
    if request.param == "usual":
        yield request.param
        return
    with account.with_strict_sql():
        _replace_rules(account)
        yield request.param


def _replace_rules(account: LocalCloud) -> None:
    iot = account.client("iot")
    for page in iot.get_paginator("list_topic_rules").paginate():
        for listed in page["rules"]:
            rule = iot.get_topic_rule(ruleName=listed["ruleName"])["rule"]
            payload: Any = {name: rule[name] for name in OF_PAYLOAD if rule.get(name) is not None}
            iot.replace_topic_rule(ruleName=listed["ruleName"], topicRulePayload=payload)


def _send(fleet: Fleet, reading: str, payloads: dict[str, Any]) -> dict[str, str]:
    """Have a device of its own publish each payload; return the devices by payload."""
    devices = {name: f"{reading}-{name}" for name in payloads}
    for name, device in devices.items():
        fleet.add_thing(device)
        with fleet.connect(device) as connection:
            payload = payloads[name]
            if isinstance(payload, dict):
                payload = {**fleet.message(device, 1), **payload}
            fleet.publish(connection, payload)
    fleet.settle()
    return devices


COUNTED: dict[str, tuple[dict[str, Any], str, str]] = {
    "plain": ({}, "2.27", ""),
    "of-a-job": ({"jobId": "job-7", "reason": "no space"}, "job-7", "no space"),
    "with-nothing-in-it": ({"FW": "", "jobId": None, "reason": "", "timestamp": ""}, "unknown", ""),
    "of-an-agent": ({"deployment-failure-cause": "it broke"}, "2.27", "it broke"),
    "of-other-types": ({"FW": {"major": 2}, "reason": [True], "model": 7}, '{"major":2}', "[true]"),
    "cut": ({"jobId": "j" * 100 + " " * 1000}, "j" * 100, ""),
}


def test_a_failure_counts_for_its_campaign_and_reason(quickstart: Fleet, reading: str) -> None:
    devices = _send(quickstart, reading, {name: sent for name, (sent, _, _) in COUNTED.items()})
    for name, (_, campaign, reason) in COUNTED.items():
        record = quickstart.record(devices[name]) or {}
        found = (record.get("RetryCounter"), record.get("campaign"), record.get("lastReason", ""))
        assert found == (1, campaign, reason), name


REFUSED = {
    "id-too-long": {"_id_": "x" * 129},
    "id-of-another-kind": {"_id_": ["x"]},
    "no-id": {"_id_": None},
    "almost-failed": {"status": "Failure."},
    "almost-succeeded": {"status": "success"},
}


def test_a_message_that_cannot_be_understood_is_refused(quickstart: Fleet, reading: str) -> None:
    for name, device in _send(quickstart, reading, dict(REFUSED)).items():
        errors = quickstart.errors_logged("IncrementRetryCounter", f"clientId '{device}'")
        assert [error["errorType"] for error in errors] == ["InvalidMessageError"], name
        assert quickstart.record(device) is None


def test_a_success_ends_what_failures_began(quickstart: Fleet, reading: str) -> None:
    device = f"{reading}-succeeds"
    quickstart.add_thing(device)
    quickstart.fail(device, [1])
    assert quickstart.retry_counter(device) == 1
    quickstart.succeed(device, 2)
    assert quickstart.record(device) is None


UNREADABLE = {
    "text": b"failed",
    "binary": b"\xff\xfe",
    "list": b'["failed"]',
    "truncated": b'{"status": "failed"',
    "with-its-nul": b'{"status": "failed"}\r\n\0',
    "deep": b"[" * 100_000,
}


def test_a_payload_that_is_no_object_is_logged(second: Fleet, reading: str) -> None:
    for name, device in _send(second, reading, dict(UNREADABLE)).items():
        (line,) = second.failures_logged(f'"{device}"')
        assert line["refused"] == "the payload is not a JSON object", name


@pytest.mark.parametrize(("before", "after"), [("", "\r\n"), ("\n  ", "  \n"), ("\t", "\n\n\n")])
def test_an_object_with_blanks_around_counts_and_is_no_unreadable_payload(
    second: Fleet, reading: str, before: str, after: str
) -> None:
    device = f"{reading}-blanks-{len(before)}"
    second.add_thing(device)
    payload = f'{before}{{"status": "FAILED"}}{after}'
    with second.connect(device) as connection:
        second.publish(connection, payload.encode())
    second.settle()
    assert second.retry_counter(device) == 1
    (line,) = second.failures_logged(f'"{device}"')
    assert "refused" not in line


def test_events_of_jobs_count(second: Fleet, reading: str) -> None:
    device = f"{reading}-jobs"
    second.add_thing(device, FW="2.26", site=device)
    with updating(second, device, f"second-{reading}", f"attributes.site:{device}") as jobs:
        assert eventually(lambda: jobs.attempt(reason="flash write error"))
        assert eventually(lambda: second.record(device))
        record = second.record(device) or {}
        assert (record["reportedBy"], record["lastReason"]) == ("jobs", "flash write error")
        assert eventually(lambda: jobs.attempt("SUCCEEDED"))
        assert eventually(lambda: second.record(device) is None)
