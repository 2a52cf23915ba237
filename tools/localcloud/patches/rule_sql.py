"""Rule SQL that MiniStack lacks: ``IN`` over arrays, ``CASE``, literals, sums of calls, functions.

AWS: https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-operators.html (the right
operand of ``IN`` is an array: a literal ``['a', 'b']`` or an attribute), .../iot-sql-case.html
(``CASE v WHEN t THEN r ... ELSE r END``; there is no form without ``v``; Undefined if ``v`` is),
.../iot-sql-literals.html (``true``, ``false``, ``null``, ``undefined``), and
.../iot-sql-functions.html, which says of each function what it does with a value of another type.
What ``indexof`` and ``regexp_substr`` answer if there is no match is not said there: -1 and
Undefined are assumed.

MiniStack 1.5.33: ``IN`` takes only a list in parentheses, ``CASE`` is an unknown expression, a
literal is the name of an attribute, ``f(a) + g(b)`` is one call of ``f``, and the functions below
are Undefined (``regexp_matches`` in a SELECT clause only).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from ministack.services import iot

from localcloud.patches.patch import around

_MISSING = iot._MISSING
_CASE = re.compile(r"CASE\s.+\sEND", re.IGNORECASE | re.DOTALL)
_LITERALS = {"true": True, "false": False, "null": None, "undefined": _MISSING}
_CASTS = {
    "string": ("string", "nvarchar", "text", "ntext", "varchar"),
    "int": ("int", "integer"),
    "decimal": ("decimal", "double"),
    "bool": ("bool", "boolean"),
}


def install() -> None:
    """Extend MiniStack's evaluator of rule SQL."""
    iot._IMPLEMENTED_SQL_FUNCS |= {"cast", *_FUNCTIONS}
    iot._SQL_KEYWORDS |= {"case", "when", "then", "else", "end"}
    _install_in()
    _install_case()
    _install_terms()
    _install_functions()


def _install_in() -> None:
    @around(iot, "_parse_where_leaf")
    def parse(original: Any, clause: str) -> Any:
        parts = iot._split_where_keyword(clause, "IN")
        if parts is None or iot._strip_where_group(parts[1]) is not None:
            return original(clause)
        left, negated = iot._strip_trailing_not(parts[0])
        array = parts[1]
        if array.startswith("[") and array.endswith("]"):
            word = "NOT IN" if negated else "IN"
            return original(f"{left} {word} ({array[1:-1]})")
        if not iot._valid_where_operand(left) or not iot._SELECT_ATTR_RE.match(array):
            return None
        return ("in-array", left, array, negated)

    @around(iot, "_eval_where_node")
    def evaluate(original: Any, node: tuple[Any, ...], *context: Any) -> Any:
        if node[0] != "in-array":
            return original(node, *context)
        value = iot._eval_select_expr(node[1], *context)
        array = iot._eval_select_expr(node[2], *context)
        if value is _MISSING or not isinstance(array, list):
            return _MISSING
        found = any(iot._where_values_equal(value, element) for element in array)
        return found is not node[3]


def _install_case() -> None:
    @around(iot, "_valid_where_operand")
    def valid(original: Any, expression: str) -> bool:
        return _case_parts(expression) is not None or bool(original(expression))

    @around(iot, "_eval_select_expr")
    def evaluate(original: Any, expression: str, *context: Any) -> Any:
        parts = _case_parts(expression)
        if parts is None:
            return original(expression, *context)
        subject, branches, otherwise = parts
        value = iot._eval_select_expr(subject, *context)
        if value is _MISSING:
            return _MISSING
        for test, result in branches:
            if iot._where_values_equal(value, iot._eval_select_expr(test, *context)):
                return iot._eval_select_expr(result, *context)
        return iot._eval_select_expr(otherwise, *context) if otherwise else _MISSING


def _case_parts(expression: str) -> tuple[str, list[tuple[str, str]], str | None] | None:
    """Subject, (WHEN, THEN) pairs and ELSE of a CASE expression, or None if it is none."""
    expression = expression.strip()
    if not _CASE.fullmatch(expression):
        return None
    rest = expression[len("CASE") : -len("END")]
    body = iot._split_where_keyword(rest, "ELSE")
    rest, otherwise = body if body is not None else (rest, None)
    subject, *clauses = iot._split_where_terms(rest, "WHEN") or [""]
    branches = [iot._split_where_keyword(clause, "THEN") for clause in clauses]
    if not subject or not branches or None in branches:
        return None
    return subject, branches, otherwise


def _install_terms() -> None:
    @around(iot, "_eval_select_expr")
    def evaluate(original: Any, expression: str, *context: Any) -> Any:
        expression = expression.strip()
        if expression.lower() in _LITERALS:
            return _LITERALS[expression.lower()]
        if iot._SELECT_FUNC_RE.match(expression) and not _is_one_call(expression):
            return iot._eval_sql_arithmetic(expression, *context)
        return original(expression, *context)


def _is_one_call(expression: str) -> bool:
    """Whether the bracket that opens first is the one that closes last."""
    return iot._strip_where_group(expression[expression.index("(") :]) is not None


def _install_functions() -> None:
    @around(iot, "_eval_select_function")
    def evaluate(original: Any, name: str, arguments: list[str], *context: Any) -> Any:
        if name == "cast" and len(arguments) == 1:
            value, kind = iot._split_where_keyword(arguments[0], "AS") or (arguments[0], "")
            return _cast(iot._eval_select_expr(value, *context), kind.lower())
        if name not in _FUNCTIONS:
            return original(name, arguments, *context)
        values = [iot._eval_select_expr(argument, *context) for argument in arguments]
        try:
            return _FUNCTIONS[name](*values)
        except (TypeError, re.error):  # another number of arguments, or no regular expression
            return _MISSING


def _of_texts(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function so that its arguments become strings; Undefined where one cannot."""

    def call(*values: Any) -> Any:
        texts = [iot._sql_as_string(value) for value in values]
        return _MISSING if None in texts else function(*texts)

    return call


def _first_match(text: str, pattern: str) -> Any:
    found = re.search(pattern, text)
    return found[0] if found else _MISSING


def _replace_matches(text: str, pattern: str, replacement: str) -> str:
    """``$1`` in the replacement is what the first group matched."""
    references = re.sub(r"\$(\d)", r"\\g<\1>", replacement.replace("\\", "\\\\"))
    return re.sub(pattern, references, text)


def _substring(value: Any, *indices: Any) -> Any:
    text = iot._sql_as_string(value)
    numbers = [iot._sql_as_number(index) for index in indices]
    if text is None or None in numbers or len(numbers) not in (1, 2):
        return _MISSING
    start, end = (*(max(math.floor(number), 0) for number in numbers), len(text))[:2]
    return text[start:end]


def _get(collection: Any, key: Any) -> Any:
    if isinstance(collection, dict):
        return collection.get(key, _MISSING) if isinstance(key, str) else _MISSING
    number = iot._sql_as_number(key)
    if not isinstance(collection, (list, str)) or number is None:
        return _MISSING
    index = math.floor(number)
    return collection[index] if 0 <= index < len(collection) else _MISSING


def _cast(value: Any, kind: str) -> Any:
    """Cast a value to ``kind``, a type name of SQL; numbers and Booleans to each other."""
    if kind in _CASTS["string"]:
        return _or_missing(iot._sql_as_string(value))
    number = iot._sql_as_number(int(value) if isinstance(value, bool) else value)
    if kind in _CASTS["bool"]:
        is_number = isinstance(value, (int, float))
        return bool(number) if is_number else _or_missing(iot._sql_as_bool(value))
    if number is None:
        return _MISSING
    if kind in _CASTS["int"]:
        return math.floor(number)
    return number if kind in _CASTS["decimal"] else _MISSING


def _or_missing(value: Any) -> Any:
    return _MISSING if value is None else value


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "startswith": _of_texts(str.startswith),
    "indexof": _of_texts(str.find),
    "lower": _of_texts(str.lower),
    "regexp_matches": _of_texts(lambda text, pattern: re.search(pattern, text) is not None),
    "regexp_substr": _of_texts(_first_match),
    "regexp_replace": _of_texts(_replace_matches),
    "substring": _substring,
    "trim": _of_texts(str.strip),
    "get": _get,
}
