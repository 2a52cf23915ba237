"""``fleet-retry history``: a device's story in one query."""

import json

import pytest
from typer.testing import CliRunner

from fleet_retry.cli import app
from tests.unit.conftest import HISTORY

from .conftest import Fleet


@pytest.fixture
def table(fleet: Fleet) -> None:
    """A history of two devices, as the handlers write it."""
    for device, day, before, after, reason, execution in (
        ("pump-1", 2, "tracking", "cooling_down", "retry limit reached: battery low", "t-1"),
        ("pump-1", 1, "free", "tracking", "first failure", ""),
        ("pump-2", 1, "free", "tracking", "first failure", ""),
    ):
        fleet.table(HISTORY).put_item(
            Item={
                "deviceId": device,
                "at": f"2026-11-0{day}T10:00:00.123Z#0a1b2c3d",
                "from": before,
                "to": after,
                "reason": reason,
                "execution": execution,
                "campaign": "2.27",
                "trackingId": "t",
                "expiresAt": 1_800_000_000,
            }
        )


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["history", *arguments])
    return result.exit_code, result.output


@pytest.mark.usefixtures("table")
def test_a_history_is_told_oldest_first() -> None:
    code, output = run("pump-1")
    _, first, second = output.splitlines()
    assert code == 0
    assert first.split()[:3] == ["2026-11-01T10:00:00.123Z", "free", "tracking"]
    assert "retry limit reached: battery low" in second
    assert "t-1" in second


@pytest.mark.usefixtures("table")
def test_as_json_it_is_one_object_a_line() -> None:
    code, output = run("pump-1", "--json")
    first, second = map(json.loads, output.splitlines())
    assert code == 0
    assert (first["from"], first["to"]) == ("free", "tracking")
    assert second == {
        "at": "2026-11-02T10:00:00.123Z",
        "from": "tracking",
        "to": "cooling_down",
        "reason": "retry limit reached: battery low",
        "campaign": "2.27",
        "execution": "t-1",
    }


@pytest.mark.usefixtures("table")
def test_a_device_without_a_history_is_said() -> None:
    code, output = run("pump-3")
    assert code == 1
    assert "Nothing is known of pump-3" in output


@pytest.mark.usefixtures("table")
def test_a_module_that_is_not_there_says_what_to_do() -> None:
    code, output = run("pump-1", "--prefix", "fleet-b-")
    assert code == 2
    assert "there is no function fleet-b-ReconcileDevices" in output
    assert "--prefix" in output
