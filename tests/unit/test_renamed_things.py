"""Things that are renamed or created again while the workflow has overwritten their attributes."""

import json
from itertools import cycle
from typing import Any

import pytest

from firmware_retry import aws, clock, registry, retries_table, strays
from firmware_retry.errors import (
    ReconcileIncompleteError,
    RequestRefusedError,
    ThingNotFoundError,
    TransientError,
)
from firmware_retry.handlers import (
    clear_device_record,
    reconcile_devices,
    release_device,
    reset_retry_count_to_failed_update,
    reset_retry_counter_and_move_out,
    restore_device_attributes,
)
from firmware_retry.registry import Thing
from firmware_retry.strays import Marked

from .conftest import BACKUP, RETRIES, Cloud, configure, failure, success
from .journey import (
    FAILED,
    MOVED_OUT,
    ORIGINAL,
    Recovery,
    Stage,
    begin,
    bring,
    handle,
    use_up_a_cycle,
)

TEMPLATE = {"model": "wo:v8", "FW": "2.20"}
LATER = 1_000
DAY = 86_400
YEAR = 365 * 86_400


def orphans(cloud: Cloud) -> list[dict[str, Any]]:
    """The originals that are kept of things that are gone."""
    items = cloud.dynamodb.Table(BACKUP).scan()["Items"]
    return [item for item in items if "orphanedAt" in item]


def originals(orphan: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in orphan["attributes"].items() if value is not None}


def recreate(cloud: Cloud, attributes: dict[str, str], name: str = "dev-1") -> None:
    cloud.iot.delete_thing(thingName=name)
    cloud.create_thing(name, **attributes)


def refuse(*_: object) -> None:
    raise TransientError("throttled")


# Originals of a thing that is gone


def test_originals_of_a_thing_that_vanished_while_it_was_overwritten_are_kept(
    cloud: Cloud, fake_time: list[float]
) -> None:
    recovery = bring(cloud, Stage.COOLING_DOWN)
    cloud.iot.delete_thing(thingName="dev-1")
    with pytest.raises(ThingNotFoundError):
        restore_device_attributes.handler(recovery, None)
    assert cloud.record() is None
    assert cloud.backup() is None
    (orphan,) = orphans(cloud)
    assert originals(orphan) == {"model": "wo:v8", "FW": "2.26"}
    assert orphan["rest"] == {"site": "7"}
    assert orphan["expiresAt"] == int(fake_time[0]) + YEAR


@pytest.mark.parametrize("stage", [Stage.COOLING_DOWN, Stage.FAILED, Stage.NOTIFIED])
@pytest.mark.parametrize("ends_by", ["success", "release"])
def test_originals_are_kept_whoever_finds_that_the_thing_is_gone(
    cloud: Cloud, stage: Stage, ends_by: str
) -> None:
    bring(cloud, stage)
    cloud.iot.delete_thing(thingName="dev-1")
    if ends_by == "release":
        assert release_device.handler({"deviceId": "dev-1"}, None) == {"gone": ["dev-1"]}
    else:
        with pytest.raises(ThingNotFoundError):
            clear_device_record.handler(success(LATER), None)
    assert cloud.record() is None
    assert [originals(orphan)["FW"] for orphan in orphans(cloud)] == ["2.26"]


def test_nothing_is_kept_of_a_thing_that_was_never_overwritten(cloud: Cloud) -> None:
    recovery = bring(cloud, Stage.DUE)
    cloud.iot.delete_thing(thingName="dev-1")
    with pytest.raises(ThingNotFoundError):
        reset_retry_counter_and_move_out.handler(recovery, None)
    assert (cloud.record(), cloud.backup(), orphans(cloud)) == (None, None, [])


def test_a_later_episode_under_the_same_name_replaces_no_kept_originals(cloud: Cloud) -> None:
    """Its thing may live on under another name."""
    recovery = bring(cloud, Stage.COOLING_DOWN)
    recreate(cloud, TEMPLATE)
    restore_device_attributes.handler(recovery, None)
    begin()
    (orphan,) = orphans(cloud)
    assert originals(orphan)["FW"] == "2.26"
    backup = cloud.backup()
    assert backup
    assert backup["attributes"]["FW"] == "2.20"


# The same name, created again


@pytest.mark.parametrize("stage", [Stage.COOLING_DOWN, Stage.FAILED, Stage.NOTIFIED])
def test_a_thing_created_again_from_a_template_is_left_as_it_is(cloud: Cloud, stage: Stage) -> None:
    recovery = bring(cloud, stage)
    recreate(cloud, TEMPLATE)
    if stage is Stage.COOLING_DOWN:
        restore_device_attributes.handler(recovery, None)
    else:
        release_device.handler({"deviceId": "dev-1"}, None)
    assert cloud.attributes() == TEMPLATE


@pytest.mark.parametrize(
    ("stage", "marks"), [(Stage.COOLING_DOWN, MOVED_OUT), (Stage.NOTIFIED, FAILED)]
)
def test_a_thing_created_again_as_it_was_left_gets_its_originals(
    cloud: Cloud, stage: Stage, marks: dict[str, str]
) -> None:
    recovery = bring(cloud, stage)
    recreate(cloud, marks)
    if stage is Stage.COOLING_DOWN:
        restore_device_attributes.handler(recovery, None)
    else:
        release_device.handler({"deviceId": "dev-1"}, None)
    assert cloud.attributes() == ORIGINAL


# Strays: things that hold marks without an episode of their own


def rename(cloud: Cloud, old: str, new: str) -> None:
    """Creates a thing with the attributes of another one, and deletes that."""
    attributes = cloud.attributes(old)
    cloud.iot.delete_thing(thingName=old)
    cloud.create_thing(new, **attributes)


def reconcile() -> dict[str, int]:
    return reconcile_devices.handler({}, None)


def bring_two(cloud: Cloud, first: dict[str, str], second: dict[str, str]) -> None:
    """Two devices that cool down, ``dev-1`` and ``dev-2``."""
    bring(cloud, Stage.COOLING_DOWN, "dev-1", first)
    bring(cloud, Stage.COOLING_DOWN, "dev-2", second)


def lines_of(caplog: pytest.LogCaptureFixture, message: str) -> list[Any]:
    return [vars(line) for line in caplog.records if line.message == message]


@pytest.mark.parametrize("stage", [Stage.COOLING_DOWN, Stage.FAILED, Stage.NOTIFIED])
def test_a_renamed_thing_gets_its_originals_though_no_run_has_noticed_yet(
    cloud: Cloud, stage: Stage
) -> None:
    bring(cloud, stage)
    rename(cloud, "dev-1", "new")
    assert reconcile()["unmarked"] == 1
    assert cloud.attributes("new") == ORIGINAL
    why = "attributes restored: the thing held marks without an episode"
    assert cloud.steps("new") == [("free", "free", why)]
    assert "unmarked" not in reconcile()


def test_a_renamed_thing_gets_its_originals_after_its_old_episode_ended(cloud: Cloud) -> None:
    recovery = bring(cloud, Stage.COOLING_DOWN)
    rename(cloud, "dev-1", "new")
    with pytest.raises(ThingNotFoundError):
        restore_device_attributes.handler(recovery, None)
    assert reconcile() == {"unmarked": 1}
    assert cloud.attributes("new") == ORIGINAL


def test_a_thing_whose_old_name_is_in_use_again_gets_its_originals(cloud: Cloud) -> None:
    recovery = bring(cloud, Stage.COOLING_DOWN)
    rename(cloud, "dev-1", "new")
    cloud.create_thing(**TEMPLATE)
    restore_device_attributes.handler(recovery, None)
    assert reconcile() == {"unmarked": 1}
    assert cloud.attributes("new") == ORIGINAL
    assert cloud.attributes() == TEMPLATE


def test_two_things_renamed_at_the_same_time_get_their_own_originals(cloud: Cloud) -> None:
    bring_two(cloud, ORIGINAL, {**ORIGINAL, "FW": "2.19", "site": "8"})
    rename(cloud, "dev-1", "new-1")
    rename(cloud, "dev-2", "new-2")
    assert reconcile() == {"unmarked": 2}
    assert cloud.attributes("new-1")["FW"] == "2.26"
    assert cloud.attributes("new-2")["FW"] == "2.19"


def test_two_things_with_swapped_names_get_no_originals_of_the_other(cloud: Cloud) -> None:
    bring_two(cloud, ORIGINAL, {**ORIGINAL, "FW": "2.19", "site": "8"})
    rename(cloud, "dev-1", "between")
    rename(cloud, "dev-2", "dev-1")
    rename(cloud, "between", "dev-2")
    for device in ("dev-1", "dev-2"):
        release_device.handler({"deviceId": device}, None)
    assert reconcile() == {"stray": 2}
    assert cloud.attributes("dev-1")["FW"] == "moveOut"
    assert len(orphans(cloud)) == 2


def test_two_things_that_differ_in_nothing_but_their_originals_are_reported(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    bring_two(cloud, ORIGINAL, {**ORIGINAL, "FW": "2.19"})
    rename(cloud, "dev-1", "new-1")
    rename(cloud, "dev-2", "new-2")
    with caplog.at_level("INFO"):
        assert reconcile() == {"stray": 2}
    assert cloud.attributes("new-1") == MOVED_OUT
    unknown = lines_of(caplog, "thing holds marks, and its originals are unknown")
    assert [(line["deviceId"], line["candidates"]) for line in unknown] == [
        ("new-1", 2),
        ("new-2", 2),
    ]
    assert [line["strays"] for line in lines_of(caplog, "strays counted")] == [2]


def test_two_things_with_the_same_originals_need_no_distinction(cloud: Cloud) -> None:
    bring_two(cloud, ORIGINAL, ORIGINAL)
    rename(cloud, "dev-1", "new-1")
    rename(cloud, "dev-2", "new-2")
    assert reconcile() == {"unmarked": 2}


@pytest.mark.parametrize("until", ["success", "release", "next cycle"])
def test_copy_of_an_overwritten_device_gets_its_originals_once_the_device_is_gone(
    cloud: Cloud, until: str
) -> None:
    """The copy comes first: whatever happens before the device is deleted, its backup is kept."""
    recovery = bring(cloud, Stage.COOLING_DOWN)
    cloud.create_thing("copy", **MOVED_OUT)
    assert reconcile() == {"stray": 1}
    if until == "success":
        clear_device_record.handler(success(LATER), None)
    elif until == "release":
        release_device.handler({"deviceId": "dev-1"}, None)
    else:
        restore_device_attributes.handler(recovery, None)
        reset_retry_count_to_failed_update.handler(use_up_a_cycle(LATER), None)
    assert "stray" in reconcile()
    assert cloud.attributes("copy") == MOVED_OUT
    cloud.iot.delete_thing(thingName="dev-1")
    assert reconcile()["unmarked"] == 1
    assert cloud.attributes("copy") == ORIGINAL


def test_old_originals_are_not_restored_to_a_thing_that_holds_marks_by_hand(
    cloud: Cloud, fake_time: list[float]
) -> None:
    bring(cloud, Stage.COOLING_DOWN)
    clear_device_record.handler(success(LATER), None)
    fake_time[0] += 2 * DAY
    merge = {"attributes": MOVED_OUT, "merge": True}
    cloud.iot.update_thing(thingName="dev-1", attributePayload=merge)
    assert reconcile() == {"stray": 1}


def test_copy_does_not_get_originals_of_a_thing_that_went_long_ago(
    cloud: Cloud, fake_time: list[float]
) -> None:
    bring_two(cloud, ORIGINAL, {**ORIGINAL, "FW": "2.27"})
    clear_device_record.handler(success(LATER), None)
    cloud.iot.delete_thing(thingName="dev-1")
    fake_time[0] += 8 * DAY
    cloud.create_thing("copy", **cloud.attributes("dev-2"))
    assert "stray" in reconcile()
    assert cloud.attributes("copy")["FW"] == "moveOut"


def test_copy_gets_nobodys_originals_while_it_may_be_of_a_thing_that_lives(cloud: Cloud) -> None:
    bring_two(cloud, ORIGINAL, {**ORIGINAL, "FW": "2.27"})
    clear_device_record.handler(success(LATER), None)
    cloud.iot.delete_thing(thingName="dev-1")
    cloud.create_thing("copy", **cloud.attributes("dev-2"))
    assert reconcile() == {"stray": 1}


def test_a_copy_of_a_device_that_was_restored_is_reported(cloud: Cloud) -> None:
    recovery = bring(cloud, Stage.COOLING_DOWN)
    cloud.create_thing("copy", **cloud.attributes())
    restore_device_attributes.handler(recovery, None)
    assert reconcile() == {"stray": 1}
    assert cloud.attributes("copy") == MOVED_OUT


def test_a_thing_created_again_with_marks_and_other_attributes_gets_its_originals(
    cloud: Cloud,
) -> None:
    recovery = bring(cloud, Stage.COOLING_DOWN)
    recreate(cloud, {"model": "moveOut", "FW": "moveOut", "site": "8"})
    restore_device_attributes.handler(recovery, None)
    assert reconcile() == {"unmarked": 1}
    assert cloud.attributes() == {**ORIGINAL, "site": "8"}
    assert cloud.steps()[-1][:2] == ("tracking", "tracking")
    *_, claimed, restored = cloud.history()
    assert (restored["trackingId"], restored["campaign"]) == (claimed["trackingId"], "2.27")


def test_a_thing_that_was_never_known_is_reported(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.create_thing("unknown", **FAILED)
    with caplog.at_level("INFO"):
        assert reconcile() == {"stray": 1}
    cloud.iot.delete_thing(thingName="unknown")
    with caplog.at_level("INFO"):
        assert reconcile() == {}
    assert [line["strays"] for line in lines_of(caplog, "strays counted")] == [1, 0]


@pytest.mark.parametrize(
    "stage", [Stage.MOVING, Stage.COOLING_DOWN, Stage.MARKING, Stage.FAILED, Stage.NOTIFIED]
)
def test_a_device_of_a_live_episode_is_no_stray(cloud: Cloud, stage: Stage) -> None:
    bring(cloud, stage)
    before = cloud.attributes()
    assert reconcile().keys() <= {"failed"}
    assert cloud.attributes() == before


def test_a_device_whose_step_crashed_after_it_was_overwritten_is_no_stray(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    recovery = bring(cloud, Stage.DUE)
    with monkeypatch.context() as patch:
        patch.setattr("firmware_retry.retries_table.mark_away", refuse)
        with pytest.raises(TransientError):
            reset_retry_counter_and_move_out.handler(recovery, None)
    assert reconcile() == {}
    assert cloud.attributes() == MOVED_OUT


def test_a_device_that_is_released_while_the_pass_looks_is_no_stray(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(cloud, Stage.COOLING_DOWN)
    read_all = retries_table.read_all

    def release_first() -> Any:
        release_device.handler({"deviceId": "dev-1"}, None)
        return read_all()

    monkeypatch.setattr(retries_table, "read_all", release_first)
    assert reconcile() == {}
    assert cloud.attributes() == ORIGINAL


def test_a_thing_that_changes_while_its_records_are_read_is_left_to_the_next_pass(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.create_thing("unknown", **FAILED)
    get_item = aws.get_item

    def change_first(*details: Any) -> Any:
        payload = {"attributes": {"site": "8"}, "merge": True}
        cloud.iot.update_thing(thingName="unknown", attributePayload=payload)
        return get_item(*details)

    monkeypatch.setattr(aws, "get_item", change_first)
    assert reconcile() == {}
    monkeypatch.undo()


def test_thing_whose_record_cannot_be_read_is_no_stray_and_stops_no_other(cloud: Cloud) -> None:
    bring(cloud, Stage.COOLING_DOWN)
    rename(cloud, "dev-1", "new")
    cloud.create_thing("broken", **MOVED_OUT)
    record = {"deviceId": "broken", "state": "paused", "timestamp": "2026-11-24T10:00:00Z"}
    cloud.dynamodb.Table(RETRIES).put_item(Item=record)
    with pytest.raises(ReconcileIncompleteError, match="1 device"):
        reconcile()
    assert cloud.attributes("new") == ORIGINAL
    assert cloud.attributes("broken") == MOVED_OUT


def test_a_backup_that_cannot_be_read_stops_no_other(cloud: Cloud) -> None:
    bring(cloud, Stage.COOLING_DOWN)
    rename(cloud, "dev-1", "new")
    cloud.dynamodb.Table(BACKUP).put_item(Item={"deviceId": "broken", "written": {}})
    reconcile()
    assert cloud.attributes("new") == ORIGINAL


def test_strays_are_not_counted_as_none_where_no_time_was_left(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    cloud.create_thing("stray", **MOVED_OUT)
    found = strays.list_marked(lambda: False)
    assert strays.restore_all(found, lambda: True) == {"left": 1}
    assert lines_of(caplog, "strays counted") == []


def test_strays_are_counted_where_one_was_found_before_the_time_was_over(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for number in (1, 2):
        cloud.create_thing(f"stray-{number}", **MOVED_OUT)
    is_over = iter([False, True])
    found = strays.list_marked(lambda: False)
    assert strays.restore_all(found, lambda: next(is_over)) == {"stray": 1, "left": 1}
    assert [line["strays"] for line in lines_of(caplog, "strays counted")] == [1]


@pytest.mark.parametrize(
    ("error", "result"), [(TransientError, "left"), (RequestRefusedError, "refused")]
)
def test_a_thing_that_cannot_be_read_stops_no_other(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, error: type[Exception], result: str
) -> None:
    cloud.create_thing("stray", **MOVED_OUT)
    describe = registry.describe

    def refuse_other(name: str) -> Thing:
        if name == "other":
            raise error("other")
        return describe(name)

    monkeypatch.setattr(registry, "describe", refuse_other)
    names = {"other", "stray"}
    assert strays.restore_all(Marked(unexplained=names), lambda: False) == {result: 1, "stray": 1}


def test_a_thing_that_vanished_since_it_was_listed_is_left_out(cloud: Cloud) -> None:
    assert strays.restore_all(Marked(unexplained={"gone"}), lambda: False) == {}


@pytest.mark.parametrize(
    ("error", "result"),
    [(TransientError, "left"), (RequestRefusedError, "refused"), (ThingNotFoundError, "gone")],
)
def test_a_stray_that_cannot_be_restored_stops_no_other(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, error: type[Exception], result: str
) -> None:
    bring_two(cloud, ORIGINAL, {**ORIGINAL, "site": "8"})
    for number in (1, 2):
        rename(cloud, f"dev-{number}", f"new-{number}")
    update = registry.update

    def refuse_first(thing: Thing, changes: dict[str, str | None]) -> None:
        if thing.name == "new-1":
            raise error("new-1")
        update(thing, changes)

    monkeypatch.setattr(registry, "update", refuse_first)
    marked = Marked(unexplained={"new-1", "new-2"})
    assert strays.restore_all(marked, lambda: False) == {result: 1, "unmarked": 1}


def test_a_pass_lists_pages_of_things_up_to_a_limit(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pages = [[(f"marked-{number}", MOVED_OUT)] for number in range(3)]
    monkeypatch.setattr(registry, "list_with_attribute", lambda *_: iter(pages))
    monkeypatch.setattr(strays, "MOST_PAGES", 2)
    assert strays.list_marked(lambda: False).holders.whole == {"marked-0", "marked-1"}
    assert lines_of(caplog, "not all things that hold marks were listed")


def test_a_pass_looks_at_some_things_by_chance(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.create_thing("unknown-1", **FAILED)
    cloud.create_thing("unknown-2", **FAILED)
    monkeypatch.setattr(strays, "MOST_STRAYS", 1)
    shares = cycle([0.9, 0.1])
    monkeypatch.setattr(clock, "share", lambda: next(shares))
    names = {"unknown-1", "unknown-2"}
    strays.restore_all(Marked(unexplained=names), lambda: False)
    (line,) = lines_of(caplog, "thing holds marks, and its originals are unknown")
    assert line["deviceId"] == "unknown-2"


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ({"model": "moveOut", "FW": "2.27", "site": "7"}, {"stray": 1}),
        # ``FW = moveOut`` may be what a factory writes: a backup has to have the other attributes.
        ({"model": "wo:v8", "FW": "moveOut", "site": "8"}, {}),
    ],
)
def test_thing_with_a_part_of_the_marks_is_reported_where_a_backup_can_be_its_own(
    cloud: Cloud, attributes: dict[str, str], found: dict[str, int]
) -> None:
    recovery = bring(cloud, Stage.COOLING_DOWN)
    cloud.iot.delete_thing(thingName="dev-1")
    with pytest.raises(ThingNotFoundError):
        restore_device_attributes.handler(recovery, None)
    cloud.create_thing("new", **attributes)
    assert reconcile() == found
    assert cloud.attributes("new") == attributes


@pytest.mark.parametrize("is_backed_up", [True, False])
def test_former_marks_are_restored_where_a_backup_can_be_of_the_thing(
    cloud: Cloud, environment: pytest.MonkeyPatch, *, is_backed_up: bool
) -> None:
    if is_backed_up:
        bring(cloud, Stage.COOLING_DOWN)
        rename(cloud, "dev-1", "new")
    else:
        cloud.create_thing("new", **MOVED_OUT)
    former = json.dumps([{"model": "moveOut", "FW": "moveOut"}])
    other = {"MOVE_OUT_ATTRIBUTES": '{"retry": "out"}', "FAILED_ATTRIBUTES": '{"retry": "failed"}'}
    configure(environment, FOREIGN_MARKS=former, **other)
    reconcile()
    assert cloud.attributes("new") == (ORIGINAL if is_backed_up else MOVED_OUT)


def test_a_refused_listing_fails_the_pass_at_its_end_only(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, fake_time: list[float]
) -> None:
    bring(cloud, Stage.COOLING_DOWN)
    call = aws.call

    def refusing(service: str, operation: str, **parameters: Any) -> Any:
        if operation == "list_things":
            raise RequestRefusedError("no permission", "AccessDeniedException")
        return call(service, operation, **parameters)

    monkeypatch.setattr(aws, "call", refusing)
    fake_time[0] += 2 * 86_400
    with pytest.raises(ReconcileIncompleteError):
        reconcile()
    assert cloud.attributes() == ORIGINAL


# Another instance over the same things


def create_instance(cloud: Cloud, **item: str) -> None:
    """The table of records of another instance, with a record of ``dev-2``."""
    table = cloud.dynamodb.create_table(
        TableName="other-DeviceFirmwareRetries",
        KeySchema=[{"AttributeName": "deviceId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "deviceId", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    table.put_item(Item={"deviceId": "dev-2", **item})


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"state": "cooling_down"}, {}),
        ({"state": "failed"}, {}),
        ({}, {}),  # of the CDK stack, whose records have no state
        ({"state": "tracking"}, {"stray": 1}),
    ],
)
def test_a_device_that_another_instance_holds_is_no_stray(
    cloud: Cloud, record: dict[str, str], found: dict[str, int]
) -> None:
    create_instance(cloud, **record)
    cloud.create_thing("dev-2", **MOVED_OUT)
    assert reconcile() == found


def test_a_device_of_an_instance_whose_records_cannot_be_read_is_left_alone(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its tables may have a key of their own. The metric must not say that there is no stray."""
    caplog.set_level("INFO")
    create_instance(cloud, state="tracking")
    cloud.create_thing("dev-2", **MOVED_OUT)

    def refusing(*_: Any) -> Any:
        raise RequestRefusedError("no permission", "AccessDeniedException")

    monkeypatch.setattr(aws, "get_items", refusing)
    assert reconcile() == {"left": 1}
    assert lines_of(caplog, "strays counted") == []


def test_thousands_of_devices_that_another_instance_holds_hide_no_stray(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strays, "MOST_STRAYS", 1)
    monkeypatch.setattr(strays, "_MOST_KEYS", 2)
    monkeypatch.setattr("firmware_retry.clock.share", lambda: 0.5)
    create_instance(cloud, state="cooling_down")
    other = cloud.dynamodb.Table("other-DeviceFirmwareRetries")
    for number in range(5):
        cloud.create_thing(f"dev-{number}", **MOVED_OUT)
        other.put_item(Item={"deviceId": f"dev-{number}", "state": "failed"})
    cloud.create_thing("stray", **MOVED_OUT)
    assert reconcile() == {"stray": 1}


@pytest.mark.parametrize(("name", "left"), [("MOST_NAMES", 2), ("MOST_STRAYS", 2)])
def test_things_beyond_those_that_a_pass_looks_at_are_left_to_the_next_one(
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    left: int,
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(strays, name, 1)
    for number in range(3):
        cloud.create_thing(f"dev-{number}", **MOVED_OUT)
    assert reconcile() == {"stray": 1, "left": left}
    assert [line["strays"] for line in lines_of(caplog, "strays counted")] == [1]


@pytest.mark.parametrize("is_over", [True, False])
def test_listing_of_things_with_marks_ends_when_its_time_is_over(
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    is_over: bool,
) -> None:
    """Each mark has its first page, so that each pass sees some of all."""
    caplog.set_level("INFO")
    pages = [[("dev-1", MOVED_OUT)], [("dev-2", MOVED_OUT)]]
    monkeypatch.setattr(registry, "list_with_attribute", lambda *_: iter(pages))
    marked = strays.list_marked(lambda: is_over)
    assert marked.is_partial is is_over
    assert marked.unexplained == ({"dev-1"} if is_over else {"dev-1", "dev-2"})
    assert strays.restore_all(marked, lambda: False) == ({"left": 1} if is_over else {})
    counted = [] if is_over else [0]
    assert [line["strays"] for line in lines_of(caplog, "strays counted")] == counted


def test_devices_whose_records_dynamodb_did_not_get_to_are_left_to_the_next_pass(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_instance(cloud, state="tracking")
    cloud.create_thing("dev-2", **MOVED_OUT)
    call = aws.call

    def throttled(service: str, operation: str, **parameters: Any) -> Any:
        if operation == "batch_get_item":
            return {"Responses": {}, "UnprocessedKeys": parameters["RequestItems"]}
        return call(service, operation, **parameters)

    monkeypatch.setattr(aws, "call", throttled)
    assert reconcile() == {"left": 1}


@pytest.mark.parametrize("cycle", [1, 2])
def test_a_device_that_another_instance_holds_is_not_overwritten_until_it_is_back(
    cloud: Cloud, environment: pytest.MonkeyPatch, cycle: int
) -> None:
    """Two instances with the same marks over one thing."""
    configure(environment, COOL_DOWN_SECONDS="[86400, 86400]")
    recovery = be_held_by_another_instance(cloud, cycle)
    with pytest.raises(TransientError, match="marks of unknown origin"):
        reset_retry_counter_and_move_out.handler(recovery, None)
    assert cloud.attributes() == MOVED_OUT
    create_instance(cloud, deviceId="dev-1", state="cooling_down")
    assert "stray" not in reconcile()
    cloud.iot.update_thing(thingName="dev-1", attributePayload={"attributes": ORIGINAL})
    reset_retry_counter_and_move_out.handler(recovery, None)
    assert cloud.attributes() == MOVED_OUT
    restore_device_attributes.handler(recovery, None)
    assert cloud.attributes() == ORIGINAL


def be_held_by_another_instance(cloud: Cloud, cycle: int) -> Recovery:
    """Use up a cycle of a device that another instance has moved out before."""
    if cycle == 1:
        cloud.create_thing(**ORIGINAL)
        begin()
    else:
        bring(cloud, Stage.BACK)
    cloud.iot.update_thing(thingName="dev-1", attributePayload={"attributes": MOVED_OUT})
    return use_up_a_cycle(first=10 * cycle)


@pytest.mark.parametrize("ends_by", ["success", "release", "another campaign"])
@pytest.mark.parametrize("finisher", ["its run", "a pass"])
@pytest.mark.parametrize("cycle", [1, 2])
def test_an_episode_ends_while_another_instance_holds_its_device(
    cloud: Cloud,
    environment: pytest.MonkeyPatch,
    fake_time: list[float],
    ends_by: str,
    finisher: str,
    cycle: int,
) -> None:
    configure(environment, COOL_DOWN_SECONDS="[86400, 86400]")
    recovery = be_held_by_another_instance(cloud, cycle)
    with pytest.raises(TransientError):
        reset_retry_counter_and_move_out.handler(recovery, None)
    if ends_by == "success":
        clear_device_record.handler(success(1_000), None)
    elif ends_by == "release":
        assert release_device.handler({"deviceId": "dev-1"}, None) == {"releasing": ["dev-1"]}
    else:
        with pytest.raises(TransientError, match="its next episode has to wait"):
            handle(failure(1_000, fw="2.28"))
    if finisher == "its run":
        reset_retry_counter_and_move_out.handler(recovery, None)
    else:
        create_instance(cloud, deviceId="dev-1", state="cooling_down")
        fake_time[0] += 3_600
        reconcile()
    assert (cloud.record(), cloud.backup(), cloud.attributes()) == (None, None, MOVED_OUT)
    assert handle(failure(2_000, fw="2.28")) == "counted"


def test_a_stray_that_fails_again_is_still_found(cloud: Cloud) -> None:
    cloud.create_thing(**MOVED_OUT)
    begin()
    recovery = use_up_a_cycle()
    with pytest.raises(TransientError):
        reset_retry_counter_and_move_out.handler(recovery, None)
    assert reconcile()["stray"] == 1


def test_a_renamed_thing_that_fails_before_it_is_found_gets_its_originals(cloud: Cloud) -> None:
    bring(cloud, Stage.COOLING_DOWN)
    rename(cloud, "dev-1", "new")
    begin("new")
    recovery = use_up_a_cycle(device="new")
    with pytest.raises(TransientError):
        reset_retry_counter_and_move_out.handler(recovery, None)
    assert reconcile()["unmarked"] == 1
    assert cloud.attributes("new") == ORIGINAL
    reset_retry_counter_and_move_out.handler(recovery, None)
    restore_device_attributes.handler(recovery, None)
    assert cloud.attributes("new") == ORIGINAL
