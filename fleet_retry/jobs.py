"""Stuck things by AWS IoT Jobs' own records, with no need of a deployed module.

AWS allows ten calls per second of each operation of Jobs in an account and region, which consoles
and other tools share: the calls here are five per second. Of two ways to the same answer, the one
with fewer calls is taken: thing by thing, or all executions of a job and members of its groups.
https://docs.aws.amazon.com/general/latest/gr/iot_device_management.html
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from firmware_retry import stuck
from firmware_retry.stuck import Execution
from fleet_retry.deployment import Deployment, DeploymentError

_CALLS_PER_SECOND = 5
_PAGE = 250
"""https://docs.aws.amazon.com/iot/latest/apireference/API_ListJobExecutionsForJob.html"""
MOST_REASONS = 20
"""Executions of a job whose reason is read: one call each."""
_REASON_KEYS = (
    *("reason", "errorCode", "deployment-failure-cause", "detailed-deployment-status"),
    *("deployment-error-stack", "deployment-error-types", "stderr", "stdout"),
)
"""Where agents put the reason, in ``statusDetails``; the default of ``reason_keys``."""


@dataclass
class Calls:
    """Calls of AWS IoT, counted, and no more of them per second than the quota leaves room for."""

    deployment: Deployment
    number: int = 0
    _next_at: float = 0

    def make(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Make a call.

        Raises:
            ClientError: AWS refuses it, or still throttles it after boto3's own tries.
        """
        now = time.monotonic()
        time.sleep(max(0, self._next_at - now))
        self._next_at = max(now, self._next_at) + 1 / _CALLS_PER_SECOND
        self.number += 1
        answer: dict[str, Any] = getattr(self.deployment.client("iot"), operation)(**parameters)
        return answer

    def read_all(self, operation: str, result: str, **parameters: Any) -> Iterator[Any]:
        """Yield the entries of all pages of a list."""
        token: dict[str, str] = {}
        while True:
            page = self.make(operation, maxResults=_PAGE, **parameters, **token)
            yield from page[result]
            if not page.get("nextToken"):
                return
            token = {"nextToken": page["nextToken"]}


@dataclass(frozen=True)
class Stuck:
    """A thing that is stuck in a job."""

    job_id: str
    execution: Execution
    reason: str = ""
    """In the words of the device; empty where it gave none, or where it was not read."""


@dataclass(frozen=True)
class Search:
    """The jobs and executions to look for."""

    patterns: Sequence[str] = ("*",)
    """Of job ids, as a shell has them."""
    statuses: Collection[str] = stuck.ENDED_BADLY
    before: float = 0
    """Executions that ended later may still be tried again; epoch seconds."""
    since: float = 0
    """Those that ended before are left out; epoch seconds."""
    namespaces: bool = False
    """Whether to look at jobs of AWS IoT Greengrass and others that have a namespace."""


@dataclass
class Job:
    """A job that is under way."""

    job_id: str
    calls: Calls
    _described: dict[str, Any] = field(default_factory=dict)
    _parents: dict[str, set[str]] = field(default_factory=dict)
    """The groups above each group."""

    @property
    def described(self) -> dict[str, Any]:
        """The job as AWS describes it."""
        if not self._described:
            self._described = self.calls.make("describe_job", jobId=self.job_id)["job"]
        return self._described

    def find_stuck(self, search: Search) -> list[Stuck]:
        """Return the things that are stuck in the job, the longest first."""
        nominated = self._nominate(search)
        latest = self._confirm(list(nominated))
        exhausted = [
            execution
            for execution in latest.values()
            if execution.is_exhausted(search.statuses, search.before)
            and execution.updated_at >= search.since
        ]
        members = self._find_members([execution.thing for execution in exhausted])
        found = [execution for execution in exhausted if execution.thing in members]
        found.sort(key=lambda execution: (execution.updated_at, execution.thing))
        return [
            Stuck(self.job_id, execution, self._read_reason(execution) if n < MOST_REASONS else "")
            for n, execution in enumerate(found)
        ]

    def _nominate(self, search: Search) -> dict[str, Execution]:
        """Return the things with an execution that ended badly, perhaps an earlier one."""
        return stuck.find_latest(
            execution
            for status in sorted(search.statuses)
            if self._count(status)
            for execution in self._list_executions(status=status)
        )

    def _count(self, status: str) -> int:
        """Return how many executions have a status: AWS counts each attempt."""
        name = "".join(word.title() for word in status.split("_"))
        return int(self.described["jobProcessDetails"].get(f"numberOf{name}Things", 0))

    def _list_executions(self, **parameters: str) -> Iterator[Execution]:
        listed = self.calls.read_all(
            "list_job_executions_for_job", "executionSummaries", jobId=self.job_id, **parameters
        )
        for entry in listed:
            thing = entry["thingArn"].partition("/")[2]
            yield Execution.of(thing, entry["jobExecutionSummary"])

    def _confirm(self, things: list[str]) -> dict[str, Execution]:
        """Return the latest execution of each thing: a retry, or a success, may have followed."""
        counts = self.described["jobProcessDetails"].items()
        total = sum(number for name, number in counts if name.startswith("numberOf"))
        if len(things) > total / _PAGE + 1:
            latest = stuck.find_latest(self._list_executions())
            return {thing: latest[thing] for thing in things if thing in latest}
        return stuck.find_latest(
            Execution.of(thing, entry["jobExecutionSummary"])
            for thing in things
            for entry in self.calls.read_all(
                "list_job_executions_for_thing",
                "executionSummaries",
                thingName=thing,
                jobId=self.job_id,
            )
        )

    def _find_members(self, things: list[str]) -> set[str]:
        """Return the things that are still a target of the job, or in a group that is."""
        targets = set(self.described["targets"])
        members = {thing for thing in things if any(t.endswith(f":thing/{thing}") for t in targets)}
        groups = {target.partition(":thinggroup/")[2] for target in targets} - {""}
        if not groups or len(members) == len(things):
            return members
        if len(things) > _PAGE:
            for group in sorted(groups):
                members.update(
                    self.calls.read_all(
                        "list_things_in_thing_group", "things", thingGroupName=group, recursive=True
                    )
                )
            return members & set(things)
        return members | {thing for thing in things if groups & self._list_groups(thing)}

    def _list_groups(self, thing: str) -> set[str]:
        """Return the groups of a thing, and those above them, whose jobs it gets as well."""
        listed = self.calls.read_all("list_thing_groups_for_thing", "thingGroups", thingName=thing)
        groups = {group["groupName"] for group in listed}
        return groups.union(*map(self._list_parents, groups))

    def _list_parents(self, group: str) -> set[str]:
        if group not in self._parents:
            described = self.calls.make("describe_thing_group", thingGroupName=group)
            above = described.get("thingGroupMetadata", {}).get("rootToParentThingGroups", [])
            self._parents[group] = {parent["groupName"] for parent in above}
        return self._parents[group]

    def _read_reason(self, execution: Execution) -> str:
        answer = self.calls.make(
            "describe_job_execution",
            jobId=self.job_id,
            thingName=execution.thing,
            executionNumber=execution.number,
        )
        details = answer["execution"].get("statusDetails", {}).get("detailsMap", {})
        return ", ".join(details[key] for key in _REASON_KEYS if details.get(key))


def list_open(calls: Calls, search: Search) -> list[Job]:
    """Return the jobs under way that a search looks at.

    Jobs between two maintenance windows are ``SCHEDULED``; a list by thing group leaves them out.

    Raises:
        DeploymentError: none matches.
    """
    listed = [
        job["jobId"]
        for status in stuck.OPEN
        for job in calls.read_all("list_jobs", "jobs", targetSelection="CONTINUOUS", status=status)
    ]
    named = [
        Job(job_id, calls)
        for job_id in dict.fromkeys(listed)
        if any(fnmatchcase(job_id, pattern) for pattern in search.patterns)
    ]
    jobs = [job for job in named if search.namespaces or not job.described.get("namespaceId")]
    if jobs:
        return jobs
    wanted = " or ".join(search.patterns)
    others = f": {len(named)} with a namespace" if named else f" among {len(set(listed))}"
    raise DeploymentError(f"no continuous job that is under way matches {wanted}{others}")
