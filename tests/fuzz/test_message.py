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
from firmware_retry.message import _CAMPAIGN, _EVENT_ID, _THING_NAME, Message
from tests.fuzz.messages import (
    ANYTHING,
    CANARY,
    CORPUS,
    COUNTED,
    UNKNOWN,
    Hostile,
    hostile_messages,
)

FIELDS = ["deviceId", "timestamp", "status", "FW", "jobId", "topic", "clientId", "receivedAt"]
MOST = 700
"""Characters of the longest refusal."""


def _parse(event: Any) -> Message | str:
    """Return the message, or why it was rejected."""
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
    assert re.fullmatch(r"[a-zA-Z0-9_.:+-]{1,64}", found.event_id)
    assert _is_safe(found.campaign, 128)
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
def rule_patterns() -> dict[str, re.Pattern[str]]:
    """What the rule refuses a value for, by the name of the Terraform local."""
    source = Path(__file__).resolve().parents[2] / "modules/ingestion/sql.tf"
    (locals_,) = hcl2.loads(source.read_text())["locals"]
    return {
        name: re.compile(value.strip('"'))
        for name, value in locals_.items()
        if name.startswith("not_a")
    }


of_each_pattern = pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("not_a_thing_name", _THING_NAME[1]),
        ("not_an_event_id", _EVENT_ID[1]),
        ("not_a_text", _CAMPAIGN[1]),
    ],
)


@of_each_pattern
@settings(deadline=None)
@given(text=st.text(min_size=1) | ANYTHING.map(json.dumps))
@example(text="good\n")
@example(text="[refused]")
def test_rule_and_handlers_refuse_the_same(
    rule_patterns: dict[str, re.Pattern[str]], name: str, accepted: re.Pattern[str], text: str
) -> None:
    refused = rule_patterns[name].search(text) is not None
    assert refused is (accepted.fullmatch(text) is None)


@of_each_pattern
def test_rule_and_handlers_refuse_the_same_characters_and_lengths(
    rule_patterns: dict[str, re.Pattern[str]], name: str, accepted: re.Pattern[str]
) -> None:
    texts = [before + chr(code) for code in range(0x3000) for before in ("", "a")]
    texts += ["a" * length for length in range(1, 200)]
    passed_on = {text for text in texts if not rule_patterns[name].search(text)}
    assert passed_on == {text for text in texts if accepted.fullmatch(text)}


def test_no_array_or_object_passes_for_a_text(rule_patterns: dict[str, re.Pattern[str]]) -> None:
    refused = rule_patterns["not_a_text"]
    assert all(refused.search(text) for text in ('["2.27"]', '{"FW":"2.27"}', "[]", "{}"))
