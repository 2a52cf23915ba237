"""The devices: they try to update, and report it, as AWS IoT Jobs does for some of them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from simulator.faults import Fault
from simulator.reference_model import DEVICE, JOBS
from simulator.world import World

_DAY = 86400.0
_REASONS: tuple[str | int, ...] = (
    "Wrong hardware revision",
    "Battery low",
    "update server busy: 503",
    "flash error",
    "flash error",
    17,
)


class Device:
    """One device and how it behaves, drawn from the world's chance."""

    def __init__(self, world: World, name: str) -> None:
        chance = world.random
        self.name = name
        self._world = world
        self._pace = chance.choice((0.0, 1.0, 60.0, 600.0, 3600.0))
        """Mean seconds between two attempts; 0: all that are left at once."""
        self._fails = chance.choice((1.0, 1.0, 0.95, 0.8))
        """Probability that an attempt fails."""
        self._changes_campaign = chance.choice((0.0, 0.0, 0.1, 0.3))
        self._clock = chance.choice((0.0, 0.0, 0.0, 90.0, -90.0))
        """Seconds by which the device's clock is off."""
        kind_of_clock = chance.random()
        self._resets_clock = kind_of_clock < 0.1
        """Whether its clock begins at 1970 with each attempt."""
        self._writes_iso = 0.1 <= kind_of_clock < 0.3
        """Whether it writes times as ISO 8601 instead of milliseconds."""
        self._campaign = 1
        self._names_job = chance.random() < 0.3
        self._names_firmware = chance.random() < 0.9
        self._falls_back = self._changes_campaign == 0.1 and not self._names_job
        """It reports from either of its two slots, by turns."""
        self._slot = 0
        self._gives_reasons = chance.choice((0.0, 0.1, 0.5))
        self._reporters = chance.choice(((DEVICE,), (DEVICE,), (JOBS,), (DEVICE, JOBS)))
        self._attempts = 1 + self._most(1.5)
        self._last = 0
        self._is_idle = True

    def begin(self) -> None:
        """Begin to try, if it is idle and has attempts left."""
        if self._is_idle and self._attempts > 0:
            self._is_idle = False
            self._next()

    def repair(self) -> None:
        """Give it some more attempts, and begin."""
        self._attempts += self._most(0.7)
        self.begin()

    def compose_messages(self, *, has_failed: bool = True) -> list[dict[str, Any]]:
        """Return the messages of one more attempt: the device's report, the job's event."""
        says: dict[str, Callable[[str], dict[str, Any]]] = {DEVICE: self._report, JOBS: self._event}
        kind, given = ("failed", self._reason()) if has_failed else ("succeeded", {})
        return [says[reporter](kind) | given for reporter in self._reporters]

    def change_campaign(self) -> None:
        """Turn to another update from the next attempt on."""
        self._campaign += 1

    def _most(self, share: float) -> int:
        options = self._world.options
        cycles = len(options.cool_down_seconds) + 2
        return int(options.retry_limit * cycles * share * self._world.random.random())

    def _next(self) -> None:
        wait = self._world.random.expovariate(1 / self._pace) if self._pace else 0.0
        self._world.scheduler.after(wait, self._attempt)

    def _attempt(self) -> None:
        world, chance = self._world, self._world.random
        if self.name not in world.update_group or self._attempts <= 0:
            self._is_idle = True
            return
        self._attempts -= 1
        has_failed = chance.random() < self._fails
        if has_failed and chance.random() < self._changes_campaign:
            self.change_campaign()
        for message in self.compose_messages(has_failed=has_failed):
            what = (message["kind"], message["reportedBy"], message["timestamp"])
            world.trace.add(world.scheduler.now, "device", self.name, *what)
            world.publish(message)
        if has_failed:
            self._next()
        else:
            self._is_idle = True
            self._rest()

    def _rest(self) -> None:
        """Stay updated; another update comes after some time, or never."""
        self._attempts = 0
        if self._world.random.random() < 0.5:
            self.change_campaign()
            later = self._world.random.choice((60.0, 3600.0, 2 * _DAY))
            self._world.scheduler.after(later * self._world.random.random(), self.repair)

    def _reason(self) -> dict[str, Any]:
        chance = self._world.random
        if chance.random() >= self._gives_reasons:
            return {}
        code = {"errorCode": 17} if chance.random() < 0.2 else {}
        return {"reason": chance.choice(_REASONS), **code}

    def _report(self, kind: str) -> dict[str, Any]:
        """Return the device's own report, by its own clock."""
        world = self._world
        if world.faults.happens(Fault.DEVICE_CLOCK):
            self._clock += world.random.choice((-5 * _DAY, -3600.0, -60.0, 60.0, 3600.0, _DAY))
        # No two attempts of a device have the same time, whatever its clock does.
        self._slot = int(self._falls_back and not self._slot)
        sent = int((world.scheduler.now + self._clock) * 1000)
        sent = sent if sent % 1000 != self._last else sent + 1
        self._last = (self._last + 1) % 1000
        sent += self._last - sent % 1000
        return {
            "kind": kind,
            "reportedBy": DEVICE,
            "deviceId": self.name,
            "timestamp": self._write_time(sent),
            "status": kind,
            "model": "wo:v8",
            **({"FW": f"2.{self._campaign + self._slot}"} if self._names_firmware else {}),
            **({"jobId": f"job-{self._campaign}"} if self._names_job else {}),
            "topic": "iot/device/data",
            "clientId": self.name,
            "receivedAt": int(world.scheduler.now * 1000),
        }

    def _write_time(self, moment: int) -> str:
        if self._resets_clock:
            return "1970-01-01T00:00:03"
        if self._writes_iso:
            time = datetime.fromtimestamp(moment / 1000, UTC)
            return time.isoformat(timespec="milliseconds")
        return str(moment)

    def _event(self, kind: str) -> dict[str, Any]:
        """Return the event of AWS IoT Jobs; its clock is right, and counts seconds."""
        world = self._world
        return {
            "kind": kind,
            "reportedBy": JOBS,
            "deviceId": self.name,
            "eventId": f"{world.random.getrandbits(64):016x}",
            "timestamp": int(world.scheduler.now),
            "status": kind.upper(),
            "jobId": f"job-{self._campaign}",
            "topic": f"$aws/events/jobExecution/job-{self._campaign}/{kind}",
            "receivedAt": int(world.scheduler.now * 1000),
        }


JUNK: tuple[dict[str, Any], ...] = (
    {"kind": "failed", "deviceId": "no such/thing", "timestamp": "1711320208793"},
    {"kind": "failed", "timestamp": "1711320208793", "FW": "2.27"},
    {"kind": "failed", "deviceId": "device-1\n", "timestamp": "1711320208793"},
    {"kind": "succeeded", "deviceId": "", "timestamp": "1711320208793"},
    {"kind": "removed", "deviceId": "no such/thing", "timestamp": 1711320208793},
)
"""Messages that nobody can count."""
