"""Schedules in scaled time, or none at all, and what they could not start.

AWS: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html : a schedule with a
rate runs again and again after so much time. An invocation that its target refuses is counted by
the schedule's group (.../scheduler/latest/UserGuide/monitoring-cloudwatch.html).

MiniStack 1.5.33: looks every ten seconds for what is due, in real time: next to waits that are
scaled, a schedule would hardly ever run. It counts nothing.

Here a function that does not exist refuses; no role is looked at.
"""

from __future__ import annotations

import os
from typing import Any

from ministack.services import cloudwatch, eventbridge, lambda_svc, scheduler

from localcloud.patches.patch import around

_LEAST_SECONDS = 2.0
"""However short the scaled interval is: who runs by the clock is not to run all the time."""
_LOOK_SECONDS = 0.5
_REFUSED = ("TargetErrorCount", "InvocationDroppedCount")
"""A refused invocation is dropped: the schedules of this project try once."""


def install() -> None:
    """Scale the intervals of rates like all waits, or let no schedule run."""
    scheduler._SCHEDULE_TICK_INTERVAL = _LOOK_SECONDS
    if os.environ.get("LOCALCLOUD_RUNS_SCHEDULES") != "1":
        scheduler._tick_schedules = _nothing
        return
    time_scale = float(os.environ.get("SFN_WAIT_SCALE", "1"))

    @around(eventbridge, "_parse_rate_seconds")
    def seconds(original: Any, expression: str) -> float | None:
        interval: int | None = original(expression)
        return None if interval is None else max(interval * time_scale, _LEAST_SECONDS)

    @around(eventbridge, "_invoke_target")
    def start(original: Any, target: dict[str, Any], event: Any, schedule: Any, *rest: Any) -> None:
        is_scheduled = event.get("Source") == "aws.scheduler"
        if is_scheduled and ":lambda:" in target["Arn"] and not _is_function(target["Arn"]):
            group = {"ScheduleGroup": schedule["GroupName"]}
            for metric in _REFUSED:
                cloudwatch.record_metric("AWS/Scheduler", metric, 1, "Count", group)
            return
        original(target, event, schedule, *rest)


def _is_function(arn: str) -> bool:
    return lambda_svc._get_func_record_for_ref(arn)[0] is not None


def _nothing() -> None:
    """No schedule is due."""
