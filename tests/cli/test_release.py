"""``fleet-retry release``: one device or many, asked first, and it says what became of each."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from .conftest import Fleet

Answer = dict[str, Any]


def list_invocations(fleet: Fleet) -> list[list[str]]:
    """Return the devices that ReleaseDevice received, call by call."""
    return [json.loads(asked["Payload"])["deviceIds"] for asked in fleet.has_asked("Invoke")]


def function(become: Callable[[list[str]], Answer], is_error: bool = False) -> Any:
    """A ReleaseDevice whose devices become something."""

    def invoke(asked: dict[str, Any]) -> Answer:
        assert asked["FunctionName"] == "ReleaseDevice"
        result = become(json.loads(asked["Payload"])["deviceIds"])
        answer: Answer = {"Payload": io.BytesIO(json.dumps(result).encode())}
        return answer | {"FunctionError": "Unhandled"} if is_error else answer

    return invoke


@pytest.fixture
def fleet_to_release(fleet: Fleet) -> Fleet:
    """Every device that is to be released is."""
    fleet.answers["Invoke"] = function(lambda devices: {"released": devices})
    fleet.put("failed-1", "failed")
    fleet.put("failed-2", "failed", campaign="job-7")
    fleet.put("resting", "cooling_down")
    return fleet


def test_it_asks_first_and_says_how_many(fleet_to_release: Fleet) -> None:
    code, output = fleet_to_release.run("release", "failed-1", "resting", "fine", stdin="y\n")
    assert code == 0
    assert "Release 3 devices (1 failed, 1 cooling down, 1 not tracked)? [y/N]" in output
    assert output.splitlines()[-1] == "3 released"
    assert list_invocations(fleet_to_release) == [["failed-1", "resting", "fine"]]


def test_the_answer_no_releases_no_device(fleet_to_release: Fleet) -> None:
    code, output = fleet_to_release.run("release", "failed-1", stdin="n\n")
    assert (code, list_invocations(fleet_to_release)) == (1, [])
    assert "Nothing was changed." in output


def test_the_run_of_a_released_device_sleeps_no_longer(fleet_to_release: Fleet) -> None:
    assert fleet_to_release.run("release", "resting", "failed-1", "fine", "--yes") == (
        0,
        "3 released\n",
    )
    stopped = [asked["executionArn"] for asked in fleet_to_release.has_asked("StopExecution")]
    assert [arn.rpartition("execution:")[2] for arn in stopped] == [
        "FirmwareCoolDownStateMachine:t-resting-1",
        "FirmwareEscalationStateMachine:t-failed-1-1",
    ]


def test_a_run_that_may_not_be_stopped_is_named_and_the_release_stands(
    fleet_to_release: Fleet,
) -> None:
    fleet_to_release.refuse("StopExecution")
    code, output = fleet_to_release.run("release", "resting", "--yes")
    assert code == 0
    assert output.startswith("resting  released, its run goes on  ")
    assert output.splitlines()[-1] == "1 released"


def test_yes_is_not_asked(fleet_to_release: Fleet) -> None:
    assert fleet_to_release.run("release", "failed-1", "--yes") == (0, "1 released\n")


def test_a_dry_run_lists_the_devices_and_releases_none(fleet_to_release: Fleet) -> None:
    code, output = fleet_to_release.run("release", "--state", "failed", "--dry-run")
    assert (code, list_invocations(fleet_to_release)) == (0, [])
    assert output.splitlines() == [
        "failed-1  failed",
        "failed-2  failed",
        "2 devices (2 failed) would be released (dry run: nothing was changed)",
    ]


def test_a_selection_is_released(fleet_to_release: Fleet) -> None:
    fleet_to_release.run("release", "--state", "failed", "--campaign", "job-7", "--yes")
    assert list_invocations(fleet_to_release) == [["failed-2"]]


def test_names_come_from_a_file_too_each_once(fleet_to_release: Fleet, tmp_path: Path) -> None:
    file = tmp_path / "fixed.txt"
    # With a byte order mark, as Excel and PowerShell save it.
    file.write_text("\ufefffailed-1\r\n\r\n  failed-2 \r\nfailed-1\r\n", encoding="utf-8")
    assert fleet_to_release.run("release", "resting", "--file", str(file), "--yes")[0] == 0
    assert list_invocations(fleet_to_release) == [["resting", "failed-1", "failed-2"]]


def test_names_come_from_stdin_where_nobody_can_answer(fleet_to_release: Fleet) -> None:
    code, output = fleet_to_release.run("release", "--file", "-", stdin="failed-1\n")
    assert (code, list_invocations(fleet_to_release)) == (2, [])
    assert "add --yes" in output
    assert fleet_to_release.run("release", "--file", "-", "--yes", stdin="failed-1\n")[0] == 0
    assert list_invocations(fleet_to_release) == [["failed-1"]]


def test_a_name_may_begin_like_an_option(fleet_to_release: Fleet) -> None:
    assert fleet_to_release.run("release", "--yes", "--", "-pump") == (0, "1 released\n")
    assert list_invocations(fleet_to_release) == [["-pump"]]


@pytest.mark.parametrize(
    ("what", "status"), [(KeyboardInterrupt(), 130), (ReadTimeoutError(endpoint_url="x"), 2)]
)
def test_how_many_were_done_is_said_when_it_ends_early(
    fleet_to_release: Fleet, tmp_path: Path, what: BaseException, status: int
) -> None:
    names = [f"pump-{number}" for number in range(1000)]
    file = tmp_path / "all.txt"
    file.write_text("\n".join(names))

    def become(devices: list[str]) -> Answer:
        if "pump-100" in devices:
            raise what
        return {"released": devices}

    fleet_to_release.answers["Invoke"] = function(become)
    code, output = fleet_to_release.run("release", "--file", str(file), "--yes")
    assert code == status
    assert "100 released, and then it ended early\n" in output
    assert "Repeating is safe." in output
    assert len(list_invocations(fleet_to_release)) < 20


def test_many_are_released_fifty_a_call(fleet_to_release: Fleet, tmp_path: Path) -> None:
    file = tmp_path / "all.txt"
    file.write_text("\n".join(f"pump-{number}" for number in range(120)))
    assert fleet_to_release.run("release", "--file", str(file), "--yes") == (0, "120 released\n")
    assert sorted(map(len, list_invocations(fleet_to_release))) == [20, 50, 50]


def test_the_outcome_of_each_device_is_printed(fleet_to_release: Fleet) -> None:
    outcomes = {"released": ["a"], "releasing": ["b"], "not_tracked": ["c"], "gone": ["d"]}
    fleet_to_release.answers["Invoke"] = function(lambda _: outcomes)
    code, output = fleet_to_release.run("release", "a", "b", "c", "d", "--yes")
    assert code == 0
    assert output.splitlines() == [
        "b  releasing",
        "c  not tracked",
        "d  gone",
        "1 gone, 1 not tracked, 1 released, 1 releasing",
    ]


def test_those_that_are_refused_are_named_and_of_the_others_is_said_what_became(
    fleet_to_release: Fleet,
) -> None:
    refused = {"b": "TransientError: throttled", "c": "BackupMissingError: no backup of c: set it"}
    outcomes = {"released": ["a"], "gone": ["d"], "refused": refused}
    fleet_to_release.answers["Invoke"] = function(lambda _: outcomes)
    code, output = fleet_to_release.run("release", "a", "b", "c", "d", "--yes")
    assert code == 1
    assert output.splitlines()[:4] == [
        "b  refused  TransientError: throttled",
        "c  refused  BackupMissingError: no backup of c: set it",
        "d  gone",
        "1 gone, 2 refused, 1 released",
    ]


def test_a_function_that_fails_has_refused_its_whole_batch(fleet_to_release: Fleet) -> None:
    error = {"errorType": "Sandbox.Timedout", "errorMessage": "after 300 seconds"}
    fleet_to_release.answers["Invoke"] = function(lambda _: error, is_error=True)
    code, output = fleet_to_release.run("release", "a", "b", "--yes")
    assert code == 1
    assert "a  refused  Sandbox.Timedout: after 300 seconds" in output
    assert "2 refused" in output


@pytest.mark.parametrize("arguments", [[], ["a", "--state", "failed"]])
def test_devices_are_either_named_or_selected(
    fleet_to_release: Fleet, arguments: list[str]
) -> None:
    code, output = fleet_to_release.run("release", *arguments, "--yes")
    assert (code, list_invocations(fleet_to_release)) == (2, [])
    assert "name devices, or select them" in output


def test_an_impossible_name_is_refused_before_any_release(fleet_to_release: Fleet) -> None:
    code, output = fleet_to_release.run("release", "failed-1", "no such/thing", "--yes")
    assert (code, list_invocations(fleet_to_release)) == (2, [])
    assert "'no such/thing' is not a thing's name" in output


def test_a_missing_file_is_an_error(fleet_to_release: Fleet) -> None:
    code, output = fleet_to_release.run("release", "--file", "nowhere.txt", "--yes")
    assert code == 2
    assert "nowhere.txt cannot be read" in output


def test_an_empty_selection_is_reported(fleet_to_release: Fleet) -> None:
    assert fleet_to_release.run("release", "--campaign", "none") == (0, "No such device.\n")


def test_a_missing_module_is_an_error_with_a_remedy(fleet_to_release: Fleet) -> None:
    fleet_to_release.refuse("Invoke", "ResourceNotFoundException")
    code, output = fleet_to_release.run("release", "failed-1", "--yes")
    assert code == 2
    assert "there is no function ReleaseDevice" in output
    assert "--prefix" in output
