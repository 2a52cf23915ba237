"""What happened to each device: its own attempts, and the histories of its recoveries."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from demo.devices import Updater
from demo.fleet_plan import Ending
from fleet_retry.deployment import Machine
from localcloud.fleet import Fleet

# What it means to the device that a step has ended.
_MILESTONES = {
    "ResetRetryCounterAndMoveOut": "moved out",
    "RestoreDeviceAttributes": "restored",
    "ResetRetryCountToFailedUpdate": "marked failed",
    "MoveDeviceToFailedGroup": "in failed group",
    "SendSNSNotification": "people notified",
}


@dataclass(frozen=True)
class Event:
    """Something that happened to a device."""

    at: float
    """Seconds since the demo's fleet was started."""
    what: str
    """``failed``, ``updated``, or one of the milestones of a recovery."""


@dataclass(frozen=True)
class Journey:
    """What happened to one device and where it ended."""

    name: str
    story: str
    events: list[Event]
    wanted: Ending
    found: Ending

    @property
    def is_right(self) -> bool:
        """Whether the device ended where it had to."""
        return self.found == self.wanted

    def count(self, what: str) -> int:
        """How often something happened."""
        return sum(event.what == what for event in self.events)


def collect(fleet: Fleet, updaters: list[Updater], start: float) -> list[Journey]:
    """Return the journeys of all devices.

    Args:
        fleet: the deployed module.
        updaters: the devices.
        start: when they began, seconds since the epoch.
    """
    milestones = list(_milestones(fleet))
    found = endings(fleet, [updater.plan.name for updater in updaters])
    return [
        Journey(
            name=updater.plan.name,
            story=updater.plan.story,
            events=_events(updater, milestones, start),
            wanted=updater.plan.ending,
            found=found[updater.plan.name],
        )
        for updater in updaters
    ]


def endings(fleet: Fleet, names: list[str]) -> dict[str, Ending]:
    """Return where each device is now."""
    records, failed = fleet.all_records(), fleet.failed_devices()
    alerts = Counter(alert["deviceId"] for alert in fleet.all_alerts())
    return {
        name: Ending(
            attributes=fleet.attributes(name),
            state=(record := records.get(name, {})).get("state", ""),
            counters=(int(record.get("RetryCounter", 0)), int(record.get("ResetRetryCount", 0))),
            in_failed_group=name in failed,
            notifications=alerts[name],
        )
        for name in names
    }


def _events(
    updater: Updater, milestones: list[tuple[str, float, str]], start: float
) -> list[Event]:
    attempts = [
        Event(attempt.at - start, "updated" if attempt.succeeded else "failed")
        for attempt in updater.attempts
    ]
    steps = [Event(at - start, what) for name, at, what in milestones if name == updater.plan.name]
    return sorted(attempts + steps, key=lambda event: event.at)


def _milestones(fleet: Fleet) -> Iterator[tuple[str, float, str]]:
    """Yield device, time in epoch seconds, and milestone, of every recovery."""
    machines: tuple[Machine, ...] = ("cool_down", "escalation")
    for machine in machines:
        for execution in fleet.runs(machine):
            yield from _milestones_of(fleet.client("stepfunctions"), execution["executionArn"])


def _milestones_of(states: Any, execution: str) -> Iterator[tuple[str, float, str]]:
    device = json.loads(states.describe_execution(executionArn=execution)["input"])["deviceId"]
    for page in states.get_paginator("get_execution_history").paginate(executionArn=execution):
        for event in page["events"]:
            name = event.get("stateExitedEventDetails", {}).get("name")
            if name in _MILESTONES:
                yield device, event["timestamp"].timestamp(), _MILESTONES[name]
