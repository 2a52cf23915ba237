"""The strict reading of rule SQL, where it is switched on: see ``localcloud.sql_reading``.

AWS, in https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-reference.html and its pages:

- iot-sql-json.html: names with a digit or hyphen need ``get()``, and ``*`` is for SELECT; no
  example begins with an underscore. iot-sql-functions.html allows ``encode(*, 'base64')`` in both
  clauses. Strict: CreateTopicRule and ReplaceTopicRule reject any other name, and any other ``*``
  in WHERE.
- iot-sql-functions.html: ``|`` of a regular expression is used with ``()``; the engine is not
  documented, and RE2 repeats a thousand times at most. Strict: any other expression is Undefined.
- The same page does not document ``regexp_substr`` without a match. Strict: Null, not Undefined.
- The same page casts only the strings true and false to a string. Strict: others are Undefined.
- iot-sql-operators.html: ``=`` and ``<>`` have no line for two Booleans. Strict: Undefined, and
  for IN and CASE no match.
- The same page: ``AND`` and ``OR`` are Undefined unless both operands are Booleans. Strict: also
  where one of them would decide.
- binary-payloads.html shows rules for payloads that are not JSON. An earlier edition excludes rules
  that use a name, or select anything but ``*`` or functions; a later one shows such rules. Strict:
  such a rule does not run.

MiniStack 1.5.33: accepts these names and patterns, lets a true operand of ``OR`` or a false one of
``AND`` outweigh an Undefined one, and evaluates each rule with each payload.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ministack.services import iot

from localcloud import sql_reading
from localcloud.patches.patch import around
from localcloud.patches.service_metrics import is_json

_MISSING = iot._MISSING
_WORD = re.compile(
    r"(?P<alias>\bAS\s+)?(?<![\w.])(?P<name>[a-z_][\w.]*)(?P<call>\s*\()?", re.IGNORECASE
)
_NAME = re.compile(r"[a-z][a-z_]*", re.IGNORECASE)
_ALIAS = re.compile(r"[a-z]\w*", re.IGNORECASE)
_WHOLE_PAYLOAD = re.compile(r"(\w*)\s*\(\s*\*")
_LITERAL_WORDS = frozenset({"true", "false", "null", "undefined", "value", "exists"})
_OF_PATTERNS = frozenset({"regexp_matches", "regexp_replace", "regexp_substr"})
_REPEAT = re.compile(r"\{(\d*),?(\d*)\}")
_MOST_REPEATS = 1000
"""https://github.com/google/re2/wiki/Syntax"""


def install() -> None:
    """Read rule SQL strictly while that is switched on."""
    _install_rejection()
    _install_functions()
    _install_operators()
    _install_payloads()


def _strictly(owner: Any, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put the decorated function around ``owner.name`` while the strict reading counts."""

    def decorate(strict: Callable[..., Any]) -> Callable[..., Any]:
        @around(owner, name)
        def call(original: Any, *arguments: Any, **named: Any) -> Any:
            if sql_reading.is_strict():
                return strict(original, *arguments, **named)
            return original(*arguments, **named)

        return call

    return decorate


def _install_rejection() -> None:
    @_strictly(iot, "_validate_rule_sql")
    def validate(original: Any, sql: str) -> str | None:
        return original(sql) or _find_problem(sql)


def _find_problem(sql: str) -> str | None:
    for match in _list_words(sql):
        name, pattern = match["name"], _ALIAS if match["alias"] else _NAME
        if not all(pattern.fullmatch(part) for part in name.split(".")):
            return f"Unexpected token, '{name}'"
    where = iot._SQL_LITERAL_RE.sub("''", iot._rule_where_clause(sql))
    functions = [match[1].lower() for match in _WHOLE_PAYLOAD.finditer(where)]
    return None if set(functions) <= {"encode"} else "Unexpected token, '*'"


def _list_words(sql: str) -> list[re.Match[str]]:
    """Return the names of fields and aliases, without functions and keywords."""
    known = iot._SQL_KEYWORDS | _LITERAL_WORDS
    words = _WORD.finditer(iot._SQL_LITERAL_RE.sub("''", sql))
    return [word for word in words if not word["call"] and word["name"].lower() not in known]


def _install_functions() -> None:
    @_strictly(iot, "_eval_select_function")
    def evaluate(original: Any, name: str, arguments: list[str], *context: Any) -> Any:
        if name == "cast":
            return _cast(original, arguments, *context)
        if name in _OF_PATTERNS and len(arguments) > 1:
            return _match(original, name, arguments, *context)
        return original(name, arguments, *context)


def _cast(original: Any, arguments: list[str], *context: Any) -> Any:
    result = original("cast", arguments, *context)
    if not isinstance(result, str):
        return result
    value = iot._eval_select_expr(iot._split_where_keyword(arguments[0], "AS")[0], *context)
    if not isinstance(value, str):
        return result
    return value.lower() if value.lower() in ("true", "false") else _MISSING


def _match(original: Any, name: str, arguments: list[str], *context: Any) -> Any:
    if not _is_pattern(iot._eval_select_expr(arguments[1], *context)):
        return _MISSING
    result = original(name, arguments, *context)
    if name != "regexp_substr" or result is not _MISSING:
        return result
    text = iot._sql_as_string(iot._eval_select_expr(arguments[0], *context))
    return _MISSING if text is None else None


def _is_pattern(pattern: Any) -> bool:
    """Whether a regular expression keeps to what both AWS's page and RE2 allow."""
    text = iot._sql_as_string(pattern)
    if text is None:
        return False
    bare = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]", "", text, flags=re.DOTALL)
    counts = [int(count) for match in _REPEAT.finditer(bare) for count in match.groups() if count]
    return max(counts, default=0) <= _MOST_REPEATS and "|" not in _outside_groups(bare)


def _outside_groups(text: str) -> str:
    while (rest := re.sub(r"\([^()]*\)", "", text)) != text:
        text = rest
    return text


def _install_operators() -> None:
    @_strictly(iot, "_where_values_equal")
    def equal(original: Any, left: Any, right: Any) -> bool:
        return not _are_booleans(left, right) and bool(original(left, right))

    @_strictly(iot, "_eval_where_node")
    def evaluate(original: Any, node: tuple[Any, ...], *context: Any) -> Any:
        is_undefined = _UNDEFINED.get(node[0])
        if is_undefined is not None and is_undefined(node, *context):
            return _MISSING
        return original(node, *context)


def _has_undefined_operand(node: tuple[Any, ...], *context: Any) -> bool:
    return any(iot._eval_where_node(operand, *context) is _MISSING for operand in node[1])


def _has_other_pattern(node: tuple[Any, ...], *_: Any) -> bool:
    return not _is_pattern(node[2])


def _compares_booleans(node: tuple[Any, ...], *context: Any) -> bool:
    _, left, operator, right = node
    sides = (iot._eval_select_expr(side, *context) for side in (left, right))
    return operator in ("=", "<>") and _are_booleans(*sides)


def _are_booleans(left: Any, right: Any) -> bool:
    return isinstance(left, bool) and isinstance(right, bool)


_UNDEFINED: dict[str, Callable[..., bool]] = {
    "and": _has_undefined_operand,
    "or": _has_undefined_operand,
    "regexp": _has_other_pattern,
    "cmp": _compares_booleans,
}
"""By the kind of a node of WHERE: whether it is Undefined in the strict reading."""


def _install_payloads() -> None:
    @_strictly(iot, "_run_rule_actions")
    async def run(original: Any, account: str, region: str, rule: Any, *rest: Any) -> None:
        payload = rest[0]
        if rule and (is_json(payload) or _may_read_bytes(rule["sql"])):
            await original(account, region, rule, *rest)


def _may_read_bytes(sql: str) -> bool:
    if any(not word["alias"] for word in _list_words(sql)):
        return False
    items = iot._split_select_items(iot._rule_select_clause(sql))
    terms = [iot._split_select_alias(item)[0] for item in items]
    return terms == ["*"] or all(iot._SELECT_FUNC_RE.match(term) for term in terms)
