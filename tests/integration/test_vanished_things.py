"""A thing that was deleted ends its episode quietly."""

from __future__ import annotations

from localcloud import eventually
from localcloud.fleet import Fleet


def test_a_thing_deleted_during_its_cool_down_leaves_its_originals_only(second: Fleet) -> None:
    second.add_thing("vanishes")
    bad_ends = second.bad_ends()
    with second.away("vanishes"):
        second.fail("vanishes", [1, 2])
        assert eventually(lambda: second.attributes("vanishes") == {"firmwareRetry": "coolingDown"})
        assert second.backup("vanishes") is not None
        (run,) = second.recoveries("vanishes")["cool_down"]
        iot = second.client("iot")
        thing_id = iot.describe_thing(thingName="vanishes")["thingId"]
        iot.delete_thing(thingName="vanishes")

    assert eventually(lambda: second.record("vanishes") is None)
    assert eventually(lambda: not second.is_running("cool_down"))
    assert second.backup("vanishes") is None
    assert second.backup(f"vanishes#{thing_id}") is not None
    assert second.states_entered(run)[-1] == "ThingVanished"
    assert second.bad_ends() == bad_ends


def test_a_thing_of_the_same_name_begins_anew(second: Fleet) -> None:
    second.add_thing("reborn")
    second.fail("reborn", [1])
    second.client("iot").delete_thing(thingName="reborn")
    second.fail("reborn", [2])
    assert eventually(lambda: second.record("reborn") is None)
    second.add_thing("reborn")
    second.fail("reborn", [3])
    assert second.retry_counter("reborn") == 1
