"""Events of job executions, and executions that time out by themselves.

AWS: https://docs.aws.amazon.com/iot/latest/developerguide/events-jobs.html : an execution that
reaches a terminal status is told on ``$aws/events/jobExecution/<jobId>/<status>``, with the members
listed there. https://docs.aws.amazon.com/iot/latest/developerguide/jobs-configurations-details.html
: an execution that stays IN_PROGRESS longer than its timeout becomes TIMED_OUT. Neither page says
what is told of a failure that is retried: assumed is one event for each report.

MiniStack 1.5.33: tells of every report, with two members more (nobody should build on an attempt's
number), and looks for timeouts only when somebody reads the execution.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import iot

from localcloud.patches.patch import around

_UNDOCUMENTED = ("executionNumber", "forceCanceled")
_LOOK_SECONDS = 0.2
_WATCHER: list[asyncio.Task[None]] = []


def install() -> None:
    """Publish what is documented, scale the timeouts, and watch them in the background."""
    time_scale = float(os.environ.get("SFN_WAIT_SCALE", "1"))

    @around(iot, "_registry_event")
    def raise_event(original: Any, kind: str, *arguments: Any, **named: Any) -> None:
        if kind == "JOB_EXECUTION":
            topic, event_type, operation, fields, *rest = arguments
            fields = {name: fields[name] for name in fields if name not in _UNDOCUMENTED}
            arguments = (topic, event_type, operation, fields, *rest)
        original(kind, *arguments, **named)

    @around(iot, "_jobs_timeout_minutes")
    def timeout(original: Any, execution: dict[str, Any], job: dict[str, Any]) -> float | None:
        minutes: int | None = original(execution, job)
        return None if minutes is None else minutes * time_scale

    @around(iot, "mtls_start")
    async def start(original: Any) -> None:
        # At the server's start: from here on there is an event loop to run on.
        await original()
        _WATCHER.append(asyncio.create_task(_watch()))


async def _watch() -> None:
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        for (account, region, (thing, job)), execution in list(iot._job_executions._data.items()):
            if execution["status"] != "IN_PROGRESS":
                continue
            try:
                async with iot.publishing_events():
                    await _end_if_overdue(account, region, thing, job, execution)
            except Exception:  # noqa: BLE001 -- one execution must not stop the others
                iot.logger.exception("timeout of job %s of %s", job, thing)


async def _end_if_overdue(
    account: str, region: str, thing: str, job: str, execution: dict[str, Any]
) -> None:
    with request_scope(account, region):
        iot._jobs_apply_timeout(execution)
    if execution["status"] == "TIMED_OUT":
        await iot.jobs_notify_thing(account, region, thing, job)
