"""The calls of each step are recorded from its handler."""

from __future__ import annotations

from collections import Counter

from fleet_model import profile
from pricing.quotas import QUOTAS


def test_the_calls_of_a_step_are_recorded_from_its_handler() -> None:
    steps = {name: [call.name for call in step] for name, step in profile.record().items()}
    assert steps["IncrementRetryCounter"] == ["lambda.invoke", "dynamodb.update_item"]
    moving = steps["ResetRetryCounterAndMoveOut"]
    assert moving.index("iot.list_thing_groups_for_thing") < moving.index("iot.update_thing")
    assert Counter(steps["StoreDeviceAttributes"])["iot.describe_thing"] == 0


def test_a_quota_is_known_for_each_call_that_is_recorded() -> None:
    taken = {name for step in profile.record().values() for call in step for name, _ in call.takes}
    assert taken <= QUOTAS.keys()
