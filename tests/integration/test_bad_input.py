"""Messages that cannot be counted leave one line that says why, and nothing else."""

from __future__ import annotations

import hashlib
import json
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from localcloud import eventually
from localcloud.fleet import Fleet

SENDERS = iter(range(1000))
MOST = 128 * 1024
"""AWS IoT refuses larger payloads."""
LONG_HASH = hashlib.sha256(b"2" * 137).hexdigest()[:8]
HOUR = 3_600_000


@pytest.fixture
def sender(quickstart: Fleet) -> str:
    """A device of good standing, which sends the bad messages of one test."""
    name = f"sender-{next(SENDERS)}"
    quickstart.add_thing(name)
    return name


def _publish(fleet: Fleet, sender: str, message: Any) -> None:
    """Publishes the message and then a good one, which must count, and nothing may fail."""
    bad_ends, records = fleet.bad_ends(), fleet.records()
    with fleet.connect(sender) as connection:
        fleet.publish(connection, message)
        fleet.settle()
        assert fleet.records() == records
        fleet.publish(connection, fleet.message(sender, 1))
    fleet.settle()
    assert fleet.retry_counter(sender) == 1
    assert fleet.bad_ends() == bad_ends
    assert fleet.dead_letters() == []


@pytest.mark.parametrize(
    "device_id",
    [
        pytest.param("", id="empty"),
        pytest.param("no spaces", id="with a space"),
        pytest.param("dev/1", id="with a slash"),
        pytest.param("dév-1", id="not ASCII"),
        pytest.param("x" * 129, id="too long"),
        pytest.param("x" * 100_000, id="far too long"),
        pytest.param(["dev-1"], id="a list"),
        pytest.param({"dev": 1}, id="an object"),
        pytest.param(True, id="a boolean"),
        pytest.param(None, id="null"),
    ],
)
def test_a_message_without_a_valid_device_id(
    quickstart: Fleet, sender: str, device_id: object
) -> None:
    _publish(quickstart, sender, quickstart.message(sender, 1, _id_=device_id))
    (line,) = quickstart.errors_logged("IncrementRetryCounter", f"clientId '{sender}'")
    assert line["errorType"] == "InvalidMessageError"
    assert line["errorMessage"].startswith("deviceId ")
    assert "it should be 1 to 128 of a-z A-Z 0-9 : _ -" in line["errorMessage"]
    assert len(json.dumps(line)) < 3000  # what was sent is not repeated


def test_a_message_that_names_no_device(quickstart: Fleet, sender: str) -> None:
    message = quickstart.message(sender, 1)
    del message["_id_"]
    _publish(quickstart, sender, message)
    (line,) = quickstart.errors_logged("IncrementRetryCounter", f"clientId '{sender}'")
    assert line["errorMessage"].startswith("deviceId is missing: it should be ")


@pytest.mark.parametrize(
    ("fields", "campaign"),
    [
        ({"FW": "2.27\n"}, "2.27"),
        ({"FW": "2.27\0\0"}, "2.27"),
        ({"FW": {"major": 2, "minor": 27}}, '{"major":2,"minor":27}'),
        ({"FW": "[dev] 1.2"}, "[dev] 1.2"),
        ({"FW": '"v1.0-48"', "model": {"name": "wo"}}, '"v1.0-48"'),
        ({"FW": "2" * 137}, f"{'2' * 119}~{LONG_HASH}"),
        ({"FW": 2.27}, "2.27"),
        ({"FW": "\n"}, "unknown"),
        ({"FW": ["2.27"], "jobId": "job-7\n"}, "job-7"),
        ({"timestamp": "2026-11-30 14:00:11"}, "2.27"),
        ({"timestamp": "30/11/2026 14:00"}, "2.27"),
        ({"timestamp": "Fr 16. Jan 23:09:44 CET"}, "2.27"),
        ({"timestamp": "M\u00e4r 16 09:44"}, "2.27"),
        ({"timestamp": {"sec": 1711320208}}, "2.27"),
        ({"timestamp": None}, "2.27"),
    ],
)
def test_a_failure_counts_whatever_else_the_device_writes(
    quickstart: Fleet, sender: str, fields: dict[str, Any], campaign: str
) -> None:
    message = {**quickstart.message(sender, 1), **fields}
    with quickstart.connect(sender) as connection:
        for _ in range(2):
            quickstart.publish(connection, message)
    quickstart.settle()
    record = quickstart.record(sender) or {}
    assert (record["RetryCounter"], record["campaign"]) == (1, campaign)


def test_failures_count_after_each_reboot_though_the_clock_starts_at_1970(
    quickstart: Fleet, sender: str
) -> None:
    clock = "1970-01-01T00:00:03"
    for hours_ago in (3, 2, 1):
        _redeliver(quickstart, quickstart.message(sender, 0, timestamp=clock), hours_ago)
    quickstart.fail(sender, [0, 0, 0], timestamp=clock)  # one, and two copies of it
    assert quickstart.retry_counter(sender) == 4
    quickstart.fail(sender, [0], timestamp="1970-01-01T00:00:04")
    assert quickstart.retry_counter(sender) == 5


def _redeliver(fleet: Fleet, message: dict[str, Any], hours_ago: int) -> None:
    """Start the intake with a message that arrived before, as ``fleet-retry redrive`` does."""
    arrived = int(time.time() * 1000) - hours_ago * HOUR
    event = {**message, "deviceId": message["_id_"], "kind": "failed", "receivedAt": arrived}
    fleet.client("stepfunctions").start_execution(
        stateMachineArn=fleet.machine("intake"), input=json.dumps(event)
    )
    fleet.settle()


def test_failures_count_by_clocks_of_any_unit_and_zone(quickstart: Fleet, sender: str) -> None:
    now = time.time()
    clocks: list[object] = [
        2_085_978_496,  # 2036
        2_085_978_497,
        now - 5,  # seconds
        int((now - 4) * 1e6),
        int((now - 3) * 1e9),
        datetime.fromtimestamp(now - 2, timezone(timedelta(hours=1))).isoformat(),
        time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now - 1)),
    ]
    for clock in clocks:
        quickstart.fail(sender, [0, 0], timestamp=clock)
    assert quickstart.retry_counter(sender) == len(clocks)


def test_a_message_of_a_thing_that_does_not_exist(quickstart: Fleet, sender: str) -> None:
    ghost = f"ghost-of-{sender}"
    _publish(quickstart, sender, quickstart.message(ghost, 1))
    (line,) = quickstart.errors_logged("CheckIfDeviceExists", ghost)
    assert line["errorType"] == "ThingNotFoundError"
    assert quickstart.record(ghost) is None
    assert quickstart.backup(ghost) is None


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"failed", id="text"),
        pytest.param(b'{"_id_": "dev-1", "status": "failed", "mod', id="truncated"),
        pytest.param(b'{"_id_": "dev-1", "status": "failed"', id="without its end"),
        pytest.param(b'{"_id_": "dev-1", "status": "failed"}\r\n\0', id="with the NUL of a string"),
        pytest.param(b'\xef\xbb\xbf{"_id_": "dev-1", "status": "failed"}', id="with a BOM"),
        pytest.param(b'["failed"]', id="a list"),
        pytest.param(b"80", id="a number"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe\x00\x01", id="binary"),
        pytest.param(b"x" * MOST, id="large"),
        pytest.param(b"[" * MOST, id="deep"),
    ],
)
def test_a_payload_that_is_no_json_object(second: Fleet, sender: str, payload: bytes) -> None:
    runs = len(second.runs("intake"))
    _publish(second, sender, payload)
    assert len(second.runs("intake")) == runs + 1  # the good message
    lines = second.failures_logged(f'"{sender}"')
    (line,) = [line for line in lines if "refused" in line]
    assert (
        line.items()
        >= {
            "refused": "the payload is not a JSON object",
            "topic": f"second/{sender}/data",
            "clientId": sender,
        }.items()
    )
    assert line["receivedAt"] > 1_700_000_000_000


def test_a_payload_larger_than_aws_takes(quickstart: Fleet, sender: str) -> None:
    message = quickstart.message(sender, 1, padding="x" * MOST)
    with quickstart.connect(sender) as connection, pytest.raises(TimeoutError):
        connection.publish(quickstart.topic, message, timeout=0.5)
    quickstart.settle()
    assert quickstart.record(sender) is None
    quickstart.fail(sender, [2])
    assert quickstart.retry_counter(sender) == 1


def test_fields_that_nobody_asked_for_are_not_passed_on(quickstart: Fleet, sender: str) -> None:
    quickstart.fail(sender, [1], padding="x" * 100_000)
    assert quickstart.retry_counter(sender) == 1
    (line,) = quickstart.failures_logged(f'"{sender}"')
    assert "padding" not in line


@pytest.mark.parametrize("status", ["in_progress", "failover", "in progress", 1, ["failed"]])
def test_a_message_of_another_status_starts_nothing(
    quickstart: Fleet, sender: str, status: object
) -> None:
    runs = len(quickstart.runs("intake"))
    quickstart.fail(sender, [1], status=status)
    assert len(quickstart.runs("intake")) == runs
    assert quickstart.failures_logged(f'"{sender}"') == []


@pytest.mark.parametrize(
    "status", ["FAILED", "failled", "fail\n", "UpdateFailed", "success", "succeded: 2.28"]
)
def test_status_that_resembles_a_configured_one_is_refused(
    quickstart: Fleet, sender: str, status: str
) -> None:
    quickstart.fail(sender, [1], status=status)
    (error,) = quickstart.errors_logged("IncrementRetryCounter", f"clientId '{sender}'")
    assert error["errorType"] == "InvalidMessageError"
    shown = status.replace("\n", " ")
    assert f"the status is almost one that is configured: '{shown}'" in error["errorMessage"]
    assert quickstart.record(sender) is None


def test_a_number_as_timestamp_counts_like_its_text(quickstart: Fleet, sender: str) -> None:
    quickstart.fail(sender, [0], timestamp=1_711_320_208_793)
    quickstart.fail(sender, [0], timestamp="1711320208793")
    assert eventually(lambda: quickstart.retry_counter(sender) == 1)
