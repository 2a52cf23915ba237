"""Records of devices: read, assessed at a moment, and selected by operators' options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import inf

from firmware_retry import clock
from firmware_retry.campaigns_table import Campaign
from firmware_retry.errors import UnreadableRecordError
from firmware_retry.record import GRACE_SECONDS, Record, State
from fleet_retry import campaigns, tables, terminal
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
    """The moment, the campaigns' decisions and the limit by which records are assessed."""

    campaigns: Mapping[str, Campaign]
    """By name."""
    retry_limit: int
    moment: float = field(default_factory=clock.now)
    """Epoch seconds."""

    @classmethod
    def read(cls, deployment: Deployment) -> Now:
        """Read what a deployment decides by at this moment.

        Raises:
            DeploymentError: the module is not deployed.
        """
        return cls(campaigns.read_all(deployment), deployment.settings.retry_limit)

    def is_held(self, record: Record) -> bool:
        """Return whether an action is due, and only its campaign's pause delays the device."""
        return self.due_since(record) < self.moment and self._allowed_since(record) == inf

    def is_overdue(self, record: Record) -> bool:
        """Return whether an action is due and possible for longer than a run may take."""
        return self.possible_since(record) < self.moment - GRACE_SECONDS

    def due_since(self, record: Record) -> float:
        """Return when an action was or will be due, epoch seconds; infinite where none is."""
        return record.due_since_at(self.retry_limit)

    def possible_since(self, record: Record) -> float:
        """Return since when an action is due and possible, epoch seconds.

        Infinite where none is due, or a pause delays it.
        """
        return max(self.due_since(record), self._allowed_since(record))

    def is_not_away(self, record: Record) -> bool:
        """Return whether a recovery did not overwrite the attributes in time."""
        return record.not_away_since < self.moment - GRACE_SECONDS

    def _allowed_since(self, record: Record) -> float:
        campaign = self.campaigns.get(record.campaign) or Campaign(record.campaign)
        return campaign.allows_since(record)


@dataclass(frozen=True)
class Selection:
    """Conditions on devices; None means any."""

    state: State | None = None
    campaign: str | None = None
    older_than: float | None = None
    """Seconds in the present state."""
    reason: str | None = None
    """A pattern, case-insensitive."""

    def includes(self, record: Record, moment: float) -> bool:
        """Return whether a device meets all conditions at a moment, epoch seconds."""
        return (
            self.state in (None, record.state)
            and self.campaign in (None, record.campaign)
            and (self.older_than is None or since(record) < moment - self.older_than)
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
