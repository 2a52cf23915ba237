"""The reference model: what becomes of a device, as simply as possible.

Read this file as the specification. It knows nothing of calls, retries or conditions; each method
is one event at one moment, and defines what follows. The safety checks call it when a write of the
package takes effect (or is rejected), and then compare.

The rule of counting: **a failure counts once, if the device is being tracked, for the campaign of
its episode, by the one who reports it, and fewer failures than the limit were counted in this
cycle.** When the limit is reached, or the reason is fatal, one recovery takes the device. After the
last cycle it has failed, about which one alert goes out.

The rule of the hold: **while a campaign is paused, its devices do not come back from a cool-down.**

The rule of ending: **a success, a later campaign or an operator ends the episode, in whatever state
it is**: at once, unless a recovery is just overwriting the attributes; then as soon as it has.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

TRACKING, COOLING_DOWN, FAILED, FREE = "tracking", "cooling_down", "failed", "free"
DEVICE, JOBS = "device", "jobs"
KEPT = 300_000
"""How long after it is connected a device delivers what it has kept, milliseconds."""
CLOCKS_DIFFER = 1000
"""How far apart two reporters may put the same failure, milliseconds."""
UNKNOWN = "unknown"
"""The campaign of who names none: then it is of whatever is going on."""
SUCCEEDED = "update succeeded"
_SLOTS = 5
"""How many campaigns an episode may know."""

Stage = tuple[str, str, int, str, int, bool]
"""An end depends on: name, state, cycles, reporter, last message, if it was notified."""
Step = tuple[str, str, str]
"""A change of the state: the name of the episode, from and to."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is said about one attempt of a device."""

    device: str
    event: str
    """Tells it from the device's other attempts."""
    campaign: str
    reporter: str
    """The device itself, or AWS IoT Jobs."""
    sent_at: int
    """By the reporter's clock, milliseconds."""
    reasons: tuple[str, ...] = ()
    names_job: bool = False
    seems_old: bool = False
    """Kept by the device for a while, or its clock is behind."""
    happened_at: int = 0
    """When it was sent, by a clock that is comparable with others, milliseconds."""
    received_at: int = 0
    """When it arrived, milliseconds."""
    copies: frozenset[str] = frozenset()
    """Events that are copies of this one, and count instead of it."""


@dataclass(slots=True)
class Episode:
    """From a device's first failure to its end: a success, a later campaign, a release."""

    name: str
    campaign: str
    reporter: str
    started_at: int
    """When the first message was sent, by the reporter's clock, milliseconds."""
    not_before: int
    """What was sent before is of an earlier episode."""
    former: frozenset[str] = frozenset()
    """The campaigns before, which the device may fall back to."""
    state: str = TRACKING
    failures: int = 0
    """Counted in this cycle."""
    cycles: int = 0
    """Used up."""
    counted: dict[str, int] = field(default_factory=dict)
    """The events counted in the whole episode, and when they were sent."""
    last_sent: int = 0
    """When the failure was sent that was counted last, by the reporter's clock."""
    last_received: int = 0
    """When it arrived."""
    reason: str = ""
    """Of that failure."""
    is_fatal: bool = False
    """No further try is worth it."""
    recovery: str = ""
    """The recovery that has the device."""
    is_away: bool = False
    """Its attributes are overwritten, and the recovery knows."""
    has_used_up: bool = False
    """It used up a cycle, at least one."""
    groups_to_leave: frozenset[str] = frozenset()
    """The groups that it is to leave for a while."""
    checks: int = 0
    """How often it was found in one of them nevertheless."""
    has_joined: bool = False
    """It was put into the failed group, and the recovery knows."""
    is_notified: bool = False
    """It was told that it failed."""
    ending: str = ""
    """Why the episode is to end."""
    notifications: int = 0
    is_recovery_notified: bool = False
    """It was told that it succeeded after all."""

    @property
    def stage(self) -> Stage:
        """What an end depends on."""
        return (
            self.name,
            self.state,
            self.cycles,
            self.reporter,
            self.last_sent,
            self.is_notified,
        )


@dataclass(frozen=True, slots=True)
class End:
    """The latest end of a device: of an episode, or of an update that never failed."""

    name: str = ""
    up_to: int = 0
    """Messages sent before are late, milliseconds."""
    succeeded: str = ""
    """The campaign of the update that never failed."""
    arrived_at: int = 0
    """When its success arrived, if that seemed old: failures of it sent before are late."""
    former: frozenset[str] = frozenset()
    """The campaigns that ended because another one began."""
    reporter: str = DEVICE
    """Of the episode, or of the success."""


@dataclass(slots=True)
class Campaign:
    """What was told of a campaign, and what people did with it."""

    is_notified: bool = False
    """The breaker told of it, and it was not resumed since."""
    paused_since: float | None = None


@dataclass(slots=True)
class Model:
    """The episodes of all devices; ``limit`` failures a cycle, ``cycles`` cycles."""

    limit: int
    cycles: int
    has_job_events: bool = True
    """Whether AWS IoT Jobs reports, too; then it is believed, and nobody else."""
    ignored: Collection[str] = ()
    """Reasons that are not counted."""
    fatal: Collection[str] = ()
    """Reasons after which a device goes straight to the failed ones."""
    episodes: dict[str, Episode] = field(default_factory=dict)
    history: dict[str, list[Step]] = field(default_factory=dict)
    """By device: each change of its state."""
    ends: dict[str, End] = field(default_factory=dict)
    """By device: its latest end."""
    seen: dict[str, set[str]] = field(default_factory=dict)
    """By device: the campaigns in its history."""

    campaigns: dict[str, Campaign] = field(default_factory=dict)

    # -- campaigns -----------------------------------------------------------------------------

    def pause(self, campaign: str, now: float) -> None:
        """Pause a campaign, if it is not paused already."""
        known = self.campaigns.setdefault(campaign, Campaign())
        known.paused_since = now if known.paused_since is None else known.paused_since

    def resume(self, campaign: str) -> None:
        """Resume a campaign: what happened before no longer counts."""
        self.campaigns[campaign] = Campaign()

    def trip(self, campaign: str, now: float, *, pauses: bool) -> None:
        """Mark a campaign about which the breaker alerted, and pause it if it pauses."""
        self.campaigns[campaign] = Campaign(True, now if pauses else None)

    def on_hold_since(self, device: str) -> float | None:
        """Return since when the campaign of a device in cool-down is on hold, or None."""
        episode = self.episodes.get(device)
        if episode is None or episode.state != COOLING_DOWN or episode.ending:
            return None
        campaign = self.campaigns.get(episode.campaign)
        return campaign.paused_since if campaign else None

    # -- what is said about a device -----------------------------------------------------------

    def is_ignored(self, report: Report) -> bool:
        """Return whether a failure is none that is counted."""
        return any(reason in self.ignored for reason in report.reasons)

    def is_fatal(self, report: Report) -> bool:
        """Return whether no further try is worth it after a failure."""
        return any(reason in self.fatal for reason in report.reasons)

    def count_failure(self, report: Report) -> str:  # noqa: PLR0911 -- one a case
        """Count a failure and return its outcome."""
        episode = self.episodes.get(report.device)
        if episode is None:
            return "not_tracked"
        is_by_other = report.reporter != episode.reporter
        if not _is_about(report, episode) and self.is_new(report) and not is_by_other:
            return "campaign_changed"
        if report.sent_at < episode.not_before:
            return "stale"
        if not is_by_other and not _is_about(report, episode):
            return "campaign_changed" if episode.started_at < report.sent_at else "stale"
        if episode.state != TRACKING:
            return episode.state
        if is_by_other and not self.is_used_up(report.device):
            return self._outcome_of_other_reporter(report, episode)
        is_new = episode.counted.keys().isdisjoint({report.event, *report.copies})
        if is_new and not self.is_used_up(report.device):
            episode.failures += 1
            episode.counted[report.event] = report.sent_at
            episode.last_sent, episode.last_received = report.sent_at, report.received_at
            episode.reason = ", ".join(report.reasons)
            episode.is_fatal = self.is_fatal(report)
        if self.is_used_up(report.device):
            return "escalation_due" if self._is_last(episode) else "cool_down_due"
        return "counted" if is_new else "duplicate"

    def _outcome_of_other_reporter(self, report: Report, episode: Episode) -> str:
        """Believe AWS IoT Jobs before a device; both report the same failures."""
        if report.reporter != (JOBS if self.has_job_events else DEVICE):
            return "counted_by_other"
        return "stale" if report.sent_at < episode.started_at - CLOCKS_DIFFER else "taken_over"

    def take_over(self, report: Report, name: str, former: str, last_sent: int) -> str:
        """Let another reporter take over; failures already reported do not count again."""
        episode = self.episodes.get(report.device)
        found = episode and (episode.name, episode.state, episode.reporter, episode.last_sent)
        if episode is None or found != (name, TRACKING, former, last_sent):
            return "gone on"
        told_up_to = episode.last_sent + CLOCKS_DIFFER
        episode.failures += report.sent_at >= told_up_to
        episode.not_before = max(episode.not_before, told_up_to)
        episode.reporter, episode.campaign = report.reporter, report.campaign
        episode.counted[report.event] = report.sent_at
        episode.last_sent, episode.last_received = report.sent_at, report.received_at
        episode.reason = ", ".join(report.reasons)
        episode.is_fatal = episode.is_fatal or self.is_fatal(report)
        if self.is_used_up(report.device):
            return "escalation_due" if self._is_last(episode) else "cool_down_due"
        return "taken_over"

    def is_ended_by(self, report: Report, *, has_succeeded: bool) -> bool:
        """Return whether a report ends an episode: a success, or a failure of another campaign."""
        episode = self.episodes.get(report.device)
        if episode is None:
            return False
        if has_succeeded:
            return self._is_success_of(report, episode)
        if report.reporter != episode.reporter or _is_about(report, episode):
            return False
        is_later = max(episode.started_at + 1, episode.not_before) <= report.sent_at
        return is_later or self.is_new(report)

    def _is_success_of(self, report: Report, episode: Episode) -> bool:
        """Compare clocks that can be compared; words tell where the new firmware set one back.

        A device that delivered a failure has kept nothing from before.
        """
        is_known = report.campaign in {episode.campaign, *episode.former}
        has_begun = report.happened_at >= episode.started_at
        is_same_clock = not is_known if report.reporter == JOBS else episode.reporter == DEVICE
        if has_begun and not (is_same_clock and report.happened_at < episode.last_sent):
            return True
        if report.reporter == JOBS:
            return False
        is_timed = bool(episode.last_received) and episode.reporter == DEVICE
        if is_timed and report.received_at >= episode.last_received + KEPT:
            return True
        if has_begun or report.campaign == UNKNOWN or is_known != report.names_job:
            return False
        return self.ends.get(report.device, End()).succeeded != report.campaign

    def is_new(self, report: Report) -> bool:
        """Return whether a failure that seems old is of a campaign never seen of the device."""
        is_unsure = report.seems_old and report.campaign != UNKNOWN and report.reporter != JOBS
        return is_unsure and report.campaign not in self.seen.get(report.device, ())

    def is_late(self, report: Report, end: End) -> bool:
        """Return whether a failure of an untracked device is of the past, by its latest end."""
        is_same = report.campaign == end.succeeded
        has_succeeded = bool(end.succeeded) and is_same is report.names_job
        if report.sent_at >= end.up_to:
            return has_succeeded and report.sent_at < end.arrived_at
        return has_succeeded or self._is_by_jobs(end) or not self.is_new(report)

    def earliest(self, report: Report, end: End) -> int:
        """Return before when failures are late in the episode that a report begins.

        A campaign never seen of the device has no failures of an earlier episode.
        """
        if not 0 < end.up_to <= report.sent_at:
            return 0
        is_unsure = report.campaign != UNKNOWN and not self._is_by_jobs(end)
        is_unseen = report.campaign not in self.seen.get(report.device, ())
        return 0 if is_unsure and is_unseen else end.up_to

    def _is_by_jobs(self, end: End) -> bool:
        """Return whether AWS IoT Jobs, whose clock is right, reports for the device as well."""
        return self.has_job_events and end.reporter == JOBS

    def is_used_up(self, device: str) -> bool:
        """Return whether a recovery has to claim a tracked device."""
        episode = self.episodes[device]
        return episode.is_fatal or episode.failures >= self.limit

    def _is_last(self, episode: Episode) -> bool:
        return episode.is_fatal or episode.cycles + 1 >= self.cycles

    # -- the episode ---------------------------------------------------------------------------

    def begin(self, report: Report, name: str, not_before: int, latest: str) -> None:
        """Begin the episode of an untracked device, if its latest end is still the one known."""
        end = self.ends.get(report.device, End())
        if report.device not in self.episodes and end.name == latest:
            self.episodes[report.device] = Episode(
                name,
                report.campaign,
                report.reporter,
                report.sent_at,
                not_before,
                former=end.former - {report.campaign},
            )
            self._record_change(report.device, name, FREE, TRACKING)

    def succeed(self, report: Report, name: str, latest: str | None) -> None:
        """Note that an untracked device succeeded, after a later end only if it arrived later.

        Args:
            report: the success.
            name: of this end.
            latest: of the later end, if it is known that there is one.
        """
        known = self.ends.get(report.device)
        up_to = report.sent_at
        if latest is not None and known and known.name == latest:
            up_to = known.up_to
        elif latest is not None or (known and known.up_to >= report.sent_at):
            return
        arrived = report.received_at if report.seems_old else 0
        self.ends[report.device] = End(
            name, up_to, report.campaign, arrived, reporter=report.reporter
        )

    def ask_to_end(self, device: str, recovery: str, why: str) -> None:
        """Request the end of an episode that a recovery owns; the first reason stays."""
        if self.is_owned_by(device, recovery):
            self.episodes[device].ending = self.episodes[device].ending or why

    def end(self, device: str, stage: Stage, up_to: int, name: str, *, has_changed: bool) -> None:
        """End an episode, if it is still at the stage at which it was read.

        Messages sent up to a moment are late from now on, and those late before stay so. A
        campaign that ends because another one began is one that the device may fall back to.
        """
        episode = self.episodes.get(device)
        if episode is None or episode.stage != stage:
            return
        former = (episode.campaign, *sorted(episode.former - {episode.campaign}))
        self.ends[device] = End(
            name,
            max(up_to, episode.not_before),
            former=frozenset(former[:_SLOTS] if has_changed else ()),
            reporter=episode.reporter,
        )
        del self.episodes[device]
        self._record_change(device, episode.name, episode.state, FREE)

    def _record_change(self, device: str, name: str, before: str, after: str) -> None:
        self.history.setdefault(device, []).append((name, before, after))

    # -- its recoveries ------------------------------------------------------------------------

    def claim(self, device: str, name: str, cycle: int, state: str, groups: frozenset[str]) -> None:
        """Let a recovery claim the device after a cycle; it has to leave these groups."""
        episode = self.episodes.get(device)
        if episode is None or episode.name != name or episode.state != TRACKING:
            return
        if state != (FAILED if self._is_last(episode) else COOLING_DOWN):
            return
        if self.is_used_up(device) and episode.cycles == cycle - 1:
            episode.state = state
            episode.failures, episode.cycles, episode.recovery = 0, cycle, f"{name}-{cycle}"
            episode.groups_to_leave, episode.has_used_up = groups, True
            self._record_change(device, name, TRACKING, episode.state)

    def is_owned_by(self, device: str, recovery: str) -> bool:
        """Return whether a recovery has the device."""
        episode = self.episodes.get(device)
        return episode is not None and episode.recovery == recovery

    def count_check(self, device: str, recovery: str) -> None:
        """Count a check that found a device still in its groups."""
        if self.is_owned_by(device, recovery):
            self.episodes[device].checks += 1

    def release(self, device: str, recovery: str) -> None:
        """Let the recovery of a cool-down release its device."""
        if self.is_owned_by(device, recovery) and not self.episodes[device].ending:
            episode = self.episodes[device]
            episode.state, episode.recovery = TRACKING, ""
            episode.is_away, episode.groups_to_leave, episode.checks = False, frozenset(), 0
            self._record_change(device, episode.name, COOLING_DOWN, TRACKING)

    def mark_away(self, device: str, recovery: str) -> None:
        """Note that a recovery has overwritten the attributes."""
        if self.is_owned_by(device, recovery):
            self.episodes[device].is_away = True

    def mark_joined(self, device: str, recovery: str) -> None:
        """Note that the device was put into the failed group."""
        if self.is_owned_by(device, recovery):
            episode = self.episodes[device]
            episode.has_joined |= episode.state == FAILED and not episode.ending

    def mark_notified(self, device: str, recovery: str) -> None:
        """Note that the alert about the failed device went out."""
        if self.is_owned_by(device, recovery):
            self.episodes[device].is_notified = True

    def is_due(self, device: str) -> bool:
        """Return whether a recovery has something left to do for a device."""
        episode = self.episodes[device]
        return bool(episode.recovery) and not episode.is_notified


def _is_about(report: Report, episode: Episode) -> bool:
    falls_back = report.campaign in episode.former and episode.started_at < report.sent_at
    is_unnamed = UNKNOWN in (report.campaign, episode.campaign)
    return report.campaign == episode.campaign or is_unnamed or falls_back
