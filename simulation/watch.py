"""What must hold at every moment: checked as each call of the package takes effect.

Each check reports, with the first word its name:

- ``record``     the record is what the reference model says, after every write
- ``outcome``    so is what a failure message is answered with
- ``edge``       a record goes only from state to state where an arrow is
- ``originals``  nothing is overwritten before the backup holds its original
- ``restored``   what is put back is what the registry, or a person, had there
- ``held``       only the recovery that holds a device changes its attributes
- ``told``       a device is told of when it failed, and not once more after that was recorded
- ``alive``      ReconcileDevices leaves a device alone whose run is under way
- ``unasked``    the package writes nothing that the model does not know of
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from simulation.cloud.sns import Published
from simulation.cloud.values import Item
from simulation.functions import Call, FunctionRun
from simulation.model import COOLING_DOWN, FAILED, TRACKING
from simulation.options import ALERTS, BACKUP

if TYPE_CHECKING:
    from simulation.world import World

INTENTS = (
    "count",
    "create",
    "claim",
    "postpone",
    "mark_away",
    "release",
    "mark_notified",
    "mark_mailed",
    "forget",
)
"""The functions of ``firmware_retry.record`` that write."""

_EDGES = frozenset(
    {
        (None, TRACKING),
        (TRACKING, TRACKING),
        (TRACKING, COOLING_DOWN),
        (COOLING_DOWN, COOLING_DOWN),
        (COOLING_DOWN, TRACKING),
        (TRACKING, FAILED),
        (FAILED, FAILED),
        (TRACKING, None),
        (COOLING_DOWN, None),
        (FAILED, None),
        (None, None),
    }
)
_WRITES = frozenset({"update_item", "put_item", "delete_item", "transact_write_items"})


class Watch:
    """Lets the calls of the package take effect in a world, and checks what they do."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._special: Mapping[str, Callable[[Call], Any]] = {
            "update_thing": self._update_thing,
            "publish": self._publish,
            **dict.fromkeys(_WRITES, self._write),
        }

    def perform(self, call: Call) -> Any:
        """Makes a call take effect; gives its answer or raises ClientError."""
        special = self._special.get(call.operation)
        return special(call) if special else self._world.cloud_call(call)

    def finished(self, run: FunctionRun, error: str | None, result: Any) -> None:
        """Checks what a function says at its end."""
        if run.step == "IncrementRetryCounter" and error is None:
            said, wanted = result["outcome"], run.verdict
            if said != wanted:
                self._world.violated("outcome", f"{run} said {said}, the model {wanted}")

    # -- the record --------------------------------------------------------------------------

    def _write(self, call: Call) -> Any:
        table = call.parameters.get("TableName")
        if call.intent is None:
            if table != BACKUP:
                self._world.violated("unasked", f"{call.run} {call.operation} on {table}")
            return self._world.cloud_call(call)
        device = call.intent[1][0].device_id
        before = self._world.record(device)
        if call.run.step == "ReconcileDevices":
            self._check_alive(call.run, call.intent[1][0].recovery_id)
        try:
            return self._world.cloud_call(call)
        finally:
            self._tell_model(call, *call.intent)
            self._compare(device, before, call)

    def _check_alive(self, run: FunctionRun, recovery: str) -> None:
        for execution in self._world.executions("cool_down", "escalation"):
            # What began in these very seconds cannot be known.
            age = self._world.scheduler.now - execution.since
            if execution.name == recovery and execution.is_running and age > 180:
                self._world.violated("alive", f"{run} acts for {execution}")

    def _tell_model(self, call: Call, what: str, arguments: tuple[Any, ...]) -> None:
        model, of = self._world.model, arguments[0]
        if what == "count":
            call.run.verdict = model.failure(of.device_id, of.event_id, of.campaign, of.sent_at)
            self._world.presented.add((of.device_id, of.event_id))
        elif what == "create":
            name = call.parameters["Item"]["trackingId"]["S"]
            model.begin(of.device_id, name, of.campaign, of.sent_at)
        elif what == "claim":
            model.take(of.device_id, of.tracking_id, of.cycle)
        elif what == "mark_away":
            model.away(of.device_id, of.recovery_id)
        elif what == "mark_mailed":
            model.mailed(of.device_id, of.recovery_id)
        elif what == "release":
            model.give_back(of.device_id, of.recovery_id)
        elif what == "mark_notified":
            model.told(of.device_id, of.recovery_id)
        elif what == "forget":
            self._check_gone(of.device_id, of.tracking_id)
            model.vanished(of.device_id, of.tracking_id)

    def _check_gone(self, device: str, name: str) -> None:
        """Nobody forgets a device whose thing is there (for longer than a call may be late)."""
        episode = self._world.model.episodes.get(device)
        if episode and episode.name == name and self._world.people.has_lasted(device, 300):
            self._world.violated("record", f"{device} was forgotten, but its thing is there")

    def _compare(self, device: str, earlier: Item | None, call: Call) -> None:
        item = self._world.record(device)
        before, after = _state(earlier), _state(item)
        if (before, after) not in _EDGES:
            self._world.violated("edge", f"{device} went from {before} to {after}")
        if item and earlier and earlier.get("notifiedAt", "") not in ("", item.get("notifiedAt")):
            self._world.violated("told", f"{device}: when people were told has changed")
        episode = self._world.model.episodes.get(device)
        wanted = episode and (
            episode.state,
            episode.failures,
            episode.cycles,
            episode.campaign,
            episode.name,
            episode.held_by,
            episode.is_told,
            episode.is_mailed,
            episode.is_away,
            self._world.model.is_due(device),
        )
        found = item and (
            after,
            int(item.get("RetryCounter", _ZERO)["N"]),
            int(item.get("ResetRetryCount", _ZERO)["N"]),
            item.get("campaign", _EMPTY)["S"],
            item.get("trackingId", _EMPTY)["S"],
            item.get("recoveryId", _EMPTY)["S"],
            "notifiedAt" in item,
            "mailedAt" in item,
            "awaySince" in item,
            "dueAt" in item,
        )
        if found != wanted or (
            item and episode and set(item.get("countedEvents", _NONE)["SS"]) != episode.counted
        ):
            self._world.violated("record", f"{device} is {found}, the model {wanted} ({call.run})")
        if item is not None:
            self._world.care_for(item)

    # -- the thing ---------------------------------------------------------------------------

    def _update_thing(self, call: Call) -> Any:
        name = call.parameters["thingName"]
        thing = self._world.iot.things.get(name)
        before = thing.attributes if thing else {}
        answer = self._world.cloud_call(call)
        if thing is None:
            return answer
        changed = [
            attribute
            for attribute in sorted({*before, *thing.attributes})
            if before.get(attribute) != thing.attributes.get(attribute)
        ]
        self._world.people.overruled(name, changed)
        episode = self._world.model.episodes.get(name)
        if changed and (episode is None or episode.state == TRACKING):
            self._world.violated("held", f"{call.run} changed {name}, which no recovery holds")
        for attribute in changed:
            was, value = before.get(attribute), thing.attributes.get(attribute)
            original = self._world.people.wanted(name).get(attribute)
            if self._world.options.is_overwritten(attribute, value):
                self._check_backup(name, thing.thing_id, attribute, original)
            elif not self._world.options.is_overwritten(attribute, was) or value != original:
                self._world.violated(
                    "restored", f"{name} {attribute}: {was} became {value}, not {original}"
                )
        return answer

    def _check_backup(
        self, device: str, thing_id: str, attribute: str, original: str | None
    ) -> None:
        item = self._world.dynamodb.tables[BACKUP].items.get((device,))
        kept = item and (
            item["thingId"]["S"],
            item["attributes"]["M"].get(attribute, {}).get("S"),
        )
        if kept != (thing_id, original):
            self._world.violated(
                "originals", f"{device} {attribute}: {original} is lost, the backup has {kept}"
            )

    # -- the topic ---------------------------------------------------------------------------

    def _publish(self, call: Call) -> Any:
        published = self._world.sns.published
        known = len(published)
        answer = self._world.cloud_call(call)
        if len(published) > known and published[-1].topic_arn == ALERTS:
            self._check_told(published[-1])
        return answer

    def _check_told(self, message: Published) -> None:
        episode = self._world.model.episodes.get(message.group)
        recovery = message.deduplication_id
        if episode is None or episode.state != FAILED or episode.held_by != recovery:
            self._world.violated("told", f"{message.group} was told of, but has not failed")
        elif episode.is_told:
            self._world.violated("told", f"{message.group} was told of again")
        else:
            episode.notifications += 1


def _state(item: Item | None) -> str | None:
    # A write without a condition may make an item that is none of a device's.
    return item.get("state", {}).get("S", "none") if item else None


_NONE: dict[str, list[str]] = {"SS": []}
_ZERO = {"N": "-1"}
_EMPTY = {"S": ""}
