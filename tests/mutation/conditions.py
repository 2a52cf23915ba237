"""The clauses of conditional writes: each is left out, and a test has to notice.

They are found in the code, so that a new one is covered without a list to maintain.
"""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping

from tests.mutation.mutation import Mutation

_EXPRESSIONS = frozenset({"ConditionExpression", "FilterExpression"})
_WRITERS = frozenset({"_update", "_change"})
"""Functions that get a condition as their third argument, and only pass it on."""
_CLAUSE = r"(?:NOT )?\w+\([^)]*\)|[#:\w]+ \S+ [#:\w]+"
_TOKEN = re.compile(rf"\b(?:AND|OR)\b|{_CLAUSE}|[()]")


def conditions() -> Iterator[Mutation]:
    """Yield each clause of each condition, always true; below an OR also never true."""
    for place in ("retries_table", "backup_table", "campaigns_table"):
        module = inspect.getsource(importlib.import_module(f"firmware_retry.{place}"))
        for function in ast.parse(module).body:
            if isinstance(function, ast.FunctionDef) and function.name not in _WRITERS:
                source = ast.get_source_segment(module, function) or ""
                for change, clause, instead in _changes(function):
                    assert source.count(clause) == 1, f"{clause} is not in {function.name} once"
                    name, changed = f"{place}.{function.name}", source.replace(clause, instead)
                    yield Mutation(name, change, function.lineno, changed)


def _changes(function: ast.FunctionDef) -> Iterator[tuple[str, str, str]]:
    """Yield names of changes, each with a clause and the text in its place."""
    for text in _condition_texts(function):
        for clause, is_below_or in _clauses(text):
            always = _always(clause)
            if is_below_or:
                yield f"{clause} (never)", clause, f"NOT {always}"
                yield f"{clause} (always)", clause, always
            else:
                yield clause, clause, always


def _condition_texts(function: ast.FunctionDef) -> Iterator[str]:
    nodes = list(ast.walk(function))
    parts = {
        node.targets[0].id: node.value
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in nodes:
        for expression in _conditions_in(node):
            yield _text(expression, parts)


def _conditions_in(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call):
        yield from (word.value for word in node.keywords if word.arg in _EXPRESSIONS)
        if isinstance(node.func, ast.Name) and node.func.id in _WRITERS:
            yield node.args[2]
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value in _EXPRESSIONS:
                yield value


def _text(expression: ast.expr, parts: Mapping[str, ast.expr]) -> str:
    """Return a condition with all parts that it may have; a varying operator stays ``{name}``."""
    match expression:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(value, parts) for value in values)
        case ast.BinOp(left=left, right=right):
            return _text(left, parts) + _text(right, parts)
        case ast.IfExp(body=body, orelse=other):
            return " AND ".join(filter(None, (_text(body, parts), _text(other, parts))))
        case ast.FormattedValue(value=ast.Name(id=name)):
            text = _text(parts[name], parts)
            return text if re.search(_CLAUSE, text) else f"{{{name}}}"
    raise AssertionError(f"a condition is written where it is used: {ast.unparse(expression)}")


def _clauses(condition: str) -> list[tuple[str, bool]]:
    """Return each clause, and whether it is an alternative, or part of one."""
    groups: list[int] = [0]  # the parentheses that are open, by number
    inside: list[tuple[str, tuple[int, ...]]] = []
    with_or: set[int] = set()
    for number, token in enumerate(_TOKEN.findall(condition), 1):
        if token == "(":
            groups.append(number)
        elif token == ")":
            groups.pop()
        elif token == "OR":
            with_or.add(groups[-1])
        elif token != "AND":
            inside.append((token, tuple(groups)))
    return [(clause, not with_or.isdisjoint(around)) for clause, around in inside]


def _always(clause: str) -> str:
    """Return what is always true with the same names and values: DynamoDB requires all in use."""
    values = re.findall(r":\w+", clause)
    names = re.findall(r"#\w+", clause) or ([] if values else ["deviceId"])
    terms = [f"{value} = {value}" for value in values]
    terms += [f"(attribute_exists({name}) OR attribute_not_exists({name}))" for name in names]
    # DynamoDB refuses parentheses that are there twice.
    return terms[0] if len(terms) == 1 and names else f"({' AND '.join(terms)})"
