"""The rules of the records, on arrays."""

from __future__ import annotations

from fleet_model.records import COOLING_DOWN, FREE, TRACKING, Records
from tests.tools.fleet_model.common import ints


def test_a_failure_counts_once_of_a_tracked_device_below_its_limit(table: Records) -> None:
    assert table.count(ints(0, 1, 2), ints(0, 2, 0)).tolist() == [False, False, False]
    assert table.count(ints(0), ints(1)).tolist() == [True]
    assert table.counter.tolist() == [2, 2, 0]


def test_only_a_used_up_device_is_claimed_and_only_once(table: Records) -> None:
    for _ in range(2):
        table.claim(ints(0, 1, 2), COOLING_DOWN, ints(7, 7, 7))
    assert table.state.tolist() == [TRACKING, COOLING_DOWN, FREE]
    assert (table.cycle[1], table.counter[1], table.due_at[1]) == (1, 0, 7)


def test_late_copies_of_an_earlier_cycle_count_for_nothing(table: Records) -> None:
    table.claim(ints(1), COOLING_DOWN, ints(7))
    table.release(ints(1))
    assert table.count(ints(1), ints(1)).tolist() == [False]
    assert table.count(ints(1), ints(2)).tolist() == [True]
    assert table.escalates(ints(0, 1)).tolist() == [False, True]


def test_counts_stay_known_after_the_end_of_an_episode(table: Records) -> None:
    table.end(ints(1))
    assert (table.state[1], table.counter[1], table.counted_before[1]) == (FREE, 0, 2)
