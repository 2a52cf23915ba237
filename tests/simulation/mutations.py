"""The package and its definitions with one safeguard taken out: a test has to fail.

The clauses of all conditional writes, and each Catch and Retry of the definitions, are found in the
code. What else the package does is mutated by ``make mutants``.
"""

import ast
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from simulator import definitions


@dataclass(frozen=True)
class Mutation:
    """A text in the source of a function of the package, and what stands there instead."""

    function: str
    """``module.function``, or ``module.Class.function``."""
    safeguard: str
    instead: str
    how: str = ""
    """Tells it from another mutation of the same text."""

    def __str__(self) -> str:
        return f"{self.function}: {self.safeguard.strip()}{self.how and f' ({self.how})'}"

    @contextmanager
    def apply(self) -> Iterator[None]:
        """Has the package run with the changed function for the length of the block."""
        place, _, name = self.function.rpartition(".")
        owner = pkgutil.resolve_name(f"firmware_retry.{place}")
        original = inspect.getattr_static(owner, name)
        function: Any = original.fget if isinstance(original, property) else original
        source = textwrap.dedent(inspect.getsource(function))
        assert source.count(self.safeguard) == 1, f"{self} is not in the source once"
        changed: dict[str, Any] = {}
        exec(
            source.replace(self.safeguard, self.instead),
            vars(sys.modules[function.__module__]),
            changed,
        )
        setattr(owner, name, changed[name])
        try:
            yield
        finally:
            setattr(owner, name, original)


# Conditional writes

_EXPRESSIONS = frozenset({"ConditionExpression", "FilterExpression"})
_WRITERS = frozenset({"_update", "_change"})
"""Functions that get a condition as their third argument, and only pass it on."""
_CLAUSE = r"(?:NOT )?\w+\([^)]*\)|[#:\w]+ \S+ [#:\w]+"
_TOKEN = re.compile(rf"\b(?:AND|OR)\b|{_CLAUSE}|[()]")


def conditions() -> Iterator[Mutation]:
    """Each clause of each condition in the package, left out; below an OR also never true."""
    for place in ("retries_table", "backup_table", "campaigns_table"):
        module = importlib.import_module(f"firmware_retry.{place}")
        for function in ast.parse(inspect.getsource(module)).body:
            if isinstance(function, ast.FunctionDef) and function.name not in _WRITERS:
                for text in _condition_texts(function):
                    yield from _mutations(f"{place}.{function.name}", text)


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
    """The condition, with all that it may be made of; an operator that varies stays ``{name}``."""
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


def _mutations(function: str, condition: str) -> Iterator[Mutation]:
    for clause, is_below_or in _clauses(condition):
        always = _always(clause)
        mutants = {"never": f"NOT {always}", "always": always} if is_below_or else {"": always}
        for how, instead in mutants.items():
            yield Mutation(function, clause, instead, how)


def _clauses(condition: str) -> list[tuple[str, bool]]:
    """Each clause, and whether it is an alternative, or part of one."""
    groups: list[int] = [0]
    """The parentheses that are open, by number."""
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
    """What is always true and mentions the same names and values: DynamoDB wants all used."""
    values = re.findall(r":\w+", clause)
    names = re.findall(r"#\w+", clause) or ([] if values else ["deviceId"])
    terms = [f"{value} = {value}" for value in values]
    terms += [f"(attribute_exists({name}) OR attribute_not_exists({name}))" for name in names]
    # DynamoDB refuses parentheses that are there twice.
    return terms[0] if len(terms) == 1 and names else f"({' AND '.join(terms)})"


REDUNDANT = frozenset(
    {
        # When people were told stays until the episode ends: another time is another trackingId.
        "retries_table.end: notifiedAt = :told",
        # What does not exist is different from everything, also from a thing's id.
        "backup_table.store: attribute_not_exists(deviceId) (never)",
    }
)
"""Clauses that follow from others: nothing can miss them."""


# Definitions


@dataclass(frozen=True)
class Removal:
    """One entry of a Catch or Retry that is not there any more."""

    machine: str
    state: str
    kind: str
    """``Catch`` or ``Retry``."""
    place: int
    errors: tuple[str, ...]

    def __str__(self) -> str:
        errors = f" {', '.join(self.errors)}" if self.kind == "Catch" else ""
        return f"{self.machine}.{self.state}: {self.kind}{errors}"

    def apply(self) -> dict[str, Any]:
        """The definition without the entry."""
        changed = definitions.definition(self.machine)
        del changed["States"][self.state][self.kind][self.place]
        return changed


def removals() -> Iterator[Removal]:
    """Each entry of each Catch and Retry of the definitions."""
    for machine in definitions.MACHINES:
        for name, state in definitions.definition(machine)["States"].items():
            for kind in ("Catch", "Retry"):
                for place, entry in enumerate(state.get(kind, ())):
                    yield Removal(machine, name, kind, place, tuple(entry["ErrorEquals"]))
