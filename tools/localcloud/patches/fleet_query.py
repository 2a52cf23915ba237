"""The query language of fleet indexing, for SearchIndex and dynamic thing groups.

AWS: https://docs.aws.amazon.com/iot/latest/developerguide/query-syntax.html : terms
``field:value``, quoted values, ``*`` and ``?``, ``AND`` (or a space), ``OR``, ``NOT`` and
parentheses.

MiniStack 1.5.33: terms joined by AND only. What a term means stays MiniStack's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import iot

Thing = dict[str, Any]
Test = Callable[[Thing], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<sign>[()])"
    r"|(?P<word>AND|OR|NOT)(?=[\s()]|$)"
    r'|(?P<field>[\w.@/#-]+)\s*:\s*(?P<value>"(?:[^"\\]|\\.)*"|(?:[^\s()\\]|\\.)+))'
)


class QueryError(ValueError):
    """Text that is no query."""


class FleetQuery:
    """A parsed query.

    Args:
        text: the query string.

    Raises:
        QueryError: it is not in the language, or names a field that is not indexed.
    """

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self._test = self._any()
        if self._next != len(self._tokens):
            raise QueryError(f"Unsupported query syntax: {text!r}")

    def matches(self, thing: Thing) -> bool:
        """Whether a thing of MiniStack's registry meets the query."""
        return self._test(thing)

    def _any(self) -> Test:
        tests = [self._all()]
        while self._take("OR"):
            tests.append(self._all())
        return lambda thing: any(test(thing) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._take("AND") or self._peek() not in (None, "OR", ")"):
            tests.append(self._one())
        return lambda thing: all(test(thing) for test in tests)

    def _one(self) -> Test:
        if self._take("NOT"):
            test = self._one()
            return lambda thing: not test(thing)
        if self._take("("):
            test = self._any()
            if not self._take(")"):
                raise QueryError("Unsupported query syntax: a parenthesis is not closed")
            return test
        token = self._peek()
        if not isinstance(token, tuple):
            raise QueryError(f"Unsupported query syntax: a term is missing before {token!r}")
        self._next += 1
        return _term(*token)

    def _peek(self) -> str | tuple[str, str] | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self, word: str) -> bool:
        found = self._peek() == word
        self._next += found
        return found


def _tokens(text: str) -> list[str | tuple[str, str]]:
    text = text.strip()
    tokens: list[str | tuple[str, str]] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise QueryError(f"Unsupported query syntax: {text!r}")
        position = found.end()
        word = found["sign"] or found["word"]
        tokens.append(word or (found["field"], _unquote(found["value"])))
    return tokens


def _unquote(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value.strip('"'))


def _term(field: str, value: str) -> Test:
    config = iot._indexing_configuration()
    thing_mode = config["thingIndexingConfiguration"]["thingIndexingMode"]
    connectivity_mode = iot._thing_connectivity_indexing_mode(config)
    problem = iot._search_field_error(field, thing_mode, connectivity_mode)
    if problem is not None:
        raise QueryError(problem)

    def test(thing: Thing) -> bool:
        name = thing["thingName"]
        shadow = iot._classic_shadow_state(name) if field.startswith("shadow.") else None
        connectivity = iot._thing_connectivity(get_account_id(), get_region(), name)
        actual = iot._search_field_value(thing, field, shadow, connectivity)
        return bool(iot._search_value_matches(actual, value))

    return test
