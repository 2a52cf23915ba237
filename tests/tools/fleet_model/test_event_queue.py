"""The event queue."""

from __future__ import annotations

import numpy as np

from fleet_model.event_queue import EventQueue
from tests.tools.fleet_model.common import ints


def test_event_queue_yields_rows_in_the_order_of_time() -> None:
    queue = EventQueue(1)
    chance = np.random.default_rng(1)
    seconds = chance.integers(0, 1000, 500).astype(np.int32)
    queue.add(seconds, seconds[:, None])
    taken: list[int] = []
    while (second := queue.next()) is not None:
        rows = queue.take(second)
        assert set(rows[:, 0]) == {second}
        taken.extend(rows[:, 0])
        if second == seconds.min():
            queue.add(ints(second + 3), ints(second + 3)[:, None])
    assert taken == sorted([*seconds.tolist(), int(seconds.min()) + 3])
