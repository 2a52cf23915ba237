"""Read and write units of DynamoDB, from the bytes of items.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

Item = Mapping[str, Mapping[str, Any]]
"""An item in DynamoDB's typed JSON."""

_WRITE_UNIT_BYTES = 1024
_READ_UNIT_BYTES = 4096
_CONTAINER_BYTES = 3
_ELEMENT_BYTES = 1


def item_bytes(item: Item) -> int:
    """Return the size of an item in bytes: names of its attributes and their values."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    (kind, content), *_ = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            # Approximately a byte for two significant digits, and one more.
            digits = content.lstrip("-").replace(".", "").strip("0")
            return math.ceil(len(digits) / 2) + 1
        case "BOOL" | "NULL":
            return 1
        case "SS" | "NS":
            return sum(_value_bytes({kind[0]: element}) for element in content)
        case "L":
            return _CONTAINER_BYTES + sum(
                _ELEMENT_BYTES + _value_bytes(element) for element in content
            )
        case "M":
            return _CONTAINER_BYTES + item_bytes(content) + _ELEMENT_BYTES * len(content)
    raise ValueError(f"no size is known for an attribute of the type {kind!r}")


def write_units(size: int, in_transaction: bool = False) -> int:
    """Units of writing an item; a refused conditional write takes as many.

    Args:
        size: bytes of the item, before or after the write: the larger of the two.
        in_transaction: whether it is an action of TransactWriteItems.
    """
    units = max(1, math.ceil(size / _WRITE_UNIT_BYTES))
    return units * 2 if in_transaction else units


def read_units(size: int, is_consistent: bool) -> float:
    """Units of one GetItem, Query, or page of a Scan.

    Args:
        size: bytes of all items that are read, before any filter.
        is_consistent: whether the read is strongly consistent.
    """
    units = max(1, math.ceil(size / _READ_UNIT_BYTES))
    return units if is_consistent else units / 2


def scan_units(sizes: Iterable[int], is_consistent: bool, page_bytes: int = 1024 * 1024) -> float:
    """Units of reading a whole table, page by page.

    Args:
        sizes: bytes of each item.
        is_consistent: whether the reads are strongly consistent.
        page_bytes: most that a page holds.
    """
    units, page = 0.0, 0
    for size in sizes:
        if page + size > page_bytes:
            units += read_units(page, is_consistent)
            page = 0
        page += size
    return units + read_units(page, is_consistent)
