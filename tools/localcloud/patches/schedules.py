"""Schedules in scaled time, or none at all.

AWS: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html : a schedule with a
rate runs again and again after so much time.

MiniStack 1.5.33: looks every ten seconds for what is due, in real time: next to waits that are
scaled, a schedule would hardly ever run.
"""

from __future__ import annotations

import os
from typing import Any

from ministack.services import eventbridge, scheduler

from localcloud.patches.patch import around

_LEAST_SECONDS = 2.0
"""However short the scaled interval is: who runs by the clock is not to run all the time."""
_LOOK_SECONDS = 0.5


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


def _nothing() -> None:
    """No schedule is due."""
