"""``fleet-retry stuck``: which calls it makes, and what it answers to what AWS may say."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from .conftest import DAY, HOUR, REGION, Fleet

ARN = f"arn:aws:iot:{REGION}:123456789012"
GROUP = f"{ARN}:thinggroup/wall-boxes"
WITHOUT_TRAPS: dict[str, Any] = {
    "timeoutConfig": {"inProgressTimeoutInMinutes": 30},
    "jobExecutionsRetryConfig": {"criteriaList": [{"failureType": "ALL", "numberOfRetries": 10}]},
}


@dataclass
class Jobs:
    """AWS IoT Jobs, as far as the command asks it."""

    fleet: Fleet
    executions: list[dict[str, Any]] = field(default_factory=list)
    described: dict[str, Any] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    """By thing: its groups."""
    statuses: dict[str, list[str]] = field(default_factory=lambda: {"IN_PROGRESS": ["fw-1"]})
    """By status: the continuous jobs that have it."""

    def add(self, thing: str, *ends: str, groups: tuple[str, ...] = ("wall-boxes",)) -> None:
        """Add the attempts of a thing, an hour apart, the last one two hours ago."""
        self.members[thing] = list(groups)
        for number, status in enumerate(ends, start=1):
            at = datetime.fromtimestamp(time.time() - (1 + len(ends) - number + 1) * HOUR, UTC)
            self.executions.append(
                {"thing": thing, "status": status, "queuedAt": at, "lastUpdatedAt": at}
                | {"executionNumber": number, "retryAttempt": number - 1}
            )

    def answer(self) -> None:
        """Have AWS answer by these."""
        self.fleet.answers |= {
            "ListJobs": lambda asked: {
                "jobs": [{"jobId": job} for job in self.statuses.get(asked["status"], [])]
            },
            "DescribeJob": lambda _: {"job": self._describe()},
            "ListJobExecutionsForJob": self._list_for_job,
            "ListJobExecutionsForThing": lambda asked: {
                "executionSummaries": [
                    {"jobId": "fw-1", "jobExecutionSummary": one}
                    for one in self.executions
                    if one["thing"] == asked["thingName"]
                ]
            },
            "ListThingGroupsForThing": lambda asked: {
                "thingGroups": [{"groupName": name} for name in self.members[asked["thingName"]]]
            },
            "DescribeThingGroup": lambda asked: {
                "thingGroupMetadata": {
                    "rootToParentThingGroups": [{"groupName": "wall-boxes"}]
                    if asked["thingGroupName"] == "below"
                    else []
                }
            },
            "ListThingsInThingGroup": lambda _: {
                "things": [t for t, groups in self.members.items() if "wall-boxes" in groups]
            },
            "DescribeJobExecution": lambda _: {
                "execution": {"statusDetails": {"detailsMap": {"stderr": "no space left"}}}
            },
        }

    def _describe(self) -> dict[str, Any]:
        counts = {
            f"numberOf{name}Things": sum(one["status"] == status for one in self.executions)
            for name, status in (
                *(("Failed", "FAILED"), ("TimedOut", "TIMED_OUT"), ("Rejected", "REJECTED")),
                *(("Succeeded", "SUCCEEDED"), ("Queued", "QUEUED")),
            )
        }
        details = counts | {"processingTargets": [GROUP]}
        return {"targets": [GROUP], "jobProcessDetails": details} | WITHOUT_TRAPS | self.described

    def _list_for_job(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Answer in pages of two."""
        wanted = asked.get("status")
        entries = [
            {"thingArn": f"{ARN}:thing/{one['thing']}", "jobExecutionSummary": one}
            for one in self.executions
            if wanted in (None, one["status"])
        ]
        first = int(asked.get("nextToken", "0"))
        more = {"nextToken": str(first + 2)} if first + 2 < len(entries) else {}
        return {"executionSummaries": entries[first : first + 2]} | more


@pytest.fixture
def jobs(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    jobs = Jobs(fleet)
    jobs.answer()
    return jobs


def stuck(jobs: Jobs, *options: str) -> list[str]:
    """Return the things that are stuck."""
    return [line["deviceId"] for line in jobs.fleet.run_json("stuck", *options)]


def test_latest_attempt_decides_on_every_page(jobs: Jobs) -> None:
    jobs.add("failed", "FAILED", "FAILED")
    jobs.add("timed-out", "FAILED", "TIMED_OUT")
    jobs.add("saved", "FAILED", "SUCCEEDED")
    jobs.add("tried-again", "FAILED", "QUEUED")
    assert stuck(jobs) == ["failed", "timed-out"]


def test_job_without_a_failure_costs_three_calls(jobs: Jobs) -> None:
    """The list by both statuses, and the description."""
    jobs.add("fine", "SUCCEEDED")
    assert "3 calls of AWS IoT" in jobs.fleet.run("stuck")[1]


def test_job_between_two_maintenance_windows_is_looked_at(jobs: Jobs) -> None:
    jobs.statuses = {"SCHEDULED": ["fw-1"]}
    jobs.add("failed", "FAILED")
    assert stuck(jobs) == ["failed"]


def test_thing_in_no_target_any_more_is_not_stuck(jobs: Jobs) -> None:
    jobs.add("left", "FAILED", groups=("other",))
    jobs.add("below-a-target", "FAILED", groups=("below",))
    assert stuck(jobs) == ["below-a-target"]


def test_thing_that_is_a_target_itself_needs_no_group(jobs: Jobs) -> None:
    jobs.described = {"targets": [f"{ARN}:thing/alone"]}
    jobs.add("alone", "FAILED", groups=())
    jobs.add("not-alone", "FAILED", groups=())
    assert stuck(jobs) == ["alone"]


def test_of_many_things_the_lists_are_read_and_not_each_thing(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet_retry.jobs._PAGE", 3)
    for number in range(6):
        jobs.add(f"failed-{number}", "FAILED")
    jobs.add("left", "FAILED", groups=("other",))
    jobs.add("saved", "FAILED", "SUCCEEDED")
    assert stuck(jobs) == [f"failed-{number}" for number in range(6)]
    assert not jobs.fleet.has_asked("ListJobExecutionsForThing")
    assert not jobs.fleet.has_asked("ListThingGroupsForThing")


def test_reason_is_found_where_an_agent_puts_it_and_read_of_some(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet_retry.jobs.MOST_REASONS", 1)
    for name in ("a", "b"):
        jobs.add(name, "FAILED")
    assert "no space left (1 of 1)" in jobs.fleet.run("stuck")[1]


def test_since_leaves_out_what_ended_before(jobs: Jobs) -> None:
    jobs.add("failed", "FAILED")
    assert stuck(jobs, "--since", "3h") == ["failed"]
    assert stuck(jobs, "--since", "1h") == []
    assert stuck(jobs, "--grace-seconds", str(DAY)) == []


def test_job_with_a_namespace_is_left_out_unless_asked_for(jobs: Jobs) -> None:
    jobs.described = {"namespaceId": "greengrass"}
    jobs.add("failed", "FAILED")
    code, output = jobs.fleet.run("stuck")
    assert (code, output) == (
        2,
        "no continuous job that is under way matches *: 1 with a namespace\n",
    )
    assert stuck(jobs, "--namespaces") == ["failed"]


@pytest.mark.parametrize(
    ("code", "options", "says"),
    [
        ("AccessDeniedException", (), "no DescribeJob"),
        ("ThrottlingException", (), "no DescribeJob"),
        ("", ("--json", "--csv"), "choose --json or --csv"),
        ("", ("--since", "yesterday"), "'yesterday' is not an age"),
    ],
)
def test_error_is_one_line(jobs: Jobs, code: str, options: tuple[str, ...], says: str) -> None:
    jobs.add("failed", "FAILED")
    if code:
        jobs.fleet.refuse("DescribeJob", code)
    exit_status, output = jobs.fleet.run("stuck", *options)
    assert exit_status == 2
    assert says in output


def test_job_that_is_a_trap_is_named(jobs: Jobs) -> None:
    jobs.described = {"timeoutConfig": {}}
    trap, summary = jobs.fleet.run("stuck")[1].splitlines()
    assert trap == "fw-1: no timeout: an interrupted attempt is in progress for ever."
    assert summary.startswith("0 things are stuck")


def test_csv_has_a_header_and_one_line_per_thing(jobs: Jobs) -> None:
    jobs.add("failed", "FAILED")
    _, output = jobs.fleet.run("stuck", "--csv")
    summary, header, row = output.splitlines()  # stderr first, which has no buffer
    assert header == "jobId,deviceId,status,since,executionNumber,retries,reason"
    assert row.startswith("fw-1,failed,FAILED,")
    assert row.endswith(",1,0,no space left")
    assert summary.startswith("1 thing is stuck in 1 of 1 job(s);")
