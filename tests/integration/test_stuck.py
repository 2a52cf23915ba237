"""``fleet-retry stuck`` on AWS IoT Jobs' own records, as where the module was never deployed."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from typer.testing import CliRunner

from fleet_retry.cli import app
from localcloud import eventually
from localcloud.fleet import Fleet
from tests.integration.job_device import JobDevice

JOB = "stuck-firmware"
GROUP = "stuck-fleet"
STUCK = ("exhausted", "exhausted-too")
DEVICES = {
    "exhausted": ["FAILED", "FAILED"],
    "exhausted-too": ["FAILED", "FAILED"],
    "retried": ["FAILED"],
    "saved": ["FAILED", "SUCCEEDED"],
    "left": ["FAILED", "FAILED"],
    "rejected": ["REJECTED"],
}
"""How the attempts of each device end; AWS IoT Jobs tries each failed one once more."""


@pytest.fixture(scope="module")
def jobs(second: Fleet) -> Iterator[Fleet]:
    iot = second.client("iot")
    group = iot.create_thing_group(thingGroupName=GROUP)["thingGroupArn"]
    for device in DEVICES:
        second.add_thing(device)
        iot.add_thing_to_thing_group(thingGroupName=GROUP, thingName=device)
    _create_job(second, JOB, "CONTINUOUS", group)
    for device, ends in DEVICES.items():
        with second.connect(device) as connection:
            attempts = JobDevice(connection)
            for end in ends:
                assert eventually(partial(attempts.attempt, end, reason="flash"))
    iot.remove_thing_from_thing_group(thingGroupName=GROUP, thingName="left")
    _create_job(second, "stuck-snapshot", "SNAPSHOT", group)
    with second.connect("saved") as connection:
        assert eventually(JobDevice(connection).attempt)
    yield second
    for job in (JOB, "stuck-snapshot"):
        iot.delete_job(jobId=job, force=True)


def _create_job(fleet: Fleet, job: str, selection: str, group: str) -> None:
    fleet.client("iot").create_job(
        jobId=job,
        targets=[group],
        targetSelection=selection,
        document=json.dumps({"firmware": "2.28"}),
        timeoutConfig={"inProgressTimeoutInMinutes": 60},
        jobExecutionsRetryConfig={"criteriaList": [{"failureType": "ALL", "numberOfRetries": 1}]},
    )


def run(fleet: Fleet, *options: str, job: str = "stuck-*") -> tuple[int, list[str]]:
    """Run the command with no word of a deployment, as soon as the last attempt has ended."""
    words = ["stuck", "--job", job, "--endpoint-url", fleet.cloud.endpoint_url]
    done = CliRunner().invoke(
        app, [*words, "--grace-seconds", "0", *options], catch_exceptions=False
    )
    return done.exit_code, done.output.splitlines()


def list_stuck(fleet: Fleet, *options: str) -> list[dict[str, Any]]:
    _, lines = run(fleet, "--json", *options)
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_things_whose_attempts_are_exhausted_are_stuck_and_no_others(jobs: Fleet) -> None:
    found = list_stuck(jobs)
    assert [entry["deviceId"] for entry in found] == list(STUCK)
    for entry in found:
        assert (entry["jobId"], entry["status"], entry["reason"]) == (JOB, "FAILED", "flash")
        assert (entry["executionNumber"], entry["retries"]) == (2, 1)


def test_a_thing_that_rejected_its_job_is_stuck_where_that_is_asked_for(jobs: Fleet) -> None:
    found = {entry["deviceId"]: entry["status"] for entry in list_stuck(jobs, "--rejected")}
    assert found == dict.fromkeys(STUCK, "FAILED") | {"rejected": "REJECTED"}


def test_a_thing_whose_last_attempt_ended_just_now_may_be_tried_again(jobs: Fleet) -> None:
    code, lines = run(jobs, "--grace-seconds", "900")
    assert (code, lines) == (0, ["0 things are stuck in 0 of 1 job(s); 5 calls of AWS IoT."])


def test_a_table_tells_how_many_since_when_and_why(jobs: Fleet) -> None:
    code, (header, row, summary) = run(jobs)
    assert code == 0
    assert header.split()[:3] == ["job", "status", "things"]
    assert row.split()[:3] == [JOB, "FAILED", "2"]
    assert "flash (2 of 2)" in row
    assert row.endswith("exhausted, exhausted-too")
    assert summary.startswith("2 things are stuck in 1 of 1 job(s);")


def test_csv_has_one_line_per_thing(jobs: Fleet) -> None:
    _, lines = run(jobs, "--csv")
    rows = csv.DictReader(line for line in lines if "," in line)
    assert [row["deviceId"] for row in rows] == list(STUCK)


def test_a_job_that_does_not_exist_is_an_error_in_one_line(jobs: Fleet) -> None:
    code, (line,) = run(jobs, job="no-such-*")
    assert code == 2
    assert line.startswith("no continuous job that is under way matches no-such-* among")
