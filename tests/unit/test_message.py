from typing import Any

import pytest

from firmware_retry import clock
from firmware_retry.errors import InvalidMessageError
from firmware_retry.message import Message, Reporter, thing_name

GOOD: dict[str, Any] = {"deviceId": "3hwC2y7", "timestamp": "1711320208793", "FW": "2.27"}


def parse(**changes: Any) -> Message:
    return Message.parse(GOOD | changes)


def test_the_originals_message_is_read() -> None:
    assert parse(status="failed", model="wo:v8") == Message(
        device_id="3hwC2y7",
        event_id="1711320208793",
        campaign="2.27",
        names_job=False,
        reported_by=Reporter.DEVICE,
        reasons=(),
        received_at=1711320300000,
        sent_at=1711320208793,
    )


@pytest.fixture(autouse=True)
def arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: 1711320300.0)


def test_numbers_are_taken_as_their_text() -> None:
    assert parse(timestamp=1711320208793, FW=2.27) == parse()


def _fault(value: Any) -> str:
    return "missing" if value is None else "not valid"


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
    with pytest.raises(InvalidMessageError, match=f"deviceId is {_fault(name)}"):
        parse(deviceId=name)


@pytest.mark.parametrize(
    "timestamp", [None, "", "x" * 65, "1 2", "\u0661", {}, False, float("inf"), float("nan")]
)
def test_a_message_that_cannot_be_told_from_its_copies_is_refused(timestamp: Any) -> None:
    with pytest.raises(InvalidMessageError, match=f"timestamp is {_fault(timestamp)}"):
        parse(timestamp=timestamp)


@pytest.mark.parametrize(
    "firmware",
    ["x" * 129, "2\n27", "\x1b[31m", ["2.27"], {"FW": 1}, True, 1e64, 10**99, "[2.27]", "{2}"],
)
def test_a_firmware_that_is_no_line_of_text_is_refused(firmware: Any) -> None:
    with pytest.raises(InvalidMessageError, match="FW is not valid"):
        parse(FW=firmware)


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="not a JSON object"):
        Message.parse("failed")


def test_a_refusal_names_the_sender_and_repeats_nothing_of_the_payload() -> None:
    with pytest.raises(InvalidMessageError) as refused:
        parse(deviceId="evil\nline", topic="iot/device/data", clientId="c\n1", receivedAt=5)
    assert "evil" not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "topic 'iot/device/data', clientId 'c\\n1', receivedAt 5" in str(refused.value)


def test_an_empty_reason_is_none() -> None:
    assert parse(reason="", errorCode="E_BUSY").reasons == ("E_BUSY",)


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


def test_an_event_of_aws_iot_jobs_is_read() -> None:
    event = {
        "reportedBy": "jobs",
        "deviceId": "3hwC2y7",
        "eventId": "cca89fa5-8a7f-4ced-8c20-5e653afb3572",
        "timestamp": 1711320208,
        "jobId": "job-7",
        "reason": "flash is full",
    }
    assert Message.parse(event) == Message(
        device_id="3hwC2y7",
        event_id="cca89fa5-8a7f-4ced-8c20-5e653afb3572",
        campaign="job-7",
        names_job=True,
        reported_by=Reporter.JOBS,
        reasons=("flash is full",),
        received_at=1711320300000,
        sent_at=1711320208000,
    )


@pytest.mark.parametrize("event_id", [None, "", "x" * 65, "a b"])
def test_an_event_id_that_cannot_tell_copies_apart_is_refused(event_id: Any) -> None:
    with pytest.raises(InvalidMessageError, match=f"eventId is {_fault(event_id)}"):
        parse(eventId=event_id)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, ""),
        ({"reason": "battery low"}, "battery low"),
        ({"errorCode": 17}, "17"),
        ({"errorCode": 0}, "0"),
        ({"errorCode": "E17", "reason": "battery low"}, "E17, battery low"),
        ({"reason": "", "errorCode": None}, ""),
        ({"reason": ["battery", "low"], "errorCode": {"a": 1}}, ""),
        ({"reason": "two\nlines \x1b[31m\u00e4"}, "two?lines ?[31m?"),
        ({"reason": "x" * 256}, "x" * 256),
        ({"reason": "x" * 10**6}, "x" * 256 + "\u2026"),
    ],
)
def test_a_reason_is_one_printable_line_and_never_refuses_the_message(
    fields: Any, reason: str
) -> None:
    assert parse(**fields).reason == reason


@pytest.mark.parametrize(
    ("patterns", "is_among"),
    [
        ([], False),
        (["battery low"], True),
        (["BATTERY*"], True),
        (["*low"], True),
        (["battery"], False),
        (["server*", "bat?ery low"], True),
        (["e17"], True),
        (["E[0-9]*"], True),
        (["E17, battery low"], False),
    ],
)
def test_reason_and_error_code_are_each_matched_in_any_case(
    patterns: list[str], is_among: bool
) -> None:
    message = parse(errorCode="E17", reason="Battery low")
    assert message.has_reason_among(patterns) is is_among


def test_no_reason_matches_no_pattern() -> None:
    assert not parse().has_reason_among(["*"])


@pytest.mark.parametrize("name", [None, "", "a/b", ["a"], 1.5, {}])
def test_what_is_no_thing_name_is_refused_where_an_operator_names_it(name: Any) -> None:
    with pytest.raises(InvalidMessageError):
        thing_name(name)


def test_refusal_names_the_origin_of_the_message_where_it_is_known() -> None:
    with pytest.raises(InvalidMessageError, match=r"\(origin unknown\)"):
        parse(deviceId=None)
    with pytest.raises(InvalidMessageError, match=r"\(topic 'iot/device/data'\)"):
        parse(deviceId=None, topic="iot/device/data")
