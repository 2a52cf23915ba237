"""Fuzzes what reads a message, without a cloud; tests/integration sends the same through one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import hcl2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_retry.errors import InvalidMessageError
from firmware_retry.message import _THING_NAME, Message
from tests.fuzz.messages import (
    ANYTHING,
    CANARY,
    CORPUS,
    COUNTED,
    UNKNOWN,
    Hostile,
    hostile_messages,
    line_of,
)

WORDS = ["timestamp", "model", "FW", "jobId", "reason", "errorCode", "reason_stderr"]
FIELDS = ["deviceId", "status", "eventId", "topic", "clientId", "receivedAt", *WORDS]
MOST = 700
"""Characters of the longest refusal."""


def _parse(event: Any) -> Message | str:
    """Return the message, or why it was rejected."""
    if isinstance(event, dict):
        event = {"kind": "failed", **event}
    try:
        return Message.parse(event)
    except InvalidMessageError as refused:
        return str(refused)


def _is_safe(text: str, most: int) -> bool:
    return len(text) <= most and text.isascii() and text.isprintable()


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), ANYTHING) | ANYTHING)
@example(dict.fromkeys(FIELDS, 10**5000))
@example(dict.fromkeys(FIELDS, float("nan")))
@example(dict.fromkeys(FIELDS, "\ud800\u202e\x1b[31m\n" * 10_000))
@example({"deviceId": "d", "timestamp": float("inf")})
@example({"deviceId": "d", "timestamp": "1", "receivedAt": 10**5000})
@example({"deviceId": "d", "timestamp": "1", "FW": "[refused]"})
def test_whatever_comes_is_a_message_within_bounds_or_a_bounded_refusal(event: Any) -> None:
    found = _parse(event)
    if isinstance(found, str):
        assert _is_safe(found, MOST)
        return
    assert re.fullmatch(r"[a-zA-Z0-9:_-]{1,128}", found.device_id)
    for event_id in (found.event_ids.own, found.event_ids.earlier, found.event_ids.later):
        assert re.fullmatch(r"[a-zA-Z0-9_.:+-]{1,64}", event_id)
    assert found.campaign
    assert _is_safe(found.campaign, 128)
    assert all(_is_safe(reason, 1000) for reason in found.reasons)
    assert _is_safe(found.reason.removesuffix("…"), 256)
    assert 0 <= found.sent_at < 10**14


def _find_outcome(message: Hostile) -> str:
    sent = message.message("3hwC2y7")
    found = _parse(sent | {"deviceId": sent.get("_id_"), "topic": "t", "clientId": "c"})
    return found if isinstance(found, str) else COUNTED


def _assert_outcome(message: Hostile) -> None:
    outcome = _find_outcome(message)
    assert outcome.startswith(COUNTED if message.outcome == UNKNOWN else message.outcome)
    assert CANARY not in outcome


@pytest.mark.parametrize("message", CORPUS, ids=lambda message: message.name)
def test_the_handlers_alone_refuse_the_corpus_too(message: Hostile) -> None:
    """A redriven letter does not come through the rule."""
    _assert_outcome(message)


@given(hostile_messages())
@settings(max_examples=200, deadline=None)
def test_the_handlers_alone_refuse_what_is_generated_too(message: Hostile) -> None:
    _assert_outcome(message)


@pytest.fixture(scope="module")
def rule_locals() -> dict[str, Any]:
    """The Terraform locals of the rules' SQL."""
    source = Path(__file__).resolve().parents[2] / "modules/ingestion/sql.tf"
    (locals_,) = hcl2.loads(source.read_text())["locals"]
    return dict(locals_)


@pytest.fixture(scope="module")
def not_a_thing_name(rule_locals: dict[str, Any]) -> re.Pattern[str]:
    """The pattern that a refused device id matches."""
    return re.compile(rule_locals["not_a_thing_name"].strip('"'))


@settings(deadline=None)
@given(text=st.text(min_size=1) | ANYTHING.map(json.dumps))
@example(text="good\n")
@example(text="[refused]")
def test_rule_and_handlers_refuse_the_same(not_a_thing_name: re.Pattern[str], text: str) -> None:
    assert (not_a_thing_name.search(text) is None) is (_THING_NAME.fullmatch(text) is not None)


def test_rule_and_handlers_refuse_the_same_characters_and_lengths(
    not_a_thing_name: re.Pattern[str],
) -> None:
    texts = [before + chr(code) for code in range(0x3000) for before in ("", "a")]
    texts += ["a" * length for length in range(1, 200)]
    passed_on = {text for text in texts if not not_a_thing_name.search(text)}
    assert passed_on == {text for text in texts if _THING_NAME.fullmatch(text)}


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(WORDS), ANYTHING))
@example({"FW": "2.27\n"})
@example({"FW": "x" * 2000, "reason": " " * 300 + "x", "errorCode": "\n" + "x" * 300})
def test_a_line_of_the_rule_is_read_like_the_words_of_the_device(
    rule_locals: dict[str, Any], written: dict[str, Any]
) -> None:
    """A dead letter holds what the device wrote."""
    lengths, reason = rule_locals["field_lengths"], rule_locals["reason_length"]
    passed_on = {
        name: line_of(value, lengths.get(name, reason))
        for name, value in written.items()
        if value is not None
    }
    sender = {"kind": "failed", "deviceId": "d", "receivedAt": 1711320208793}
    assert Message.parse(sender | passed_on) == Message.parse(sender | written)
