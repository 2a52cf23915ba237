"""As much of Terraform's language as it takes to read the state machines out of the module.

So that the simulation follows the module's own retries and templates, and no copy of them.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Scope = Callable[[str], Any]
"""Gives the value of a reference, as it is written: ``local.retry``; KeyError for none."""

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+|\#[^\n]*|//[^\n]*)
    |(?P<string>"(?:[^"\\$]|\\.|\$\{(?:[^"{}]|"[^"]*")*\})*")
    |(?P<number>-?[0-9]+(?:\.[0-9]+)?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z_][A-Za-z0-9_-]*|\["[^"]*"\])*)
    |(?P<mark>[\[\]{}(),=:\n])""",
    re.VERBOSE,
)
_INTERPOLATION = re.compile(r"\$\{([^}]*)\}")


class HclError(Exception):
    """The text is not of the small part of the language that is understood here."""


def evaluate(text: str, start: int, scope: Scope) -> Any:
    """The value of the expression that begins at a place of a text; raises HclError, KeyError."""
    return _Parser(text, start, scope).expression()


def local_values(text: str, given: Mapping[str, Any]) -> Scope:
    """A scope of the ``locals`` of a file, each read when it is asked for, and given references."""
    places = {}
    for block in re.finditer(r"^locals \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        for entry in re.finditer(r"^  (\w+)\s*=\s*", block[1], re.MULTILINE):
            places[f"local.{entry[1]}"] = block.start(1) + entry.end()

    def scope(reference: str) -> Any:
        if reference in given:
            return given[reference]
        return evaluate(text, places[reference], scope)

    return scope


def template(text: str, scope: Scope) -> str:
    """Replaces each ``${…}`` of a text."""
    return _INTERPOLATION.sub(lambda match: str(evaluate(match[1], 0, scope)), text)


class _Parser:
    def __init__(self, text: str, start: int, scope: Scope) -> None:
        self._tokens = self._scan(text, start)
        self._scope = scope
        self._kind = self._text = ""
        self._forward()

    def _scan(self, text: str, start: int) -> Iterator[tuple[str, str]]:
        while start < len(text):
            match = _TOKEN.match(text, start)
            if match is None:
                yield "other", text[start]
                return
            start = match.end()
            if match.lastgroup != "space":
                yield str(match.lastgroup), match[0]
        yield "end", ""

    def _forward(self) -> str:
        text = self._text
        self._kind, self._text = next(self._tokens, ("end", ""))
        return text

    def _skip_lines(self) -> None:
        while self._text == "\n":
            self._forward()

    def _take(self, mark: str) -> None:
        if self._text != mark:
            raise HclError(f"{self._text!r} where {mark!r} was expected")
        self._forward()

    def expression(self) -> Any:
        kind, text = self._kind, self._forward()
        if kind == "string":
            return template(json.loads(_escaped(text)), self._scope)
        if kind == "number":
            return float(text) if "." in text else int(text)
        if text == "[":
            return self._members("]")
        if text == "{":
            return self._object()
        if kind == "name":
            if self._text == "(":
                self._forward()
                return _call(text, self._members(")"))
            literals = {"true": True, "false": False, "null": None}
            return literals[text] if text in literals else self._scope(text)
        raise HclError(f"{text!r} where an expression was expected")

    def _members(self, end: str) -> list[Any]:
        members = []
        self._skip_lines()
        while self._text != end:
            members.append(self.expression())
            self._skip_lines()
            if self._text != end:
                self._take(",")
                self._skip_lines()
        self._forward()
        return members

    def _object(self) -> dict[str, Any]:
        members = {}
        self._skip_lines()
        while self._text != "}":
            name = self._forward().strip('"')
            self._take("=")
            members[name] = self.expression()
            if self._text == ",":
                self._forward()
            self._skip_lines()
        self._forward()
        return members


def _escaped(text: str) -> str:
    """A string text as JSON: quotes inside of an interpolation are not escaped in HCL."""
    inside = _INTERPOLATION.sub(lambda match: match[0].replace('"', '\\"'), text[1:-1])
    return f'"{inside}"'


def _call(function: str, arguments: list[Any]) -> Any:
    if function == "merge":
        return {name: value for argument in arguments for name, value in argument.items()}
    if function == "concat":
        return [member for argument in arguments for member in argument]
    if function == "jsonencode":
        # As Terraform: sorted, without spaces.
        return json.dumps(arguments[0], separators=(",", ":"), sort_keys=True)
    raise HclError(f"the function {function} is not understood")
