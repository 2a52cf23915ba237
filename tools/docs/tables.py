"""Write the tables of inputs and outputs between the terraform-docs markers of each README.

``python -m docs.tables`` writes them. With ``--check`` it only compares, and exits with 1 when a
README differs from the code. The markers are those of terraform-docs, for forks that use it.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2

from localcloud.project import ROOT

BEGIN, END = "<!-- BEGIN_TF_DOCS -->", "<!-- END_TF_DOCS -->"
_ABSENT = object()
_HEREDOC = re.compile(r'"<<-?(\w+)\n(?P<text>.*)\n\s*\1"', re.DOTALL)


def readmes() -> list[Path]:
    """Return the READMEs of the root module and of each submodule that has the markers."""
    candidates = [ROOT / "README.md", *sorted(ROOT.glob("modules/*/README.md"))]
    return [path for path in candidates if BEGIN in path.read_text(encoding="utf-8")]


def with_tables(readme: Path) -> str:
    """Return the text of a README with tables generated from the module beside it."""
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables(readme.parent)}\n{END}{after}"


def tables(module: Path) -> str:
    """Return the Markdown tables of a module's inputs and outputs, sorted by name."""
    lines = ["## Inputs", "", "| Name | Description | Type | Default |", "|---|---|---|---|"]
    lines += [
        f"| `{name}` | {_cell(_text(block['description']))} | `{_code(block['type'])}` |"
        f" {_default(block.get('default', _ABSENT))} |"
        for name, block in _blocks(module / "variables.tf", "variable")
    ]
    lines += ["", "## Outputs", "", "| Name | Description |", "|---|---|"]
    lines += [
        f"| `{name}` | {_cell(_text(block['description']))} |"
        for name, block in _blocks(module / "outputs.tf", "output")
    ]
    return "\n".join(lines)


def _blocks(path: Path, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open(encoding="utf-8") as file:
        blocks = [entry for block in hcl2.load(file).get(kind, []) for entry in block.items()]
    for quoted, block in sorted(blocks):
        yield _text(quoted), block


def _text(quoted: str) -> str:
    """Return what a quoted string or heredoc of HCL says: one line, and one per list item."""
    if heredoc := _HEREDOC.fullmatch(quoted):
        items = re.split(r"\n\s*(?=- )", heredoc["text"])
        return "\n".join(" ".join(item.split()) for item in items)
    return str(json.loads(quoted))


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("<", r"\<").replace("\n", "<br>")


def _code(expression: str) -> str:
    return expression.removeprefix("${").removesuffix("}")


def _default(value: Any) -> str:
    if value is _ABSENT:
        return "required"
    return f"`{_literal(value)}`"


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, dict):
        entries = [f"{key} = {_literal(entry)}" for key, entry in value.items() if key[:2] != "__"]
        return f"{{ {', '.join(entries)} }}" if entries else "{}"
    return str(value)


def main(arguments: list[str]) -> int:
    """Write the tables or, with ``--check``, compare them, and return the exit status."""
    stale = [path for path in readmes() if path.read_text(encoding="utf-8") != with_tables(path)]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what the code says: run `make docs`")
        return 1 if stale else 0
    for path in stale:
        path.write_text(with_tables(path), encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
