"""Wait for what comes a little later."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 0.25
_SHARE_OF_WAIT = 0.1


def eventually(probe: Callable[[], T], seconds: float = 180.0) -> T:
    """Return the first true answer of ``probe``, or its last answer when the time is over.

    Args:
        probe: asked after 50 ms, and less often the longer the wait lasts or the probe takes, so
            that what it waits for gets on.
        seconds: how long to ask: a busy machine is slow, and only a failure takes all of it.
    """
    began = time.monotonic()
    while True:
        asked = time.monotonic()
        answer = probe()
        now = time.monotonic()
        if answer or now >= began + seconds:
            return answer
        pause = min(_LONGEST_PAUSE, _SHARE_OF_WAIT * (now - began))
        time.sleep(max(_SHORTEST_PAUSE, pause, 2 * (now - asked)))
