"""Find constructions in prose that the style sheet in CONTRIBUTING.md forbids.

``python -m docs.prose`` checks the lines that a change adds: everything since the merge base with
``origin/main``, uncommitted changes included. ``--since REV`` compares with another revision, and
``--all`` counts the findings in the whole repository per kind of text.

Prose is Markdown without code and block quotes, docstrings, comments, Terraform descriptions and
error messages, and the names of tests. In Markdown, the text between ``<!-- prose: off -->`` and
``<!-- prose: on -->`` is exempt.

Exit status: 0 without findings and for ``--all``, 1 with findings, 2 for an unknown revision.
"""

import argparse
import re
import shutil
import subprocess
import sys
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from docs.prose_rules import RULES
from docs.prose_texts import Text, texts
from localcloud.project import ROOT

_RULES = [(re.compile(pattern), hint) for pattern, hint in RULES.items()]
_DIFF = (
    *("diff", "--unified=0", "--find-renames", "-l0", "--relative"),
    # The user's settings must not change the format.
    *("--no-color", "--no-ext-diff", "--src-prefix=a/", "--dst-prefix=b/"),
)
_CODE_SPAN = re.compile(r"(`+)[^`]+\1|\$\{[^}]*\}|\]\([^)\s]*\)|<!--.*?-->")


class Finding(NamedTuple):
    """Words that a rule forbids, on one line or several."""

    path: str
    lines: range
    words: str
    hint: str

    def __str__(self) -> str:
        return f"{self.path}:{self.lines[0]}: {self.words!r}: {self.hint}"


def find(text: Text) -> Iterator[Finding]:
    """Match every rule on a text, across its line breaks and without its code spans."""
    joined = " ".join(line for _, line in text.lines)
    plain = _CODE_SPAN.sub(lambda match: "X" * len(match[0]), joined)
    starts = list(accumulate((len(line) + 1 for _, line in text.lines), initial=0))
    for pattern, hint in _RULES:
        for match in pattern.finditer(plain):
            first, last = (bisect_right(starts, at) - 1 for at in (match.start(), match.end() - 1))
            lines = range(text.lines[first][0], text.lines[last][0] + 1)
            yield Finding(text.path, lines, joined[match.start() : match.end()], hint)


def git(root: Path, *arguments: str) -> str:
    """Run git in a repository and return what it prints.

    Raises:
        subprocess.CalledProcessError: git refuses, for example an unknown revision.
    """
    command = [shutil.which("git") or "git", "-c", "core.quotePath=false", *arguments]
    done = subprocess.run(  # noqa: S603 -- found on the PATH
        command, cwd=root, check=True, capture_output=True, encoding="utf-8", errors="replace"
    )
    return done.stdout


def base(root: Path) -> str:
    """Choose the revision to compare with: the merge base with main, or the last commit's parent.

    Returns:
        A revision: ``HEAD`` where there is no earlier commit, empty without a repository.
    """
    head = _resolve(root, "rev-parse", "HEAD")
    fork = _resolve(root, "merge-base", "HEAD", "origin/main")
    if fork != head and fork:
        return fork
    return _resolve(root, "rev-parse", "--verify", "HEAD~1") or head


def _resolve(root: Path, *arguments: str) -> str:
    try:
        return git(root, *arguments).strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def list_added_lines(root: Path, revision: str) -> Mapping[str, Container[int]]:
    """List the lines that the working tree adds to a revision, by path.

    Lines that only moved, with their file or to another one, are not among them.
    """
    diff = git(root, *_DIFF, revision)
    added: dict[str, dict[int, str]] = defaultdict(dict)
    removed, path, number = set(), "", 0
    for line in diff.split("\n"):
        if line.startswith("+++ b/"):
            path = line.removeprefix("+++ b/")
        elif hunk := re.match(r"@@ -\S+ \+(\d+)", line):
            number = int(hunk[1])
        elif line.startswith("+"):
            added[path][number] = line[1:].strip()
            number += 1
        elif line.startswith("-"):
            removed.add(line[1:].strip())
    kept = {
        name: {number for number, text in lines.items() if text not in removed}
        for name, lines in added.items()
    }
    untracked = git(root, "ls-files", "--others", "--exclude-standard").splitlines()
    return kept | {name: range(1, sys.maxsize) for name in untracked}


def _texts_of(root: Path, paths: Iterable[str]) -> Iterator[Text]:
    for path in sorted(paths):
        if (root / path).is_file() and not (root / path).is_symlink():
            yield from texts(path, (root / path).read_text(encoding="utf-8", errors="replace"))


def count_all(root: Path) -> str:
    """Return a table of texts, and of those with a finding, per kind of text."""
    found, total = Counter[str](), Counter[str]()
    for text in _texts_of(root, git(root, "ls-files", "-co", "--exclude-standard").splitlines()):
        total[text.kind] += 1
        found[text.kind] += any(True for _ in find(text))
    rows = [*total, "total"]
    found["total"], total["total"] = found.total(), total.total()
    return "\n".join(
        f"{kind:24}{found[kind]:6} of {total[kind]:6}{found[kind] / max(1, total[kind]):8.1%}"
        for kind in rows
    )


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Run the command line; the exit statuses are in the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m docs.prose")
    parser.add_argument("--since", metavar="REV", help="compare with this revision")
    parser.add_argument("--all", action="store_true", help="count everything per kind of text")
    options = parser.parse_args(arguments)
    if options.all:
        print(count_all(root))
        return 0
    revision = options.since or base(root)
    if not revision:
        print("prose: no git history, nothing to compare with")
        return 0
    if not options.since and revision == _resolve(root, "rev-parse", "HEAD"):
        print("prose: no earlier commit, only uncommitted lines are checked")
    try:
        added = list_added_lines(root, revision)
    except subprocess.CalledProcessError as error:
        print(f"prose: {error.stderr.strip()}", file=sys.stderr)
        return 2
    findings = [
        finding
        for text in _texts_of(root, added)
        for finding in find(text)
        if any(line in added[finding.path] for line in finding.lines)
    ]
    print(*findings, sep="\n", end="\n" if findings else "")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
