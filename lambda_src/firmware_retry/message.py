"""A message that an update failed or succeeded, read once, at the edge.

The IoT rules select the fields, so an event has at most these: ``kind`` (``failed``, ``succeeded``,
``removed``, or ``unclear`` for a status that is almost one of those configured) and ``reportedBy``
(``device`` or ``jobs``) from the rule; ``deviceId``, ``timestamp``, ``status``, ``model``, ``FW``,
``jobId`` and the reasons (``reason``, ``errorCode``, ``reason_*``, by the Terraform variable
``reason_keys``) from the payload; ``eventId`` where AWS IoT itself reports; and ``topic``,
``clientId``, ``receivedAt`` (milliseconds since the epoch) from the message broker. The rules pass
on a device id that can be one, and one printable line, cut, of any other field: nothing else may
reach the log. A dead letter has the fields as the device wrote them, so the handlers cut them.

Only the device id has to be right. Other fields are read as well as they can be, and one that
cannot be read counts as missing: a device that cannot update writes what it can.
"""

import fnmatch
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from firmware_retry import clock
from firmware_retry.errors import InvalidMessageError

# https://docs.aws.amazon.com/iot/latest/apireference/API_CreateThing.html
THING_NAMES = "1 to 128 of a-z A-Z 0-9 : _ -"
_THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_PLAIN_ID = re.compile(r"[a-zA-Z0-9_.:+-]{1,64}")
_EPOCH = re.compile(r"[0-9]{10}|[0-9]{13}")
_NUMBER = re.compile(r"[0-9]{1,19}(\.[0-9]{1,19})?(E[0-9]{1,2})?")

_OLDEST = 30 * 86_400_000
"""The longest time that a message may take to arrive, milliseconds."""
_BEHIND = 3_600_000
"""How far a clock that tells copies apart may be behind the broker's, milliseconds."""
_AHEAD = 300_000
"""How far it may be ahead, milliseconds."""
_COPIES_WITHIN = 120_000
"""Two messages with the same words that arrive within this time are copies, unless a clock tells
them apart. From twice the time on they are two failures. Milliseconds. The broker sends a copy
within seconds, and an attempt takes a device minutes."""
FRESH = 300_000
"""The clocks of a device and of AWS differ by less than this, milliseconds."""

UNKNOWN_CAMPAIGN = "unknown"

_LINE_LENGTH = 1000
"""How much is read of a field; the rules pass on no more, see ``modules/ingestion/sql.tf``."""
_CAMPAIGN_LENGTH = 128
_REASON_LENGTH = 256
_CUT = "…"
_UNPRINTABLE = re.compile(r"[^ -~]")


class Reporter(StrEnum):
    """The sender. AWS IoT Jobs cannot be forged, and is believed before a device."""

    DEVICE = "device"
    JOBS = "jobs"


@dataclass(frozen=True)
class EventIds:
    """The ids of a failure among those of its device: a copy has one of the three as its own.

    All three are the same where the message names its failure. Where it does not, the time of
    arrival is part of them, and a copy may have arrived in the interval before or after.
    """

    own: str
    earlier: str
    later: str

    @classmethod
    def named(cls, name: str) -> "EventIds":
        """Return the ids of a failure that the message itself names."""
        return cls(name, name, name)


@dataclass(frozen=True)
class Message:
    """The result of one attempt of a device to update."""

    device_id: str
    """The thing's name."""
    event_ids: EventIds
    campaign: str
    """The update that was being installed: the job, or else the firmware that the device has."""
    names_job: bool
    """Whether the campaign is a job."""
    reported_by: Reporter
    reasons: tuple[str, ...]
    """Why it failed, in the device's words, as much as is read."""
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
            InvalidMessageError: no object, neither a failure nor a success, or no thing can have
                this device id. The error contains no value of the message: nothing that was not
                validated may reach the log.
        """
        if not isinstance(event, dict):
            raise InvalidMessageError("the message is not a JSON object")
        _check_kind(event)
        received_at, reasons = _parse_received_at(event), _parse_reasons(event)
        return cls(
            device_id=_parse_device_id(event),
            event_ids=_parse_event_ids(event, received_at, reasons),
            campaign=_parse_campaign(event),
            names_job=bool(_to_line(event.get("jobId"))),
            reported_by=Reporter(event.get("reportedBy", Reporter.DEVICE)),
            reasons=reasons,
            received_at=received_at,
            sent_at=_parse_sent_at(event, received_at),
        )

    @property
    def is_fresh(self) -> bool:
        """Return whether it arrived when it was sent, as far as clocks may differ.

        Otherwise the device has kept it for a while, or its clock is behind: the two look alike.
        """
        return self.received_at - self.sent_at < FRESH

    @property
    def happened_at(self) -> int:
        """Return when it was sent, milliseconds since the epoch.

        For a comparison with times by other clocks: where the device's clock is only minutes off,
        the time of arrival is closer.
        """
        is_minutes_off = self.is_fresh and self.reported_by is Reporter.DEVICE
        return self.received_at if is_minutes_off else self.sent_at

    @property
    def is_of_unknown_campaign(self) -> bool:
        """Return whether it names neither job nor firmware: it belongs to the present episode."""
        return self.campaign == UNKNOWN_CAMPAIGN

    @property
    def reason(self) -> str:
        """Return why it failed, in one line, as much as is kept; empty when unknown."""
        return _cut(", ".join(self.reasons))

    def has_reason_among(self, patterns: Iterable[str]) -> bool:
        """Return whether a reason matches a pattern of ``fnmatch``, ignoring case."""
        return any(
            fnmatch.fnmatchcase(reason.lower(), pattern.lower())
            for reason in self.reasons
            for pattern in patterns
        )


def _parse_reasons(event: dict[str, Any]) -> tuple[str, ...]:
    names = ["errorCode", "reason", *(name for name in event if name.startswith("reason_"))]
    lines = (_to_line(event.get(name)) for name in names)
    return tuple(dict.fromkeys(line for line in lines if line))


def _cut(reason: str) -> str:
    return reason if len(reason) <= _REASON_LENGTH else reason[:_REASON_LENGTH] + _CUT


def _to_line(value: Any) -> str:
    """Return what a device wrote as one printable line; empty when it cannot be read.

    An array or object becomes its JSON. Control characters and all that is not ASCII become blanks,
    since devices read texts from files and buffers; blanks at either end are removed.
    """
    if value is None:
        return ""
    try:
        text = value if isinstance(value, str) else _to_json(value)
    except (ValueError, RecursionError):  # a number of thousands of digits; nested too deeply
        return ""
    return " ".join(_UNPRINTABLE.sub(" ", text[:_LINE_LENGTH]).split())


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _hash(text: str) -> str:
    """Return 16 hexadecimal digits that identify the text: few, since a record keeps many."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def parse_thing_name(value: Any) -> str:
    """Return the name of a thing.

    Raises:
        InvalidMessageError: no thing can have this name.
    """
    return _parse_device_id({"deviceId": value})


def _parse_device_id(event: dict[str, Any]) -> str:
    text = _to_text(event.get("deviceId"))
    if text is not None and _THING_NAME.fullmatch(text):
        return text
    fault = "is missing" if event.get("deviceId") is None else "is not valid"
    raise InvalidMessageError(
        f"deviceId {fault}: it should be {THING_NAMES} ({_describe_origin(event)})"
    )


def _check_kind(event: dict[str, Any]) -> None:
    """Raise InvalidMessageError for what is neither a failure nor a success.

    That is a status that is almost one of those configured, or a message that no rule has made: a
    success that was taken for a failure would move a device out that is up to date.
    """
    if event.get("kind") in ("failed", "succeeded"):
        return
    if event.get("kind") != "unclear":
        raise InvalidMessageError(f"kind is missing or not valid ({_describe_origin(event)})")
    status = re.sub(r"[^a-zA-Z0-9_ .:-]", "?", str(event.get("status")))[:64]
    message = f"the status is almost one that is configured: {status!r} ({_describe_origin(event)})"
    raise InvalidMessageError(message)


def _parse_campaign(event: dict[str, Any]) -> str:
    campaign = _to_line(event.get("jobId")) or _to_line(event.get("FW")) or UNKNOWN_CAMPAIGN
    if len(campaign) <= _CAMPAIGN_LENGTH:
        return campaign
    suffix = f"~{_hash(campaign)[:8]}"  # two campaigns may differ in their ends only
    return campaign[: _CAMPAIGN_LENGTH - len(suffix)] + suffix


def _parse_event_ids(event: dict[str, Any], received: int, reasons: Iterable[str]) -> EventIds:
    """Identify a failure: by AWS IoT's event, by a clock that is right, or by words and arrival.

    A clock that starts at 1970 with each boot, stands still, or is years ahead or weeks behind
    names many failures alike.
    """
    name, timestamp = _to_line(event.get("eventId")), _to_line(event.get("timestamp"))
    if not name and _is_right(timestamp, received):
        name = timestamp
    if name:
        return EventIds.named(name if _PLAIN_ID.fullmatch(name) else _hash(name))
    fields = ("timestamp", "FW", "model", "jobId", "status")
    words = [*(_to_line(event.get(field)) for field in fields), *reasons]
    interval = received // _COPIES_WITHIN
    return EventIds(*(_hash(_to_json([words, interval + apart])) for apart in (0, -1, 1)))


def _is_right(timestamp: str, received: int) -> bool:
    """Return whether a clock agrees so well with the broker's that it tells failures apart."""
    sent = _read_clock(timestamp)
    return sent is not None and received - _BEHIND <= sent <= received + _AHEAD


def _read_clock(timestamp: str) -> float | None:
    """Return a time in milliseconds since the epoch; None for text that is not a time.

    Unix time counts seconds, or their thousandths, millionths or billionths; ISO 8601 without a
    zone is in UTC.
    """
    if _NUMBER.fullmatch(timestamp):
        number = float(timestamp)
        unit = next((unit for unit in (1e-3, 1, 1e3, 1e6) if number < unit * 1e14), 1e6)
        return number / unit
    try:
        moment = datetime.fromisoformat(timestamp)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000
    except (ValueError, OverflowError):
        return None


def _to_text(value: Any) -> str | None:
    """Return a string unchanged, a number as text, None for anything else."""
    # Firmware that formats its own JSON may send a number where others send a string. Infinity is
    # not accepted, and Python refuses to convert numbers of thousands of digits.
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e64:
        return str(value)
    return value if isinstance(value, str) else None


def _describe_origin(event: dict[str, Any]) -> str:
    """Identify a message by the broker's fields; ``ascii`` keeps them on one line."""
    known = {
        name: event[name]
        for name in ("topic", "clientId", "receivedAt")
        if _to_text(event.get(name)) is not None
    }
    return ", ".join(f"{name} {value!a}"[:160] for name, value in known.items()) or "origin unknown"


def _to_milliseconds(value: Any) -> int | None:
    """Return epoch seconds (10 digits) or milliseconds (13) as milliseconds, otherwise None."""
    text = _to_text(value)
    if text is None or not _EPOCH.fullmatch(text):
        return None
    return int(text) * 1000 if len(text) == 10 else int(text)


def _parse_received_at(event: dict[str, Any]) -> int:
    return _to_milliseconds(event.get("receivedAt")) or int(clock.now() * 1000)


def _parse_sent_at(event: dict[str, Any], received: int) -> int:
    sent = _read_clock(_to_line(event.get("timestamp")))
    # With a clock that is ahead, or reset to its factory setting, every later campaign would appear
    # to be an earlier one.
    if sent is None or not received - _OLDEST <= sent <= received:
        return received
    return round(sent)
