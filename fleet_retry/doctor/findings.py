"""What an examination says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Status(StrEnum):
    """How something is."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing, and no fault."""
    FINDING = "finding"
    NOT_CHECKED = "not checked"
    """AWS did not answer, or may not be asked."""


@dataclass(frozen=True)
class Finding:
    """One thing that an examination says."""

    status: Status
    what: str
    why: str = ""
    """Why it matters."""
    do: str = ""
    """What to type, or to do."""


@dataclass(frozen=True)
class Result:
    """A finding, and which check made it."""

    check: str
    finding: Finding

    def as_dict(self) -> dict[str, str]:
        """JSON-ready."""
        return {"check": self.check, **asdict(self.finding)}


def fault(what: str, why: str, do: str) -> Finding:
    """Something is not as it has to be."""
    return Finding(Status.FINDING, what, why, do)


def note(what: str, why: str = "", do: str = "") -> Finding:
    """Something is worth knowing."""
    return Finding(Status.NOTE, what, why, do)


def not_checked(what: str) -> Finding:
    """Something could not be looked at."""
    return Finding(Status.NOT_CHECKED, what)
