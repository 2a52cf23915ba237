"""``make demo`` as a person meets it: the whole run, and what can go wrong before it."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from localcloud.project import ROOT


def demo(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "demo", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_device_ends_where_it_should(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    done = demo("--page", str(page))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 of 8 devices ended as they should." in done.stdout
    assert page.read_text().count('class="good"') == 8


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH on which no Terraform is."""
    (tmp_path / "bin").mkdir()
    return str(tmp_path / "bin")


def is_one_line(text: str, pattern: str) -> bool:
    return len(text.strip().splitlines()) == 1 and re.search(pattern, text) is not None


def test_a_missing_terraform_is_one_clear_line(bare_path: str) -> None:
    done = demo(PATH=bare_path, COLUMNS="400")
    assert done.returncode == 2
    assert is_one_line(done.stdout, "install Terraform >= 1.9"), done.stdout + done.stderr


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = demo("--port", str(port), COLUMNS="400")
    assert done.returncode == 2
    assert is_one_line(done.stdout, f"port {port} .* stop what runs there or choose another port")


def test_an_unreachable_registry_is_one_clear_line() -> None:
    """No mirror wanted, and a proxy that refuses."""
    assert shutil.which("terraform") or shutil.which("tofu")
    nowhere = "http://127.0.0.1:9"
    done = demo(TF_PLUGIN_MIRROR="", HTTPS_PROXY=nowhere, https_proxy=nowhere, COLUMNS="400")
    assert done.returncode == 2
    (_, line) = done.stdout.strip().splitlines()
    assert "registry.terraform.io" in line
    assert "TF_PLUGIN_MIRROR" in line
