"""Wait for what comes a little later."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_PAUSE_SECONDS = 0.05


def eventually(probe: Callable[[], T], seconds: float = 180.0) -> T:
    """Return the first true answer of ``probe``, or its last answer when the time is over.

    Args:
        probe: asked every 50 ms; less often when it takes long, so that what it waits for gets on.
        seconds: how long to ask: a busy machine is slow, and only a failure takes all of it.
    """
    deadline = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        answer = probe()
        now = time.monotonic()
        if answer or now >= deadline:
            return answer
        time.sleep(max(_PAUSE_SECONDS, 2 * (now - asked)))
