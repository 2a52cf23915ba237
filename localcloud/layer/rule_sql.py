"""Rule SQL that MiniStack lacks: ``IN`` over arrays, ``CASE``, ``startswith``.

AWS: https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-operators.html (the right
operand of ``IN`` is an array: a literal ``['a', 'b']`` or an attribute), .../iot-sql-case.html
(``CASE v WHEN t THEN r ... ELSE r END``; there is no form without ``v``; Undefined if ``v`` is),
.../iot-sql-functions.html (``startswith``, and ``regexp_matches`` in a SELECT clause too).

MiniStack 1.5.33: ``IN`` takes only a list in parentheses, ``CASE`` is an unknown expression,
both functions are Undefined in a SELECT clause.
"""

from __future__ import annotations

import re
from typing import Any

from ministack.services import iot

from localcloud.layer.patch import around

_MISSING = iot._MISSING
_CASE = re.compile(r"CASE\s.+\sEND", re.IGNORECASE | re.DOTALL)
_ADDED_FUNCTIONS = frozenset({"startswith"})


def install() -> None:
    """Extend MiniStack's evaluator of rule SQL."""
    iot._IMPLEMENTED_SQL_FUNCS |= _ADDED_FUNCTIONS
    iot._SQL_KEYWORDS |= {"case", "when", "then", "else", "end"}
    _install_in()
    _install_case()
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


def _install_functions() -> None:
    @around(iot, "_eval_select_function")
    def evaluate(original: Any, name: str, arguments: list[str], *context: Any) -> Any:
        if name not in ("startswith", "regexp_matches") or len(arguments) != 2:
            return original(name, arguments, *context)
        text, other = (
            iot._sql_as_string(iot._eval_select_expr(argument, *context)) for argument in arguments
        )
        if text is None or other is None:
            return _MISSING
        if name == "startswith":
            return text.startswith(other)
        return re.search(other, text) is not None
