"""What is said about an update that failed or succeeded, validated once, at the edge.

The IoT rules select the fields, so an event has at most these: ``kind`` (``failed``, ``succeeded``
or ``removed``) and ``reportedBy`` (``device`` or ``jobs``) from the rule; ``deviceId``,
``timestamp``, ``status``, ``model``, ``FW``, ``jobId``, ``reason``, ``errorCode`` from the payload;
``eventId`` where AWS IoT itself reports; and ``topic``, ``clientId``, ``receivedAt`` (milliseconds
since the epoch) from the message broker. The rules already replace what the patterns below refuse,
with a text that they refuse too: nothing else may reach the log.
"""

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from firmware_retry import clock
from firmware_retry.errors import InvalidMessageError

# https://docs.aws.amazon.com/iot/latest/apireference/API_CreateThing.html
_THING_NAME = "1 to 128 of a-z A-Z 0-9 : _ -", re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_EVENT_ID = "1 to 64 of a-z A-Z 0-9 _ . : + -", re.compile(r"[a-zA-Z0-9_.:+-]{1,64}")
_CAMPAIGN = (
    "1 to 128 printable ASCII characters, the first none of [ \\ ] {",
    re.compile(r"[ -Z^-z|}~][ -~]{0,127}"),
)
_EPOCH = re.compile(r"[0-9]{10,13}")

_OLDEST = 30 * 86_400_000
"""How long a message may have been under way, milliseconds."""

UNKNOWN_CAMPAIGN = "unknown"

_REASON_LENGTH = 256
_CUT = "…"
_UNPRINTABLE = re.compile(r"[^ -~]+")


class Reporter(StrEnum):
    """Who says so. AWS IoT Jobs cannot be forged, and is believed before a device."""

    DEVICE = "device"
    JOBS = "jobs"


@dataclass(frozen=True)
class Message:
    """One attempt of one device to update, and how it ended."""

    device_id: str
    """The thing's name."""
    event_id: str
    """Names this failure among those of the device: the same failure never has two."""
    campaign: str
    """What was being installed: the job, or else the firmware that the device still has."""
    reported_by: Reporter
    reasons: tuple[str, ...]
    """Why it failed, as the device puts it: of ``reason`` and ``errorCode`` what there is."""
    sent_at: int
    """When the device failed, milliseconds since the epoch: by its own clock where that is
    plausible, else when the message arrived."""

    @classmethod
    def parse(cls, event: Any) -> "Message":
        """Reads the event of an intake step.

        Args:
            event: the state input, an object as the IoT rule made it.

        Raises:
            InvalidMessageError: says which field is wrong and what it should be. Of the message
                itself it repeats nothing: what did not pass the check does not reach the logs.
        """
        if not isinstance(event, dict):
            raise InvalidMessageError("the message is not a JSON object")
        return cls(
            device_id=_checked(event, "deviceId", _THING_NAME),
            event_id=_checked(event, "eventId" if "eventId" in event else "timestamp", _EVENT_ID),
            campaign=_campaign(event),
            reported_by=Reporter(event.get("reportedBy", Reporter.DEVICE)),
            reasons=_reasons(event),
            sent_at=_sent_at(event),
        )

    @property
    def is_of_unknown_campaign(self) -> bool:
        """Whether it names neither job nor firmware: then it is of whatever is going on."""
        return self.campaign == UNKNOWN_CAMPAIGN

    @property
    def reason(self) -> str:
        """Why it failed, in one line; empty when nobody said."""
        return ", ".join(self.reasons)

    def has_reason_among(self, patterns: Iterable[str]) -> bool:
        """Whether any reason matches any of the patterns, as ``fnmatch`` does, in any case."""
        return any(
            fnmatch.fnmatchcase(reason.lower(), pattern.lower())
            for reason in self.reasons
            for pattern in patterns
        )


def _reasons(event: dict[str, Any]) -> tuple[str, ...]:
    found = (event.get(name) for name in ("errorCode", "reason"))
    return tuple(_shown(value) for value in found if isinstance(value, str | int) and value != "")


def _shown(value: str | int) -> str:
    """A device's own words as one printable line: a failure counts, however it is explained."""
    line = _UNPRINTABLE.sub("?", str(value))
    return line if len(line) <= _REASON_LENGTH else line[:_REASON_LENGTH] + _CUT


def thing_name(value: Any) -> str:
    """Checks what is to be the name of a thing.

    Raises:
        InvalidMessageError: it cannot be one.
    """
    return _checked({"deviceId": value}, "deviceId", _THING_NAME)


def _campaign(event: dict[str, Any]) -> str:
    for name in ("jobId", "FW"):
        if event.get(name) not in (None, ""):
            return _checked(event, name, _CAMPAIGN)
    return UNKNOWN_CAMPAIGN


def _checked(event: dict[str, Any], name: str, rule: tuple[str, re.Pattern[str]]) -> str:
    wanted, pattern = rule
    text = _text(event.get(name))
    if text is not None and pattern.fullmatch(text):
        return text
    fault = "is missing" if event.get(name) is None else "is not valid"
    raise InvalidMessageError(f"{name} {fault}: it should be {wanted} ({_origin(event)})")


def _text(value: Any) -> str | None:
    """A string as it is, a number as its text; None for anything else."""
    # Firmware that formats its own JSON may send a number where others send a string. What is
    # infinite is no number, and one of thousands of digits has no text in Python.
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e64:
        return str(value)
    return value if isinstance(value, str) else None


def _origin(event: dict[str, Any]) -> str:
    """Which message it was, by what the broker says of it; ``ascii`` keeps it on one line."""
    known = {
        name: event[name]
        for name in ("topic", "clientId", "receivedAt")
        if _text(event.get(name)) is not None
    }
    return ", ".join(f"{name} {value!a}"[:160] for name, value in known.items()) or "origin unknown"


def _milliseconds(value: Any) -> int | None:
    """Epoch seconds (10 digits) or milliseconds (13) as milliseconds; None for anything else."""
    text = _text(value)
    if text is None or not _EPOCH.fullmatch(text):
        return None
    number = int(text)
    return number * 1000 if number < 10**11 else number


def _sent_at(event: dict[str, Any]) -> int:
    received = _milliseconds(event.get("receivedAt")) or int(clock.now() * 1000)
    sent = _milliseconds(event.get("timestamp"))
    # A clock that is ahead, or back at its factory setting, would make every later campaign look
    # like an earlier one.
    if sent is None or not received - _OLDEST <= sent <= received:
        return received
    return sent
