"""Safety of campaigns, checked at every moment while operators pause and resume them.

Each violation begins with the name of its check:

- ``paused``   nothing is put back while a campaign is paused
- ``tripped``  the breaker alerts about the campaigns to blame and no others, once until each is
               resumed; it publishes the alert first and marks the campaign then
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import sqrt
from typing import Any

from simulator.aws.values import Item
from simulator.checks import Checks
from simulator.faults import Fault
from simulator.functions import Call, FunctionRun, Perform
from simulator.options import CAMPAIGNS, RETRIES, Breaker

ABOUT_SECONDS = 180.0
"""How long after it read what is known of a campaign a function may still act on it."""
_MINUTE = 60.0


@dataclass
class _Reconciliation:
    """A run of ReconcileDevices: what it read, and its alerts."""

    known: Mapping[str, Item]
    to_blame: Mapping[str, tuple[int, int]] | None = None
    """By campaign: its devices, and all; None when that depends on seconds."""
    notified: set[str] = field(default_factory=set)


class CampaignChecks:
    """Check what the package does with the campaigns of a world."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self._world = checks.world
        self._reconciliations: dict[int, _Reconciliation] = {}  # by the number of the run

    @property
    def _items(self) -> dict[tuple[str, ...], Item]:
        return self._world.account.dynamodb.tables[CAMPAIGNS].items

    def check_restore(self, run: FunctionRun, device: str) -> None:
        """Check a device that gets its attributes back for another cycle."""
        since = self._checks.model.on_hold_since(device)
        if since is not None and self._world.scheduler.now - since > ABOUT_SECONDS:
            self._checks.violate("paused", f"{run} put {device} back, which is held since {since}")

    def scan(self, call: Call, perform: Perform) -> Any:
        """Note what ReconcileDevices reads of the campaigns, and then of the records."""
        answer = perform(call)
        items, rule = answer["Items"], self._world.options.breaker
        if call.parameters["TableName"] == CAMPAIGNS:
            self._reconciliations[call.run.number] = _Reconciliation(
                {item["campaign"]["S"]: item for item in items}
            )
        elif (
            rule
            and call.parameters["TableName"] == RETRIES
            and call.run.number in self._reconciliations
        ):
            records = self._world.account.dynamodb.tables[RETRIES].items.values()
            now = self._world.scheduler.now + call.run.skew
            known = self._reconciliations[call.run.number].known
            self._reconciliations[call.run.number].to_blame = _to_blame(rule, records, known, now)
        return answer

    def check_alert(self, alert: Mapping[str, Any], run: FunctionRun) -> None:
        """Check an alert of the breaker about a campaign."""
        name = alert["campaign"]
        self._world.faults.count(Fault.TRIPPED)
        self._reconciliations[run.number].notified.add(name)
        to_blame = self._reconciliations[run.number].to_blame
        found = alert["devices"], alert["total"]
        if to_blame is not None and to_blame.get(name) != found:
            self._checks.violate("tripped", f"{run}: {name} with {found}, not {to_blame}")

    def write(self, call: Call, perform: Perform) -> Any:
        """Check a mark that the breaker sets on a campaign."""
        name = call.parameters["Key"]["campaign"]["S"]
        campaign, rule = self._checks.model.campaigns.get(name), self._world.options.breaker
        was_marked = campaign is not None and campaign.is_notified
        answer = perform(call)
        made_by = self._reconciliations.get(call.run.number)
        if made_by is None or name not in made_by.notified:
            self._checks.violate("tripped", f"{call.run} marked {name} before it told of it")
        is_paused = "pausedAt" in self._items[name,]
        if was_marked or (campaign and campaign.paused_since is not None):
            self._checks.violate("tripped", f"{call.run} marked {name}, which is marked")
        if rule is None or is_paused != rule.pauses:
            self._checks.violate("tripped", f"{call.run} paused {name}: {is_paused}")
        self._checks.model.trip(name, self._world.scheduler.now, pauses=is_paused)
        return answer

    def check_finish(self, run: FunctionRun, error: str | None, result: Any) -> None:
        """Check that a run which left nothing alerted about every campaign to blame."""
        made = self._reconciliations.get(run.number)
        if made is None or made.to_blame is None or error or result.get("left"):
            return
        if missing := made.to_blame.keys() - made.notified:
            self._checks.violate("tripped", f"{run} did not tell of {sorted(missing)}")


def _to_blame(
    rule: Breaker, records: Iterable[Item], known: Mapping[str, Item], now: float
) -> Mapping[str, tuple[int, int]] | None:
    """Return the campaigns to alert about, None if that depends on these very seconds."""
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
    """Return the lower end of Wilson's 95 % interval of a share."""
    z, found = 1.96, devices / total
    spread = z * sqrt(found * (1 - found) / total + z * z / (4 * total * total))
    return (found + z * z / (2 * total) - spread) / (1 + z * z / total)
