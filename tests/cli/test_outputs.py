"""``--terraform-outputs``: which deployment is meant, as ``terraform output -json`` tells it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleet_retry.deployment import DeploymentError
from fleet_retry.outputs import Location, read

from .conftest import REGION, Fleet


def module(prefix: str = "", region: str = REGION) -> dict[str, str]:
    machine = f"{prefix}FirmwareUpdateStateMachine"
    return {
        "retries_table_name": "any",  # existing_tables have names of their own
        "intake_state_machine_arn": f"arn:aws:states:{region}:123456789012:stateMachine:{machine}",
    }


def outputs(**values: Any) -> str:
    """What Terraform prints of a root's outputs."""
    return json.dumps(
        {
            name: {"sensitive": False, "type": "any", "value": value}
            for name, value in values.items()
        }
    )


@pytest.mark.parametrize(
    "text",
    [
        outputs(**module("a-"), other=[1, None]),
        outputs(firmware_retry=module("a-")),
        outputs(fleets={"north": [module("a-")]}, url="x"),
        json.dumps(module("a-")),
        json.dumps({"north": module("a-")}),
    ],
    ids=["the root's own", "in one output", "deep in one", "one output", "deep in one output"],
)
def test_the_module_is_found_wherever_it_is(text: str) -> None:
    assert read(text, None) == Location("a-", REGION)


def test_of_several_the_prefix_says_which() -> None:
    text = outputs(fleets={"a": module(), "b": module("b-", "us-east-1")})
    assert read(text, "b-") == Location("b-", "us-east-1")
    assert read(text, "") == Location("", REGION)
    with pytest.raises(DeploymentError, match='--prefix; there are: "", "b-"'):
        read(text, None)


def test_a_prefix_that_is_not_among_them_is_said() -> None:
    with pytest.raises(DeploymentError, match='there are: "a-"'):
        read(outputs(firmware_retry=module("a-")), "b-")


@pytest.mark.parametrize("text", ["", "no json", "{"])
def test_what_is_no_json_is_said(text: str) -> None:
    with pytest.raises(DeploymentError, match="terraform output -json"):
        read(text, None)


@pytest.mark.parametrize("text", ["{}", "[]", '{"retries_table_name": {"value": 7, "type": "x"}}'])
def test_outputs_without_the_module_are_said(text: str) -> None:
    with pytest.raises(DeploymentError, match="have the root output the whole module"):
        read(text, None)


def test_a_command_takes_them_from_a_file_or_stdin(fleet: Fleet, tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    file.write_text(outputs(firmware_retry=module("b-")))
    missing = f"there is no function b-ReconcileDevices in {REGION}"
    for source, stdin in ((str(file), None), ("-", file.read_text())):
        code, output = fleet.run("history", "pump-1", "--terraform-outputs", source, stdin=stdin)
        assert (code, missing in output) == (2, True)


def test_a_region_that_is_given_goes_before_theirs(fleet: Fleet, tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    file.write_text(outputs(**module()))
    code, output = fleet.run(
        "history", "x", "--terraform-outputs", str(file), "--region", "eu-north-1"
    )
    assert (code, "in eu-north-1" in output) == (2, True)


def test_a_file_that_is_not_there_is_said(fleet: Fleet) -> None:
    code, output = fleet.run("list", "--terraform-outputs", "nowhere.json")
    assert code == 2
    assert output.startswith("nowhere.json cannot be read")
