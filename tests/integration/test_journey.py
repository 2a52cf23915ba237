"""The whole journey of one device: the test message of the original workflow, twenty times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from localcloud import Call, Device, eventually
from localcloud.fleet import Fleet

DEVICE = "3hwC2y7"
GROUP = "updating"
ORIGINAL = {"model": "gw:v3", "FW": "2.26", "site": "lab-1"}  # the message says wo:v8 and 2.27


@dataclass
class Journey:
    """What was seen on the way."""

    fleet: Fleet
    since: int
    bad_ends: int
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    """By moment: the thing's attributes."""
    groups: dict[str, set[str]] = field(default_factory=dict)
    """By moment: the groups that the thing is in."""
    alert_counts: dict[str, int] = field(default_factory=dict)
    """By moment: messages on the FIFO topic."""

    def look(self, moment: str) -> None:
        """Keeps what the registry says just now."""
        self.attributes[moment] = self.fleet.attributes(DEVICE)
        self.groups[moment] = self.fleet.groups(DEVICE)
        self.alert_counts[moment] = len(self.fleet.alerts(DEVICE))

    def wait_for_model(self, model: str) -> None:
        """Waits until the registry says so."""
        assert eventually(lambda: self.fleet.attributes(DEVICE)["model"] == model), model

    def wait_for_group(self, group: str, *, joined: bool) -> None:
        """Waits until the device has joined or left a group."""
        assert eventually(lambda: (group in self.fleet.groups(DEVICE)) is joined), (group, joined)

    def fail(self, connection: Device, numbers: range) -> None:
        """Reports failures, over MQTT, one after the other as a device does."""
        for number in numbers:
            self.fleet.publish(connection, self.fleet.message(DEVICE, number))
            self.fleet.settle()

    @property
    def changes(self) -> list[Call]:
        """What the handlers changed in the registry and told, oldest first."""
        changing = ("UpdateThing", "AddThingToThingGroup", "Publish")
        return [call for call in self.fleet.calls(self.since) if call.operation in changing]


@pytest.fixture(scope="module")
def journey(quickstart: Fleet) -> Iterator[Journey]:
    fleet, iot = quickstart, quickstart.client("iot")
    iot.update_indexing_configuration(thingIndexingConfiguration={"thingIndexingMode": "REGISTRY"})
    fleet.add_thing(DEVICE, **ORIGINAL)
    query = f"thingName:{DEVICE} AND attributes.FW:2.26"
    iot.create_dynamic_thing_group(thingGroupName=GROUP, queryString=query)
    recorded = Journey(fleet, fleet.mark(), fleet.bad_ends())
    recorded.wait_for_group(GROUP, joined=True)
    with fleet.connect(DEVICE) as connection:
        _run_journey(recorded, connection)
    yield recorded
    iot.delete_dynamic_thing_group(thingGroupName=GROUP)


def _run_journey(journey: Journey, connection: Device) -> None:
    journey.fail(connection, range(1, 10))
    journey.look("after 9")

    with journey.fleet.away(DEVICE):
        journey.fail(connection, range(10, 11))
        journey.wait_for_model("moveOut")
        journey.wait_for_group(GROUP, joined=False)
        journey.look("after 10")

    journey.wait_for_model(ORIGINAL["model"])
    journey.wait_for_group(GROUP, joined=True)
    journey.look("after the day")

    journey.fail(connection, range(11, 20))
    journey.look("after 19")

    journey.fail(connection, range(20, 21))
    journey.wait_for_model("failedtoupdate")
    journey.wait_for_group(GROUP, joined=False)
    assert eventually(lambda: journey.fleet.alerts(DEVICE)), "nobody was told"
    assert eventually(lambda: not journey.fleet.is_running("escalation"))
    journey.look("after 20")

    journey.fail(connection, range(21, 32))
    journey.look("after 31")


def test_nine_failures_change_nothing_in_the_registry(journey: Journey) -> None:
    assert journey.attributes["after 9"] == ORIGINAL
    assert journey.groups["after 9"] == {GROUP}


def test_after_the_tenth_model_and_fw_read_move_out(journey: Journey) -> None:
    assert journey.attributes["after 10"] == {"model": "moveOut", "FW": "moveOut", "site": "lab-1"}


def test_and_the_device_leaves_its_dynamic_group(journey: Journey) -> None:
    assert journey.groups["after 10"] == set()


def test_after_the_day_the_attributes_are_what_the_registry_had(journey: Journey) -> None:
    assert journey.attributes["after the day"] == ORIGINAL


def test_and_the_device_is_back_in_its_dynamic_group(journey: Journey) -> None:
    assert journey.groups["after the day"] == {GROUP}


def test_nine_failures_of_the_second_cycle_change_nothing(journey: Journey) -> None:
    assert journey.attributes["after 19"] == ORIGINAL
    assert journey.alert_counts["after 19"] == 0


def test_after_the_twentieth_model_and_fw_read_failed(journey: Journey) -> None:
    failed = {"model": "failedtoupdate", "FW": "failedtoupdate", "site": "lab-1"}
    assert journey.attributes["after 20"] == failed


def test_then_the_device_is_in_the_group_of_failed_devices_only(journey: Journey) -> None:
    assert journey.groups["after 20"] == {"FailedToUpdate"}


def test_then_exactly_one_message_is_on_the_fifo_topic(journey: Journey) -> None:
    (alert,) = journey.fleet.alerts(DEVICE)
    assert alert["deviceId"] == DEVICE
    assert alert["campaign"] == "2.27"
    assert alert["cycles"] == 2
    assert alert["attributes"] == {"model": "gw:v3", "FW": "2.26"}
    assert alert["thingGroup"] == "FailedToUpdate"


def test_all_in_this_order(journey: Journey) -> None:
    assert [call.operation for call in journey.changes] == [
        "UpdateThing",  # moved out
        "UpdateThing",  # restored
        "UpdateThing",  # marked as failed
        "AddThingToThingGroup",
        "Publish",
    ]


def test_every_change_of_the_thing_is_a_merge_bound_to_its_version(journey: Journey) -> None:
    updates = [call.parameters for call in journey.changes if call.operation == "UpdateThing"]
    assert [update["expectedVersion"] for update in updates] == [1, 2, 3]
    assert all(update["attributePayload"]["merge"] for update in updates)


def test_eleven_more_failures_change_nothing_and_tell_nobody(journey: Journey) -> None:
    assert journey.attributes["after 31"] == journey.attributes["after 20"]
    assert journey.groups["after 31"] == journey.groups["after 20"]
    assert journey.alert_counts["after 31"] == journey.alert_counts["after 20"] == 1


def test_no_execution_failed(journey: Journey) -> None:
    assert journey.fleet.bad_ends() == journey.bad_ends


def test_the_journey_takes_seven_transitions_of_standard_machines(journey: Journey) -> None:
    recoveries = journey.fleet.recoveries(DEVICE)
    entered = {
        machine: [journey.fleet.states_entered(run) for run in runs]
        for machine, runs in recoveries.items()
    }
    assert entered == {
        "cool_down": [["ResetRetryCounterAndMoveOut", "CoolDown", "RestoreDeviceAttributes"]],
        "escalation": [
            [
                "ResetRetryCountToFailedUpdate",
                "Settle",
                "MoveDeviceToFailedGroup",
                "SendSNSNotification",
            ]
        ],
    }


def test_the_journey_takes_29_invocations(journey: Journey) -> None:
    invoked = journey.fleet.invocations(DEVICE, journey.since)
    # The first failure finds no record and makes it; then twenty are counted, five steps recover.
    to_the_alert = invoked[: invoked.index("SendSNSNotification") + 1]
    assert len(to_the_alert) == (1 + 3) + 20 + 5
    # And one for each failure after that.
    assert invoked[len(to_the_alert) :] == ["IncrementRetryCounter"] * 11


def test_each_failure_is_in_the_failure_log(journey: Journey) -> None:
    lines = journey.fleet.failures_logged(f'"{DEVICE}"')
    assert len(lines) == 31
    assert (
        lines[0].items()
        >= {
            "deviceId": DEVICE,
            "timestamp": journey.fleet.message(DEVICE, 1)["timestamp"],
            "status": "failed",
            "model": "wo:v8",
            "FW": "2.27",
            "topic": "iot/device/data",
            "clientId": DEVICE,
        }.items()
    )
