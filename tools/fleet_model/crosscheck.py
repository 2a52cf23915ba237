"""Run the same workload on the package's own handlers and machines, under the same quotas.

The model is compared with it. It is slow, so for hundreds of devices; ``safety_checks`` are
evaluated at each call.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleet_model.model import Setup
from fleet_model.workload import SUCCESS, Ints, Workload
from pricing.quotas import Account
from simulator import scenario
from simulator.aws.errors import client_error
from simulator.faults import Faults
from simulator.functions import Call, FunctionRun, Perform
from simulator.options import FAILED_GROUP, RETRIES, Options
from simulator.world import START

_SETTLED = 3600
"""Seconds from the making of the things until the workload begins."""
_MOVES = ("ResetRetryCounterAndMoveOut", "ResetRetryCountToFailedUpdate")


@dataclass(frozen=True)
class HandlerResult:
    """What became of the devices, by number."""

    counted: Ints
    """Failures that the records of each held, over all."""
    failed: Ints
    """Failures that each had."""
    is_healthy: NDArray[np.bool_]
    has_failed: NDArray[np.bool_]
    """Whether it is in the group of the failed."""
    notifications: Ints
    """How often people were told of each."""
    waits: Ints
    """Seconds from each failure that reached the limit until the device was out."""
    ended_at: int
    """When the last device was restored or alerted about, seconds of the workload."""
    violations: list[str]
    """Of the simulator's invariants."""


def run(workload: Workload, setup: Setup) -> HandlerResult:
    """Play a workload to its end; of the quotas, those of AWS IoT hold."""
    return _HandlerRun(workload, setup).run()


class _HandlerRun:
    def __init__(self, workload: Workload, setup: Setup) -> None:
        self._workload = workload
        self._setup = setup
        options = Options(
            retry_limit=setup.retry_limit,
            cool_down_seconds=setup.cool_down_seconds,
            cool_down_jitter=setup.cool_down_jitter,
            settle_seconds=setup.settle_seconds,
            indexing_seconds=float(workload.indexing_seconds),
        )
        chance = random.Random(workload.seed)  # noqa: S311 -- must be repeatable
        built = scenario.build(chance, options, Faults(chance))
        self._world, self._checks = built.world, built.checks
        self._quotas = Account(setup.quotas)
        self._second = 0
        self._names = [f"device-{number}" for number in range(workload.size)]
        self._numbers = {name: number for number, name in enumerate(self._names)}
        self._failed = np.zeros(workload.size, np.int32)
        self._is_healthy = np.zeros(workload.size, np.bool_)
        self._before = np.zeros(workload.size, np.int32)
        self._notifications = np.zeros(workload.size, np.int32)
        self._reached: dict[str, float] = {}
        """When the limit was reached, by recovery run."""
        self._waits: list[int] = []
        self._ended_at = 0
        self._sent: dict[tuple[int, int], int] = {}
        """When each message was sent, milliseconds: its copies say the same."""
        self._world.intercept(self._limit)
        self._world.functions.on_finish.append(self._note_result)

    def run(self) -> HandlerResult:
        world, workload = self._world, self._workload
        with world.install():
            for name in self._names:
                world.edits.create(name, {"model": "wo:v8", "FW": "2.26"})
            world.advance(_SETTLED)
            world.account.iot.on_join = self._rejoin
            for number, start in enumerate(workload.starts):
                world.scheduler.after(float(start), partial(self._try, number))
            world.scheduler.run(most=100_000_000)
        counted = [
            self._before[number] + self._count_recorded(name)
            for name, number in self._numbers.items()
        ]
        members = world.account.iot.groups[FAILED_GROUP]
        return HandlerResult(
            counted=np.array(counted, np.int32),
            failed=self._failed,
            is_healthy=self._is_healthy,
            has_failed=np.array([name in members for name in self._names]),
            notifications=self._notifications,
            waits=np.array(self._waits, np.int32),
            ended_at=self._ended_at,
            violations=[str(violation) for violation in self._checks.violations],
        )

    @property
    def _now(self) -> int:
        return int(self._world.scheduler.now - START) - _SETTLED

    def _count_recorded(self, name: str) -> int:
        item = self._world.record(name)
        if item is None:
            return 0
        cycles, counter = (int(item[key]["N"]) for key in ("ResetRetryCount", "RetryCounter"))
        return cycles * self._setup.retry_limit + counter

    # -- the devices, as in ``devices`` ----------------------------------------------------------

    def _rejoin(self, name: str) -> None:
        self._world.scheduler.after(0, partial(self._try, self._numbers[name]))

    def _try(self, number: int) -> None:
        workload, tried = self._workload, int(self._failed[number])
        if tried >= workload.failures[number]:
            self._is_healthy[number] = True
            self._report(number, SUCCESS)
            return
        self._report(number, tried)
        self._failed[number] += 1
        if (tried + 1) % workload.tries:
            (gap,) = workload.gaps(_array(number), _array(tried + 1))
            self._world.scheduler.after(float(gap), partial(self._try, number))

    def _report(self, number: int, event: int) -> None:
        self._sent[number, event] = int(self._world.scheduler.now * 1000)
        for copy in range(self._workload.copies):
            (delay,) = self._workload.delays(_array(number), _array(event), copy)
            arrive = partial(self._arrive, number, event)
            self._world.scheduler.after(float(delay), arrive)

    def _arrive(self, number: int, event: int) -> None:
        kind = "succeeded" if event == SUCCESS else "failed"
        message: Mapping[str, Any] = {
            "kind": kind,
            "reportedBy": "device",
            "deviceId": self._names[number],
            "timestamp": str(self._sent[number, event]),
            "status": kind,
            "model": "wo:v8",
            "FW": "2.27",
            "topic": "iot/device/data",
            "clientId": self._names[number],
            "receivedAt": int(self._world.scheduler.now * 1000),
        }
        self._world.deliver(message)

    # -- the account, and what is noted ----------------------------------------------------------

    def _limit(self, call: Call, perform: Perform) -> Any:
        """Throttle a call of AWS IoT that is beyond its quota."""
        name = f"{call.service}.{call.operation}"
        if call.service == "iot":
            second = int(self._world.scheduler.now - START)
            if second != self._second:
                self._second = second
                self._quotas.begin(second)
            if not self._quotas.take(((name, 1.0),), 1):
                raise client_error("ThrottlingException", "The rate exceeds the limit.")
        if call.operation == "transact_write_items":
            self._note_end(call)
        return perform(call)

    def _note_end(self, call: Call) -> None:
        first = call.parameters["TransactItems"][0]
        if "Delete" in first and first["Delete"]["TableName"] == RETRIES:
            name = first["Delete"]["Key"]["deviceId"]["S"]
            self._before[self._numbers[name]] += self._count_recorded(name)

    def _note_result(self, run: FunctionRun, error: str | None, result: Any) -> None:
        if error is not None:
            return
        if run.step == "IncrementRetryCounter" and "recoveryId" in result:
            self._reached.setdefault(result["recoveryId"], self._world.scheduler.now)
        elif run.step in _MOVES:
            recovery = f"{run.event['trackingId']}-{run.event['cycle']}"
            self._waits.append(int(self._world.scheduler.now - self._reached[recovery]))
        elif run.step in ("RestoreDeviceAttributes", "SendSNSNotification"):
            self._ended_at = self._now
            if run.step == "SendSNSNotification":
                self._notifications[self._numbers[run.event["deviceId"]]] += 1


def _array(value: int) -> Ints:
    return np.array([value], np.int32)
