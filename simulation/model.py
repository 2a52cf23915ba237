"""The reference model: what is to become of a device, said as simply as possible.

Read this file as the specification. It knows nothing of calls, retries or conditions; each method
is one thing that happens at one moment, and says what follows. The simulation calls it at the very
moment at which a write of the package takes effect (or is refused), and then compares.

The rule of counting: **a failure counts once, if the device is being tracked, for the campaign of
its episode, and fewer failures than the limit were counted in this cycle.** When the limit is
reached, one recovery takes the device. After the last cycle it has failed, which is told once.
"""

from dataclasses import dataclass, field

TRACKING, COOLING_DOWN, FAILED = "tracking", "cooling_down", "failed"


@dataclass(slots=True)
class Episode:
    """From a device's first failure to its end, or to the first failure of a later campaign."""

    name: str
    campaign: str
    started_at: int
    """When the first message was sent, by the device's clock, milliseconds."""
    state: str = TRACKING
    failures: int = 0
    """Counted in this cycle."""
    cycles: int = 0
    """Used up."""
    counted: set[str] = field(default_factory=set)
    """The events counted in the whole episode."""
    held_by: str = ""
    """The recovery that has the device."""
    is_away: bool = False
    """Its attributes are overwritten, and the recovery knows."""
    is_told: bool = False
    """Machines were told that it failed."""
    is_mailed: bool = False
    """So were people, where there are any."""
    notifications: int = 0


@dataclass(slots=True)
class Model:
    """The episodes of all devices; ``limit`` failures a cycle, ``cycles`` cycles."""

    limit: int
    cycles: int
    has_people: bool = False
    """Whether people are told on a topic of their own."""
    episodes: dict[str, Episode] = field(default_factory=dict)

    def failure(self, device: str, event: str, campaign: str, sent_at: int) -> str:
        """A failure message comes to be counted; what becomes of it."""
        episode = self.episodes.get(device)
        if episode is None:
            return "not_tracked"
        if episode.state != TRACKING:
            return episode.state
        if campaign != episode.campaign:
            return "campaign_changed" if episode.started_at < sent_at else "stale"
        is_new = event not in episode.counted
        if is_new and episode.failures < self.limit:
            episode.failures += 1
            episode.counted.add(event)
        if episode.failures >= self.limit:
            return "escalation_due" if episode.cycles + 1 >= self.cycles else "cool_down_due"
        return "counted" if is_new else "duplicate"

    def begin(self, device: str, name: str, campaign: str, sent_at: int) -> None:
        """An episode is to begin: the first, or that of a later campaign of a tracked device."""
        episode = self.episodes.get(device)
        if episode is None or (
            episode.state == TRACKING
            and episode.campaign != campaign
            and episode.started_at < sent_at
        ):
            self.episodes[device] = Episode(name, campaign, sent_at)

    def take(self, device: str, name: str, cycle: int) -> bool:
        """A recovery wants the device after a cycle; whether it has it now."""
        episode = self.episodes.get(device)
        recovery = f"{name}-{cycle}"
        if episode is None or episode.name != name:
            return False
        if (
            episode.state == TRACKING
            and episode.failures >= self.limit
            and episode.cycles == cycle - 1
        ):
            episode.state = FAILED if cycle >= self.cycles else COOLING_DOWN
            episode.failures, episode.cycles, episode.held_by = 0, cycle, recovery
        return episode.held_by == recovery

    def holds(self, device: str, recovery: str) -> bool:
        """Whether a recovery has the device."""
        episode = self.episodes.get(device)
        return episode is not None and episode.held_by == recovery

    def give_back(self, device: str, recovery: str) -> None:
        """A recovery is done with a device that is to try again."""
        if self.holds(device, recovery) and self.episodes[device].state == COOLING_DOWN:
            self.episodes[device].state, self.episodes[device].held_by = TRACKING, ""
            self.episodes[device].is_away = False

    def away(self, device: str, recovery: str) -> None:
        """A recovery has overwritten a device's attributes."""
        if self.holds(device, recovery):
            self.episodes[device].is_away = True

    def told(self, device: str, recovery: str) -> None:
        """Machines were told that the device failed."""
        if self.holds(device, recovery):
            self.episodes[device].is_told = True

    def mailed(self, device: str, recovery: str) -> None:
        """People were told that the device failed."""
        if self.holds(device, recovery):
            self.episodes[device].is_mailed = True

    def is_due(self, device: str) -> bool:
        """Whether a recovery has something left to do for a device."""
        episode = self.episodes[device]
        is_done = episode.is_told and (episode.is_mailed or not self.has_people)
        return bool(episode.held_by) and not is_done

    def vanished(self, device: str, name: str) -> None:
        """A recovery found that the thing is gone: the episode is over."""
        if device in self.episodes and self.episodes[device].name == name:
            del self.episodes[device]
