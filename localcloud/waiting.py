"""Wait for what comes a little later."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(probe: Callable[[], T], seconds: float = 60.0) -> T:
    """The first true answer of ``probe``, or its last answer when the time is over.

    Args:
        probe: asked every 50 ms.
        seconds: how long to ask: a busy machine is slow, and only a failure takes all of it.
    """
    deadline = time.monotonic() + seconds
    while not (answer := probe()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return answer
