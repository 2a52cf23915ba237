"""Stuck things: an update ended without success, and AWS IoT Jobs does not try it again.

A thing is stuck in a job if the job is continuous and under way, the thing is still a member of one
of its targets, and its latest execution failed or timed out longer ago than a grace period: a retry
would be queued by then, as an execution of its own.

Each attempt is an execution, and so is the next update of a thing that joined a target group again.
Their numbers need not be dense, so the latest one is the one that was queued last. A job may be
``SCHEDULED`` between two of its maintenance windows.
https://docs.aws.amazon.com/iot/latest/developerguide/iot-jobs-lifecycle.html
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

GRACE_SECONDS = 900
"""AWS does not document how long after a failure it queues the retry."""
ENDED_BADLY = frozenset({"FAILED", "TIMED_OUT"})
"""AWS IoT Jobs retries these. A device that rejects a job asks for no other try."""
OPEN = ("IN_PROGRESS", "SCHEDULED")
"""The statuses of a job that still gives executions to things that join."""


@dataclass(frozen=True)
class Execution:
    """An attempt of a thing at a job."""

    thing: str
    number: int
    status: str
    queued_at: float
    """Epoch seconds; so is ``updated_at``."""
    updated_at: float
    retries: int
    """How many retries were completed before."""

    @classmethod
    def of(cls, thing: str, summary: Mapping[str, Any]) -> "Execution":
        """Read a ``jobExecutionSummary`` of the lists of executions.

        https://docs.aws.amazon.com/iot/latest/apireference/API_JobExecutionSummary.html
        """
        return cls(
            thing,
            int(summary["executionNumber"]),
            summary["status"],
            summary["queuedAt"].timestamp(),
            summary["lastUpdatedAt"].timestamp(),
            int(summary.get("retryAttempt", 0)),
        )

    def is_exhausted(self, statuses: Collection[str], before: float) -> bool:
        """Return whether it ended in one of the statuses, before a moment in epoch seconds."""
        return self.status in statuses and self.updated_at <= before


def find_latest(executions: Iterable[Execution]) -> dict[str, Execution]:
    """Return the latest execution of each thing, of one job, by the name of the thing."""
    latest: dict[str, Execution] = {}
    for execution in executions:
        known = latest.get(execution.thing)
        if known is None or _rank(known) < _rank(execution):
            latest[execution.thing] = execution
    return latest


def _rank(execution: Execution) -> tuple[float, int]:
    return execution.queued_at, execution.number


def is_open(job: Mapping[str, Any]) -> bool:
    """Return whether a job, as listed or described, still gives executions to things that join."""
    return job["targetSelection"] == "CONTINUOUS" and job["status"] in OPEN


def find_traps(job: Mapping[str, Any]) -> list[str]:
    """Return how a described job may leave things stuck, or keep others from being tried again.

    https://docs.aws.amazon.com/iot/latest/developerguide/jobs-configurations-details.html
    """
    minutes = job.get("timeoutConfig", {}).get("inProgressTimeoutInMinutes")
    criteria = job.get("jobExecutionsRetryConfig", {}).get("criteriaList", [])
    retried = {criterion["failureType"] for criterion in criteria if criterion["numberOfRetries"]}
    traps = [] if minutes else ["no timeout: an interrupted attempt is in progress for ever"]
    traps += [
        f"{status} is not retried: one such attempt leaves a thing stuck"
        for status in sorted(ENDED_BADLY)
        if not retried & {status, "ALL"} and (minutes or status != "TIMED_OUT")
    ]
    if job.get("abortConfig", {}).get("criteriaList"):
        traps.append("abort criteria count attempts: retries may cancel the job for all things")
    return traps
