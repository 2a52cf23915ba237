"""The results of checks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Status(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing, but not a fault."""
    FINDING = "finding"
    NOT_CHECKED = "not checked"
    """AWS did not answer, or refused the call."""


@dataclass(frozen=True)
class Finding:
    """One result of a check."""

    status: Status
    what: str
    why: str = ""
    """Why it matters."""
    do: str = ""
    """The command to type, or the action to take."""


@dataclass(frozen=True)
class Result:
    """A finding and its check."""

    check: str
    finding: Finding

    def as_dict(self) -> dict[str, str]:
        """Return JSON-ready values."""
        return {"check": self.check, **asdict(self.finding)}


def fault(what: str, why: str, do: str) -> Finding:
    """Return a finding that needs an action."""
    return Finding(Status.FINDING, what, why, do)


def note(what: str, why: str = "", do: str = "") -> Finding:
    """Return a finding that is worth knowing."""
    return Finding(Status.NOTE, what, why, do)


def not_checked(what: str) -> Finding:
    """Return a finding for a check that could not run."""
    return Finding(Status.NOT_CHECKED, what)
