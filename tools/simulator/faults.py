"""Which faults there are, and how often each is drawn.

A world switches some of them on and leaves others off (FoundationDB's "buggify"; also known as
swarm testing): that finds more than every fault a little everywhere.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    """The kinds of faults."""

    # Of one AWS call of a function.
    REFUSED_BEFORE = "error before effect"
    LOST_ANSWER = "error after effect"
    SENT_TWICE = "sent twice by the SDK"
    STRAGGLER = "no answer, effect much later"
    SLOW_CALL = "slow call"
    HUNG_CALL = "hung call, function timed out"
    CRASHED_BEFORE = "process died before the call"
    CRASHED_AFTER = "process died after the call"
    # Of one invocation of a function by a state machine.
    NOT_INVOKED = "invocation refused"
    CONNECTION_LOST = "invocation lost, function runs on"
    SLOW_START = "invocation much delayed"
    CLOCK_SKEW = "function's clock off"
    RUN_AGAIN = "recovery step run once more, later"
    # Of one call that a state machine makes by itself.
    INTEGRATION_BEFORE = "integration failed before effect"
    INTEGRATION_AFTER = "integration failed after effect"
    # Of one delivery of a message.
    DUPLICATE = "message delivered again"
    DELAYED = "message late"
    RULE_FAILED = "rule could not start the intake"
    EVENT_LOST = "membership event lost"
    DEVICE_CLOCK = "device's clock stepped"
    # Of the whole.
    OUTAGE = "service down for a while"
    RUN_STOPPED = "recovery run stopped"
    PERSON = "a person changed the thing"
    MEDDLED = "a person changed the thing while a step ran"
    VANISHED = "thing deleted"
    RECREATED = "thing made again"
    RENAMED = "thing renamed"
    RELEASED = "operator released devices"
    GROUP_REPLACED = "failed group replaced"
    TAKEN_OUT = "operator took a thing out of the group"
    CROSSED = "episode ended while a step ran"
    PAUSED = "operator paused a campaign"
    TRIPPED = "breaker told of a campaign"


CALL_FAULTS = (
    Fault.REFUSED_BEFORE,
    Fault.LOST_ANSWER,
    Fault.SENT_TWICE,
    Fault.STRAGGLER,
    Fault.SLOW_CALL,
    Fault.HUNG_CALL,
    Fault.CRASHED_BEFORE,
    Fault.CRASHED_AFTER,
)
INVOCATION_FAULTS = (Fault.NOT_INVOKED, Fault.CONNECTION_LOST, Fault.SLOW_START)
INTEGRATION_FAULTS = (Fault.INTEGRATION_BEFORE, Fault.INTEGRATION_AFTER)
DISORDERLY = (
    Fault.CLOCK_SKEW,
    Fault.HUNG_CALL,
    Fault.SENT_TWICE,
    Fault.SLOW_CALL,
    Fault.STRAGGLER,
)
"""Faults that let writes take effect in another order than the clocks of their writers say."""

_ALONE = (
    Fault.DUPLICATE,
    Fault.DELAYED,
    Fault.CLOCK_SKEW,
    Fault.RUN_AGAIN,
    Fault.RUN_STOPPED,
    Fault.MEDDLED,
    Fault.CROSSED,
    Fault.EVENT_LOST,
)


@dataclass(frozen=True)
class Outage:
    """A time during which nearly every call of a service fails."""

    service: str
    start: float
    end: float
    hangs: bool
    """Whether calls get no answer, in place of an error at once."""


@dataclass
class Faults:
    """Draws the faults of one world, and counts those that happened."""

    random: Random
    rates: dict[Fault, float] = field(default_factory=dict)
    """Probability of each fault each time it could happen; 0 for those left out."""
    busy: dict[tuple[Fault, ...], float] = field(default_factory=dict)
    """The sum of the rates of each group of which one is drawn at most."""
    outages: list[Outage] = field(default_factory=list)
    counts: Counter[Fault] = field(default_factory=Counter)
    forced: dict[str, list[Fault]] = field(default_factory=dict)
    """Faults that the next calls of a service meet (or, under "invocation" and "integration",
    the next of those), before any that is drawn."""

    @classmethod
    def draw(cls, chance: Random) -> "Faults":
        """Draw which faults a world has, and how often: none at all in one of ten worlds."""
        faults = cls(chance)
        if chance.random() < 0.1:
            return faults
        harsh = chance.choice((0.1, 0.1, 0.35))
        # SQS is the last resort: when it fails nine times in a row a message is lost indeed.
        for group, most in (
            (CALL_FAULTS, harsh),
            (INVOCATION_FAULTS, harsh),
            (INTEGRATION_FAULTS, 0.1),
        ):
            on = [fault for fault in group if chance.random() < 0.5]
            total = most * chance.random() ** 2
            faults.rates.update({fault: total / len(on) for fault in on})
        for fault in _ALONE:
            if chance.random() < 0.5:
                faults.rates[fault] = 0.5 * chance.random() ** 2
        if chance.random() < 0.3:
            faults.rates[Fault.RULE_FAILED] = 0.1 * chance.random()
        if chance.random() < 0.3:
            faults.rates[Fault.DEVICE_CLOCK] = 0.05
        faults.busy = {
            group: sum(faults.rates.get(fault, 0.0) for fault in group)
            for group in (CALL_FAULTS, INVOCATION_FAULTS, INTEGRATION_FAULTS)
        }
        return faults

    def cease(self) -> None:
        """Let no further fault happen."""
        for plan in (self.rates, self.busy, self.outages, self.forced):
            plan.clear()

    def draw_from(self, group: tuple[Fault, ...], forced: str) -> Fault | None:
        """Return the fault of this call, or None, which is by far the most frequent."""
        waiting = self.forced.get(forced)
        if waiting:
            return self.count(waiting.pop(0))
        draw = self.random.random()
        if draw >= self.busy.get(group, 0.0):
            return None
        for fault in group:
            draw -= self.rates.get(fault, 0.0)
            if draw < 0:
                return self.count(fault)
        return None

    def happens(self, fault: Fault) -> bool:
        """Return whether a fault happens this time."""
        rate = self.rates.get(fault, 0.0)
        if not rate or self.random.random() >= rate:
            return False
        self.count(fault)
        return True

    def count(self, fault: Fault) -> Fault:
        """Count a fault."""
        self.counts[fault] += 1
        return fault

    @property
    def is_in_order(self) -> bool:
        """Whether writes took effect in the order of the clocks of their writers."""
        return not any(self.counts[fault] for fault in DISORDERLY)

    def outage(self, service: str, now: float) -> Outage | None:
        """Return the outage of a service that a call meets now."""
        for outage in self.outages:
            is_on = outage.service == service and outage.start <= now < outage.end
            if is_on and self.random.random() < 0.97:
                self.count(Fault.OUTAGE)
                return outage
        return None
