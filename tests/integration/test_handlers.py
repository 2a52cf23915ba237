"""Every function answers from the zip that was deployed."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.fleet import Fleet

NO_MESSAGE: dict[str, Any] = {"nonsense": True}
NO_DEVICE = {
    "deviceId": "nobody",
    "trackingId": "none",
    "cycle": 1,
    "campaign": "2.27",
    "reason": "",
}


@pytest.mark.parametrize(
    ("step", "event", "error"),
    [
        ("IncrementRetryCounter", NO_MESSAGE, "InvalidMessageError"),
        ("CheckIfDeviceExists", NO_MESSAGE, "InvalidMessageError"),
        ("StoreDeviceAttributes", NO_MESSAGE, "InvalidMessageError"),
        ("CreateDeviceRecord", NO_MESSAGE, "InvalidMessageError"),
        ("ClearDeviceRecord", NO_MESSAGE, "InvalidMessageError"),
        ("ReleaseDevice", NO_MESSAGE, "InvalidMessageError"),
        ("ResetRetryCounterAndMoveOut", NO_DEVICE, "ThingNotFoundError"),
        ("RestoreDeviceAttributes", NO_DEVICE, "ThingNotFoundError"),
        ("ResetRetryCountToFailedUpdate", NO_DEVICE, "ThingNotFoundError"),
        ("MoveDeviceToFailedGroup", NO_DEVICE, "ThingNotFoundError"),
        ("SendSNSNotification", NO_DEVICE, "RecoverySupersededError"),
    ],
)
def test_a_function_raises_the_error_it_documents(
    quickstart: Fleet, step: str, event: dict[str, Any], error: str
) -> None:
    assert quickstart.invoke(step, **event)["errorType"] == error


def test_reconciling_finds_nothing_to_do(quickstart: Fleet) -> None:
    assert quickstart.reconcile(300) == {}


def test_where_there_is_nobody_to_mail_nothing_is_done(quickstart: Fleet) -> None:
    assert quickstart.invoke("MailOperators") == {}


def test_these_are_all_functions(quickstart: Fleet) -> None:
    (mark,) = test_a_function_raises_the_error_it_documents.pytestmark
    tried = {row[0] for row in mark.args[1]} | {"ReconcileDevices", "MailOperators"}
    assert tried == set(quickstart.outputs["handler_function_names"])
