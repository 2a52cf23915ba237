"""Where the devices are: their records in the table ``DeviceFirmwareRetries``, and which are meant.

What a record holds: see ``lambda_src/firmware_retry/retries_table.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from fleet_retry import tables, times
from fleet_retry.deployment import RETRIES, Deployment

GRACE_SECONDS = 300
"""How long after the time something was due a run may take to do it, as ReconcileDevices has it."""
# Not countedEvents: there are many, and nobody here looks at them.
_SCANNED = {
    "ProjectionExpression": (
        "deviceId, #state, campaign, RetryCounter, ResetRetryCount, lastReason, startedAt,"
        " #timestamp, dueAt, awaySince, recoveryId, isFatal, leftGroups"
    ),
    # What the module did not write has none: see docs/moving-from-cdk.md.
    "FilterExpression": "attribute_exists(#state)",
    "ExpressionAttributeNames": {"#state": "state", "#timestamp": "timestamp"},
}


class State(StrEnum):
    """Where a device is on its journey; what needs a person comes first."""

    FAILED = "failed"
    COOLING_DOWN = "cooling_down"
    TRACKING = "tracking"

    @property
    def words(self) -> str:
        """As one says it."""
        return self.replace("_", " ")


@dataclass(frozen=True)
class Record:
    """A device's record. Moments are epoch seconds, 0 where there is none."""

    device_id: str
    state: State
    campaign: str
    failures: int
    """Of this cycle."""
    cycles: int
    """Used up."""
    reason: str
    """Of the last failure."""
    since: float
    """Since when it is where it is: away since its attributes were overwritten, tracked since the
    first failure."""
    due_at: float
    away_since: float
    changed_at: float
    is_fatal: bool
    recovery_id: str
    left_groups: Sequence[str]
    """The dynamic groups that it was in before the attributes were overwritten."""

    @classmethod
    def of(cls, item: tables.Item) -> Record:
        """Reads an item of the table."""
        changed_at = times.moment(item["timestamp"])
        state = State(item["state"])
        away_since = item.get("awaySince", 0)
        tracked_since = item.get("startedAt", 0) / 1000
        return cls(
            device_id=item["deviceId"],
            state=state,
            campaign=item.get("campaign", ""),
            failures=item["RetryCounter"],
            cycles=item["ResetRetryCount"],
            reason=item.get("lastReason", ""),
            since=tracked_since if state is State.TRACKING else away_since or changed_at,
            due_at=item.get("dueAt", 0),
            away_since=away_since,
            changed_at=changed_at,
            is_fatal=item.get("isFatal", False),
            recovery_id=item.get("recoveryId", ""),
            left_groups=item.get("leftGroups", ()),
        )


@dataclass(frozen=True)
class Now:
    """What records are judged by."""

    moment: float
    paused: frozenset[str] = frozenset()
    """Campaigns."""
    resumed: Mapping[str, float] = field(default_factory=dict)
    """When campaigns were resumed last; epoch seconds."""

    def is_held(self, record: Record) -> bool:
        """Whether its cool-down is over, and only its campaign's pause keeps it away."""
        is_over = record.state is State.COOLING_DOWN and 0 < record.due_at < self.moment
        return is_over and record.campaign in self.paused

    def is_overdue(self, record: Record) -> bool:
        """Whether what is due has not been done in time."""
        is_late = 0 < self.due_since(record) < self.moment - GRACE_SECONDS
        return is_late and not self.is_held(record)

    def due_since(self, record: Record) -> float:
        """Since when something could be done that is due, epoch seconds; 0 where nothing is."""
        is_away = record.state is State.COOLING_DOWN and bool(record.away_since)
        return max(record.due_at, self.resumed.get(record.campaign, 0) if is_away else 0)

    def is_unclaimed(self, record: Record, retry_limit: int) -> bool:
        """Whether its cycle is used up and no recovery has begun in time."""
        is_used_up = record.is_fatal or record.failures >= retry_limit
        is_late = record.changed_at < self.moment - GRACE_SECONDS
        return record.state is State.TRACKING and is_used_up and is_late


@dataclass(frozen=True)
class Selection:
    """Which devices are meant; what is None does not matter."""

    state: State | None = None
    campaign: str | None = None
    older_than: float | None = None
    """Seconds since when it is where it is."""
    reason: str | None = None
    """A pattern, of upper or lower case."""

    def has(self, record: Record, now: Now) -> bool:
        """Whether a device is meant."""
        return (
            self.state in (None, record.state)
            and self.campaign in (None, record.campaign)
            and (self.older_than is None or record.since < now.moment - self.older_than)
            and (self.reason is None or fnmatchcase(record.reason.lower(), self.reason.lower()))
        )


def read_all(deployment: Deployment) -> Iterator[Record]:
    """The records of all devices, in no order, page by page as they are taken.

    Raises:
        DeploymentError: the module is not there.
    """
    yield from map(Record.of, tables.scan(deployment, RETRIES, **_SCANNED))


def read(deployment: Deployment, device_ids: Sequence[str]) -> Iterator[Record]:
    """The records of those of the devices that have one, in no order.

    Raises:
        DeploymentError: the module is not there.
    """
    items = tables.get_many(deployment, RETRIES, device_ids)
    yield from (Record.of(item) for item in items if "state" in item)
