"""Whether a query of fleet indexing lets a thing go whose attributes are overwritten.

The language: https://docs.aws.amazon.com/iot/latest/developerguide/query-syntax.html . Only of the
overwritten attributes is it known what they will be, so an answer is yes, no, or None: it depends
on what nobody overwrites.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

Answer = bool | None

_TOKEN = re.compile(
    r"\s*(?:(?P<sign>[()])"
    r"|(?P<word>AND|OR|NOT)(?=[\s(]|$)"
    r"|(?P<minus>-)"
    r"|(?:(?P<field>[\w.$#@-]+)\s*(?P<operator>:|[<>]=?|=))?\s*"
    r'(?P<value>\(|[\[{][^\]}]*[\]}]|"(?:[^"\\]|\\.)*"|(?:[^\s()\\"]|\\.)+))'
)
_ATTRIBUTE = "attributes."


class QueryError(ValueError):
    """A query that this cannot read."""


def may_match(query: str, attributes: Mapping[str, str]) -> bool:
    """Return whether some thing with these attributes, whatever else it has, meets a query.

    Args:
        query: as the thing group has it.
        attributes: the overwritten ones, name to value.

    Raises:
        QueryError: the query cannot be read.
    """
    return _Query(query, attributes).answer() is not False


class _Query:
    def __init__(self, text: str, attributes: Mapping[str, str]) -> None:
        self._text = text.strip()
        self._attributes = attributes
        self._position = 0
        self._token: re.Match[str] | None = None
        self._advance()

    def answer(self) -> Answer:
        answer = self._any("")
        if self._token is not None:
            raise QueryError(f"unexpected {self._token[0].strip()!r} in {self._text!r}")
        return answer

    def _advance(self) -> None:
        if self._position == len(self._text):
            self._token = None
            return
        self._token = _TOKEN.match(self._text, self._position)
        if self._token is None:
            raise QueryError(f"cannot be read from {self._text[self._position :]!r} on")
        self._position = self._token.end()

    def _is_at(self, word: str) -> bool:
        return self._token is not None and word in (self._token["word"], self._token["sign"])

    def _any(self, field: str) -> Answer:
        answers = [self._all(field)]
        while self._is_at("OR"):
            self._advance()
            answers.append(self._all(field))
        return _not(_all_of([_not(answer) for answer in answers]))

    def _all(self, field: str) -> Answer:
        answers = [self._one(field)]
        while self._token is not None and not (self._is_at("OR") or self._is_at(")")):
            if self._is_at("AND"):
                self._advance()
            answers.append(self._one(field))
        return _all_of(answers)

    def _one(self, field: str) -> Answer:
        token = self._token
        if token is None or self._is_at(")") or token["word"] in ("AND", "OR"):
            raise QueryError(f"a term is missing in {self._text!r}")
        self._advance()
        if token["word"] == "NOT" or token["minus"]:
            return _not(self._one(field))
        if "(" in (token["sign"], token["value"]):
            answer = self._any(token["field"] or field)
            if not self._is_at(")"):
                raise QueryError(f"a parenthesis is not closed in {self._text!r}")
            self._advance()
            return answer
        return self._term(token["field"] or field, token["operator"] or ":", token["value"])

    def _term(self, field: str, operator: str, value: str) -> Answer:
        if not field.startswith(_ATTRIBUTE):
            return None
        actual = self._attributes.get(field.removeprefix(_ATTRIBUTE))
        if actual is None:
            return None
        if value[0] in "[{" or operator not in (":", "="):
            # A word is in no range of numbers. Any other range may hold it.
            return None if _is_number(actual) or not re.search(r"[0-9]", value) else False
        pattern = re.sub(r"\\(.)", r"\1", value.strip('"'))
        return fnmatchcase(actual.lower(), pattern.lower())  # search is case insensitive


def _all_of(answers: list[Answer]) -> Answer:
    if False in answers:
        return False
    return None if None in answers else True


def _not(answer: Answer) -> Answer:
    return None if answer is None else not answer


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) is not None
