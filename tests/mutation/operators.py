"""The mutations of the package: changes of its code that a unit test should notice.

Each is one node of a function's syntax tree in place of another. Log calls and docstrings are left
out: no test is to depend on them.
"""

import ast
import copy
import re
from collections.abc import Iterator
from typing import TypeVar

from tests.mutation.mutation import Mutation, functions

_BOUNDARIES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
T = TypeVar("T")

_ASSIGNMENT = r"[#\w]+ = (?:\w+\([^)]*\)|:?\w+(?: \+ :\w+)?)"
_EXPRESSION_TEXTS = (
    (r"if_not_exists\(\w+, (:\w+)\)", r"\1"),
    (rf"{_ASSIGNMENT}, ", ""),
    (rf", {_ASSIGNMENT}(?= REMOVE | ADD |$)", ""),
    (r" REMOVE \w+(?:, \w+)*", ""),
    (r" ADD \w+ :\w+", ""),
)
"""Parts of DynamoDB's update expressions and what they become; conditions: see ``conditions``."""


def mutations() -> Iterator[Mutation]:
    """Yield the mutations of each function, none of them twice."""
    for name, definition in functions():
        seen = {ast.unparse(definition)}
        for old, new in _changes(definition):
            # A copy has the entry of its memo in place of the node.
            changed = copy.deepcopy(definition, {id(old): new})
            source = ast.unparse(ast.fix_missing_locations(changed))
            if source not in seen:
                seen.add(source)
                line = getattr(old, "lineno", definition.lineno)
                yield Mutation(name, f"{_on_one_line(old)} -> {_on_one_line(new)}", line, source)


def _on_one_line(node: ast.AST) -> str:
    first, *others = ast.unparse(node).strip().splitlines()
    return f"{first} ..." if others else first


def _changes(definition: ast.FunctionDef) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Yield pairs of a node and what stands in its place."""
    nodes = list(_walk(definition))
    parts = {id(part) for node in nodes for part in _parts_of_conditions(node)}
    for node in nodes:
        for replace in (_change_condition, _change_expression, _change_statement):
            yield from ((node, new) for new in replace(node))
        if isinstance(node, ast.If | ast.While):
            yield from ((node.test, new) for new in _constants())
        elif isinstance(node, ast.ExceptHandler) and node.type:
            yield from ((node.type, new) for new in _fewer_errors(node.type))
        elif _is_condition(node) and id(node) not in parts:
            yield from ((node, new) for new in _constants())


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    if not ast.unparse(node).startswith("_logger."):
        yield node
        for child in ast.iter_child_nodes(node):
            yield from _walk(child)


def _constants() -> list[ast.expr]:
    return [ast.Constant(True), ast.Constant(False)]


def _is_condition(node: ast.AST) -> bool:
    is_not = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    return is_not or isinstance(node, ast.Compare | ast.BoolOp)


def _parts_of_conditions(node: ast.AST) -> list[ast.expr]:
    """Return expressions whose constant values follow from other mutations of the node."""
    if isinstance(node, ast.BoolOp):
        return node.values
    return [node.test] if isinstance(node, ast.IfExp) else []


def _fewer_errors(caught: ast.expr) -> Iterator[ast.expr]:
    errors = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    yield from (ast.Tuple(rest) for rest in _without_one(errors))


def _change_condition(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.BoolOp(op=operator, values=values):
            for rest in _without_one(values):
                yield ast.BoolOp(operator, rest) if rest[1:] else rest[0]
        case ast.IfExp(body=body, orelse=other):
            yield from (body, other)
        case ast.Compare(left=left, ops=[operator], comparators=right):
            if boundary := _BOUNDARIES.get(type(operator)):
                yield ast.Compare(left, [boundary()], right)


def _change_expression(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult()):
            yield left
        case ast.Call(func=ast.Name(id="max" | "min"), args=arguments, keywords=[]):
            yield from arguments[:2]
        case ast.Call(func=function, args=arguments, keywords=keywords):
            for others in _without_one(keywords):
                yield ast.Call(function, arguments, others)
        case ast.comprehension(target=target, iter=source, ifs=conditions):
            for rest in _without_one(conditions):
                yield ast.comprehension(target, source, rest, 0)
        case ast.Constant(value=str(text)):
            yield from map(ast.Constant, _shorter_expressions(text))


def _change_statement(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case (
            ast.Expr(value=ast.Call())
            | ast.AugAssign()
            | ast.Assign(targets=[ast.Subscript() | ast.Attribute()])
        ):
            yield ast.Pass()
        case ast.Raise(cause=ast.expr()):
            yield ast.Raise()
        case ast.With(items=items, body=body):
            for item in items:
                if item.optional_vars is None:
                    rest = [other for other in items if other is not item]
                    yield ast.With(rest, body) if rest else ast.If(ast.Constant(True), body, [])


def _without_one(values: list[T]) -> Iterator[list[T]]:
    for place in range(len(values)):
        yield values[:place] + values[place + 1 :]


def _shorter_expressions(text: str) -> Iterator[str]:
    for pattern, instead in _EXPRESSION_TEXTS:
        for found in re.finditer(pattern, text):
            yield text[: found.start()] + found.expand(instead) + text[found.end() :]
