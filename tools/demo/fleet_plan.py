"""The fleet of the demo: who fails how often, and where each device has to end."""

from dataclasses import dataclass

MODEL = "wo:v8"
OLD_FIRMWARE = "2.27"
NEW_FIRMWARE = "2.28"

ALWAYS = 1_000_000


@dataclass(frozen=True)
class Ending:
    """Where a device ends, as the registry and the retries table show it."""

    attributes: dict[str, str]
    state: str
    """The record's ``state``; empty for a device that never failed, so has no record."""
    counters: tuple[int, int]
    """``RetryCounter`` and ``ResetRetryCount`` of the record."""
    in_failed_group: bool
    notifications: int


@dataclass(frozen=True)
class Fate:
    """One device of the demo."""

    name: str
    story: str
    failures: tuple[int, ...]
    """For each cycle, how many attempts fail before the first that succeeds."""
    ending: Ending


def _attributes(firmware: str, model: str = MODEL) -> dict[str, str]:
    return {"model": model, "FW": firmware, "site": "plant-7"}


def fleet() -> list[Fate]:
    """The devices of the demo, for a module with two cycles."""
    updated = _attributes(NEW_FIRMWARE)
    given_up = _attributes("failedtoupdate", "failedtoupdate")
    at_once = Ending(updated, "", (0, 0), in_failed_group=False, notifications=0)
    never = Ending(given_up, "failed", (0, 2), in_failed_group=True, notifications=1)

    def tracked(failures: int, cycles: int) -> Ending:
        counters = (failures, cycles)
        return Ending(updated, "tracking", counters, in_failed_group=False, notifications=0)

    few, second = "fails a few times, then updates", "recovers in its second cycle"
    return [
        Fate("pump-01", "updates at once", (0,), at_once),
        Fate("pump-02", "updates at once", (0,), at_once),
        Fate("pump-03", few, (2,), tracked(2, 0)),
        Fate("pump-04", few, (5,), tracked(5, 0)),
        Fate("pump-05", second, (ALWAYS, 0), tracked(0, 1)),
        Fate("pump-06", second, (ALWAYS, 4), tracked(4, 1)),
        Fate("pump-07", "never recovers", (ALWAYS, ALWAYS), never),
        Fate("pump-08", "never recovers", (ALWAYS, ALWAYS), never),
    ]
