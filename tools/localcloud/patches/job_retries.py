"""Retries of job executions.

AWS: https://docs.aws.amazon.com/iot/latest/developerguide/jobs-configurations-details.html : an
execution that is FAILED or TIMED_OUT is queued again, up to ``numberOfRetries`` for its kind of
failure and 10 in all; a thing that leaves the target group and joins it again starts from zero.

MiniStack 1.5.33: keeps ``jobExecutionsRetryConfig`` and never looks at it.
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import iot

from localcloud.patches.patch import around

_MOST_RETRIES = 10
_RETRIED = "retriedFailures"
"""On an execution: the failures before it since the thing joined, each FAILED or TIMED_OUT."""


_queued_again: set[tuple[str, str, str]] = set()
"""Account, region and thing of executions that were queued again and not announced yet."""


def install() -> None:
    """Queue the next try where MiniStack looks whether a job is complete: after each report."""

    @around(iot, "_jobs_thing_left_group")
    def leave(original: Any, thing: str, group_arn: str | None) -> Any:
        _forget_failures(thing, group_arn)
        return original(thing, group_arn)

    @around(iot, "_jobs_maybe_complete")
    def complete(original: Any, job_id: str) -> None:
        job = iot._jobs.get(job_id)
        if job is not None and job.get("status") == "IN_PROGRESS":
            _retry_failed(job_id, job)
        original(job_id)

    @around(iot, "jobs_notify_thing")
    async def notify(
        original: Any, account: str, region: str, thing: str, previous: str | None
    ) -> None:
        # The same job is next as before, but as a new execution: the device must hear of it.
        if (account, region, thing) in _queued_again:
            _queued_again.discard((account, region, thing))
            previous = None
        await original(account, region, thing, previous)


def _forget_failures(thing: str, group_arn: str | None) -> None:
    """Let the execution that is under way start from zero; MiniStack makes a new one of others."""
    for (name, job_id), execution in iot._job_executions.items():
        targets = iot._jobs[job_id]["targets"]
        if name == thing and group_arn in targets and execution["status"] == "IN_PROGRESS":
            execution.pop(_RETRIED, None)


def _retry_failed(job_id: str, job: dict[str, Any]) -> None:
    allowed = _allowed_retries(job)
    if not allowed:
        return
    targets = set(iot._job_target_things(job["targets"]))
    for (thing, job_of), execution in list(iot._job_executions.items()):
        if job_of != job_id or thing not in targets:
            continue
        before = execution.get(_RETRIED, [])
        status = execution["status"]
        if len(before) >= _MOST_RETRIES or before.count(status) >= allowed.get(status, 0):
            continue
        iot._jobs_queue_execution(thing, job_id, iot._jobs_now_ms())
        iot._job_executions[thing, job_id] |= {
            _RETRIED: [*before, status],
            "retryAttempt": len(before) + 1,
        }
        _queued_again.add((get_account_id(), get_region(), thing))


def _allowed_retries(job: dict[str, Any]) -> dict[str, int]:
    """Kind of failure to number of retries."""
    allowed: dict[str, int] = {}
    for criterion in (job.get("jobExecutionsRetryConfig") or {}).get("criteriaList", []):
        kind = criterion["failureType"]
        for status in ("FAILED", "TIMED_OUT") if kind == "ALL" else (kind,):
            allowed[status] = criterion["numberOfRetries"]
    return allowed
