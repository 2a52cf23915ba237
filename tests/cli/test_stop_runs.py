"""``fleet-retry stop-runs``: no run keeps a destroy waiting."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import STATES, Fleet

COOL_DOWN = f"{STATES}:execution:FirmwareCoolDownStateMachine"


@pytest.fixture
def fleet_with_runs(fleet: Fleet) -> Fleet:
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


def test_all_runs_are_stopped_after_a_warning_and_a_question(fleet_with_runs: Fleet) -> None:
    code, output = fleet_with_runs.run("stop-runs", stdin="y\n")
    assert "1 of them still have their devices to put back" in output
    assert "Stop 2 run(s)? [y/N]" in output
    assert (code, output.splitlines()[-1]) == (0, "2 stopped")
    assert sorted(list_stopped(fleet_with_runs)) == [
        f"{COOL_DOWN}:t-released-1",
        f"{COOL_DOWN}:t-resting-1",
    ]


def test_nothing_is_stopped_by_a_dry_run_or_after_no(fleet_with_runs: Fleet) -> None:
    assert fleet_with_runs.run("stop-runs", "--dry-run")[0] == 0
    assert fleet_with_runs.run("stop-runs", stdin="n\n")[0] == 1
    assert list_stopped(fleet_with_runs) == []


def test_a_refused_stop_is_named(fleet_with_runs: Fleet) -> None:
    fleet_with_runs.refuse("StopExecution")
    code, output = fleet_with_runs.run("stop-runs", "--yes")
    assert (code, output.splitlines()[-1]) == (1, "2 refused")
    assert "t-resting-1  refused  An error occurred" in output


def test_a_half_done_destroy_leaves_runs_that_can_be_stopped(fleet_with_runs: Fleet) -> None:
    """The function that names the tables and one of the machines are gone."""
    fleet_with_runs.refuse("GetFunctionConfiguration", "ResourceNotFoundException")
    machine = {"name": "FirmwareCoolDownStateMachine", "stateMachineArn": f"{STATES}:CoolDown"}
    fleet_with_runs.answers["ListStateMachines"] = {"stateMachines": [machine]}
    assert fleet_with_runs.run("stop-runs", "--yes") == (0, "2 stopped\n")


def test_without_runs_there_is_nothing_to_do(fleet_with_runs: Fleet) -> None:
    fleet_with_runs.answers["ListExecutions"] = {"executions": []}
    assert fleet_with_runs.run("stop-runs") == (0, "No run is under way.\n")
