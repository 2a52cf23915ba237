"""The check of prose finds what the style sheet forbids, in the lines that a change adds."""

import os
import re
from pathlib import Path

import pytest

from docs import prose
from docs.prose_rules import RULES
from docs.prose_texts import texts

FORBIDDEN = [
    "The log says which device failed.",
    "The operator is told.",
    "Delete the item. What is left expires.",
    "This is for whoever runs the demo.",
    "The cycle starts anew.",
    "The record changed meanwhile.",
    "The device is restored all the same.",
    "The queue is as good as empty.",
    "A mirror of one registry is none of the other.",
    "The device is released at once.",
    "The record is to be deleted.",
    "The backup goes, too.",
    "The module takes no notice of unknown things.",
    "After the last cycle people are mailed.",
    "The message goes on its way.",
    "The process died between two calls.",
    "A slow twin writes an older value.",
    "The handlers have one role a function, and no wildcard.",
    "The quota is 100 a second.",
]
ALLOWED = [
    "The record shows which device failed.",
    "What is a cycle? See the glossary.",
    "What to do",
    "Of the 62 calls, one fails.",
    "The operator, who is notified, decides.",
    "The attributes are all the same.",
    "The files are written all at once.",
    "The goal is to move every device.",
    "After too many failures, the retry is too late, too slow and too costly.",
    "The digital twin of a device is its shadow.",
    "The handlers have one role per function and a limit of 100 per second.",
    "After a while a device rejoins its group.",
]


def findings(path: str, content: str) -> list[prose.Finding]:
    return [finding for text in texts(path, content) for finding in prose.find(text)]


@pytest.mark.parametrize("sentence", FORBIDDEN)
def test_forbidden_construction_is_found(sentence: str) -> None:
    assert len(findings("page.md", sentence)) == 1


@pytest.mark.parametrize("sentence", ALLOWED)
def test_idiomatic_sentence_passes(sentence: str) -> None:
    assert findings("page.md", sentence) == []


def test_every_rule_has_an_example() -> None:
    unmatched = [
        pattern
        for pattern in RULES
        if not any(re.search(pattern, sentence) for sentence in FORBIDDEN)
    ]
    assert unmatched == []


@pytest.mark.parametrize(
    ("path", "content", "line"),
    [
        ("page.md", "# Title\n\n- first\n- starts\n  anew\n", 5),
        ("page.md", "| name |\n|---|\n| starts anew |\n", 3),
        ("a.py", '"""Do it.\n\nStarts anew.\n"""\n', 3),
        ("a.py", 'LIMIT = 1\n"""Starts anew."""\n', 2),
        ("a.py", "LIMIT = 1  # starts anew\n", 1),
        ("a.py", "# starts\n# anew\n", 2),
        ("a.py", "def test_it_starts_anew() -> None: ...\n", 1),
        ("main.tf", 'a = "#" # starts anew\n', 1),
        ("main.tf", 'variable "a" {\n  description = "Starts anew."\n}\n', 2),
        ("main.tf", "  description = <<-EOT\n    Once.\n\n    Starts anew.\n  EOT\n", 4),
        ("main.tf", '    error_message = "a must start anew."\n', 1),
        ("a.tftest.hcl", 'run "it_starts_anew" {\n}\n', 1),
        ("Makefile", "demo: ## Starts anew\n", 1),
        (".github/workflows/ci.yml", "on: push # starts anew\n", 1),
    ],
)
def test_finding_names_its_last_line(path: str, content: str, line: int) -> None:
    (finding,) = findings(path, content)
    assert finding.lines[-1] == line


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("page.md", "```sh\nstarts anew\n```\n"),
        ("page.md", "The state `anew`, [a page](anew.md).\n"),
        ("page.md", "> AWS starts anew.\n"),
        ("page.md", "<!-- prose: off -->\nNever *anew*.\n<!-- prose: on -->\n"),
        ("page.md", "<!-- BEGIN_TF_DOCS -->\n| anew |\n<!-- END_TF_DOCS -->\n"),
        ("a.py", 'WORD = "anew"\n'),
        ("a.py", '"""Return ``anew``."""\n'),
        ("main.tf", 'name = "it # starts anew"\n'),
        ("main.tf", '  description = "Starts ${anew}."\n'),
        ("device.json", '{"anew": "anew"}\n'),
    ],
)
def test_code_quotes_and_exempt_text_pass(path: str, content: str) -> None:
    assert findings(path, content) == []


def test_prose_continues_after_a_fence() -> None:
    assert len(findings("page.md", "```\ncode\n```\n\nIt starts anew.\n")) == 1


@pytest.fixture(autouse=True)
def _no_outer_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the repository for which a hook runs the tests, and the user's settings."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.com")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose first commit has a page with one finding."""
    root = tmp_path / "repository"
    root.mkdir()
    prose.git(root, "init", "-q", "-b", "main")
    (root / "old.md").write_text("It starts anew.\n\nA second paragraph.\n")
    commit(root)
    return root


def commit(root: Path) -> None:
    prose.git(root, "add", "--all")
    prose.git(root, "commit", "-q", "-m", "Change")


def test_old_finding_passes_beside_a_new_line(repository: Path) -> None:
    with (repository / "old.md").open("a") as page:
        page.write("\nA third one.\n")
    commit(repository)
    assert prose.main([], repository) == 0


@pytest.mark.parametrize("is_committed", [True, False])
def test_added_finding_fails_with_its_place(
    repository: Path, capsys: pytest.CaptureFixture[str], is_committed: bool
) -> None:
    commit_number_two(repository)
    (repository / "new.md").write_text("Fine.\n\nIt was\ntold.\n")
    if is_committed:
        commit(repository)
    assert prose.main([], repository) == 1
    assert capsys.readouterr().out.startswith("new.md:3: 'was told': ")


def commit_number_two(root: Path) -> None:
    (root / "two.md").write_text("Fine.\n")
    commit(root)


def test_moved_file_adds_nothing(repository: Path) -> None:
    (repository / "old.md").rename(repository / "moved.md")
    commit(repository)
    assert prose.main([], repository) == 0


def test_line_moved_to_another_file_adds_nothing(repository: Path) -> None:
    (repository / "old.md").write_text("A second paragraph.\n")
    (repository / "part.md").write_text("# A part\n\nIt starts anew.\n")
    commit(repository)
    assert prose.main([], repository) == 0


def test_branch_is_compared_with_its_fork_from_main(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    prose.git(tmp_path, "clone", "-q", str(repository), str(clone))
    (clone / "new.md").write_text("It starts anew.\n")
    commit(clone)
    commit_number_two(clone)
    assert prose.main([], clone) == 1
    assert prose.main(["--since", "HEAD~1"], clone) == 0


def test_first_commit_is_not_checked_but_uncommitted_lines_are(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prose.main([], repository) == 0
    assert "only uncommitted lines" in capsys.readouterr().out
    (repository / "new.md").write_text("It starts anew.\n")
    assert prose.main([], repository) == 1


def test_shallow_clone_passes(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit_number_two(repository)
    clone = tmp_path / "shallow"
    prose.git(tmp_path, "clone", "-q", "--depth", "1", repository.as_uri(), str(clone))
    assert prose.main([], clone) == 0
    assert "only uncommitted lines" in capsys.readouterr().out


def test_folder_without_a_repository_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert prose.main([], tmp_path) == 0
    assert "no git history" in capsys.readouterr().out


def test_unknown_revision_is_an_error(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prose.main(["--since", "nowhere"], repository) == 2
    assert "nowhere" in capsys.readouterr().err


def test_all_counts_texts_with_findings_per_kind(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prose.main(["--all"], repository) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        ["Markdown", "paragraphs", "1", "of", "2", "50.0%"],
        ["total", "1", "of", "2", "50.0%"],
    ]
