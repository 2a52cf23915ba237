from typing import Any

import pytest

from firmware_retry import ambient
from firmware_retry.errors import InvalidMessageError
from firmware_retry.message import FailureMessage

GOOD: dict[str, Any] = {"deviceId": "3hwC2y7", "timestamp": "1711320208793", "FW": "2.27"}


def parse(**changes: Any) -> FailureMessage:
    return FailureMessage.parse(GOOD | changes)


def test_the_originals_message_is_read() -> None:
    assert parse(status="failed", model="wo:v8") == FailureMessage(
        device_id="3hwC2y7", event_id="1711320208793", campaign="2.27", sent_at=1711320208793
    )


@pytest.fixture(autouse=True)
def arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ambient, "now", lambda: 1711320300.0)


def test_numbers_are_taken_as_their_text() -> None:
    assert parse(timestamp=1711320208793, FW=2.27) == parse()


@pytest.mark.parametrize(
    ("fields", "campaign"),
    [({"jobId": "job-7"}, "job-7"), ({"jobId": ""}, "2.27"), ({"FW": None}, "unknown")],
)
def test_the_campaign_is_the_job_or_else_the_firmware(fields: Any, campaign: str) -> None:
    assert parse(**fields).campaign == campaign


@pytest.mark.parametrize("name", ["a", "A-b_c:9", "x" * 128])
def test_every_thing_name_is_taken(name: str) -> None:
    assert parse(deviceId=name).device_id == name


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "x" * 129,
        "a b",
        "a/b",
        "a\n",
        "ä",
        "../x",
        "$aws",
        True,
        ["a"],
        {"a": 1},
        "x" * 10**6,
    ],
)
def test_what_is_no_thing_name_is_refused(name: Any) -> None:
    with pytest.raises(InvalidMessageError, match=r"deviceId is (missing|not valid)"):
        parse(deviceId=name)


@pytest.mark.parametrize(
    "timestamp", [None, "", "x" * 65, "1 2", "\u0661", {}, False, float("inf"), float("nan")]
)
def test_a_message_that_cannot_be_told_from_its_copies_is_refused(timestamp: Any) -> None:
    with pytest.raises(InvalidMessageError, match=r"timestamp is (missing|not valid)"):
        parse(timestamp=timestamp)


@pytest.mark.parametrize(
    "firmware", ["x" * 129, "2\n27", "\x1b[31m", ["2.27"], {"FW": 1}, True, 10**99, "[2.27]", "{2}"]
)
def test_a_firmware_that_is_no_line_of_text_is_refused(firmware: Any) -> None:
    with pytest.raises(InvalidMessageError, match="FW is not valid"):
        parse(FW=firmware)


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="not a JSON object"):
        FailureMessage.parse("failed")


def test_a_refusal_names_the_sender_and_repeats_nothing_of_the_payload() -> None:
    with pytest.raises(InvalidMessageError) as refused:
        parse(deviceId="evil\nline", topic="iot/device/data", clientId="c\n1", receivedAt=5)
    assert "evil" not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "topic 'iot/device/data', clientId 'c\\n1', receivedAt 5" in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "sent_at"),
    [
        ({"timestamp": "1711320208"}, 1711320208000),
        # A clock that is ahead, and one that is back at its factory setting.
        ({"timestamp": "4102444800000", "receivedAt": 1711320209000}, 1711320209000),
        ({"timestamp": "1577836800000", "receivedAt": 1711320209000}, 1711320209000),
        ({"timestamp": "boot-17", "receivedAt": 1711320209000}, 1711320209000),
        ({"timestamp": "boot-17"}, 1711320300000),
    ],
)
def test_when_it_was_sent_is_the_devices_word_or_else_the_brokers(
    fields: Any, sent_at: int
) -> None:
    assert parse(**fields).sent_at == sent_at
