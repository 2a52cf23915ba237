"""Retry intervals of Step Functions: ``MaxDelaySeconds`` and ``JitterStrategy``.

AWS: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html : the
interval grows by ``BackoffRate`` up to ``MaxDelaySeconds``; with ``JitterStrategy`` FULL it is
random between 0 and that.

MiniStack 1.5.33: knows neither, and cuts every interval at 60 s.
"""

from __future__ import annotations

import random
from typing import Any

from ministack.services import stepfunctions

from localcloud.patches.patch import around


def install() -> None:
    """Wait for AWS's interval (scaled like all waits) when MiniStack looks for the retrier."""

    @around(stepfunctions, "_find_matching_retrier")
    def find(original: Any, retriers: Any, error: str, counts: dict[int, int]) -> Any:
        retrier, index = original(retriers, error, counts)
        if retrier is None:
            return retrier, index
        stepfunctions._scaled_sleep(_interval(retrier, counts.get(index, 0)))
        # The wait is over: MiniStack's own, which follows, must be none.
        return {**retrier, "IntervalSeconds": 0}, index


def _interval(retrier: dict[str, Any], earlier: int) -> float:
    """Seconds before the next try, after ``earlier`` tries under this retrier."""
    interval: float = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** earlier
    interval = min(interval, retrier.get("MaxDelaySeconds", interval))
    if retrier.get("JitterStrategy") == "FULL":
        return random.uniform(0, interval)  # noqa: S311 -- nothing secret
    return interval
