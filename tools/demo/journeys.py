"""What happened to each device: its own attempts, and the histories of its recoveries."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from demo.account import Fleet
from demo.devices import Updater
from demo.fleet_plan import Ending
from localcloud.process import LocalCloud

# What it means to the device that a step has ended.
_MILESTONES = {
    "ResetRetryCounterAndMoveOut": "moved out",
    "RestoreDeviceAttributes": "restored",
    "ResetRetryCountToFailedUpdate": "marked failed",
    "MoveDeviceToFailedGroup": "in failed group",
    "SendSNSNotification": "people told",
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


def collect(
    cloud: LocalCloud, outputs: dict[str, Any], fleet: Fleet, updaters: list[Updater], start: float
) -> list[Journey]:
    """The journeys of all devices. ``start``: when they began, seconds since the epoch."""
    milestones = list(_milestones(cloud, outputs))
    found = endings(fleet, [updater.fate.name for updater in updaters])
    return [
        Journey(
            name=updater.fate.name,
            story=updater.fate.story,
            events=_events(updater, milestones, start),
            wanted=updater.fate.ending,
            found=found[updater.fate.name],
        )
        for updater in updaters
    ]


def endings(fleet: Fleet, names: list[str]) -> dict[str, Ending]:
    """Where each device is now."""
    records, failed = fleet.records(), fleet.failed()
    told = Counter(message["deviceId"] for message in fleet.receive())
    return {
        name: Ending(
            attributes=fleet.attributes(name),
            state=(record := records.get(name, {})).get("state", ""),
            counters=(int(record.get("RetryCounter", 0)), int(record.get("ResetRetryCount", 0))),
            in_failed_group=name in failed,
            notifications=told[name],
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
    passed = [Event(at - start, what) for name, at, what in milestones if name == updater.fate.name]
    return sorted(attempts + passed, key=lambda event: event.at)


def _milestones(cloud: LocalCloud, outputs: dict[str, Any]) -> Iterator[tuple[str, float, str]]:
    """Device, time in epoch seconds, and milestone, of every recovery."""
    states = cloud.client("stepfunctions")
    for machine in ("cool_down_state_machine_arn", "escalation_state_machine_arn"):
        for page in states.get_paginator("list_executions").paginate(
            stateMachineArn=outputs[machine]
        ):
            for execution in page["executions"]:
                yield from _passed(states, execution["executionArn"])


def _passed(states: Any, execution: str) -> Iterator[tuple[str, float, str]]:
    device = json.loads(states.describe_execution(executionArn=execution)["input"])["deviceId"]
    for page in states.get_paginator("get_execution_history").paginate(executionArn=execution):
        for event in page["events"]:
            name = event.get("stateExitedEventDetails", {}).get("name")
            if name in _MILESTONES:
                yield device, event["timestamp"].timestamp(), _MILESTONES[name]
