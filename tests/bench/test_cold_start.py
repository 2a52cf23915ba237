"""Each handler answers in its scene, and makes the clients of the services that it needs."""

from __future__ import annotations

import pytest

from bench import cold_start

CLIENTS = {
    "check_if_device_exists": ("dynamodb", "iot"),
    "clear_device_record": ("dynamodb",),
    "create_device_record": ("dynamodb",),
    "increment_retry_counter": ("dynamodb",),
    "mail_operators": ("sqs",),
    "move_device_to_failed_group": ("dynamodb", "iot"),
    "reconcile_devices": ("dynamodb", "iot", "stepfunctions"),
    "release_device": ("dynamodb",),
    "reset_retry_count_to_failed_update": ("dynamodb", "iot"),
    "reset_retry_counter_and_move_out": ("dynamodb", "iot"),
    "restore_device_attributes": ("dynamodb", "iot"),
    "send_sns_notification": ("dynamodb", "sns"),
    "store_device_attributes": ("dynamodb",),
}


def test_a_handler_makes_only_the_clients_that_its_work_needs() -> None:
    assert cold_start.clients() == CLIENTS


def test_botocore_and_boto3_answer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_start, "steps", lambda: ["increment_retry_counter"])
    (start,) = cold_start.measure(1, lambda _: None)
    assert start.services == ("dynamodb",)
    assert start.ratio > 0
    assert start.boto3_ratio > 0


def test_a_handler_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_start, "steps", lambda: ["release_device"])
    monkeypatch.setattr(cold_start, "_scene", lambda _: (None, {}))
    with pytest.raises(cold_start.ColdStartError, match="release_device failed"):
        cold_start.clients()
