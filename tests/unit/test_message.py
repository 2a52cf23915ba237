from typing import Any

import pytest

from firmware_retry import clock
from firmware_retry.errors import InvalidMessageError
from firmware_retry.message import EventIds, Message, Reporter, parse_thing_name

GOOD: dict[str, Any] = {
    "kind": "failed",
    "deviceId": "3hwC2y7",
    "timestamp": "1711320208793",
    "FW": "2.27",
}


def parse(**changes: Any) -> Message:
    return Message.parse(GOOD | changes)


def test_the_originals_message_is_read() -> None:
    assert parse(status="failed", model="wo:v8") == Message(
        device_id="3hwC2y7",
        event_ids=EventIds.named("1711320208793"),
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


RECEIVED = 1_711_320_300_000
MINUTE = 60_000
HOUR = 60 * MINUTE


def event_ids(timestamp: Any = None, arrived: int = RECEIVED, **fields: Any) -> EventIds:
    return parse(timestamp=timestamp, receivedAt=arrived, **fields).event_ids


def are_copies(first: EventIds, second: EventIds) -> bool:
    """Return whether the second is not counted after the first."""
    return first.own in (second.own, second.earlier, second.later)


@pytest.mark.parametrize(
    "timestamp",
    [
        "1711320208",
        1711320208793,
        1711320208.793,
        "1711320208793000",
        1711320208793000000,
        "1.711320208793E12",
        "1711320208793\n",
        "2024-03-24T22:43:28Z",
        "2024-03-24T23:43:28.793+01:00",
        "2024-03-24 22:43:28",
    ],
)
def test_a_clock_that_is_right_names_a_failure_whenever_it_arrives(timestamp: Any) -> None:
    first = event_ids(timestamp)
    assert first == event_ids(timestamp, RECEIVED - 90_000, reason="other words")
    assert first != event_ids(str(RECEIVED - 7 * MINUTE))


@pytest.mark.parametrize(
    ("off", "is_right"),
    [(-HOUR - 1, False), (-HOUR, True), (5 * MINUTE, True), (5 * MINUTE + 1, False)],
)
def test_a_clock_is_right_from_an_hour_behind_to_five_minutes_ahead(
    off: int, is_right: bool
) -> None:
    sent = str(RECEIVED + off)
    assert (event_ids(sent) == EventIds.named(sent)) is is_right


WRONG_CLOCKS = [
    "1970-01-01T00:00:03",
    3,
    "42",
    "1577836800000",
    4102444800000,
    2085978496,
    str(RECEIVED + 48 * HOUR),
    str(RECEIVED - 21 * 24 * HOUR),
    "2024-03-10T22:43:28Z",
    "9999-12-31T23:59:59+00:00",
    "2026-11-30 14:00:11",
    "Fr 16. Jan 23:09:44 CET",
    "M\u00e4r 16 09:44",
    "30/11/2026 14:00",
    "boot-17",
    "x" * 100_000,
    {"sec": 1711320208, "usec": 5},
    [1711320208],
    True,
    [10**5000],
    float("nan"),
    "",
    "\0\0",
    None,
]


@pytest.mark.parametrize("timestamp", WRONG_CLOCKS)
def test_the_same_words_are_a_copy_within_minutes_and_another_failure_after_hours(
    timestamp: Any,
) -> None:
    for apart in (0, 1, MINUTE, 2 * MINUTE - 1):
        assert are_copies(event_ids(timestamp), event_ids(timestamp, RECEIVED + apart))
        assert are_copies(event_ids(timestamp, RECEIVED + apart), event_ids(timestamp))
    for apart in (4 * MINUTE, HOUR, 24 * HOUR):
        assert not are_copies(event_ids(timestamp), event_ids(timestamp, RECEIVED + apart))


@pytest.mark.parametrize(
    "fields",
    [
        {"timestamp": "1970-01-01T00:00:04"},
        {"FW": "2.28"},
        {"model": "wo:v9"},
        {"jobId": "job-8"},
        {"reason": "flash is full"},
        {"errorCode": 17},
        {"reason_stderr": "flash is full"},
    ],
)
def test_other_words_are_another_failure_at_any_time(fields: dict[str, Any]) -> None:
    """A device that was offline sends at last what it kept."""
    first = {"timestamp": "1970-01-01T00:00:03"}
    assert not are_copies(parse(**first).event_ids, parse(**(first | fields)).event_ids)


@pytest.mark.parametrize(
    ("firmware", "campaign"),
    [
        ("2.27\n", "2.27"),
        ("2.27\0\0", "2.27"),
        ("\ufeff 2.27\r\n", "2.27"),
        ('"v1.0-48"', '"v1.0-48"'),
        ("[dev] 1.2", "[dev] 1.2"),
        ("2\n27", "2 27"),
        ("\x1b[31m2.27", "[31m2.27"),
        ({"major": 2, "minor": 27}, '{"major":2,"minor":27}'),
        (["2.27"], '["2.27"]'),
        (True, "true"),
        (0, "0"),
        ("x" * 128, "x" * 128),
        ("", "unknown"),
        (" \0", "unknown"),
        ("\u6d4b\u8bd5", "unknown"),
        ([10**5000], "unknown"),
    ],
)
def test_a_firmware_is_read_as_well_as_it_can_be(firmware: Any, campaign: str) -> None:
    assert parse(FW=firmware).campaign == campaign


@pytest.mark.parametrize("field", ["FW", "jobId"])
def test_long_campaigns_that_differ_in_their_ends_only_stay_two(field: str) -> None:
    first, second = (parse(**{field: "sha256:" + "0" * 500 + end}).campaign for end in "12")
    assert first != second
    assert {len(first), len(second)} == {128}
    assert first[:119] == second[:119] == "sha256:" + "0" * 112


def test_a_job_that_cannot_be_read_is_as_if_missing() -> None:
    assert parse(jobId="\n").campaign == "2.27"


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="not a JSON object"):
        Message.parse("failed")


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("success", "'success'"),
        ("Fail!\x00", "'Fail??'"),
        (None, "'None'"),
        ("x" * 99, "x" * 64),
    ],
)
def test_status_that_is_almost_a_configured_one_is_refused(status: Any, shown: str) -> None:
    with pytest.raises(InvalidMessageError, match="the status is almost one") as refused:
        parse(kind="unclear", status=status, clientId="dev-1")
    assert shown in str(refused.value)
    assert "clientId 'dev-1'" in str(refused.value)
    assert "x" * 65 not in str(refused.value)


@pytest.mark.parametrize("kind", [None, "", "removed", "FAILED", {}])
def test_message_of_any_other_kind_is_refused(kind: Any) -> None:
    """A success that is taken for a failure moves a device out that is up to date."""
    with pytest.raises(InvalidMessageError, match="kind is missing or not valid"):
        parse(kind=kind, clientId="d")


def test_a_refusal_names_the_sender_and_repeats_nothing_of_the_payload() -> None:
    with pytest.raises(InvalidMessageError) as refused:
        parse(deviceId="evil\nline", topic="iot/device/data", clientId="c\n1", receivedAt=5)
    assert "evil" not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "topic 'iot/device/data', clientId 'c\\n1', receivedAt 5" in str(refused.value)


def test_an_empty_reason_is_none() -> None:
    assert parse(reason="", errorCode="E_BUSY").reasons == ("E_BUSY",)


def test_reasons_come_from_all_fields_that_the_rule_names_so() -> None:
    message = parse(
        reason_deployment_failure_cause="signature mismatch",
        reason_detailed_deployment_status="FAILED_NO_STATE_CHANGE",
        reason_stderr="line 1\nline 2\n",
        reason_stdout="signature mismatch",
        reason="exit code 1",
        reasonable="no reason",
    )
    assert message.reasons == (
        "exit code 1",
        "signature mismatch",
        "FAILED_NO_STATE_CHANGE",
        "line 1 line 2",
    )
    assert message.has_reason_among(["*no_state_change"])


def test_all_reasons_together_are_a_line_that_fits_into_a_record() -> None:
    many = {f"reason_{number}": str(number) * 200 for number in range(8)}
    assert parse(**many).reason == "0" * 200 + ", " + "1" * 54 + "…"


@pytest.mark.parametrize(
    ("fields", "sent_at"),
    [
        ({"timestamp": "1711320208"}, 1711320208000),
        ({"timestamp": "1711320208\n"}, 1711320208000),
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
        "kind": "failed",
        "reportedBy": "jobs",
        "deviceId": "3hwC2y7",
        "eventId": "cca89fa5-8a7f-4ced-8c20-5e653afb3572",
        "timestamp": 1711320208,
        "jobId": "job-7",
        "reason": "flash is full",
    }
    assert Message.parse(event) == Message(
        device_id="3hwC2y7",
        event_ids=EventIds.named("cca89fa5-8a7f-4ced-8c20-5e653afb3572"),
        campaign="job-7",
        names_job=True,
        reported_by=Reporter.JOBS,
        reasons=("flash is full",),
        received_at=1711320300000,
        sent_at=1711320208000,
    )


@pytest.mark.parametrize("event_id", ["x" * 65, "a b", {"a": 1}])
def test_an_event_of_aws_iot_is_named_by_its_id_of_any_shape(event_id: Any) -> None:
    first = parse(eventId=event_id)
    assert first.event_ids == parse(eventId=event_id, receivedAt=RECEIVED + HOUR).event_ids
    assert first.event_ids != parse(eventId="c d").event_ids


@pytest.mark.parametrize("event_id", [None, ""])
def test_an_event_without_an_id_is_named_like_a_message(event_id: Any) -> None:
    assert parse(eventId=event_id) == parse()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, ""),
        ({"reason": "battery low"}, "battery low"),
        ({"errorCode": 17}, "17"),
        ({"errorCode": 0}, "0"),
        ({"errorCode": "E17", "reason": "battery low"}, "E17, battery low"),
        ({"reason": "", "errorCode": None}, ""),
        ({"reason": ["battery", "low"], "errorCode": {"a": 1}}, '{"a":1}, ["battery","low"]'),
        ({"reason": "two\nlines \x1b[31m\u00e4"}, "two lines [31m"),
        ({"reason": "battery low\n\0"}, "battery low"),
        ({"reason": "x" * 256}, "x" * 256),
        ({"reason": "x" * 10**6}, "x" * 256 + "\u2026"),
    ],
)
def test_a_reason_is_one_printable_line_and_never_refuses_the_message(
    fields: Any, reason: str
) -> None:
    assert parse(**fields).reason == reason


@pytest.mark.parametrize("length", [257, 1000])
def test_patterns_see_more_of_a_reason_than_is_kept(length: int) -> None:
    """The cause is often at the end of a stack or of stderr."""
    message = parse(reason_stderr="E_KEY".rjust(length, "x"))
    assert "E_KEY" not in message.reason
    assert message.has_reason_among(["*e_key"])


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
        parse_thing_name(name)


def test_refusal_names_the_origin_of_the_message_where_it_is_known() -> None:
    with pytest.raises(InvalidMessageError, match=r"\(origin unknown\)"):
        parse(deviceId=None)
    with pytest.raises(InvalidMessageError, match=r"\(topic 'iot/device/data'\)"):
        parse(deviceId=None, topic="iot/device/data")
