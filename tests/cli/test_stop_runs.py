"""``fleet-retry stop-runs``: no run keeps a destroy waiting."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import STATES, Fleet

COOL_DOWN = f"{STATES}:execution:FirmwareCoolDownStateMachine"


@pytest.fixture
def sleeping(fleet: Fleet) -> Fleet:
    """A fleet with two runs asleep, one of which still has its device."""

    def list_executions(asked: dict[str, Any]) -> dict[str, Any]:
        names = ["t-resting-1", "t-released-1"] if "CoolDown" in asked["stateMachineArn"] else []
        return {"executions": [{"executionArn": f"{COOL_DOWN}:{name}"} for name in names]}

    fleet.answers["ListExecutions"] = list_executions
    fleet.answers["StopExecution"] = {}
    fleet.put("resting", "cooling_down")
    fleet.put("counted")
    return fleet


def list_stopped(fleet: Fleet) -> list[str]:
    return [asked["executionArn"] for asked in fleet.has_asked("StopExecution")]


def test_all_runs_are_stopped_after_a_warning_and_a_question(sleeping: Fleet) -> None:
    code, output = sleeping.run("stop-runs", stdin="y\n")
    assert "1 of them still have their devices to put back" in output
    assert "Stop 2 run(s)? [y/N]" in output
    assert (code, output.splitlines()[-1]) == (0, "2 stopped")
    assert sorted(list_stopped(sleeping)) == [
        f"{COOL_DOWN}:t-released-1",
        f"{COOL_DOWN}:t-resting-1",
    ]


def test_nothing_is_stopped_by_a_dry_run_or_after_no(sleeping: Fleet) -> None:
    assert sleeping.run("stop-runs", "--dry-run")[0] == 0
    assert sleeping.run("stop-runs", stdin="n\n")[0] == 1
    assert list_stopped(sleeping) == []


def test_a_refused_stop_is_named(sleeping: Fleet) -> None:
    sleeping.refuse("StopExecution")
    code, output = sleeping.run("stop-runs", "--yes")
    assert (code, output.splitlines()[-1]) == (1, "2 refused")
    assert "t-resting-1  refused  An error occurred" in output


def test_a_half_done_destroy_leaves_runs_that_can_be_stopped(sleeping: Fleet) -> None:
    """The function that names the tables and one of the machines are gone."""
    sleeping.refuse("GetFunctionConfiguration", "ResourceNotFoundException")
    machine = {"name": "FirmwareCoolDownStateMachine", "stateMachineArn": f"{STATES}:CoolDown"}
    sleeping.answers["ListStateMachines"] = {"stateMachines": [machine]}
    assert sleeping.run("stop-runs", "--yes") == (0, "2 stopped\n")


def test_without_runs_there_is_nothing_to_do(sleeping: Fleet) -> None:
    sleeping.answers["ListExecutions"] = {"executions": []}
    assert sleeping.run("stop-runs") == (0, "No run is under way.\n")
