"""``fleet-retry show``: all that is known of a device."""

from __future__ import annotations

from typing import Any

import boto3

from tests.unit.conftest import BACKUP, HISTORY

from .conftest import REGION, STATES, Fleet

ARN = f"{STATES}:execution:FirmwareCoolDownStateMachine:t-pump-1-1"
EVENTS = [
    {"id": 2, "stateEnteredEventDetails": {"name": "MoveOut"}},
    {"id": 4, "stateEnteredEventDetails": {"name": "WaitCoolDown"}},
    {"id": 5},
]


def put_away(fleet: Fleet) -> None:
    """``pump-1`` cools down: overwritten, its originals kept, its run asleep."""
    iot = boto3.client("iot")
    attributes = {"FW": "moveOut", "site": "north"}
    iot.create_thing(thingName="pump-1", attributePayload={"attributes": attributes})
    iot.create_thing_group(thingGroupName="north")
    iot.add_thing_to_thing_group(thingGroupName="north", thingName="pump-1")
    fleet.put("pump-1", "cooling_down")
    fleet.table(BACKUP).put_item(
        Item={
            "deviceId": "pump-1",
            "attributes": {"FW": "2.26", "model": None},
            "written": {"FW": {"moveOut"}},
            "thingId": "t-1",
            "thingVersion": 1,
            "timestamp": "2026-11-01T10:00:00Z",
        }
    )
    fleet.table(HISTORY).put_item(
        Item={
            "deviceId": "pump-1",
            "at": "2026-11-01T10:00:00.123Z#0a1b2c3d",
            "from": "tracking",
            "to": "cooling_down",
            "reason": "retry limit reached",
            "execution": "t-pump-1-1",
            "campaign": "2.27",
        }
    )
    fleet.answers |= {
        "DescribeExecution": {"status": "RUNNING"},
        "GetExecutionHistory": lambda asked: {
            "events": EVENTS[::-1] if asked["reverseOrder"] else EVENTS
        },
    }


def show(fleet: Fleet, device: str = "pump-1") -> dict[str, Any]:
    (line,) = fleet.run_json("show", device)
    return line


def test_backup_of_the_cdk_stack_shows_no_originals(fleet: Fleet) -> None:
    boto3.client("iot").create_thing(thingName="pump-1")
    fleet.table(BACKUP).put_item(Item={"deviceId": "pump-1", "model": "wo:v8", "FW": "2.26"})
    assert show(fleet)["originals"] == {}


def test_backup_that_cannot_be_read_shows_no_originals(fleet: Fleet) -> None:
    put_away(fleet)
    fleet.table(BACKUP).put_item(Item={"deviceId": "pump-1", "written": {}})
    assert show(fleet)["originals"] == {}


def test_as_json_it_has_everything(fleet: Fleet) -> None:
    put_away(fleet)
    known = show(fleet)
    assert known["record"]["state"] == "cooling_down"
    assert known["attributes"] == {"FW": "moveOut", "site": "north"}
    assert known["originals"] == {"FW": "2.26", "model": None}
    assert known["groups"] == ["north"]
    assert [change["to"] for change in known["history"]] == ["cooling_down"]
    assert known["execution"] == {
        "arn": ARN,
        "status": "RUNNING",
        "state": "WaitCoolDown",
        "consoleUrl": f"https://{REGION}.console.aws.amazon.com/states/home?region={REGION}"
        f"#/v2/executions/details/{ARN}",
    }


def test_for_people_it_sets_now_against_before(fleet: Fleet) -> None:
    put_away(fleet)
    code, output = fleet.run("show", "pump-1")
    words = [line.split() for line in output.splitlines()]
    assert code == 0
    assert ["FW", "moveOut", "2.26"] in words
    assert ["model", "(none)", "(none)"] in words
    assert ["site", "north", "north"] in words
    assert ["groups", "north"] in words
    assert "execution  RUNNING in WaitCoolDown https://" in output
    assert "retry limit reached" in output


def test_a_run_that_is_not_there_is_said(fleet: Fleet) -> None:
    put_away(fleet)
    del fleet.answers["DescribeExecution"]
    assert show(fleet)["execution"]["status"] == "NOT_FOUND"


def test_a_failed_device_is_held_by_an_escalation(fleet: Fleet) -> None:
    put_away(fleet)
    fleet.put("pump-1", "failed")
    assert ":FirmwareEscalationStateMachine:" in show(fleet)["execution"]["arn"]


def test_a_device_whose_thing_is_gone(fleet: Fleet) -> None:
    fleet.put("gone")
    code, output = fleet.run("show", "gone")
    assert code == 0
    assert "The thing is gone." in output
    assert show(fleet, "gone")["attributes"] is None


def test_a_device_without_a_failure(fleet: Fleet) -> None:
    boto3.client("iot").create_thing(thingName="fine")
    code, output = fleet.run("show", "fine")
    assert code == 0
    assert "fine is not tracked" in output
    assert "(none)" in output


def test_a_device_that_nobody_knows(fleet: Fleet) -> None:
    code, output = fleet.run("show", "nobody")
    assert (code, output) == (1, "There is no thing nobody, and nothing is known of it.\n")
