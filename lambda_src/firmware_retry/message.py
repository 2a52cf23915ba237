"""A message that an update failed or succeeded, validated once, at the edge.

The IoT rules select the fields, so an event has at most these: ``kind`` (``failed``, ``succeeded``
or ``removed``) and ``reportedBy`` (``device`` or ``jobs``) from the rule; ``deviceId``,
``timestamp``, ``status``, ``model``, ``FW``, ``jobId``, ``reason``, ``errorCode`` from the payload;
``eventId`` where AWS IoT itself reports; and ``topic``, ``clientId``, ``receivedAt`` (milliseconds
since the epoch) from the message broker. The rules replace every value that the patterns below
reject by a text that they reject as well: nothing else may reach the log.
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
THING_NAMES = "1 to 128 of a-z A-Z 0-9 : _ -"
_THING_NAME = THING_NAMES, re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_EVENT_ID = "1 to 64 of a-z A-Z 0-9 _ . : + -", re.compile(r"[a-zA-Z0-9_.:+-]{1,64}")
_CAMPAIGN = (
    "1 to 128 printable ASCII characters, the first none of [ \\ ] {",
    re.compile(r"[ -Z^-z|}~][ -~]{0,127}"),
)
_EPOCH = re.compile(r"[0-9]{10}|[0-9]{13}")

_OLDEST = 30 * 86_400_000
"""The longest time that a message may take to arrive, milliseconds."""

_FRESH = 300_000
"""How far apart the clocks of a device and of AWS may be, milliseconds."""

UNKNOWN_CAMPAIGN = "unknown"

_REASON_LENGTH = 256
_CUT = "…"
_UNPRINTABLE = re.compile(r"[^ -~]+")


class Reporter(StrEnum):
    """The sender. AWS IoT Jobs cannot be forged, and is believed before a device."""

    DEVICE = "device"
    JOBS = "jobs"


@dataclass(frozen=True)
class Message:
    """The result of one attempt of a device to update."""

    device_id: str
    """The thing's name."""
    event_id: str
    """Identifies this failure among those of the device; the same in each copy of the message."""
    campaign: str
    """The update that was being installed: the job, or else the firmware that the device has."""
    names_job: bool
    """Whether the campaign is a job."""
    reported_by: Reporter
    reasons: tuple[str, ...]
    """Why it failed, in the device's words: ``errorCode`` and ``reason``, if present."""
    received_at: int
    """When the message arrived, milliseconds since the epoch."""
    sent_at: int
    """When the device failed, milliseconds since the epoch: by its own clock if that is plausible,
    else when the message arrived."""

    @classmethod
    def parse(cls, event: Any) -> "Message":
        """Parse the event of an intake step.

        Args:
            event: the state input, an object that the IoT rule made.

        Raises:
            InvalidMessageError: which field is invalid, and what it should be. The error contains
                no value of the message: nothing that was not validated may reach the log.
        """
        if not isinstance(event, dict):
            raise InvalidMessageError("the message is not a JSON object")
        return cls(
            device_id=_validate(event, "deviceId", _THING_NAME),
            event_id=_validate(event, "eventId" if "eventId" in event else "timestamp", _EVENT_ID),
            campaign=_parse_campaign(event),
            names_job=event.get("jobId") not in (None, ""),
            reported_by=Reporter(event.get("reportedBy", Reporter.DEVICE)),
            reasons=_parse_reasons(event),
            received_at=_parse_received_at(event),
            sent_at=_parse_sent_at(event),
        )

    @property
    def is_fresh(self) -> bool:
        """Return whether it arrived when it was sent, give or take what clocks differ.

        Otherwise the device has kept it for a while, or its clock is behind; nobody can tell which.
        """
        return self.received_at - self.sent_at < _FRESH

    @property
    def happened_at(self) -> int:
        """Return when it was sent, for a comparison of clocks, milliseconds since the epoch."""
        is_minutes_off = self.is_fresh and self.reported_by is Reporter.DEVICE
        return self.received_at if is_minutes_off else self.sent_at

    @property
    def is_of_unknown_campaign(self) -> bool:
        """Return whether it names neither job nor firmware: it belongs to the present episode."""
        return self.campaign == UNKNOWN_CAMPAIGN

    @property
    def reason(self) -> str:
        """Return why it failed, in one line; empty when unknown."""
        return ", ".join(self.reasons)

    def has_reason_among(self, patterns: Iterable[str]) -> bool:
        """Return whether a reason matches a pattern of ``fnmatch``, ignoring case."""
        return any(
            fnmatch.fnmatchcase(reason.lower(), pattern.lower())
            for reason in self.reasons
            for pattern in patterns
        )


def _parse_reasons(event: dict[str, Any]) -> tuple[str, ...]:
    values = (event.get(name) for name in ("errorCode", "reason"))
    return tuple(
        _to_line(value) for value in values if isinstance(value, str | int) and value != ""
    )


def _to_line(value: str | int) -> str:
    """Return a device's own words as one printable line: a failure counts for any reason."""
    line = _UNPRINTABLE.sub("?", str(value))
    return line if len(line) <= _REASON_LENGTH else line[:_REASON_LENGTH] + _CUT


def thing_name(value: Any) -> str:
    """Validate the name of a thing.

    Raises:
        InvalidMessageError: it cannot be one.
    """
    return _validate({"deviceId": value}, "deviceId", _THING_NAME)


def _parse_campaign(event: dict[str, Any]) -> str:
    for name in ("jobId", "FW"):
        if event.get(name) not in (None, ""):
            return _validate(event, name, _CAMPAIGN)
    return UNKNOWN_CAMPAIGN


def _validate(event: dict[str, Any], name: str, rule: tuple[str, re.Pattern[str]]) -> str:
    wanted, pattern = rule
    text = _text(event.get(name))
    if text is not None and pattern.fullmatch(text):
        return text
    fault = "is missing" if event.get(name) is None else "is not valid"
    raise InvalidMessageError(f"{name} {fault}: it should be {wanted} ({_origin(event)})")


def _text(value: Any) -> str | None:
    """Return a string unchanged, a number as text, None for anything else."""
    # Firmware that formats its own JSON may send a number where others send a string. Infinity is
    # not accepted, and Python refuses to convert numbers of thousands of digits.
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e64:
        return str(value)
    return value if isinstance(value, str) else None


def _origin(event: dict[str, Any]) -> str:
    """Identify a message by the broker's fields; ``ascii`` keeps them on one line."""
    known = {
        name: event[name]
        for name in ("topic", "clientId", "receivedAt")
        if _text(event.get(name)) is not None
    }
    return ", ".join(f"{name} {value!a}"[:160] for name, value in known.items()) or "origin unknown"


def _milliseconds(value: Any) -> int | None:
    """Return epoch seconds (10 digits) or milliseconds (13) as milliseconds, otherwise None."""
    text = _text(value)
    if text is None or not _EPOCH.fullmatch(text):
        return None
    return int(text) * 1000 if len(text) == 10 else int(text)


def _parse_received_at(event: dict[str, Any]) -> int:
    return _milliseconds(event.get("receivedAt")) or int(clock.now() * 1000)


def _parse_sent_at(event: dict[str, Any]) -> int:
    received = _parse_received_at(event)
    sent = _milliseconds(event.get("timestamp"))
    # With a clock that is ahead, or reset to its factory setting, every later campaign would appear
    # to be an earlier one.
    if sent is None or not received - _OLDEST <= sent <= received:
        return received
    return sent
