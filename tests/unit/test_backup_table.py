from typing import Any

import pytest

from firmware_retry import backup_table, registry
from firmware_retry.backup_table import Backup
from firmware_retry.errors import TransientError, UnreadableRecordError
from firmware_retry.registry import Thing
from firmware_retry.settings import settings

from .conftest import BACKUP, Cloud, configure


def store(cloud: Cloud, **overwriting: str) -> dict[str, str | None]:
    backup_table.store(registry.describe("dev-1"), overwriting, "run-1")
    return read_backup()


def overwrite(cloud: Cloud, **attributes: str) -> None:
    """What a recovery does: keep the originals, then write over them."""
    store(cloud, **attributes)
    write(cloud, **attributes)


def read_backup() -> dict[str, str | None]:
    saved = backup_table.read("dev-1")
    assert saved
    return dict(saved.attributes)


def write(cloud: Cloud, **attributes: str) -> None:
    cloud.iot.update_thing(
        thingName="dev-1", attributePayload={"attributes": attributes, "merge": True}
    )


def test_exactly_the_attributes_that_get_overwritten_are_kept(cloud: Cloud) -> None:
    cloud.create_thing(model="wo:v8", site="7")
    assert store(cloud) == {"model": "wo:v8", "FW": None}
    item = cloud.backup()
    assert item
    assert item["thingVersion"] == 1
    assert item["timestamp"] == "2024-03-24T22:45:00Z"


def test_it_follows_the_registry_while_nothing_is_overwritten(cloud: Cloud) -> None:
    cloud.create_thing(model="wo:v8", FW="2.27")
    store(cloud)
    write(cloud, FW="2.28")
    assert store(cloud) == {"model": "wo:v8", "FW": "2.28"}


@pytest.mark.parametrize("overwritten", ["moveOut", "failedtoupdate"])
def test_an_overwritten_value_is_never_kept_as_the_original(cloud: Cloud, overwritten: str) -> None:
    cloud.create_thing(model="wo:v8")
    overwrite(cloud, model=overwritten, FW=overwritten)
    assert store(cloud) == {"model": "wo:v8", "FW": None}


def test_each_attribute_is_judged_by_itself(cloud: Cloud) -> None:
    """Moved out, and then a person corrected the firmware attribute."""
    cloud.create_thing(model="wo:v8", FW="2.27")
    overwrite(cloud, model="moveOut", FW="moveOut")
    write(cloud, FW="3.0")
    assert store(cloud) == {"model": "wo:v8", "FW": "3.0"}


def test_what_was_written_outlasts_a_change_of_the_settings(
    cloud: Cloud, environment: pytest.MonkeyPatch
) -> None:
    cloud.create_thing(model="wo:v8", FW="2.27")
    overwrite(cloud, model="moveOut")
    environment.setenv("MOVE_OUT_ATTRIBUTES", '{"firmwareRetry": "coolingDown"}')
    environment.setenv("FAILED_ATTRIBUTES", '{"firmwareRetry": "failed"}')
    settings.cache_clear()
    # The firmware, too, though nothing overwrites it now: people are told of it.
    assert store(cloud) == {"model": "wo:v8", "FW": "2.27", "firmwareRetry": None}


def test_a_second_overwriting_before_it_took_effect_keeps_the_original(cloud: Cloud) -> None:
    cloud.create_thing(model="wo:v8", FW="2.27")
    overwrite(cloud, model="moveOut")
    store(cloud, model="failedtoupdate")
    write(cloud, FW="3.0")
    assert store(cloud)["model"] == "wo:v8"


def test_a_value_that_a_person_set_is_no_value_that_was_written(cloud: Cloud) -> None:
    cloud.create_thing(model="wo:v8", FW="2.27")
    overwrite(cloud, model="moveOut")
    write(cloud, model="by-hand")
    assert store(cloud)["model"] == "by-hand"


@pytest.mark.parametrize("mark", ["moveOut", "failedtoupdate"])
def test_a_mark_that_was_there_before_is_no_original(cloud: Cloud, mark: str) -> None:
    """Another instance wrote it, or a person."""
    cloud.create_thing(model=mark, FW="2.27")
    assert store(cloud) == {"FW": "2.27"}


def test_a_mark_of_another_instance_is_no_original(
    cloud: Cloud, environment: pytest.MonkeyPatch
) -> None:
    configure(environment, FOREIGN_MARKS='[{"FW": "pumpsOut"}, {"site": "pumpsFailed"}]')
    cloud.create_thing(model="wo:v8", FW="pumpsOut")
    assert store(cloud) == {"model": "wo:v8"}
    with pytest.raises(TransientError, match="marks of unknown origin in FW"):
        store(cloud, model="moveOut", FW="moveOut")


def test_a_mark_that_an_earlier_run_wrote_is_not_taken_for_its_own_by_the_next(
    cloud: Cloud,
) -> None:
    """The earlier run restored the device, and another instance has moved it out since."""
    cloud.create_thing(model="wo:v8")
    overwrite(cloud, model="moveOut")
    thing = registry.describe("dev-1")
    assert backup_table.can_overwrite(thing, ["model"], "run-1")
    assert not backup_table.can_overwrite(thing, ["model"], "run-2")
    with pytest.raises(TransientError, match="marks of unknown origin in model"):
        backup_table.store(thing, {"model": "moveOut"}, "run-2")


def test_a_mark_of_unknown_origin_is_not_overwritten(cloud: Cloud) -> None:
    cloud.create_thing(model="moveOut", FW="2.27")
    with pytest.raises(TransientError, match="dev-1 holds marks of unknown origin in model"):
        store(cloud, model="failedtoupdate", FW="failedtoupdate")
    assert store(cloud, FW="failedtoupdate") == {"FW": "2.27"}


def test_a_stale_worker_does_not_put_an_older_reading_over_a_newer(cloud: Cloud) -> None:
    cloud.create_thing(FW="2.27")
    old = registry.describe("dev-1")
    write(cloud, FW="2.28")
    store(cloud)
    backup_table.store(old)
    with pytest.raises(TransientError):
        backup_table.store(old, {"FW": "moveOut"})
    assert read_backup()["FW"] == "2.28"


def test_a_stale_worker_does_not_forget_what_is_about_to_be_written(cloud: Cloud) -> None:
    """It read the thing just before a recovery stored the same version and overwrote it."""
    cloud.create_thing(model="wo:v8")
    read_before = registry.describe("dev-1")
    overwrite(cloud, model="moveOut")
    backup_table.store(read_before)
    saved = backup_table.read("dev-1")
    assert saved
    assert saved.originals_to_restore(registry.describe("dev-1"), "run-1") == {"model": "wo:v8"}


def test_a_later_thing_of_the_same_name_starts_afresh(cloud: Cloud) -> None:
    backup_table.store(Thing("dev-1", "earlier", 40, {"model": "wo:v7"}), {"model": "moveOut"})
    cloud.create_thing(model="moveOut", FW="2.27")
    assert store(cloud) == {"FW": "2.27"}


def test_originals_of_an_earlier_thing_are_kept_when_a_later_one_is_stored(cloud: Cloud) -> None:
    """It may live on under another name."""
    backup_table.store(Thing("dev-1", "earlier", 40, {"model": "wo:v7"}), {"model": "moveOut"})
    cloud.create_thing(model="wo:v8")
    store(cloud)
    store(cloud)
    kept = [backup for page in backup_table.read_all() for backup in page]
    (earlier,) = [backup for backup in kept if backup.thing_id == "earlier"]
    assert earlier.device_id == "dev-1"
    assert earlier.attributes["model"] == "wo:v7"


def test_originals_of_a_thing_that_is_stored_again_are_kept_once(cloud: Cloud) -> None:
    cloud.create_thing(model="wo:v8", FW="2.27")
    overwrite(cloud, model="moveOut")
    store(cloud)
    assert [len(page) for page in backup_table.read_all()] == [1]


def test_absent_attribute_is_stored_as_absent_though_no_mark_has_its_name(
    cloud: Cloud, environment: pytest.MonkeyPatch
) -> None:
    marks = {"MOVE_OUT_ATTRIBUTES": '{"state": "out"}', "FAILED_ATTRIBUTES": '{"state": "failed"}'}
    configure(environment, **marks)
    cloud.create_thing(model="wo:v8")
    assert store(cloud) == {"model": "wo:v8", "FW": None, "state": None}


def test_there_may_be_none(cloud: Cloud) -> None:
    assert backup_table.read("dev-1") is None
    backup_table.keep("dev-1")
    assert list(backup_table.read_all()) == [[]]


def test_items_of_another_program_are_left_out_without_a_warning(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.create_thing(model="wo:v8")
    store(cloud)
    cloud.dynamodb.Table(BACKUP).put_item(Item={"deviceId": "old", "model": "wo:v7"})
    assert [backup.device_id for page in backup_table.read_all() for backup in page] == ["dev-1"]
    assert caplog.records == []


# Whose backup it is

WRITTEN = {"model": {"SS": ["moveOut"]}}
ITEM: dict[str, Any] = {
    "deviceId": {"S": "dev-1"},
    "thingId": {"S": "id"},
    "attributes": {"M": {"model": {"S": "wo:v8"}}},
    "written": {"M": WRITTEN},
    "rest": {"M": {"site": {"S": "7"}}},
    "thingType": {"S": "washer"},
}
LEFT = {"model": "moveOut", "site": "7"}


@pytest.mark.parametrize(
    ("change", "thing", "resembles"),
    [
        pytest.param({}, Thing("new", "new", 1, LEFT, "washer"), True, id="only renamed"),
        pytest.param({}, Thing("new", "new", 1, LEFT), False, id="another type"),
        pytest.param({}, Thing("new", "new", 1, {"model": "moveOut"}, "washer"), False, id="rest"),
        pytest.param(
            {}, Thing("new", "new", 1, {**LEFT, "model": "v9"}, "washer"), False, id="no mark"
        ),
        pytest.param(
            {"written": {"M": {}}, "rest": {"M": {name: {"S": LEFT[name]} for name in LEFT}}},
            Thing("new", "new", 1, LEFT, "washer"),
            False,
            id="never overwritten",
        ),
    ],
)
def test_thing_resembles_the_one_that_was_backed_up_if_only_its_name_differs(
    change: dict[str, Any], thing: Thing, resembles: bool
) -> None:
    assert Backup.of(ITEM | change).resembles(thing) is resembles


@pytest.mark.parametrize(
    ("thing", "is_of"),
    [
        (Thing("dev-1", "id", 1, {}), True),
        (Thing("dev-1", "new", 1, LEFT, "washer"), True),
        (Thing("other", "new", 1, LEFT, "washer"), False),
        (Thing("dev-1", "new", 1, {"model": "wo:v8"}, "washer"), False),
    ],
)
def test_backup_is_of_the_same_thing_or_of_one_created_again_as_it_was_left(
    thing: Thing, is_of: bool
) -> None:
    assert Backup.of(ITEM).is_of(thing) is is_of


def test_backup_of_an_adopted_device_resembles_no_other_thing() -> None:
    backup = Backup.of({name: ITEM[name] for name in ITEM if name not in ("rest", "thingType")})
    assert not backup.resembles(Thing("new", "new", 1, {"model": "moveOut"}))
    assert backup.is_of(Thing("dev-1", "id", 1, {}))


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"written": {}}, id="no map"),
        pytest.param({"rest": {"S": "7"}}, id="another type"),
        pytest.param({"attributes": {"M": {"model": "wo:v8"}}}, id="an untyped value"),
        pytest.param({"written": {"M": {"model": {"SS": None}}}}, id="no set"),
    ],
)
def test_backup_of_another_form_is_unreadable(broken: dict[str, Any]) -> None:
    with pytest.raises(UnreadableRecordError, match="the backup of dev-1 cannot be read: "):
        Backup.of(ITEM | broken)


def test_value_that_was_written_over_no_known_original_has_none() -> None:
    backup = Backup.of(ITEM | {"attributes": {"M": {}}})
    assert backup.originals_over(Thing("dev-1", "id", 1, LEFT)) == {}
