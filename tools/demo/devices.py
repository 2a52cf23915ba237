"""A device on MQTT: takes its jobs, fails or succeeds, and reports it on ``iot/device/data``.

The jobs side is AWS IoT's own: https://docs.aws.amazon.com/iot/latest/developerguide/jobs-mqtt-api.html
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from demo.fleet_plan import MODEL, OLD_FIRMWARE, DevicePlan
from localcloud.device import Device
from localcloud.process import LocalCloud

ATTEMPT_SECONDS = 0.25
"""How long an attempt takes: download, check, and install."""
_ASK_AGAIN_SECONDS = 0.5
_AWAY_SECONDS = 6.0
"""A device that gets no job for so long was out of the group: its next cycle begins."""
DATA_TOPIC = "iot/device/data"


@dataclass
class Attempt:
    """One attempt to update."""

    at: float
    """Seconds since the epoch."""
    succeeded: bool


@dataclass
class Updater:
    """Runs the updates of one device in a thread of its own, as its plan wants it."""

    plan: DevicePlan
    cloud: LocalCloud
    on_success: Callable[[str], None]
    """Called with the device's name: what a fleet's backend does when a device is up to date."""
    attempts: list[Attempt] = field(default_factory=list)
    error: Exception | None = None
    """What ended the thread, if it was not ``stop``."""

    def __post_init__(self) -> None:
        self._cycle = 0
        self._failures_in_cycle = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.plan.name, daemon=True)

    def start(self) -> None:
        """Connect and begin to take jobs."""
        self._thread.start()

    def stop(self) -> None:
        """Disconnects."""
        self._stopped.set()
        self._thread.join()

    @property
    def has_updated(self) -> bool:
        """Whether the last attempt succeeded."""
        return bool(self.attempts) and self.attempts[-1].succeeded

    @property
    def failures(self) -> int:
        """Failed attempts so far."""
        return sum(not attempt.succeeded for attempt in self.attempts)

    def _run(self) -> None:
        try:
            with Device.of(self.cloud, self.plan.name) as device:
                jobs = f"$aws/things/{self.plan.name}/jobs"
                device.subscribe(f"{jobs}/start-next/accepted")
                while not self._stopped.is_set():
                    if not self._take_next_job(device, jobs):
                        self._stopped.wait(_ASK_AGAIN_SECONDS)
        except Exception as error:  # noqa: BLE001 - reported by whoever watches the fleet
            self.error = error

    def _take_next_job(self, device: Device, jobs: str) -> bool:
        device.publish(f"{jobs}/start-next", {})
        _, answer = device.receive()
        execution = answer.get("execution")
        if not execution:
            return False
        self._note_cycle()
        self._stopped.wait(ATTEMPT_SECONDS)
        self._attempt(device, f"{jobs}/{execution['jobId']}/update")
        return True

    def _note_cycle(self) -> None:
        if self.attempts and time.time() - self.attempts[-1].at > _AWAY_SECONDS:
            self._cycle += 1
            self._failures_in_cycle = 0

    def _attempt(self, device: Device, update_topic: str) -> None:
        succeeds = (
            self._failures_in_cycle
            >= self.plan.failures[min(self._cycle, len(self.plan.failures) - 1)]
        )
        self.attempts.append(Attempt(time.time(), succeeds))
        device.publish(update_topic, {"status": "SUCCEEDED" if succeeds else "FAILED"})
        if succeeds:
            self.on_success(self.plan.name)
            return
        self._failures_in_cycle += 1
        device.publish(DATA_TOPIC, self._failure_message())

    def _failure_message(self) -> dict[str, Any]:
        return {
            "_id_": self.plan.name,
            "timestamp": str(int(time.time() * 1000)),
            "status": "failed",
            "model": MODEL,
            "FW": OLD_FIRMWARE,
        }
