"""``fleet-retry history``: a device's story in one query."""

import json
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from fleet_retry.cli import app

REGION = "eu-west-1"
TABLE = "DeviceFirmwareHistory"


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A history of two devices, as the handlers write it."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        made = boto3.resource("dynamodb").create_table(
            TableName=TABLE,
            KeySchema=[
                {"AttributeName": "deviceId", "KeyType": "HASH"},
                {"AttributeName": "at", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "deviceId", "AttributeType": "S"},
                {"AttributeName": "at", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        for device, day, before, after, reason, execution in (
            ("pump-1", 2, "tracking", "cooling_down", "retry limit reached: battery low", "t-1"),
            ("pump-1", 1, "free", "tracking", "first failure", ""),
            ("pump-2", 1, "free", "tracking", "first failure", ""),
        ):
            made.put_item(
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
        yield


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
    assert "there is no table fleet-b-DeviceFirmwareHistory" in output
    assert "--prefix" in output
