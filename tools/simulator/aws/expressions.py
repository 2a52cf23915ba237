"""DynamoDB's condition and update expressions, compiled once for each text.

The grammar: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html .
Comparison, AND, OR, NOT, parentheses, BETWEEN, IN, attribute_exists, attribute_not_exists,
contains, begins_with, size; SET with + - and if_not_exists, REMOVE, ADD, DELETE; paths into maps.
Anything else raises ``ExpressionError``, among it what DynamoDB knows and the package does not use
(list_append, list elements, attribute_type).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from simulator.aws import values
from simulator.aws.values import Item, Value

Names = Mapping[str, str]
Values = Mapping[str, Value]
Test = Callable[[Item, Names, Values], bool]
Read = Callable[[Item, Names, Values], Value | None]
Path = tuple[str, ...]
Change = Callable[[Item, Item, Names, Values], str]

_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),+.-]|[:#]?[A-Za-z0-9_]+)")
_CLAUSES = ("SET", "REMOVE", "ADD", "DELETE")


class ExpressionError(Exception):
    """DynamoDB would answer ValidationException, or the grammar here is too small."""


@dataclass(frozen=True)
class Condition:
    """A compiled condition, filter or key condition."""

    test: Test
    placeholders: frozenset[str]
    """The ``#names`` and ``:values`` that it uses."""


@dataclass(frozen=True)
class Update:
    """A compiled update."""

    changes: tuple[Change, ...]
    placeholders: frozenset[str]

    def apply(self, item: Item, names: Names, given: Values) -> tuple[Item, list[str]]:
        """Change an item.

        Returns:
            The item afterwards, and the names of the attributes that were written.

        Raises:
            ExpressionError: an operand does not exist or is of a wrong type.
        """
        after = dict(item)
        touched = [change(item, after, names, given) for change in self.changes]
        if len(set(touched)) < len(touched):
            raise ExpressionError("Two document paths overlap with each other")
        return after, touched


@lru_cache(maxsize=512)
def condition(text: str) -> Condition:
    """Compile a condition; raises ExpressionError."""
    parser = _Parser(text)
    test = parser.any_of()
    parser.end()
    return Condition(test, frozenset(parser.placeholders))


@lru_cache(maxsize=512)
def update(text: str) -> Update:
    """Compile an update; raises ExpressionError."""
    parser = _Parser(text)
    changes = parser.clauses()
    parser.end()
    return Update(tuple(changes), frozenset(parser.placeholders))


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        self._next = 0
        self.placeholders: set[str] = set()
        position, text = 0, text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise ExpressionError(f"Syntax error near {text[position:]!r}")
            self._tokens.append(match[1])
            position = match.end()

    # -- tokens ------------------------------------------------------------------------------

    def _peek(self, ahead: int = 0) -> str:
        place = self._next + ahead
        return self._tokens[place] if place < len(self._tokens) else ""

    def _take(self, *wanted: str) -> str:
        token = self._peek()
        if not token or (wanted and token.upper() not in wanted):
            raise ExpressionError(f"Syntax error at {token!r}, wanted {' or '.join(wanted)}")
        self._next += 1
        return token

    def _accept(self, word: str) -> bool:
        if self._peek().upper() != word:
            return False
        self._next += 1
        return True

    def end(self) -> None:
        if self._peek():
            raise ExpressionError(f"Syntax error at {self._peek()!r}")

    # -- conditions --------------------------------------------------------------------------

    def any_of(self) -> Test:
        tests = [self._all_of()]
        while self._accept("OR"):
            tests.append(self._all_of())
        return tests[0] if len(tests) == 1 else lambda i, n, v: any(t(i, n, v) for t in tests)

    def _all_of(self) -> Test:
        tests = [self._negation()]
        while self._accept("AND"):
            tests.append(self._negation())
        return tests[0] if len(tests) == 1 else lambda i, n, v: all(t(i, n, v) for t in tests)

    def _negation(self) -> Test:
        if self._accept("NOT"):
            test = self._negation()
            return lambda i, n, v: not test(i, n, v)
        if self._accept("("):
            test = self.any_of()
            self._take(")")
            return test
        if self._peek(1) == "(" and self._peek().lower() != "size":
            return self._function(self._take())
        return self._comparison()

    def _function(self, name: str) -> Test:
        self._take("(")
        if name in ("attribute_exists", "attribute_not_exists"):
            path, wanted = self._operand(), name == "attribute_exists"
            self._take(")")
            return lambda i, n, v: (path(i, n, v) is not None) is wanted
        if name not in ("contains", "begins_with"):
            raise ExpressionError(f"Invalid function name; function: {name}")
        whole = self._operand()
        self._take(",")
        part = self._operand()
        self._take(")")
        relation = values.holds if name == "contains" else _begins_with

        def test(item: Item, names: Names, given: Values) -> bool:
            left, right = whole(item, names, given), part(item, names, given)
            return left is not None and right is not None and relation(left, right)

        return test

    def _comparison(self) -> Test:
        left = self._operand()
        if self._accept("BETWEEN"):
            low = self._operand()
            self._take("AND")
            high = self._operand()
            return lambda i, n, v: (
                _compare("<=", low(i, n, v), left(i, n, v))
                and _compare("<=", left(i, n, v), high(i, n, v))
            )
        if self._accept("IN"):
            self._take("(")
            options = [self._operand()]
            while self._accept(","):
                options.append(self._operand())
            self._take(")")
            return lambda i, n, v: any(_same(left(i, n, v), option(i, n, v)) for option in options)
        sign = self._take("=", "<>", "<", "<=", ">", ">=")
        right = self._operand()
        if sign == "=":
            return lambda i, n, v: _same(left(i, n, v), right(i, n, v))
        if sign == "<>":
            # True for an attribute that is not there, as with DynamoDB.
            return lambda i, n, v: not _same(left(i, n, v), right(i, n, v))
        return lambda i, n, v: _compare(sign, left(i, n, v), right(i, n, v))

    def _operand(self) -> Read:
        if self._peek().lower() == "size" and self._peek(1) == "(":
            self._take()
            self._take("(")
            measured = self._operand()
            self._take(")")

            def measure(item: Item, names: Names, given: Values) -> Value | None:
                value = measured(item, names, given)
                return None if value is None else values.size(value)

            return measure
        if self._peek().startswith(":"):
            placeholder = self._placeholder()
            return lambda i, n, v: v[placeholder]
        path = self._path()
        if len(path) == 1:
            (name,) = path
            if name.startswith("#"):
                return lambda i, n, v: i.get(n[name])
            return lambda i, n, v: i.get(name)
        return lambda i, n, v: _at(i, path, n)

    def _placeholder(self) -> str:
        token = self._take()
        self.placeholders.add(token)
        return token

    def _path(self) -> Path:
        path = [self._name()]
        while self._accept("."):
            path.append(self._name())
        return tuple(path)

    def _name(self) -> str:
        token = self._peek()
        if token.startswith("#"):
            return self._placeholder()
        if not token or not (token[0].isalpha() or token[0] == "_"):
            raise ExpressionError(f"Syntax error at {token!r}, wanted a name")
        return self._take()

    # -- updates -----------------------------------------------------------------------------

    def clauses(self) -> list[Change]:
        changes: list[Change] = []
        seen: set[str] = set()
        while self._peek():
            clause = self._take(*_CLAUSES).upper()
            if clause in seen:
                raise ExpressionError(f"The {clause!r} section can only be used once")
            seen.add(clause)
            changes.append(self._change(clause))
            while self._accept(","):
                changes.append(self._change(clause))
        if not changes:
            raise ExpressionError("The expression can not be empty")
        return changes

    def _change(self, clause: str) -> Change:
        path = self._path()
        if clause == "SET":
            self._take("=")
            value = self._sum()
            return lambda old, new, n, v: _put(new, path, n, value(old, n, v))
        if clause == "REMOVE":
            return lambda old, new, n, v: _put(new, path, n, None)
        if len(path) > 1:
            raise ExpressionError(f"{clause} is for top-level attributes here")
        amount = self._placeholder()
        combine = _add if clause == "ADD" else _delete
        return lambda old, new, n, v: _put(new, path, n, combine(_at(old, path, n), v[amount]))

    def _sum(self) -> Read:
        left = self._addend()
        if self._peek() not in ("+", "-"):
            return left
        sign = 1 if self._take() == "+" else -1
        right = self._addend()

        def total(item: Item, names: Names, given: Values) -> Value:
            option, other = left(item, names, given), right(item, names, given)
            if option is None or other is None or "N" not in option or "N" not in other:
                raise ExpressionError("An operand in the update expression has an incorrect type")
            return values.as_number(values.number(option["N"]) + sign * values.number(other["N"]))

        return total

    def _addend(self) -> Read:
        if self._peek() == "if_not_exists" and self._peek(1) == "(":
            self._take()
            self._take("(")
            first = self._operand()
            self._take(",")
            second = self._addend()
            self._take(")")

            def present(item: Item, names: Names, given: Values) -> Value | None:
                found = first(item, names, given)
                return second(item, names, given) if found is None else found

            return present
        operand = self._operand()

        def existing(item: Item, names: Names, given: Values) -> Value:
            found = operand(item, names, given)
            if found is None:
                raise ExpressionError(
                    "The provided expression refers to an attribute that does not exist in the item"
                )
            return found

        return existing


def _same(left: Value | None, right: Value | None) -> bool:
    return left is not None and right is not None and values.equal(left, right)


def _compare(sign: str, left: Value | None, right: Value | None) -> bool:
    if left is None or right is None:
        return False
    if sign in (">", ">="):
        left, right, sign = right, left, "<" if sign == ">" else "<="
    smaller = values.less(left, right)
    return smaller is not None and (smaller or (sign == "<=" and values.equal(left, right)))


def _begins_with(whole: Value, part: Value) -> bool:
    tag = values.kind(whole)
    return tag in ("S", "B") and tag == values.kind(part) and whole[tag].startswith(part[tag])


def _at(item: Item, path: Path, names: Names) -> Value | None:
    members: Item = item
    for step, name in enumerate(path):
        value = members.get(names[name] if name.startswith("#") else name)
        if value is None or step == len(path) - 1:
            return value
        members = value.get("M", {})
    return None


def _put(item: Item, path: Path, names: Names, value: Value | None) -> str:
    """Set or, for None, removes what is at the path; returns the path as text."""
    resolved = [names[name] if name.startswith("#") else name for name in path]
    members = item
    for name in resolved[:-1]:
        if name not in members or "M" not in members[name]:
            raise ExpressionError(
                "The document path provided in the update expression is invalid for update"
            )
        copied = dict(members[name]["M"])
        members[name] = {"M": copied}
        members = copied
    if value is None:
        members.pop(resolved[-1], None)
    else:
        members[resolved[-1]] = value
    return ".".join(resolved)


def _add(value: Value | None, amount: Value) -> Value:
    tag = values.kind(amount)
    if tag not in ("N", "SS", "NS", "BS") or (value is not None and tag not in value):
        raise ExpressionError("An operand in the update expression has an incorrect data type")
    if value is None:
        return amount
    if tag == "N":
        return values.as_number(values.number(value["N"]) + values.number(amount["N"]))
    return values.union(value, amount)


def _delete(value: Value | None, amount: Value) -> Value | None:
    tag = values.kind(amount)
    if tag not in ("SS", "NS", "BS") or (value is not None and tag not in value):
        raise ExpressionError("An operand in the update expression has an incorrect data type")
    return None if value is None else values.difference(value, amount)
