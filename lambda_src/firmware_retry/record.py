"""The record of a device: its states, its recovery runs, and the decisions that it determines."""

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any

from firmware_retry import clock
from firmware_retry.errors import UnreadableRecordError
from firmware_retry.message import UNKNOWN_CAMPAIGN, Message, Reporter
from firmware_retry.settings import settings

CLOCKS_DIFFER = 1000
"""How far apart two reporters may date the same failure, milliseconds; AWS IoT has seconds only."""
MOST_CAMPAIGNS = 5
"""How many campaigns an episode passes on; a device has two slots for firmware, or three."""
GRACE_SECONDS = 300
"""How long a run may take to perform an action after it is due."""


class State(StrEnum):
    """The state of a tracked device."""

    TRACKING = "tracking"
    COOLING_DOWN = "cooling_down"
    FAILED = "failed"


class Outcome(StrEnum):
    """The outcome of a failure message; the intake state machine branches on it."""

    COUNTED = "counted"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    """For one of ``ignored_reasons``."""
    STALE = "stale"
    """It is of an earlier campaign, or an earlier episode, than the present one."""
    TAKEN_OVER = "taken_over"
    """AWS IoT Jobs replaces the device as the reporter of the episode, or the other way round."""
    COUNTED_BY_OTHER = "counted_by_other"
    """Both report it; that of AWS IoT Jobs counts where its events are on, else the device's."""
    COOLING_DOWN = "cooling_down"
    FAILED = "failed"
    NOT_TRACKED = "not_tracked"
    CAMPAIGN_CHANGED = "campaign_changed"
    COOL_DOWN_DUE = "cool_down_due"
    ESCALATION_DUE = "escalation_due"


class Cause(StrEnum):
    """Why a device went from one state to another, for its history."""

    FIRST_FAILURE = "first failure"
    LIMIT_REACHED = "retry limit reached"
    FATAL_REASON = "fatal reason"
    COOLED_DOWN = "cool-down is over"
    NEVER_LEFT = "cool-down is over, though it never left"
    SUCCEEDED = "update succeeded"
    CAMPAIGN_CHANGED = "another campaign began"
    RELEASED = "released by an operator"
    VANISHED = "thing is gone"
    STRAY = "attributes restored: the thing held marks without an episode"


@dataclass(frozen=True)
class Run:
    """A recovery run of a device: the input and the name of its execution."""

    device_id: str
    tracking_id: str
    cycle: int
    """Which cycle was used up; 1 is the first."""
    campaign: str
    reason: str
    """Why it was started, for operators who look at the execution or the history."""

    @property
    def recovery_id(self) -> str:
        """Return the name of the execution: unique per cycle, so that it is started once."""
        return f"{self.tracking_id}-{self.cycle}"

    @property
    def state_input(self) -> dict[str, Any]:
        """Return the input of the execution, JSON-ready."""
        return {
            "deviceId": self.device_id,
            "trackingId": self.tracking_id,
            "cycle": self.cycle,
            "campaign": self.campaign,
            "reason": self.reason,
        }

    @property
    def log_fields(self) -> dict[str, Any]:
        """Return the fields of a log line about this run."""
        return {
            "deviceId": self.device_id,
            "recoveryId": self.recovery_id,
            "campaign": self.campaign,
        }

    @classmethod
    def parse(cls, event: dict[str, Any]) -> "Run":
        """Parse the event of a recovery step: the input of the execution, and more.

        Raises:
            KeyError: a field is missing.
        """
        return cls(
            event["deviceId"],
            event["trackingId"],
            int(event["cycle"]),
            event["campaign"],
            event["reason"],
        )


@dataclass(frozen=True)
class Record:
    """The item of a device, as far as decisions need it; see ``retries_table``."""

    device_id: str
    retry_counter: int
    reset_retry_count: int
    state: State
    campaign: str
    former_campaigns: frozenset[str]
    reported_by: Reporter
    last_reason: str
    is_fatal: bool
    started_at: int
    last_sent_at: int
    last_received_at: int
    not_before: int
    tracking_id: str
    due_at: int
    recovery_id: str
    away_since: int
    left_groups: frozenset[str]
    leave_checks: int
    failed_group_id: str
    notified_at: str
    ending: str
    ending_up_to: int
    used_up_at: int
    changed_at: str

    @classmethod
    def of(cls, item: dict[str, Any]) -> "Record":
        """Read an item in DynamoDB's typed JSON; a missing attribute is 0 or empty.

        Raises:
            UnreadableRecordError: an attribute has another type, or a value that it cannot have.
        """
        try:
            return cls._parse(item)
        except (KeyError, TypeError, ValueError) as error:
            name = item.get("deviceId", {}).get("S", "")
            message = f"the record of {name} cannot be read: {type(error).__name__}: {error}"
            raise UnreadableRecordError(message) from error

    @classmethod
    def _parse(cls, item: dict[str, Any]) -> "Record":
        def text(name: str) -> str:
            return str(item[name]["S"]) if name in item else ""

        def number(name: str) -> int:
            return int(item[name]["N"]) if name in item else 0

        clock.epoch(item["timestamp"]["S"])
        if "notifiedAt" in item:
            clock.epoch(text("notifiedAt"))
        return cls(
            device_id=text("deviceId"),
            retry_counter=number("RetryCounter"),
            reset_retry_count=number("ResetRetryCount"),
            state=State(text("state")),
            campaign=text("campaign"),
            former_campaigns=frozenset(item.get("formerCampaigns", {}).get("SS", ())),
            reported_by=Reporter(text("reportedBy") or Reporter.DEVICE),
            last_reason=text("lastReason"),
            is_fatal="isFatal" in item and bool(item["isFatal"]["BOOL"]),
            started_at=number("startedAt"),
            last_sent_at=number("lastSentAt"),
            last_received_at=number("lastReceivedAt"),
            not_before=number("notBefore"),
            tracking_id=text("trackingId"),
            due_at=number("dueAt"),
            recovery_id=text("recoveryId"),
            away_since=number("awaySince"),
            left_groups=frozenset(item["leftGroups"]["SS"] if "leftGroups" in item else ()),
            leave_checks=number("leaveChecks"),
            failed_group_id=text("failedGroupId"),
            notified_at=text("notifiedAt"),
            ending=text("ending"),
            ending_up_to=number("endingUpTo"),
            used_up_at=number("usedUpAt"),
            changed_at=text("timestamp"),
        )

    @property
    def log_fields(self) -> dict[str, Any]:
        """Return the fields of a log line about this device."""
        return {
            "deviceId": self.device_id,
            "trackingId": self.tracking_id,
            "campaign": self.campaign,
        }

    @property
    def known_campaigns(self) -> list[str]:
        """Return the present campaign, and those that the device may fall back to."""
        return [self.campaign, *sorted(self.former_campaigns - {self.campaign})]

    @property
    def has_failed(self) -> bool:
        """Return whether the device used up its last cycle."""
        return self.state is State.FAILED

    @property
    def is_notified(self) -> bool:
        """Return whether operators were notified of its failure, so that nothing more is due."""
        return bool(self.notified_at)

    @property
    def awaits_operator_since(self) -> float:
        """Return since when it has failed and awaits an operator, epoch seconds.

        Infinite where it does not.
        """
        is_settled = self.is_notified and not self.ending
        return clock.epoch(self.changed_at) if is_settled else inf

    @property
    def is_to_return(self) -> bool:
        """Return whether it is moved out, and returns for another cycle after its cool-down."""
        return self.state is State.COOLING_DOWN and bool(self.away_since) and not self.ending

    @property
    def not_away_since(self) -> float:
        """Return since when a recovery should have overwritten its attributes, epoch seconds.

        Infinite where that was done or is not required.
        """
        is_owned = self.state is not State.TRACKING
        return self.used_up_at if is_owned and not self.away_since else inf

    @property
    def due_since(self) -> float:
        """Return when an action was or will be due: see ``due_since_at``."""
        return self.due_since_at(settings().retry_limit)

    def due_since_at(self, retry_limit: int) -> float:
        """Return when an action was or will be due under this ``retry_limit``.

        A wait ends; a limit was reached and no recovery has claimed the device; or the end of its
        episode was requested. Epoch seconds; infinite where no action is due.
        """
        moments: list[float] = [self.due_at] if self.due_at else []
        if self.ending or (self.state is State.TRACKING and self.is_used_up_at(retry_limit)):
            moments.append(clock.epoch(self.changed_at))
        return min(moments, default=inf)

    @property
    def present_up_to(self) -> int:
        """Return the time before which messages are stale if the episode ends now.

        After the last message counted, by the device's own clock, which may be behind. Milliseconds
        since the epoch.
        """
        return self.last_sent_at + 1

    @property
    def next_run(self) -> Run:
        """Return the recovery run that follows when this cycle is used up."""
        cause = Cause.FATAL_REASON if self.is_fatal else Cause.LIMIT_REACHED
        reason = f"{cause}: {self.last_reason}" if self.last_reason else str(cause)
        cycle = self.reset_retry_count + 1
        return Run(self.device_id, self.tracking_id, cycle, self.campaign, reason)

    @property
    def present_run(self) -> Run:
        """Return the recovery run of a device in recovery."""
        cycle = self.reset_retry_count
        return Run(self.device_id, self.tracking_id, cycle, self.campaign, self.last_reason)

    @property
    def escalates(self) -> bool:
        """Return whether no further try follows when this cycle is used up."""
        return self.is_fatal or settings().is_last_cycle(self.reset_retry_count + 1)

    @property
    def is_used_up(self) -> bool:
        """Return whether a recovery is due for a tracked device."""
        return self.is_used_up_at(settings().retry_limit)

    def is_used_up_at(self, retry_limit: int) -> bool:
        """Return whether a recovery is due for a tracked device under this ``retry_limit``."""
        return self.is_fatal or self.retry_counter >= retry_limit

    def outcome_of(self, message: Message) -> Outcome:
        """Return the outcome of a failure message that was not counted on this record."""
        if message.sent_at < self.not_before:
            return Outcome.STALE
        if self.changes_campaign(message):
            is_later = self.started_at < message.sent_at
            return Outcome.CAMPAIGN_CHANGED if is_later else Outcome.STALE
        if self.state is not State.TRACKING:
            return Outcome(self.state)
        # First: the intake that counted the last failure may have crashed before it started the
        # recovery, and then its own retry is the next message.
        if self.due:
            return self.due
        is_by_own = message.reported_by is self.reported_by
        return Outcome.DUPLICATE if is_by_own else self._outcome_of_other(message)

    def _outcome_of_other(self, message: Message) -> Outcome:
        """Return the outcome of a message by the other reporter of the same failures.

        Only one reporter counts: AWS IoT Jobs, where its events are on.
        """
        believed = Reporter.JOBS if settings().job_events_enabled else Reporter.DEVICE
        if message.reported_by is not believed:
            return Outcome.COUNTED_BY_OTHER
        is_late = message.sent_at < self.started_at - CLOCKS_DIFFER
        return Outcome.STALE if is_late else Outcome.TAKEN_OVER

    @property
    def overlap_end(self) -> int:
        """Return until when another reporter's failures are counted already, milliseconds."""
        return self.last_sent_at + CLOCKS_DIFFER

    @property
    def due(self) -> Outcome | None:
        """Return which recovery is due for a tracked device, if any."""
        if not self.is_used_up:
            return None
        return Outcome.ESCALATION_DUE if self.escalates else Outcome.COOL_DOWN_DUE

    def ends_by(self, success: Message) -> bool:
        """Return whether a success ends this episode.

        It ends only an episode that began before it: a job may be run again after it had succeeded.
        Failures that were sent after it are of another attempt, by the device's clock or of another
        job. Two clocks are not compared so closely, and a job that succeeded fails no more.
        """
        if success.happened_at < self.started_at:
            return False
        is_by_job = success.reported_by is Reporter.JOBS
        is_of_episode = success.campaign in self.known_campaigns
        is_comparable = not is_of_episode if is_by_job else self.reported_by is Reporter.DEVICE
        return not is_comparable or success.happened_at >= self.last_sent_at

    def changes_campaign(self, message: Message) -> bool:
        """Return whether the reporter of this episode names another campaign than the one counted.

        A device that falls back to the firmware before still fails in the same update, and a
        campaign that nobody named may be any.
        """
        if message.reported_by is not self.reported_by:
            return False
        if message.is_of_unknown_campaign or self.campaign in (message.campaign, UNKNOWN_CAMPAIGN):
            return False
        falls_back = message.campaign in self.former_campaigns
        return not (falls_back and self.started_at < message.sent_at)
