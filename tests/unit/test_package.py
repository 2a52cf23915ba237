"""The zip that is checked in is what the source gives, on any machine."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import package

STEPS = {
    "check_if_device_exists",
    "clear_device_record",
    "create_device_record",
    "increment_retry_counter",
    "mail_operators",
    "move_device_to_failed_group",
    "reconcile_devices",
    "release_device",
    "reset_retry_count_to_failed_update",
    "reset_retry_counter_and_move_out",
    "restore_device_attributes",
    "send_sns_notification",
    "store_device_attributes",
}


def test_the_checked_in_zip_is_what_the_source_gives() -> None:
    assert package.main(["--check"]) == 0


def test_times_and_modes_of_the_files_do_not_matter(tmp_path: Path) -> None:
    copy = tmp_path / "firmware_retry"
    for path in sorted(package.SOURCE.rglob("*.py"), reverse=True):
        target = copy / path.relative_to(package.SOURCE)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        target.chmod(0o755)
        os.utime(target, (1, 1))
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "junk.pyc").write_bytes(b"junk")
    assert package.build(copy) == package.build()


def test_it_holds_the_package_and_nothing_else() -> None:
    with zipfile.ZipFile(io.BytesIO(package.build())) as archive:
        names = archive.namelist()
    assert names == sorted(names)
    assert all(name.startswith("firmware_retry/") and name.endswith(".py") for name in names)
    handlers = {Path(name).stem for name in names if name.startswith("firmware_retry/handlers/")}
    assert handlers - {"__init__"} == STEPS


def test_zip_has_no_room_for_third_party_code() -> None:
    assert len(package.build()) < 200_000


SAMPLE = b'''"""A module,

in three lines: \xc3\xa4."""

WORD = "kept"
"""An attribute."""


class Error(Exception):
    """Only this."""


def speak(name: str) -> str:
    """One line."""
    return f"""two
{name}"""
'''


def test_it_holds_no_docstrings_and_each_line_where_it_was() -> None:
    lean = package.without_docstrings(SAMPLE).decode()
    assert [line for line in lean.splitlines() if line] == [
        '""',
        'WORD = "kept"',
        '""',
        "class Error(Exception):",
        '    ""',
        "def speak(name: str) -> str:",
        '    ""',
        '    return f"""two',
        '{name}"""',
    ]
    before, after = (text.decode().splitlines() for text in (SAMPLE, lean.encode()))
    assert [before.index(line) for line in before if "return" in line] == [
        after.index(line) for line in after if "return" in line
    ]
    assert len(before) == len(after)


@pytest.mark.parametrize("step", sorted(STEPS))
def test_every_step_loads_from_the_zip_without_third_party_code(step: str) -> None:
    """botocore and its own dependencies are what the Lambda runtime has."""
    script = (
        "import importlib, sys\n"
        f"sys.path.insert(0, {str(package.TARGET)!r})\n"
        f"module = importlib.import_module('firmware_retry.handlers.{step}')\n"
        "assert callable(module.handler)\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "assert 'boto3' not in loaded and 'requests' not in loaded\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd="/")
