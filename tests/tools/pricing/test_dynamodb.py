"""Sizes of items and their units, as AWS's page has them."""

from __future__ import annotations

from typing import Any

import pytest

from pricing.dynamodb import item_bytes, read_units, scan_units, write_units

KB = 1024


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "text"}, 4),
        ({"S": "ü"}, 2),
        ({"N": "7"}, 2),
        ({"N": "1711320208793"}, 8),
        ({"N": "-10.50"}, 3),
        ({"N": "0"}, 1),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"SS": ["ab", "cde"]}, 5),
        ({"NS": ["12", "7"]}, 4),
        ({"L": [{"S": "ab"}]}, 3 + 1 + 2),
        ({"M": {"k": {"S": "ab"}}}, 3 + 1 + 1 + 2),
    ],
)
def test_the_size_of_a_value(value: dict[str, Any], size: int) -> None:
    assert item_bytes({"name": value}) == len("name") + size


def test_the_size_of_an_item_is_that_of_its_names_and_values() -> None:
    assert item_bytes({"deviceId": {"S": "dev-1"}, "n": {"N": "1"}}) == 8 + 5 + 1 + 2


def test_what_has_no_known_size_is_refused() -> None:
    with pytest.raises(ValueError, match="'B'"):
        item_bytes({"bytes": {"B": b"x"}})


@pytest.mark.parametrize(("size", "units"), [(0, 1), (1, 1), (KB, 1), (KB + 1, 2), (3 * KB, 3)])
def test_a_write_takes_a_unit_a_kilobyte_and_twice_that_in_a_transaction(
    size: int, units: int
) -> None:
    assert write_units(size) == units
    assert write_units(size, in_transaction=True) == 2 * units


@pytest.mark.parametrize(("size", "units"), [(0, 1), (4 * KB, 1), (4 * KB + 1, 2)])
def test_a_read_takes_a_unit_for_4_kilobytes_and_half_when_it_is_not_consistent(
    size: int, units: int
) -> None:
    assert read_units(size, is_consistent=True) == units
    assert read_units(size, is_consistent=False) == units / 2


def test_a_scan_takes_what_its_pages_take() -> None:
    assert scan_units([], is_consistent=False) == 0.5
    assert scan_units([KB] * 8, is_consistent=False) == 1
    # Two pages, each rounded up.
    assert scan_units([3 * KB, 3 * KB, 3 * KB], is_consistent=True, page_bytes=6 * KB) == 2 + 1
