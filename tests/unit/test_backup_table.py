import pytest

from firmware_retry import backup_table, registry
from firmware_retry.errors import TransientError
from firmware_retry.registry import Thing
from firmware_retry.settings import settings

from .conftest import Cloud, configure


def store(cloud: Cloud, **overwriting: str) -> dict[str, str | None]:
    backup_table.store(registry.describe("dev-1"), overwriting)
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
    assert saved.originals_to_restore(registry.describe("dev-1")) == {"model": "wo:v8"}


def test_a_later_thing_of_the_same_name_starts_afresh(cloud: Cloud) -> None:
    backup_table.store(Thing("dev-1", "earlier", 40, {"model": "wo:v7"}), {"model": "moveOut"})
    cloud.create_thing(model="moveOut", FW="2.27")
    assert store(cloud) == {"FW": "2.27"}


def test_there_may_be_none(cloud: Cloud) -> None:
    assert backup_table.read("dev-1") is None
