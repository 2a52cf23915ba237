"""Failures and successes as AWS IoT Jobs tells them: nothing to change on a device, no forgery."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from localcloud import eventually
from localcloud.fleet import Fleet
from tests.integration.job_device import updating

ORIGINAL = {"model": "gw:v3", "FW": "2.26"}
NOT_MARKED = "attributes.FW:2.26 AND NOT attributes.firmwareRetry:*"
STEPS_WITH_THE_LIMIT = (
    "IncrementRetryCounter",
    "ResetRetryCounterAndMoveOut",
    "ResetRetryCountToFailedUpdate",
    "ReconcileDevices",
)


def _state(fleet: Fleet, device: str) -> tuple[str, int] | None:
    record = fleet.record(device)
    return (record["state"], int(record["RetryCounter"])) if record else None


def _cycles(fleet: Fleet, device: str) -> tuple[str, int] | None:
    record = fleet.record(device)
    return (record["state"], int(record["ResetRetryCount"])) if record else None


def _read_report(fleet: Fleet, device: str) -> tuple[str, int]:
    record = fleet.record(device) or {}
    return record["reportedBy"], int(record["RetryCounter"])


def _count_failures(fleet: Fleet, device: str) -> int:
    """Return how many failures were counted in all cycles."""
    return len((fleet.record(device) or {})["countedEvents"])


def _executions(fleet: Fleet, device: str, job: str) -> list[str]:
    """How each attempt at a job stands, oldest first."""
    answer = fleet.client("iot").list_job_executions_for_thing(thingName=device, jobId=job)
    found = [execution["jobExecutionSummary"] for execution in answer["executionSummaries"]]
    return [
        summary["status"]
        for summary in sorted(found, key=lambda summary: int(summary["executionNumber"]))
    ]


@contextmanager
def _retry_limit(fleet: Fleet, limit: int) -> Iterator[None]:
    with ExitStack() as stack:
        for step in STEPS_WITH_THE_LIMIT:
            stack.enter_context(fleet.with_environment(step, RETRY_LIMIT=str(limit)))
        yield


def test_a_job_that_fails_goes_the_whole_way(second: Fleet) -> None:
    device = "jobs-only"
    second.add_thing(device, **ORIGINAL)
    with updating(second, device, "second-whole-way", NOT_MARKED) as jobs:
        assert eventually(lambda: jobs.attempt(reason="flash write error"))
        assert eventually(lambda: _state(second, device) == ("tracking", 1))
        record = second.record(device)
        assert record
        assert record["campaign"] == "second-whole-way"
        assert record["reportedBy"] == "jobs"
        assert record["lastReason"] == "flash write error"
        assert jobs.attempt()
        assert eventually(lambda: "firmwareRetry" in second.attributes(device))
        assert eventually(lambda: second.attributes(device) == ORIGINAL)
        assert eventually(lambda: _state(second, device) == ("tracking", 0))
        for _ in range(2):
            assert eventually(jobs.attempt)
        (alert,) = eventually(lambda: second.alerts(device))
    assert alert["campaign"] == "second-whole-way"
    assert second.groups(device) == {"second-FailedToUpdate"}


def test_both_sources_at_once_count_each_failure_once(second: Fleet) -> None:
    """The device reports, and so does AWS IoT Jobs: from its first event on, only that counts."""
    device = "told-twice"
    second.add_thing(device, **ORIGINAL)
    with _retry_limit(second, 10), updating(second, device, "second-both", NOT_MARKED) as jobs:
        second.publish(jobs.connection, second.message(device, 1))
        second.settle()
        assert _read_report(second, device) == ("device", 1)
        assert eventually(jobs.attempt)
        assert eventually(lambda: _read_report(second, device) == ("jobs", 2))
        just_now = str(time.time_ns() // 1_000_000)
        second.publish(jobs.connection, second.message(device, 2, timestamp=just_now))
        second.settle()
        assert _read_report(second, device) == ("jobs", 2)
        assert jobs.attempt("SUCCEEDED")
        assert eventually(lambda: second.record(device) is None)


@pytest.mark.parametrize("status", ["REJECTED", "SUCCEEDED"])
def test_how_an_execution_ends(second: Fleet, status: str) -> None:
    device = f"ends-{status}"
    second.add_thing(device, **ORIGINAL)
    with updating(second, device, f"second-{status}", NOT_MARKED) as jobs:
        assert eventually(jobs.attempt)
        assert eventually(lambda: _state(second, device) == ("tracking", 1))
        assert jobs.attempt(status)
        if status == "SUCCEEDED":
            assert eventually(lambda: second.record(device) is None)
        else:
            assert eventually(lambda: _state(second, device) not in (None, ("tracking", 1)))


def test_jobs_that_are_no_firmware_updates_are_not_looked_at(second: Fleet) -> None:
    second.add_thing("other-job", **ORIGINAL)
    with updating(second, "other-job", "rotate-certificates", NOT_MARKED) as jobs:
        assert eventually(jobs.attempt)
    second.settle()
    assert second.record("other-job") is None


def test_the_success_of_a_later_job_releases_a_device_that_failed_for_good(second: Fleet) -> None:
    device = "two-jobs"
    second.add_thing(device, **ORIGINAL)
    with updating(second, device, "second-main", NOT_MARKED) as jobs:
        assert eventually(lambda: jobs.attempt(reason="signature invalid"))
        assert eventually(lambda: second.alerts(device))
    assert eventually(lambda: not second.is_running("escalation"))
    with updating(second, device, "second-hotfix", "attributes.firmwareRetry:failed") as jobs:
        assert eventually(lambda: jobs.attempt("SUCCEEDED"))
        assert eventually(lambda: second.record(device) is None)
    assert second.attributes(device) == ORIGINAL
    assert second.groups(device) == set()
    assert [alert["event"] for alert in second.alerts(device)] == ["failed", "healed"]


def test_reasons_are_found_where_agents_of_aws_put_them(second: Fleet) -> None:
    """AWS IoT Greengrass and the Device Client."""
    device, stage = "agents", "FAILED_NO_STATE_CHANGE"
    second.add_thing(device, **ORIGINAL)
    with updating(second, device, "second-agents", NOT_MARKED) as jobs:
        ignored = {"deployment-error-types": "[E_COMPONENT]", "stdout": "battery low: 9 %"}
        assert eventually(lambda: jobs.attempt(**ignored))
        assert eventually(lambda: second.failures_logged(f'"{device}"'))
        second.settle()
        assert second.record(device) is None
        assert eventually(lambda: jobs.attempt(stderr="no space left"))
        assert eventually(lambda: (second.record(device) or {}).get("lastReason"))
        assert (second.record(device) or {})["lastReason"] == "no space left"
        fatal = {
            "detailed-deployment-status": stage,
            "deployment-failure-cause": "the signature invalid",
            "deployment-error-stack": "[DEPLOYMENT_FAILURE, ARTIFACT_DOWNLOAD_ERROR]",
        }
        assert eventually(lambda: jobs.attempt(**fatal))
        (alert,) = eventually(lambda: second.alerts(device))
    assert alert["cycles"] == 1
    assert alert["reason"] == ", ".join(
        [fatal["deployment-failure-cause"], stage, fatal["deployment-error-stack"]]
    )


def test_an_attempt_that_times_out_is_a_failure(second: Fleet) -> None:
    """Of a device that hangs nobody hears but AWS IoT Jobs."""
    device, job = "hangs", "second-timeout"
    second.add_thing(device, **ORIGINAL)
    timeout = {"inProgressTimeoutInMinutes": 1}  # 3 ms here
    with updating(second, device, job, NOT_MARKED, timeoutConfig=timeout) as jobs:
        assert eventually(jobs.take)
        assert eventually(lambda: _state(second, device) == ("tracking", 1))
        assert _executions(second, device, job) == ["TIMED_OUT", "QUEUED"]
        assert jobs.take()
        assert eventually(lambda: _cycles(second, device) == ("tracking", 1))
    told = [(line["status"], line["reportedBy"]) for line in second.failures_logged(device)]
    assert told == [("TIMED_OUT", "jobs")] * 2


def test_a_device_that_used_up_its_ten_retries_gets_ten_more_after_the_cool_down(
    second: Fleet,
) -> None:
    """What all this is for: AWS IoT Jobs gives up for good, and does not any more.

    The device only works on its job; whether it takes the last of its eleven attempts before it
    has left the group is a matter of milliseconds. That one is counted nowhere.
    """
    device, job = "used-up", "second-ten-retries"
    second.add_thing(device, **ORIGINAL)
    with _retry_limit(second, 10), updating(second, device, job, NOT_MARKED) as jobs:
        assert eventually(jobs.attempt)
        before = 1 + jobs.fail_until_none_is_left()
        assert before in (10, 11)
        assert _executions(second, device, job).count("FAILED") == before

        assert eventually(lambda: _cycles(second, device) == ("tracking", 1))
        assert _count_failures(second, device) == 10
        assert eventually(jobs.attempt)
        after = 1 + jobs.fail_until_none_is_left()
        assert after in (10, 11)
        assert _executions(second, device, job).count("FAILED") == before + after

        assert eventually(lambda: second.alerts(device))
    assert _cycles(second, device) == ("failed", 2)
    assert _count_failures(second, device) == 20
    assert second.history(device) == [
        ("free", "tracking", "first failure"),
        ("tracking", "cooling_down", "retry limit reached"),
        ("cooling_down", "tracking", "cool-down is over"),  # which means that it had left the group
        ("tracking", "failed", "retry limit reached"),
    ]
    told = [line["topic"] for line in second.failures_logged(device)]
    assert told == [f"$aws/events/jobExecution/{job}/failed"] * (before + after)
