"""A fleet, put together: the devices, the state machines, and who looks after them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from fleet_model import intake, profile, recoveries
from fleet_model.audit import Audit, audit
from fleet_model.backoff import Backoff
from fleet_model.devices import Devices
from fleet_model.engine import Engine
from fleet_model.intake import Intake
from fleet_model.reconciler import Reconciler
from fleet_model.records import Records
from fleet_model.recoveries import Recoveries
from fleet_model.tally import Tally
from fleet_model.workload import Workload
from pricing.quotas import OPEN_EXECUTIONS, QUOTAS, Bucket, Quotas


@lru_cache(maxsize=1)
def backoffs() -> Mapping[str, Backoff]:
    """Return how the module's states are retried, by state."""
    states = {name: machine for machine, name in recoveries.STATES.values()}
    states |= dict.fromkeys(intake.STATES.values(), "intake")
    return {state: Backoff.of(machine, state) for state, machine in states.items()}


@dataclass(frozen=True)
class Setup:
    """The module's variables, as far as they matter here, and the account that it is in."""

    retry_limit: int = 10
    cool_down_seconds: tuple[int, ...] = (86_400,)
    cool_down_jitter: float = 0.1
    settle_seconds: int = 900
    quotas: Quotas = field(default_factory=lambda: QUOTAS)
    open_executions: int = OPEN_EXECUTIONS
    backoffs: Mapping[str, Backoff] = field(default_factory=backoffs)
    """By state."""
    tick: int = 1
    """Seconds, how closely time is looked at."""


@dataclass(frozen=True)
class Result:
    """How a workload went."""

    audit: Audit
    tally: Tally
    buckets: Mapping[str, Bucket]
    devices: Devices
    records: Records


@lru_cache(maxsize=1)
def steps() -> profile.Profile:
    """Return what the package's steps call; recorded once."""
    return profile.record()


def run(
    workload: Workload, setup: Setup, progress: Callable[[int], None] = lambda _: None
) -> Result:
    """Play a workload to its end.

    Args:
        workload: what happens to the devices.
        setup: what the module makes of it; its retry limit is the tries of the workload.
        progress: called with the second, each minute in which something happens.
    """
    records = Records(workload.size, setup.retry_limit, setup.cool_down_seconds)
    tally = Tally(workload.size, records.cycles)
    engine = Engine(setup.quotas, np.random.default_rng(workload.seed), tally, setup.tick)
    devices = Devices(engine, workload)
    machines = Recoveries(
        engine,
        records,
        steps(),
        setup.backoffs,
        devices.rejoin,
        jitter=setup.cool_down_jitter,
        settle_seconds=setup.settle_seconds,
        open_executions=setup.open_executions,
    )
    messages = Intake(engine, records, steps(), machines.start, setup.backoffs)
    Reconciler(engine, records, steps(), messages, machines)
    engine.run(progress)
    found = audit(devices, records, messages.audit_log)
    return Result(found, tally, engine.account.buckets, devices, records)
