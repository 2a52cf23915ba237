"""The devices: they try to update, fail, and say so; their messages come once, often, or late."""

from functools import partial
from typing import Any

from simulation.faults import Fault
from simulation.world import TRYING, World

_DAY = 86400.0


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
        self._campaign = 1
        self._has_jobs = chance.random() < 0.3
        limit = world.options.retry_limit
        self._attempts = 1 + int(limit * (world.model.cycles + 1) * chance.random() * 1.5)
        self._last = 0
        self._is_idle = True

    def begin(self) -> None:
        """Sees that it is to be updated, and tries."""
        if self._is_idle and self._attempts > 0:
            self._is_idle = False
            self._next()

    def _next(self) -> None:
        wait = self._world.random.expovariate(1 / self._pace) if self._pace else 0.0
        self._world.scheduler.after(wait, self._attempt)

    def _attempt(self) -> None:
        world, chance = self._world, self._world.random
        if self.name not in world.iot.dynamic_groups[TRYING].members or self._attempts <= 0:
            self._is_idle = True
            return
        self._attempts -= 1
        if chance.random() >= self._fails:
            self._attempts = 0
            world.trace.add(world.scheduler.now, "device", self.name, "is updated")
            return
        if chance.random() < self._changes_campaign:
            self._campaign += 1
        self._report()
        self._next()

    def _report(self) -> None:
        """Sends the message of a failure; copies of it may follow."""
        world, chance = self._world, self._world.random
        message = self.message()
        world.trace.add(world.scheduler.now, "device", self.name, "failed", message["timestamp"])
        self._send(message, 0.01 + 0.2 * chance.random())
        while world.faults.happens(Fault.DUPLICATE):
            # At once, or long after the cycle has turned.
            late = chance.choice((0.0, 1.0, 3600.0, 2 * _DAY, 5 * _DAY)) * chance.random()
            self._send(message, late)

    def message(self) -> dict[str, Any]:
        """The message of one more failure, as the IoT rule hands it on."""
        world = self._world
        if world.faults.happens(Fault.DEVICE_CLOCK):
            self._clock += world.random.choice((-3600.0, -60.0, 60.0, 3600.0, _DAY))
        # No two failures of a device have the same time, whatever its clock does.
        sent = int((world.scheduler.now + self._clock) * 1000)
        sent = sent if sent % 1000 != self._last else sent + 1
        self._last = (self._last + 1) % 1000
        message = {
            "deviceId": self.name,
            "timestamp": str(sent - sent % 1000 + self._last),
            "status": "failed",
            "model": "wo:v8",
            "FW": f"2.{self._campaign}",
            "topic": "iot/device/data",
            "clientId": self.name,
            "receivedAt": int(world.scheduler.now * 1000),
        }
        return message | ({"jobId": f"job-{self._campaign}"} if self._has_jobs else {})

    def _send(self, message: dict[str, Any], delay: float) -> None:
        world, chance = self._world, self._world.random
        if world.faults.happens(Fault.DELAYED):
            delay += chance.choice((5.0, 600.0, _DAY)) * chance.random()
        world.scheduler.after(delay, partial(world.deliver, message))


JUNK: tuple[dict[str, Any], ...] = (
    {"deviceId": "no such/thing", "timestamp": "1711320208793"},
    {"deviceId": "device-1"},
    {"deviceId": "device-1", "timestamp": {"a": 1}},
    {"timestamp": "1711320208793", "FW": "2.27"},
    {"deviceId": "device-1", "timestamp": "1711320208793", "FW": "\n"},
)
"""Messages that nobody can count."""
