"""Failures and successes as AWS IoT Jobs tells them: nothing to change on a device, no forgery."""

from __future__ import annotations

import pytest

from localcloud import eventually
from tests.deployed.fleet import Fleet
from tests.deployed.job_device import updating

ORIGINAL = {"model": "gw:v3", "FW": "2.26"}
NOT_MARKED = "attributes.FW:2.26 AND NOT attributes.firmwareRetry:*"


def _state(fleet: Fleet, device: str) -> tuple[str, int] | None:
    record = fleet.record(device)
    return (record["state"], int(record["RetryCounter"])) if record else None


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
        assert eventually(lambda: second.attributes(device) == ORIGINAL, 30)
        assert eventually(lambda: _state(second, device) == ("tracking", 0))
        for _ in range(2):
            assert eventually(jobs.attempt)
        (alert,) = eventually(lambda: second.alerts(device), 30)
    assert alert["campaign"] == "second-whole-way"
    assert second.groups(device) == {"second-FailedToUpdate"}


def test_both_sources_at_once_count_each_failure_once(second: Fleet) -> None:
    """The device reports, and so does AWS IoT Jobs: from its first event on, only that counts."""
    device = "told-twice"
    second.add_thing(device, **ORIGINAL)
    with updating(second, device, "second-both", NOT_MARKED) as jobs:
        second.publish(jobs.connection, second.message(device, 1))
        second.settle()
        assert _state(second, device) == ("tracking", 1)
        assert eventually(jobs.attempt)
        assert eventually(lambda: (second.record(device) or {}).get("reportedBy") == "jobs")
        second.settle()
        assert _state(second, device) == ("tracking", 1)
        second.publish(jobs.connection, second.message(device, 2))
        second.settle()
        assert _state(second, device) == ("tracking", 1)
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


def test_the_success_of_another_job_ends_nothing(second: Fleet) -> None:
    device = "two-jobs"
    second.add_thing(device, **ORIGINAL)
    with updating(second, device, "second-main", NOT_MARKED) as jobs:
        assert eventually(jobs.attempt)
        assert eventually(lambda: _state(second, device) == ("tracking", 1))
    with updating(second, device, "second-side", NOT_MARKED) as jobs:
        assert eventually(lambda: jobs.attempt("SUCCEEDED"))
    second.settle()
    assert _state(second, device) == ("tracking", 1)


def test_a_device_that_used_up_its_ten_retries_gets_ten_more_after_the_cool_down(
    quickstart: Fleet,
) -> None:
    """What all this is for: AWS IoT Jobs itself gives up, and does not any more."""
    device, job = "used-up", "quick-ten-retries"
    quickstart.add_thing(device, **ORIGINAL)
    with updating(quickstart, device, job, "attributes.FW:2.26") as jobs:
        assert eventually(jobs.attempt)
        assert jobs.fail_until_none_is_left() == 10
        assert not jobs.attempt()
        for number in range(1, 11):
            quickstart.publish(jobs.connection, quickstart.message(device, number))
        assert eventually(lambda: quickstart.attributes(device)["FW"] == "moveOut")
        assert eventually(lambda: quickstart.attributes(device) == ORIGINAL, 30)
        assert eventually(jobs.attempt, 20)
        assert jobs.fail_until_none_is_left() == 10
