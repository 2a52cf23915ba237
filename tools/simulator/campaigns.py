"""Campaigns: people pause and resume them, the breaker tells of bad ones; both are checked here.

Each check reports, with the first word its name:

- ``paused``   nothing is put back while a campaign is paused
- ``tripped``  the breaker tells of the campaigns that are to blame and of no other, once until
               each is resumed; told first and marked then
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import sqrt
from typing import TYPE_CHECKING, Any

from firmware_retry import clock
from simulator.aws.values import Item
from simulator.faults import Fault
from simulator.functions import Call, FunctionRun
from simulator.options import CAMPAIGNS, RETRIES, Breaker

if TYPE_CHECKING:
    from simulator.world import World

ABOUT_SECONDS = 180.0
"""How long after it read what is known of a campaign a function may still act on it."""
_MINUTE = 60.0


@dataclass
class _Pass:
    """What a run of ReconcileDevices has to tell of."""

    known: Mapping[str, Item]
    to_blame: Mapping[str, tuple[int, int]] | None = None
    """By campaign: its devices, and all; None when that depends on seconds."""
    told: set[str] = field(default_factory=set)


class Campaigns:
    """What people do with the campaigns of a world, and what must hold of them at every moment."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._passes: dict[int, _Pass] = {}
        """By run."""

    @property
    def _items(self) -> dict[tuple[str, ...], Item]:
        return self._world.dynamodb.tables[CAMPAIGNS].items

    # -- what people do ------------------------------------------------------------------------

    def pause(self, name: str) -> None:
        """An operator pauses a campaign, and resumes it some time; as ``fleet-retry`` does."""
        world = self._world
        world.faults.happened(Fault.PAUSED)
        world.trace.add(world.scheduler.now, "person", "pauses", name)
        item = dict(self._items.get((name,), {"campaign": {"S": name}}))
        item.pop("resumedAt", None)
        marks = {"pausedAt": clock.iso(world.scheduler.now), "pausedBy": "operator", "why": "?"}
        self._items[name,] = {**item, **{mark: {"S": text} for mark, text in marks.items()}}
        world.model.pause(name, world.scheduler.now)
        self._resume_later(name)

    def _resume_later(self, name: str) -> None:
        chance = self._world.random
        later = 10 * _MINUTE + chance.choice((3600.0, 6 * 3600.0, 86400.0)) * chance.random()
        self._world.scheduler.after(later, lambda: self._resume(name))

    def _resume(self, name: str) -> None:
        now = self._world.scheduler.now
        self._world.trace.add(now, "person", "resumes", name)
        self._items[name,] = {"campaign": {"S": name}, "resumedAt": {"S": clock.iso(now)}}
        self._world.model.resume(name)

    # -- what the package does -----------------------------------------------------------------

    def check_back(self, run: FunctionRun, device: str) -> None:
        """A device got its attributes back for another cycle."""
        since = self._world.model.held_since(device)
        if since is not None and self._world.scheduler.now - since > ABOUT_SECONDS:
            self._world.violated("paused", f"{run} put {device} back, which is held since {since}")

    def scan(self, call: Call) -> Any:
        """ReconcileDevices reads what is known of campaigns, and then all records."""
        answer = self._world.cloud_call(call)
        items, rule = answer["Items"], self._world.options.breaker
        if call.parameters["TableName"] == CAMPAIGNS:
            self._passes[call.run.number] = _Pass({item["campaign"]["S"]: item for item in items})
        elif rule and call.run.number in self._passes:
            records = self._world.dynamodb.tables[RETRIES].items.values()
            now = self._world.scheduler.now + call.run.skew
            known = self._passes[call.run.number].known
            self._passes[call.run.number].to_blame = _to_blame(rule, records, known, now)
        return answer

    def published(self, told: Mapping[str, Any], run: FunctionRun) -> None:
        """The breaker tells of a campaign."""
        name = told["campaign"]
        self._world.faults.happened(Fault.TRIPPED)
        self._passes[run.number].told.add(name)
        to_blame = self._passes[run.number].to_blame
        found = told["devices"], told["total"]
        if to_blame is not None and to_blame.get(name) != found:
            self._world.violated("tripped", f"{run}: {name} with {found}, not {to_blame}")

    def write(self, call: Call) -> Any:
        """The breaker marks a campaign, of which it told."""
        name = call.parameters["Key"]["campaign"]["S"]
        campaign, rule = self._world.model.campaigns.get(name), self._world.options.breaker
        was_told = campaign is not None and campaign.is_told
        answer = self._world.cloud_call(call)
        made_by = self._passes.get(call.run.number)
        if made_by is None or name not in made_by.told:
            self._world.violated("tripped", f"{call.run} marked {name} before it told of it")
        is_paused = "pausedAt" in self._items[name,]
        if was_told or (campaign and campaign.paused_since is not None):
            self._world.violated("tripped", f"{call.run} marked {name}, which is marked")
        if rule is None or is_paused != rule.pauses:
            self._world.violated("tripped", f"{call.run} paused {name}: {is_paused}")
        self._world.model.trip(name, self._world.scheduler.now, pauses=is_paused)
        self._resume_later(name)
        return answer

    def finished(self, run: FunctionRun, error: str | None, result: Any) -> None:
        """A pass has come to its end: if it left nothing, it told of all that are to blame."""
        made = self._passes.get(run.number)
        if made is None or made.to_blame is None or error or result.get("left"):
            return
        if missing := made.to_blame.keys() - made.told:
            self._world.violated("tripped", f"{run} did not tell of {sorted(missing)}")


def _to_blame(
    rule: Breaker, records: Iterable[Item], known: Mapping[str, Item], now: float
) -> Mapping[str, tuple[int, int]] | None:
    """The campaigns that a pass is to tell of, if that does not depend on these very seconds."""
    devices: Counter[str] = Counter()
    for record in records:
        name = record["campaign"]["S"]
        used_up = float(record.get("usedUpAt", {}).get("N", "-inf"))
        age = now - used_up
        if abs(age - rule.window_seconds) < _MINUTE:
            return None
        resumed = known.get(name, {}).get("resumedAt")
        is_forgiven = resumed and used_up <= datetime.fromisoformat(resumed["S"]).timestamp()
        if age < rule.window_seconds and not is_forgiven:
            devices[name] += 1
    total = devices.total()
    return {
        name: (count, total)
        for name, count in devices.items()
        if name != "unknown"
        and not known.get(name, {}).keys() & {"toldAt", "pausedAt"}
        and count >= rule.min_devices
        and _lower_end(count, total) >= rule.share
    }


def _lower_end(devices: int, total: int) -> float:
    """Of Wilson's 95 % interval of a share, as the books write it."""
    z, found = 1.96, devices / total
    spread = z * sqrt(found * (1 - found) / total + z * z / (4 * total * total))
    return (found + z * z / (2 * total) - spread) / (1 + z * z / total)
