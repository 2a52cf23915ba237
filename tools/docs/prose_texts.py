"""The prose in a file: paragraphs, docstrings, comments, descriptions and names of tests."""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import NamedTuple

_ITEM = re.compile(r"^(?:[-*+] |#+ |\| |\d+\. )")
_COMMENT = re.compile(r'^(?P<before>(?:[^"#]|"(?:[^"\\]|\\.)*")*?)(?<!\S)(?:#+|//+)(?P<text> .*|)$')
_DESCRIPTION = re.compile(r'^\s*\w*(?:description|error_message)\s*=\s*(?:<<-?(\w+)|.*?"(.*)")')
_RUN = re.compile(r'^run "(\w+)"')
_HASH_FILES = (".sh", ".yml", ".yaml", ".toml", "Makefile", ".ci/run")


class Text(NamedTuple):
    """A paragraph, comment, docstring or name: its lines by number."""

    kind: str
    path: str
    lines: list[tuple[int, str]]


def texts(path: str, content: str) -> Iterator[Text]:
    """Split a file into its texts; a file of an unknown kind has none."""
    if path.endswith(".md"):
        yield from _paragraphs(Text("Markdown paragraphs", path, _markdown_lines(content)))
    elif path.endswith(".py"):
        yield from _python_texts(path, content)
    elif path.endswith((".tf", ".tftest.hcl")):
        yield from _comments("Terraform comments", path, content)
        yield from _terraform_texts(path, content)
    elif path.endswith(_HASH_FILES):
        yield from _comments("other comments", path, content)


def _paragraphs(text: Text) -> Iterator[Text]:
    """Divide at blank lines and before list items, headings and rows of tables."""
    paragraph: list[tuple[int, str]] = []
    for number, line in [*text.lines, (0, "")]:
        stripped = line.strip()
        if paragraph and (not stripped or _ITEM.match(stripped)):
            yield text._replace(lines=paragraph)
            paragraph = []
        if stripped:
            paragraph.append((number, _ITEM.sub("", stripped)))


def _markdown_lines(content: str) -> list[tuple[int, str]]:
    """Blank the fences, block quotes, generated tables and exempt parts of a page."""
    lines, end = [], ""
    ends = {"```": "```", "<!-- prose: off": "<!-- prose: on", "<!-- BEGIN_TF": "<!-- END_TF"}
    for number, line in enumerate(content.splitlines(), 1):
        stripped = line.strip()
        begun = next((ends[mark] for mark in ends if stripped.startswith(mark)), "")
        is_prose = not (end or begun or stripped.startswith(">"))
        lines.append((number, stripped if is_prose else ""))
        end = ("" if stripped.startswith(end) else end) if end else begun
    return lines


def _python_texts(path: str, content: str) -> Iterator[Text]:
    source = content.splitlines()
    for node in ast.walk(ast.parse(content)):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                numbers = range(node.lineno, (node.end_lineno or node.lineno) + 1)
                lines = [(number, re.sub('r?"""', "", source[number - 1])) for number in numbers]
                yield from _paragraphs(Text("docstrings", path, lines))
            case ast.FunctionDef(name=name) if name.startswith("test_"):
                yield Text("test names", path, [(node.lineno, _sentence(name))])
    tokens = tokenize.generate_tokens(io.StringIO(content).readline)
    comments = {token.start: token.string for token in tokens if token.type == tokenize.COMMENT}
    found = [(line, column, text.lstrip("#")) for (line, column), text in comments.items()]
    yield from _join("Python comments", path, found)


def _comments(kind: str, path: str, content: str) -> Iterator[Text]:
    matches = enumerate(map(_COMMENT.match, content.splitlines()), 1)
    found = [(number, len(match["before"]), match["text"]) for number, match in matches if match]
    yield from _join(kind, path, found)


def _join(kind: str, path: str, found: Iterable[tuple[int, int, str]]) -> Iterator[Text]:
    """Join the comments that stand below one another into one text."""
    lines: list[tuple[int, str]] = []
    before = (0, 0)
    for number, column, text in found:
        if lines and before != (number - 1, column):
            lines.append((0, ""))
        lines.append((number, text))
        before = number, column
    yield from _paragraphs(Text(kind, path, lines))


def _terraform_texts(path: str, content: str) -> Iterator[Text]:
    lines = iter(enumerate(content.splitlines(), 1))
    for number, line in lines:
        if match := _RUN.match(line):
            yield Text("test names", path, [(number, _sentence(match[1]))])
        elif match := _DESCRIPTION.match(line):
            found = [(number, match[2] or "")]
            if end := match[1]:
                found = list(takewhile(lambda numbered: numbered[1].strip() != end, lines))
            yield from _paragraphs(Text("Terraform descriptions", path, found))


def _sentence(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ").capitalize() + "."
