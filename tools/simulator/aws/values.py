"""Values of DynamoDB in its typed JSON: ``{"S": "a"}``, ``{"N": "1"}``, ``{"SS": ["a", "b"]}``.

Values are never changed in place: items share them.
"""

from decimal import Decimal
from typing import Any

Value = dict[str, Any]
Item = dict[str, Value]

_SETS = ("SS", "NS", "BS")


def number(text: str) -> int | Decimal:
    """Return the number that a text of type N stands for."""
    try:
        return int(text)
    except ValueError:
        return Decimal(text)


def as_number(amount: int | Decimal) -> Value:
    """Return a number as DynamoDB gives it back: without trailing zeros or an exponent."""
    if isinstance(amount, int):
        return {"N": str(amount)}
    text = f"{amount.normalize():f}"
    return {"N": "0" if text == "-0" else text}


def kind(value: Value) -> str:
    """Return the type of a value: ``S``, ``N``, …"""
    return next(iter(value))


def normalize(value: Value) -> Value:
    """Return a value as it is kept: numbers in their one form."""
    ((tag, content),) = value.items()
    if tag == "N":
        return as_number(number(content))
    if tag == "M":
        return {"M": {name: normalize(member) for name, member in content.items()}}
    if tag == "L":
        return {"L": [normalize(member) for member in content]}
    return value


def equal(left: Value, right: Value) -> bool:  # noqa: PLR0911 -- one per type
    """Return whether two values are the same, of the same type."""
    tag = kind(left)
    if tag != kind(right):
        return False
    first, second = left[tag], right[tag]
    if tag == "N":
        return number(first) == number(second)
    if tag == "NS":
        return {number(member) for member in first} == {number(member) for member in second}
    if tag in _SETS:
        return set(first) == set(second)
    if tag == "M":
        return first.keys() == second.keys() and all(
            equal(first[name], second[name]) for name in first
        )
    if tag == "L":
        return len(first) == len(second) and all(map(equal, first, second))
    return bool(first == second)


def less(left: Value, right: Value) -> bool | None:
    """Return whether left is less than right; None when their types have no common order."""
    tag = kind(left)
    if tag != kind(right) or tag not in ("S", "N", "B"):
        return None
    if tag == "N":
        return number(left[tag]) < number(right[tag])
    if tag == "S":
        return str(left[tag]).encode() < str(right[tag]).encode()
    return bool(left[tag] < right[tag])


def holds(whole: Value, part: Value) -> bool:
    """Return DynamoDB's ``contains``: a substring, or a member of a set or list."""
    tag, part_tag = kind(whole), kind(part)
    if tag == part_tag == "S":
        return part["S"] in whole["S"]
    if tag == "L":
        return any(equal(member, part) for member in whole["L"])
    if tag == "NS" and part_tag == "N":
        return number(part["N"]) in map(number, whole["NS"])
    return tag in _SETS and tag[0] == part_tag and part[part_tag] in whole[tag]


def size(value: Value) -> Value | None:
    """Return DynamoDB's ``size``: bytes or members; None for a type that has none."""
    tag = kind(value)
    if tag == "S":
        return {"N": str(len(value["S"].encode()))}
    return {"N": str(len(value[tag]))} if tag in ("B", "L", "M", *_SETS) else None


def union(left: Value, right: Value) -> Value:
    """Return the union of two sets of the same type, in the order in which the members came."""
    tag = kind(left)
    return {
        tag: [*left[tag], *(member for member in right[tag] if not holds(left, {tag[0]: member}))]
    }


def difference(left: Value, right: Value) -> Value | None:
    """Return a set without the members of another; None when nothing is left."""
    tag = kind(left)
    kept = [member for member in left[tag] if not holds(right, {tag[0]: member})]
    return {tag: kept} if kept else None
