"""Marks: which things hold them, and which records explain them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from firmware_retry import marks
from firmware_retry.backup_table import Backup
from firmware_retry.marks import Holders
from firmware_retry.registry import Thing

MARKS = {"model": "moveOut", "FW": "moveOut"}
BACKUP = Backup(
    "dev-1",
    "id",
    {"model": "wo:v8", "FW": "2.26"},
    {name: frozenset({"moveOut"}) for name in MARKS},
    recovery_id="run-1",
)


def make_thing(attributes: Mapping[str, str]) -> Thing:
    return Thing("dev-1", "id", 1, attributes)


def make_record(**values: Any) -> dict[str, Any]:
    return {
        "deviceId": {"S": "dev-1"},
        "timestamp": {"S": "2026-11-24T10:00:00Z"},
        **{name: {"N" if name == "awaySince" else "S": value} for name, value in values.items()},
    }


@pytest.mark.parametrize(
    ("attributes", "whole", "part"),
    [
        (MARKS, True, True),
        ({**MARKS, "site": "7"}, True, True),
        ({"model": "moveOut", "FW": "2.26"}, False, True),
        ({"FW": "moveOut"}, False, True),
        ({}, False, False),
    ],
)
def test_thing_holds_marks_if_it_has_all_of_a_kind_or_some(
    attributes: dict[str, str], *, whole: bool, part: bool
) -> None:
    kinds = [{"FW": "failed"}, MARKS]
    assert marks.holds_any(attributes, kinds) is whole
    assert marks.holds_part(attributes, kinds) is part


def test_holders_are_sorted_by_whether_they_hold_all_marks() -> None:
    holders = Holders()
    holders.add([("whole", MARKS), ("part", {"FW": "moveOut"})], [{"FW": "failed"}, MARKS])
    holders.add([("part", {"FW": "moveOut"})], [MARKS])
    assert holders == Holders(whole={"whole"}, part={"part"})


def test_each_mark_is_listed_once() -> None:
    pairs = marks.list_pairs([MARKS, {"FW": "moveOut", "model": "failed"}])
    assert pairs == [("FW", "moveOut"), ("model", "failed"), ("model", "moveOut")]


def test_tables_of_other_instances_have_the_same_name_behind_a_prefix() -> None:
    tables = ["a-DeviceFirmwareRetries", "DeviceFirmwareRetries", "DeviceFirmwareRetries-copy"]
    own = "DeviceFirmwareRetries"
    assert marks.select_other_instances(tables, own) == ["a-DeviceFirmwareRetries"]


OWNED = make_record(state="cooling_down", recoveryId="run-1")


@pytest.mark.parametrize(
    ("record", "backup", "explains"),
    [
        pytest.param(None, BACKUP, False, id="no record"),
        pytest.param(make_record(state="tracking"), BACKUP, False, id="a tracked device"),
        pytest.param(make_record(state="failed", awaySince="1"), None, True, id="moved out"),
        pytest.param(OWNED, BACKUP, True, id="about to be recorded"),
        pytest.param(OWNED, replace(BACKUP, recovery_id="run-0"), False, id="of another run"),
        pytest.param(OWNED, replace(BACKUP, recovery_id=""), True, id="of an adopted device"),
        pytest.param(OWNED, None, False, id="of unknown origin"),
        pytest.param(make_record(), None, True, id="of the CDK stack"),
        pytest.param(make_record(state="paused"), None, True, id="unreadable"),
    ],
)
def test_record_explains_the_marks_that_its_episode_wrote(
    record: dict[str, Any] | None, backup: Backup | None, explains: bool
) -> None:
    assert marks.explains(record, make_thing(MARKS), lambda _: backup) is explains


@pytest.mark.parametrize(
    ("record", "may_overwrite"),
    [
        (None, False),
        (make_record(state="tracking"), False),
        (make_record(state="cooling_down"), True),
        (make_record(), True),
    ],
)
def test_record_of_another_instance_may_explain_marks_unless_it_only_tracks(
    record: dict[str, Any] | None, may_overwrite: bool
) -> None:
    assert marks.may_overwrite(record) is may_overwrite
