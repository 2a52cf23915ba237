"""The fleet of the demo: how often each device fails, and where it has to end."""

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
class DevicePlan:
    """One device of the demo."""

    name: str
    story: str
    failures: tuple[int, ...]
    """For each cycle, how many attempts fail before the first that succeeds."""
    ending: Ending


def plan_fleet() -> list[DevicePlan]:
    """Return the devices of the demo, for a module with two cycles."""
    updated = _attributes(NEW_FIRMWARE)
    overwritten = _attributes("failedtoupdate", "failedtoupdate")
    immediately = Ending(updated, "", (0, 0), in_failed_group=False, notifications=0)
    never = Ending(overwritten, "failed", (0, 2), in_failed_group=True, notifications=1)
    few, second = "fails a few times, then updates", "recovers in its second cycle"
    return [
        DevicePlan("pump-01", "updates at once", (0,), immediately),
        DevicePlan("pump-02", "updates at once", (0,), immediately),
        DevicePlan("pump-03", few, (2,), _end_tracking(2, 0)),
        DevicePlan("pump-04", few, (5,), _end_tracking(5, 0)),
        DevicePlan("pump-05", second, (ALWAYS, 0), _end_tracking(0, 1)),
        DevicePlan("pump-06", second, (ALWAYS, 4), _end_tracking(4, 1)),
        DevicePlan("pump-07", "never recovers", (ALWAYS, ALWAYS), never),
        DevicePlan("pump-08", "never recovers", (ALWAYS, ALWAYS), never),
    ]


def _end_tracking(failures: int, cycles: int) -> Ending:
    counters = (failures, cycles)
    updated = _attributes(NEW_FIRMWARE)
    return Ending(updated, "tracking", counters, in_failed_group=False, notifications=0)


def _attributes(firmware: str, model: str = MODEL) -> dict[str, str]:
    return {"model": model, "FW": firmware, "site": "plant-7"}
