"""Any number of cycles, each with its own wait, and a look at the groups before each restore."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud import eventually
from localcloud.fleet import Fleet

HOUR = 3600
ORIGINAL = {"model": "gw:v3", "FW": "2.26"}


def test_each_cycle_waits_its_own_time(second: Fleet) -> None:
    ladder = [2 * HOUR, 4 * HOUR, 8 * HOUR]
    second.add_thing("climber", **ORIGINAL)
    waits: list[float] = []
    with second.with_cool_down(*ladder):
        for cycle in range(len(ladder)):
            with second.away("climber"):
                second.fail("climber", [2 * cycle + 1, 2 * cycle + 2])
                assert eventually(lambda: "firmwareRetry" in second.attributes("climber"))
                record = eventually(lambda: _away(second, "climber"))
            waits.append(float(record["dueAt"]) - float(record["awaySince"]))
            assert eventually(lambda: _is_tracked(second, "climber", 0))
        second.fail("climber", [7, 8])
        (alert,) = eventually(lambda: second.alerts("climber"))
    assert alert["cycles"] == 4
    assert [round(wait / HOUR) for wait in waits] == [2, 4, 8]


def _away(fleet: Fleet, device: str) -> dict[str, Any]:
    record = fleet.record(device) or {}
    return record if "awaySince" in record else {}


def _is_tracked(fleet: Fleet, device: str, counted: int) -> bool:
    record = fleet.record(device)
    return bool(record) and (record["state"], record["RetryCounter"]) == ("tracking", counted)  # type: ignore[index]


@pytest.fixture(autouse=True)
def switch_on_index(second: Fleet) -> None:
    """Dynamic groups are queries of the fleet index."""
    mode = {"thingIndexingMode": "REGISTRY"}
    second.client("iot").update_indexing_configuration(thingIndexingConfiguration=mode)


def test_a_device_that_left_its_groups_is_restored_without_ado(second: Fleet) -> None:
    device, iot = "leaver", second.client("iot")
    second.add_thing(device, **ORIGINAL)
    query = f"thingName:{device} AND NOT attributes.firmwareRetry:*"
    iot.create_dynamic_thing_group(thingGroupName="leavers", queryString=query)
    assert eventually(lambda: "leavers" in second.groups(device))
    with second.away(device):
        second.fail(device, [1, 2])
        record = eventually(lambda: _away(second, device))
    assert record["leftGroups"] == ["leavers"]
    assert eventually(lambda: _is_tracked(second, device, 0))
    assert second.history(device)[-1] == ("cooling_down", "tracking", "cool-down is over")
    iot.delete_dynamic_thing_group(thingGroupName="leavers")


def test_a_device_that_never_left_is_looked_at_again_and_then_restored_all_the_same(
    second: Fleet,
) -> None:
    device, iot = "stayer", second.client("iot")
    second.add_thing(device, **ORIGINAL)
    iot.create_dynamic_thing_group(thingGroupName="stayers", queryString=f"thingName:{device}")
    assert eventually(lambda: "stayers" in second.groups(device))
    bad_ends, mark = second.bad_ends(), second.mark()
    with second.away(device):
        second.fail(device, [1, 2])
        assert eventually(lambda: second.attributes(device).get("firmwareRetry") == "coolingDown")
    assert eventually(lambda: _is_tracked(second, device, 0))
    assert second.attributes(device) == ORIGINAL
    assert second.invocations(device, mark).count("second-RestoreDeviceAttributes") == 5
    assert second.history(device)[-1] == (
        "cooling_down",
        "tracking",
        "cool-down is over, though it never left stayers",
    )
    assert second.bad_ends() == bad_ends
    iot.delete_dynamic_thing_group(thingGroupName="stayers")
