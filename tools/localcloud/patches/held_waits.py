"""Wait states that end no sooner than a test lets them: see ``localcloud.waits``.

MiniStack 1.5.33: a Wait state sleeps for its scaled time, and nothing else.
"""

from __future__ import annotations

from typing import Any

from ministack.services import stepfunctions

from localcloud import faults, waits
from localcloud.patches.patch import around


def install() -> None:
    """Hold Wait states after their time is up."""

    @around(stepfunctions, "_execute_wait")
    def wait(original: Any, state: Any, given: Any, context: Any) -> Any:
        result = original(state, given, context)
        waits.stay_while_held(faults.words(given), context["State"]["Name"])
        return result
