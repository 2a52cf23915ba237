"""Values of DynamoDB in its typed JSON: ``{"S": "a"}``, ``{"N": "1"}``, ``{"SS": ["a", "b"]}``.

Values are never changed in place: items share them.
"""

from decimal import Decimal
from typing import Any

Value = dict[str, Any]
Item = dict[str, Value]

_SETS = ("SS", "NS", "BS")


def number(text: str) -> int | Decimal:
    """The number that a text of type N stands for."""
    try:
        return int(text)
    except ValueError:
        return Decimal(text)


def as_number(amount: int | Decimal) -> Value:
    """A number as DynamoDB gives it back: without trailing zeros or an exponent."""
    if isinstance(amount, int):
        return {"N": str(amount)}
    text = f"{amount.normalize():f}"
    return {"N": "0" if text == "-0" else text}


def kind(value: Value) -> str:
    """The type of a value: ``S``, ``N``, …"""
    return next(iter(value))


def stored(value: Value) -> Value:
    """A value as it is kept: numbers in their one form."""
    ((of, content),) = value.items()
    if of == "N":
        return as_number(number(content))
    if of == "M":
        return {"M": {name: stored(member) for name, member in content.items()}}
    if of == "L":
        return {"L": [stored(member) for member in content]}
    return value


def equal(left: Value, right: Value) -> bool:  # noqa: PLR0911 -- one a type
    """Whether two values are the same, of the same type."""
    of = kind(left)
    if of != kind(right):
        return False
    one, other = left[of], right[of]
    if of == "N":
        return number(one) == number(other)
    if of == "NS":
        return {number(member) for member in one} == {number(member) for member in other}
    if of in _SETS:
        return set(one) == set(other)
    if of == "M":
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    if of == "L":
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def less(left: Value, right: Value) -> bool | None:
    """Whether one value is less than the other; None when their types have no common order."""
    of = kind(left)
    if of != kind(right) or of not in ("S", "N", "B"):
        return None
    if of == "N":
        return number(left[of]) < number(right[of])
    if of == "S":
        return str(left[of]).encode() < str(right[of]).encode()
    return bool(left[of] < right[of])


def holds(whole: Value, part: Value) -> bool:
    """DynamoDB's ``contains``: a substring, or a member of a set or list."""
    of, part_of = kind(whole), kind(part)
    if of == part_of == "S":
        return part["S"] in whole["S"]
    if of == "L":
        return any(equal(member, part) for member in whole["L"])
    if of == "NS" and part_of == "N":
        return number(part["N"]) in map(number, whole["NS"])
    return of in _SETS and of[0] == part_of and part[part_of] in whole[of]


def size(value: Value) -> Value | None:
    """DynamoDB's ``size``: characters, bytes or members; None for a type that has none."""
    of = kind(value)
    if of == "S":
        return {"N": str(len(value["S"].encode()))}
    return {"N": str(len(value[of]))} if of in ("B", "L", "M", *_SETS) else None


def union(one: Value, other: Value) -> Value:
    """The union of two sets of the same type, in the order in which the members came."""
    of = kind(one)
    return {of: [*one[of], *(member for member in other[of] if not holds(one, {of[0]: member}))]}


def difference(one: Value, other: Value) -> Value | None:
    """A set without the members of another; None when nothing is left."""
    of = kind(one)
    left = [member for member in one[of] if not holds(other, {of[0]: member})]
    return {of: left} if left else None
