"""What the README tells to type after ``make local`` is typed, in a copy of the project."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from localcloud import eventually
from localcloud.project import ROOT, copy_project, keep_state_in_a_bucket

TERRAFORM = {
    **{f"TF_CLI_ARGS_{command}": "-auto-approve" for command in ("apply", "destroy")},
    "GOGC": "400",  # the provider's schema is a large heap, and collecting it takes long
}
"""Answers Terraform's question."""
FREE_PORTS = ("--port", "0", "--mqtt-port", "0")


def test_quickstart_typed_from_the_readme_has_a_device_cool_down_and_can_be_destroyed(
    tmp_path: Path,
) -> None:
    copy = copy_project(tmp_path / "copy")
    _lend_python(copy)
    *lines, look = _lines_of_readme()
    with _local_cloud(copy) as printed:
        assert "\n".join(f"  {line}" for line in [*lines, look]) in printed
        keep_state_in_a_bucket(_make_s3(copy), copy / "examples" / "quickstart")
        typed = _type(copy, *lines)
        assert typed.returncode == 0, typed.stdout + typed.stderr
        assert eventually(lambda: "cooling_down" in _type(copy, lines[0], look).stdout)
        apply = lines[2]
        for then in (
            apply.replace("apply", "plan -detailed-exitcode"),
            apply.replace("apply", "destroy"),
        ):
            typed = _type(copy, lines[0], then)
            assert typed.returncode == 0, typed.stdout + typed.stderr


def _lines_of_readme() -> list[str]:
    """The block of shell that follows the one with ``make local``."""
    text = (ROOT / "README.md").read_text()
    found = re.search(r"```sh\nmake local\n```.*?```sh\n(.*?)```", text, re.DOTALL)
    assert found
    return found.group(1).splitlines()


def _lend_python(copy: Path) -> None:
    """As ``make local`` installs it. Not by a link to the folder, which a make could empty."""
    python = copy / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)


@contextmanager
def _local_cloud(copy: Path) -> Iterator[str]:
    """What ``make local`` runs, and what it printed."""
    with subprocess.Popen(
        [sys.executable, "-m", "localcloud", *FREE_PORTS],
        cwd=copy,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        try:
            printed = ""
            while "Ctrl-C" not in printed:
                line = running.stdout.readline()
                assert line, printed
                printed += line
            yield printed
        finally:
            running.send_signal(signal.SIGINT)


def _make_s3(copy: Path) -> Any:
    environment = (copy / ".local/cloud/environment.sh").read_text()
    exported = dict(re.findall(r"^export AWS_(\w+)=(.*)", environment, re.MULTILINE))
    return boto3.client(
        "s3",
        exported["REGION"],
        endpoint_url=exported["ENDPOINT_URL"],
        aws_access_key_id=exported["ACCESS_KEY_ID"],
        aws_secret_access_key=exported["SECRET_ACCESS_KEY"],
    )


def _type(copy: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    """Has a shell run the lines; Terraform's question is answered."""
    return subprocess.run(
        ["sh", "-e"],
        cwd=copy,
        env=os.environ | TERRAFORM,
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=False,
    )
