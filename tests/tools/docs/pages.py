"""The Markdown of the project: its pages, their headings, links and commands."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import botocore.session
from botocore import xform_name

from localcloud.project import ROOT

PROGRAMS = ("make", "aws", "terraform", "tofu", "fleet-retry", "python", "pip", "npm", ".venv/bin/")
_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_SHELLS = ("sh", "bash", "shell", "console")


class Command(NamedTuple):
    """A command that a page tells its reader to run."""

    page: str
    text: str


def pages() -> list[Path]:
    """All Markdown files of the project."""
    found = sorted(ROOT.rglob("*.md"))
    return [path for path in found if not re.search(r"(^|/)(\.|node_modules/)", name_of(path))]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """The text without its blocks of code."""
    return _FENCE.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """Where the page's links and pictures lead, without those to other sites."""
    plain = re.sub(r"`[^`\n]*`", "", prose(page))
    return re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", plain)


def anchors(page: Path) -> set[str]:
    """The fragments that GitHub gives the page's headings."""
    counted: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ +(.+?) *#*$", prose(page), re.MULTILINE):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        found.add(f"{slug}-{counted[slug]}" if counted[slug] else slug)
        counted[slug] += 1
    return found


def commands() -> Iterator[Command]:
    """Every command in a block of shell, and every inline one that begins with a known program."""
    for page in pages():
        for language, block in _FENCE.findall(page.read_text()):
            if language in _SHELLS:
                for line in block.replace("\\\n", " ").splitlines():
                    # In a console the rest is what was answered.
                    if language == "console" and not line.startswith("$ "):
                        continue
                    if text := " ".join(re.sub(r"(^|\s)#.*", "", line).removeprefix("$ ").split()):
                        yield Command(name_of(page), text)
        for inline in re.findall(r"`([^`]+)`", prose(page)):
            text = " ".join(inline.split())
            if any(text.startswith(f"{name} ".replace("/ ", "/")) for name in PROGRAMS):
                yield Command(name_of(page), text)


def aws_options(command: Command) -> dict[str, str]:
    """The parameters of the API that a command of ``aws`` calls, by the names of its options."""
    _, service, operation = shlex.split(command.text)[:3]
    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    assert operation in names, f"{command.page}: there is no {service} {operation}"
    shape = model.operation_model(names[operation]).input_shape
    return {xform_name(name, "-"): name for name in (shape.members if shape else ())}
