"""Records of devices: read, assessed at a moment, and selected by operators' options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from firmware_retry import clock
from firmware_retry.campaigns_table import Campaign
from firmware_retry.errors import UnreadableRecordError
from firmware_retry.record import GRACE_SECONDS, Record, State
from fleet_retry import tables, terminal
from fleet_retry.deployment import Deployment

URGENCY = (State.FAILED, State.COOLING_DOWN, State.TRACKING)
"""Failed devices need an operator."""
# Without countedEvents: there are many, and no command reads them.
_PROJECTION = {
    "ProjectionExpression": (
        "deviceId, #state, campaign, RetryCounter, ResetRetryCount, lastReason, startedAt,"
        " #timestamp, dueAt, awaySince, recoveryId, isFatal, leftGroups, usedUpAt,"
        " failedGroupId, notifiedAt, ending"
    ),
    # Records of the CDK stack have no state: see docs/migrating-from-cdk.md.
    "FilterExpression": "attribute_exists(#state)",
    "ExpressionAttributeNames": {"#state": "state", "#timestamp": "timestamp"},
}


def describe_state(state: State) -> str:
    """Return a state as words for operators."""
    return state.replace("_", " ")


def since(record: Record) -> float:
    """Return when a device entered its state, epoch seconds.

    For a tracked device the first failure counts, for others the overwriting of the attributes.
    """
    if record.state is State.TRACKING:
        return record.started_at / 1000
    return record.away_since or clock.epoch(record.changed_at)


@dataclass(frozen=True)
class Now:
    """The moment, and the campaigns' decisions, at which records are assessed."""

    moment: float = field(default_factory=clock.now)
    """Epoch seconds."""
    campaigns: Mapping[str, Campaign] = field(default_factory=dict)
    """By name."""

    def has_cooled_down(self, record: Record) -> bool:
        """Return whether the cool-down of a device is over."""
        return record.state is State.COOLING_DOWN and 0 < record.due_at < self.moment

    def is_held(self, record: Record) -> bool:
        """Return whether the cool-down is over, and only its campaign's pause delays the device."""
        campaign = self.campaigns.get(record.campaign)
        return bool(campaign and campaign.is_paused and self.has_cooled_down(record))

    def is_overdue(self, record: Record) -> bool:
        """Return whether an action is due for longer than a run may take."""
        is_late = 0 < self.due_since(record) < self.moment - GRACE_SECONDS
        return is_late and not self.is_held(record)

    def due_since(self, record: Record) -> float:
        """Return since when an action is due and possible, epoch seconds; 0 when none is due."""
        campaign = self.campaigns.get(record.campaign)
        return max(record.due_at, campaign.last_resume if campaign and record.is_to_return else 0)

    def is_not_away(self, record: Record) -> bool:
        """Return whether a recovery did not overwrite the attributes in time."""
        return record.not_away_since < self.moment - GRACE_SECONDS

    def is_unclaimed(self, record: Record, retry_limit: int) -> bool:
        """Return whether the cycle is used up and no recovery has started in time."""
        is_late = clock.epoch(record.changed_at) < self.moment - GRACE_SECONDS
        return record.state is State.TRACKING and record.is_used_up_at(retry_limit) and is_late


@dataclass(frozen=True)
class Selection:
    """Conditions on devices; None means any."""

    state: State | None = None
    campaign: str | None = None
    older_than: float | None = None
    """Seconds in the present state."""
    reason: str | None = None
    """A pattern, case-insensitive."""

    def includes(self, record: Record, now: Now) -> bool:
        """Return whether a device meets all conditions."""
        return (
            self.state in (None, record.state)
            and self.campaign in (None, record.campaign)
            and (self.older_than is None or since(record) < now.moment - self.older_than)
            and (
                self.reason is None or fnmatchcase(record.last_reason.lower(), self.reason.lower())
            )
        )


OnUnreadable = Callable[[UnreadableRecordError], None]


def remark_unreadable(error: UnreadableRecordError) -> None:
    """Tell the operator that a record is left out."""
    terminal.remark(f"Left out: {error}")


def read_all(
    deployment: Deployment, on_unreadable: OnUnreadable = remark_unreadable
) -> Iterator[Record]:
    """Read the records of all devices, in no order, page by page as they are consumed.

    Args:
        deployment: the owner of the records.
        on_unreadable: called for each record that cannot be read, and is left out.

    Raises:
        DeploymentError: the module is not deployed.
    """
    table = deployment.settings.retries_table
    yield from _parse(tables.scan(deployment, table, **_PROJECTION), on_unreadable)


def _parse(items: Iterable[tables.Item], on_unreadable: OnUnreadable) -> Iterator[Record]:
    for item in items:
        try:
            yield Record.of(item)
        except UnreadableRecordError as error:
            on_unreadable(error)


def read(deployment: Deployment, device_ids: Sequence[str]) -> Iterator[Record]:
    """Read the records of devices, in no order; devices without a record are left out.

    Raises:
        DeploymentError: the module is not deployed.
    """
    items = tables.get_many(deployment, deployment.settings.retries_table, device_ids)
    yield from _parse((item for item in items if "state" in item), remark_unreadable)
