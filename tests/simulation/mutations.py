"""The package and its definitions with one safeguard taken out: the simulator has to notice."""

import copy
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from simulation import asl, definitions, journey


@dataclass(frozen=True)
class Mutation:
    """A text in the source of a function of the package, and what stands there instead."""

    function: str
    """``module.function``."""
    safeguard: str
    instead: str = ""

    def __str__(self) -> str:
        return f"{self.function}: {self.safeguard.strip()}"

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Has the package run with the changed function for the length of the block."""
        place, _, name = self.function.rpartition(".")
        module = importlib.import_module(f"firmware_retry.{place}")
        original = getattr(module, name)
        source = textwrap.dedent(inspect.getsource(original))
        assert self.safeguard in source, f"{self} is not in the source any more"
        exec(source.replace(self.safeguard, self.instead, 1), module.__dict__)
        try:
            yield
        finally:
            setattr(module, name, original)


def _always(function: str, safeguard: str, value: str) -> Mutation:
    """A condition that is always true, and still uses its value (DynamoDB wants that)."""
    return Mutation(function, safeguard, f"{value} = {value}")


CONDITIONS = (
    _always("record.count", "#state = :tracking", ":tracking"),
    _always("record.count", "campaign = :campaign", ":campaign"),
    _always("record.count", "RetryCounter < :limit", ":limit"),
    _always("record.count", "NOT contains(countedEvents, :event)", ":event"),
    _always("record.create", "attribute_not_exists(deviceId)", ":sent"),
    Mutation("record.create", "#state = :tracking", "#state = #state AND :tracking = :tracking"),
    _always("record.create", "campaign <> :campaign", ":campaign"),
    _always("record.create", "startedAt < :sent", ":sent"),
    Mutation("record.claim", '"#state = :tracking', '":tracking = :tracking'),
    _always("record.claim", "trackingId = :tracking_id", ":tracking_id"),
    _always("record.claim", "RetryCounter >= :limit", ":limit"),
    _always("record.claim", "ResetRetryCount = :previous", ":previous"),
    _always("record._update_held", "recoveryId = :run", ":run"),
    _always("record.forget", "trackingId = :tracking_id", ":tracking_id"),
    _always("backup.store", "thingVersion {older} :version", ":version"),
    Mutation("backup.store", "thingId <> :thing", ":thing <> :thing"),
    Mutation("backup.store", "attribute_not_exists(deviceId)", ":thing <> :thing"),
)
SAFEGUARDS = (
    Mutation("registry.update", "expectedVersion=thing.version,"),
    Mutation("registry.update", '"merge": True', '"merge": False'),
    Mutation("registry.add_to_group", "describe(thing_name)", "pass"),
    Mutation("alerts.tell_once", "if not device.notified_at:", "if True:"),
    Mutation("alerts.tell_once", "record.mark_notified(run, is_last=not has_people)", "pass"),
    Mutation("alerts.tell_once", "record.mark_mailed(run)", "pass"),
    Mutation("recovery.restore", "record.held(run, State.COOLING_DOWN)", "pass"),
    Mutation("recovery.restore", "record.release(run)", "pass"),
    Mutation("recovery._overwrite", "backup.store(thing, attributes)", "pass"),
    Mutation("recovery._overwrite", "if device.away_since:", "if False:"),
    Mutation("recovery._overwrite", "record.mark_away(run)", "pass"),
    Mutation("recovery.join_failed_group", "record.held(run, State.FAILED)", "pass"),
    Mutation(
        "record._held", "(record.recovery_id, record.state) != (run.recovery_id, state)", "False"
    ),
    Mutation(
        "record._why_refused",
        "return _due(record) or Outcome.DUPLICATE",
        "return Outcome.DUPLICATE",
    ),
    Mutation("handlers.reconcile_devices._finish", "if live:", "if False:"),
)

REDUNDANT = (
    # Only a device that is tracked has counted failures, and a claim sets them to zero.
    'record.claim: "#state = :tracking',
    # The name of the run and the cycle say as much, as long as the limit is not raised meanwhile.
    "record.claim: RetryCounter >= :limit",
    # What does not exist is different from everything, also from a thing's id.
    "backup.store: attribute_not_exists(deviceId)",
)
"""Conditions that follow from others: nothing can miss them."""
RARE = (
    # Between the check that a run holds the device and these writes, which say it again, the
    # episode would have to end and another begin.
    "record._update_held: recoveryId = :run",
    # A run that is redriven in this very state, after the device was forgotten.
    "recovery.join_failed_group: record.held(run, State.FAILED)",
    "escalation.MoveDeviceToFailedGroup: Catch RecoverySupersededError",
    # A thing that is deleted within the milliseconds between two steps.
    "backup.store: thingId <> :thing",
    "escalation.SendSNSNotification: Catch RecoverySupersededError",
)
"""What is missed once in thousands of seeds, or never yet: not looked for in the tests."""


def catches() -> Iterator[tuple[str, dict[str, asl.Machine]]]:
    """Each Catch of the definitions, and the machines without it."""
    whole = {name: definitions.definition(name) for name in definitions.MACHINES}
    for name, definition in whole.items():
        for state, text in definition["States"].items():
            for place, catcher in enumerate(text.get("Catch", ())):
                without: Any = copy.deepcopy(definition)
                del without["States"][state]["Catch"][place]
                changed = {**whole, name: without}
                what = f"{name}.{state}: Catch {', '.join(catcher['ErrorEquals'])}"
                yield what, {key: asl.compiled(value) for key, value in changed.items()}


def found_by(
    mutation: Mutation | dict[str, asl.Machine], seeds: range
) -> tuple[int, str, str] | None:
    """The first seed that notices, with the invariant and what it says; None when none does."""
    machines = None if isinstance(mutation, Mutation) else mutation
    for seed in seeds:
        with mutation.applied() if isinstance(mutation, Mutation) else nullcontext():
            violations = journey.run(seed, machines).violations
        # Only what is well without the mutation is found by it.
        if violations and not journey.run(seed).violations:
            return seed, violations[0].name, violations[0].text
    return None
