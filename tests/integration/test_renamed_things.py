"""A thing that is renamed during its cool-down gets its originals back."""

from __future__ import annotations

from localcloud import eventually
from localcloud.fleet import Fleet

from .test_fleet_retry import find_faults
from .test_monitoring import alarms

MARKS = {"firmwareRetry": "coolingDown"}


def rename(fleet: Fleet, old: str, new: str) -> None:
    """Create a thing with the attributes of another one, and delete that."""
    iot = fleet.client("iot")
    iot.create_thing(thingName=new, attributePayload={"attributes": fleet.attributes(old)})
    iot.delete_thing(thingName=old)


def test_a_thing_renamed_during_its_cool_down_gets_its_originals(second: Fleet) -> None:
    original = {"model": "wo:v8", "serial": "renamed"}
    iot = second.client("iot")
    iot.create_thing(thingName="old-name", attributePayload={"attributes": original})
    with second.away("old-name"):
        second.fail("old-name", [1, 2])
        assert eventually(lambda: second.attributes("old-name") == {**original, **MARKS})
        assert eventually(lambda: (second.record("old-name") or {}).get("awaySince"))
        rename(second, "old-name", "new-name")
        assert second.invoke("ReconcileDevices")["unmarked"] >= 1
        assert second.attributes("new-name") == original
    assert eventually(lambda: second.record("old-name") is None)
    assert second.attributes("new-name") == original


def test_a_thing_with_marks_of_unknown_origin_raises_an_alarm(second: Fleet) -> None:
    iot = second.client("iot")
    iot.create_thing(thingName="unknown", attributePayload={"attributes": MARKS})
    assert second.invoke("ReconcileDevices")["stray"] >= 1
    assert eventually(lambda: alarms(second)["things-left-marked"]["StateValue"] == "ALARM")
    finding = ("things with marks", "unknown holds attributes that this module writes")
    assert find_faults(second, {finding}) == {finding}
    assert second.attributes("unknown") == MARKS
    iot.delete_thing(thingName="unknown")


def test_a_thing_provisioned_again_during_its_cool_down_keeps_the_attributes_of_its_template(
    second: Fleet,
) -> None:
    template, iot = {"model": "wo:v8", "FW": "2.20"}, second.client("iot")
    second.add_thing("provisioned", model="wo:v8", FW="2.26")
    with second.away("provisioned"):
        second.fail("provisioned", [1, 2])
        assert eventually(lambda: (second.record("provisioned") or {}).get("awaySince"))
        iot.delete_thing(thingName="provisioned")
        second.add_thing("provisioned", **template)
    assert eventually(lambda: (second.record("provisioned") or {})["state"] == "tracking")
    assert second.attributes("provisioned") == template
