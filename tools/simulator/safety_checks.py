"""Safety: what must hold at every moment, checked as each call of the package takes effect.

Each violation begins with the name of its check:

- ``record``     the record is what the reference model says, after every write
- ``outcome``    a message gets the outcome of the model
- ``edge``       a record changes its state only along an edge of the diagram
- ``history``    each change of the state is written down once, together with it
- ``ended``      an episode ends for the reason that is given, and not before its time
- ``originals``  nothing is overwritten before the backup holds its original
- ``restored``   an attribute gets back the value that the registry, or an operator, had set
- ``rejoins``    nothing is restored before the device left its groups, or never does
- ``held``       only the recovery that owns a device changes its attributes
- ``told``       an alert goes out when a device failed, not again after that was recorded, and
                 one more when its update succeeded
- ``alive``      ReconcileDevices leaves a device alone whose run is under way
- ``paused``, ``tripped``  see ``campaign_checks``
- ``unasked``    the package makes no write that the model does not know
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from firmware_retry.message import Message
from firmware_retry.record import Cause
from simulator.aws.sns import Published
from simulator.aws.values import Item
from simulator.campaign_checks import ABOUT_SECONDS, CampaignChecks
from simulator.checks import Checks
from simulator.faults import Fault
from simulator.functions import Call, FunctionRun, Perform
from simulator.options import ALERTS, BACKUP, CAMPAIGNS, FAILED_GROUP, HISTORY, RETRIES
from simulator.reference_model import (
    COOLING_DOWN,
    FAILED,
    FREE,
    SUCCEEDED,
    TRACKING,
    End,
    Episode,
    Report,
    Step,
)
from simulator.schedules import WRITES

MOST_CHECKS = 4
"""How often a device is found in groups that it should have left, before that is accepted."""

_EDGES = frozenset(
    {
        (FREE, FREE),
        (FREE, TRACKING),
        (TRACKING, TRACKING),
        (TRACKING, COOLING_DOWN),
        (TRACKING, FAILED),
        (TRACKING, FREE),
        (COOLING_DOWN, COOLING_DOWN),
        (COOLING_DOWN, TRACKING),
        (COOLING_DOWN, FREE),
        (FAILED, FAILED),
        (FAILED, FREE),
    }
)
_SAW_THE_DEVICE = (None, "RecoverySupersededError", "ThingNotFoundError")
"""How MoveDeviceToFailedGroup ends when it saw what became of the device."""


class SafetyChecks:
    """Check each call of the package as it takes effect, and each result of a function."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self._world = checks.world
        self._model = checks.model
        self._campaigns = CampaignChecks(checks)
        self._check_call: Mapping[str, Callable[[Call, Perform], Any]] = {
            "update_thing": self._update_thing,
            "publish": self._publish,
            "add_thing_to_thing_group": self._add_to_group,
            "get_item": self._read,
            "query": self._read_history,
            "scan": self._campaigns.scan,
            **dict.fromkeys(WRITES, self._write),
        }
        self._update_model: Mapping[str, Callable[..., None]] = {
            "count": self._count,
            "take_over": self._take_over,
            "create": self._create,
            "claim": self._claim,
            "postpone": lambda *_: None,
            "mark_away": _by_recovery(self._model.mark_away),
            "check_again": _by_recovery(self._model.count_check),
            "release": _by_recovery(self._model.release),
            "mark_joined": _by_recovery(self._model.mark_joined),
            "mark_notified": _by_recovery(self._model.mark_notified),
            "ask_to_end": self._ask_to_end,
            "end": self._end,
        }
        # When each episode ended that a recovery owned, by the name of the recovery.
        self._ended: dict[str, float] = {}

    def check_call(self, call: Call, perform: Perform) -> Any:
        """Make a call take effect and check it; return its answer or raise ClientError."""
        check = self._check_call.get(call.operation)
        return check(call, perform) if check else perform(call)

    def check_result(self, run: FunctionRun, error: str | None, result: Any) -> None:
        """Check the result of a function."""
        check = {
            "IncrementRetryCounter": self._check_outcome,
            "CheckIfDeviceExists": self._check_late,
            "ClearDeviceRecord": self._check_cleared,
        }.get(run.step)
        if check:
            check(run, error, result)
        self._campaigns.check_finish(run, error, result)
        name = run.event.get("deviceId")
        if error in _SAW_THE_DEVICE and self._checks.late_members.get(name) is run:
            del self._checks.late_members[name]

    # -- what is answered --------------------------------------------------------------------

    def _check_outcome(self, run: FunctionRun, error: str | None, result: Any) -> None:
        if error is not None:
            return
        report, said = parse_report(run.event), result["outcome"]
        wanted = "ignored" if self._model.is_ignored(report) else run.verdict
        if said != wanted:
            self._checks.violate("outcome", f"{run} said {said}, the model {wanted}")
        self._checks.processed.add((report.device, report.event))

    def _read_history(self, call: Call, perform: Perform) -> Any:
        answer = perform(call)
        run, report = call.run, parse_report(call.run.event)
        if run.step == "IncrementRetryCounter":
            run.verdict = "campaign_changed" if self._model.is_new(report) else "stale"
        if run.step == "CheckIfDeviceExists":
            is_late, end, _ = run.verdict
            if report.sent_at < end.up_to:
                is_late = self._model.is_late(report, end)
            run.verdict = is_late, end, self._model.earliest(report, end)
        return answer

    def _check_late(self, run: FunctionRun, error: str | None, result: Any) -> None:
        if run.verdict is None or error not in (None, "StaleMessageError"):
            return
        is_late, _, earliest = run.verdict
        if is_late != (error is not None) or (not is_late and result["notBefore"] != earliest):
            said = error or result
            self._checks.violate("outcome", f"{run} said {said}, late is what is before {earliest}")

    def _read(self, call: Call, perform: Perform) -> Any:
        if call.run.step == "ClearDeviceRecord" and call.parameters["TableName"] == RETRIES:
            report, has_succeeded = parse_report(call.run.event), _has_succeeded(call.run)
            is_over = self._model.is_ended_by(report, has_succeeded=has_succeeded)
            call.run.verdict = self._model.episodes[report.device].name if is_over else None
        elif call.run.step == "ClearDeviceRecord" and call.run.verdict:
            # A success by the other reporter, which ends the episode itself, may be noted by now.
            report, has_succeeded = parse_report(call.run.event), _has_succeeded(call.run)
            if not self._model.is_ended_by(report, has_succeeded=has_succeeded):
                call.run.verdict = None
        elif call.run.step == "CheckIfDeviceExists" and call.parameters["TableName"] == RETRIES:
            is_late, *rest = call.run.verdict
            has_begun = call.run.event["deviceId"] in self._model.episodes
            call.run.verdict = is_late and not has_begun, *rest
        elif call.run.step == "CheckIfDeviceExists":
            report = parse_report(call.run.event)
            end = self._model.ends.get(report.device, End())
            earliest = self._model.earliest(report, end)
            call.run.verdict = self._model.is_late(report, end), end, earliest
        return perform(call)

    def _check_cleared(self, run: FunctionRun, error: str | None, _: Any) -> None:
        episode = self._model.episodes.get(run.event["deviceId"])
        if error is None and episode and episode.name == run.verdict and not episode.ending:
            self._checks.violate("ended", f"{run} did not end {episode.name}")

    # -- the record --------------------------------------------------------------------------

    def _write(self, call: Call, perform: Perform) -> Any:
        table = call.parameters.get("TableName")
        if table == CAMPAIGNS:
            return self._campaigns.write(call, perform)
        if call.intent is None:
            if table == HISTORY and call.run.step == "ClearDeviceRecord":
                name = call.parameters["Item"]["endId"]["S"]
                latest = call.parameters["ExpressionAttributeValues"].get(":end", {}).get("S")
                self._model.succeed(parse_report(call.run.event), name, latest)
            elif table != BACKUP and not (_counts(call) or _is_of_stray(call)):
                self._checks.violate("unasked", f"{call.run} {call.operation} on {table}")
            return perform(call)
        function, (record, *details) = call.intent
        before = self._world.record(record.device_id)
        known = len(self._model.history.get(record.device_id, ()))
        if call.run.step == "ReconcileDevices":
            self._check_run_alive(call.run, record.device_id, record.recovery_id)
        written: list[Step] = []
        try:
            answer = perform(call)
            written = _history_steps(call)
            seen = self._model.seen.setdefault(record.device_id, set())
            seen.update(line["campaign"]["S"] for line in _history_lines(call))
            return answer
        finally:
            self._update_model[function](call, record, *details)
            self._compare(record.device_id, before, call)
            wanted = self._model.history.get(record.device_id, [])[known:]
            if written != wanted:
                self._checks.violate("history", f"{call.run} wrote {written}, not {wanted}")

    def _check_run_alive(self, run: FunctionRun, device: str, recovery: str) -> None:
        episode = self._model.episodes.get(device)
        # What comes much later than it was sent may find that the episode has ended.
        if episode is None or not recovery.startswith(episode.name):
            return
        # What is to end may be ended by anybody, once the device is away; and after everybody was
        # told, a run has nothing left to do.
        if (episode.ending and episode.is_away) or not self._has_steps_left(device):
            return
        for execution in self._world.executions("cool_down", "escalation"):
            # What began in these very seconds cannot be known.
            age = self._world.scheduler.now - execution.since
            if execution.name == recovery and execution.is_running and age > 180:
                self._checks.violate("alive", f"{run} acts for {execution}")

    def _has_steps_left(self, device: str) -> bool:
        model = self._model
        return model.episodes[device].state != FAILED or model.is_due(device)

    def _count(self, call: Call, record: Any, is_fatal: bool = False) -> None:
        report = parse_report(call.run.event)
        call.run.verdict = self._model.count_failure(report)
        self._checks.processed.add((report.device, report.event))
        if self._model.is_ignored(report) or is_fatal != self._model.is_fatal(report):
            self._checks.violate("outcome", f"{call.run} misread {record.reasons}")

    def _take_over(self, call: Call, record: Any, _: Any, __: bool = False) -> None:
        report = parse_report(call.run.event)
        call.run.verdict = self._model.take_over(
            report, record.tracking_id, str(record.reported_by), record.last_sent_at
        )

    def _create(self, call: Call, _: Any, not_before: int, latest: Any) -> None:
        name = call.parameters["TransactItems"][0]["Put"]["Item"]["trackingId"]["S"]
        self._model.begin(parse_report(call.run.event), name, not_before, latest.end_id)

    def _claim(self, _: Call, record: Any, state: str, __: int, groups: frozenset[str]) -> None:
        self._model.claim(record.device_id, record.tracking_id, record.cycle, state, groups)

    def _ask_to_end(self, call: Call, record: Any, why: str, _: int) -> None:
        if self._model.is_owned_by(record.device_id, record.recovery_id):
            self._check_reason(call.run, record.device_id, why)
        self._model.ask_to_end(record.device_id, record.recovery_id, why)

    def _end(self, call: Call, record: Any, why: str, up_to: int) -> None:
        episode = self._model.episodes.get(record.device_id)
        stage = (
            record.tracking_id,
            str(record.state),
            record.reset_retry_count,
            str(record.reported_by),
            record.last_sent_at,
            bool(record.notified_at),
        )
        if episode and episode.stage == stage:
            self._check_end(call.run, record.device_id, episode, why)
            if why != SUCCEEDED and up_to > max(episode.counted.values(), default=0) + 1:
                self._checks.violate("ended", f"{record.device_id}: what it sends next is late")
            self._ended[episode.recovery] = self._world.scheduler.now
        (name,) = [
            put["Item"]["endId"]["S"] for put in _history_puts(call) if "endId" in put["Item"]
        ]
        has_changed = why == "another campaign began"
        self._model.end(record.device_id, stage, up_to, name, has_changed=has_changed)

    def _check_end(self, run: FunctionRun, device: str, episode: Episode, why: str) -> None:
        if why == "thing is gone":
            # Nobody forgets a device whose thing is there (for longer than a call may be late).
            if self._world.edits.has_existed_for(device, 300):
                self._checks.violate("ended", f"{device} was forgotten, but its thing is there")
            return
        if episode.ending and why != episode.ending:
            self._checks.violate("ended", f"{device}: {why}, but it was {episode.ending}")
        if episode.state == TRACKING:
            self._check_reason(run, device, why)
        elif not (episode.ending and episode.is_away):
            self._checks.violate("ended", f"{device} is {episode.state}, and nobody asked ({run})")
        if episode.is_notified and why == SUCCEEDED and not episode.is_recovery_notified:
            self._checks.violate("told", f"{device} healed, and nobody was told")

    def _check_reason(self, run: FunctionRun, device: str, why: str) -> None:
        """Check that a run may request this end."""
        if run.step == "ClearDeviceRecord":
            has_succeeded = _has_succeeded(run)
            report = parse_report(run.event)
            is_right = self._model.is_ended_by(report, has_succeeded=has_succeeded)
            is_right &= has_succeeded == (why == SUCCEEDED)
        elif run.step == "ReconcileDevices" or run.event.get("kind") == "removed":
            is_right = self._may_be_taken_out(device)
        else:
            is_right = run.step == "ReleaseDevice"
        if not is_right:
            self._checks.violate("ended", f"{device}: {run} says {why}")

    def _may_be_taken_out(self, device: str) -> bool:
        """Return whether a device may have left the failed group by an operator's decision."""
        if not self._world.faults.counts[Fault.GROUP_REPLACED]:
            return device not in self._world.account.iot.groups[FAILED_GROUP]
        return device in self._checks.ever_taken_out | self._world.edits.ever_missing

    def _compare(self, device: str, earlier: Item | None, call: Call) -> None:
        item = self._world.record(device)
        before, after = _state_of(earlier), _state_of(item)
        if (before, after) not in _EDGES:
            self._checks.violate("edge", f"{device} went from {before} to {after}")
        if item and earlier and earlier.get("notifiedAt", "") not in ("", item.get("notifiedAt")):
            self._checks.violate("told", f"{device}: when people were told has changed")
        episode = self._model.episodes.get(device)
        wanted = episode and _episode_state(episode, is_due=self._model.is_due(device))
        found = item and _item_state(item)
        if found != wanted:
            here, there = _differences(found or {}, wanted or {})
            self._checks.violate("record", f"{device} is {here}, the model {there} ({call.run})")

    # -- the thing ---------------------------------------------------------------------------

    def _update_thing(self, call: Call, perform: Perform) -> Any:
        name = call.parameters["thingName"]
        thing = self._world.account.iot.things.get(name)
        before = thing.attributes if thing else {}
        answer = perform(call)
        if thing is None:
            return answer
        changed = [
            attribute
            for attribute in sorted({*before, *thing.attributes})
            if before.get(attribute) != thing.attributes.get(attribute)
        ]
        self._world.edits.note_overwritten(name, changed)
        episode = self._model.episodes.get(name)
        is_held = episode is not None and episode.state != TRACKING
        if changed and not is_held and name not in self._world.edits.renamed:
            self._checks.violate("held", f"{call.run} changed {name}, which no recovery holds")
        for attribute in changed:
            was, value = before.get(attribute), thing.attributes.get(attribute)
            original = self._world.edits.expected_attributes(name).get(attribute)
            if self._world.options.is_overwritten(attribute, value):
                self._check_backup(name, thing.thing_id, attribute, original)
            elif not self._world.options.is_overwritten(attribute, was) or value != original:
                self._checks.violate(
                    "restored", f"{name} {attribute}: {was} became {value}, not {original}"
                )
        if any(
            self._world.options.is_overwritten(attribute, before.get(attribute))
            and not self._world.options.is_overwritten(attribute, thing.attributes.get(attribute))
            for attribute in changed
        ):
            self._campaigns.check_restore(call.run, name)
        if episode and dict(before).items() >= self._world.options.moved_out.items():
            self._check_rejoins(name, episode, thing.attributes)
        return answer

    def _check_rejoins(self, name: str, episode: Episode, after: Mapping[str, str]) -> None:
        """Check that a device leaves its groups before it gets its attributes back."""
        options = self._world.options
        is_back = not any(options.is_overwritten(*attribute) for attribute in after.items())
        groups = self._world.account.iot.dynamic_groups
        # Groups that have nothing to do with the update are never left: one that it left is enough.
        is_there = [name in groups[group].members for group in episode.groups_to_leave]
        if (
            is_back
            and is_there
            and all(is_there)
            and not episode.ending
            and episode.checks < MOST_CHECKS
        ):
            self._checks.violate("rejoins", f"{name} was restored, and has not left its groups")

    def _check_backup(
        self, device: str, thing_id: str, attribute: str, original: str | None
    ) -> None:
        item = self._world.account.dynamodb.tables[BACKUP].items.get((device,))
        kept = item and (
            item["thingId"]["S"],
            item["attributes"]["M"].get(attribute, {}).get("S"),
        )
        if kept != (thing_id, original):
            self._checks.violate(
                "originals", f"{device} {attribute}: {original} is lost, the backup has {kept}"
            )

    def _add_to_group(self, call: Call, perform: Perform) -> Any:
        """Note a thing that joins the failed group after its episode: its run has to look again.

        A run that crashes or gives up just then does not; that is left as it is, since it takes an
        episode that ends while such a call is under way.
        """
        name = call.parameters["thingName"]
        answer = perform(call)
        episode = self._model.episodes.get(name)
        if episode is None or episode.state != FAILED or episode.ending:
            self._checks.late_members[name] = call.run
        return answer

    # -- the topic ---------------------------------------------------------------------------

    def _publish(self, call: Call, perform: Perform) -> Any:
        published = self._world.account.sns.published
        known = len(published)
        answer = perform(call)
        if call.run.step == "ReconcileDevices" and "deviceId" not in call.parameters["Message"]:
            self._check_fleet_alert(json.loads(call.parameters["Message"]), call.run)
            return answer
        if len(published) > known and published[-1].topic_arn == ALERTS:
            self._check_alert(published[-1], call.run)
        return answer

    def _check_fleet_alert(self, alert: Mapping[str, Any], run: FunctionRun) -> None:
        if alert["event"] == "campaign_tripped":
            self._campaigns.check_alert(alert, run)
        elif not self._world.faults.counts[Fault.GROUP_REPLACED]:
            self._checks.violate("told", f"{run}: the failed group was not replaced: {alert}")

    def _check_alert(self, message: Published, run: FunctionRun) -> None:
        event = json.loads(message.message)["event"]
        episode = self._model.episodes.get(message.group)
        recovery = message.deduplication_id.removesuffix("-healed")
        if episode is None or episode.recovery != recovery:
            # It may have ended while somebody was about to tell of it, or still is.
            age = self._world.scheduler.now - self._ended.get(recovery, 0.0)
            if event != "failed" or age > ABOUT_SECONDS:
                self._checks.violate("told", f"{message.group}: {event}, and it is over ({run})")
        elif event == "healed":
            episode.is_recovery_notified = True
            if not episode.is_notified or episode.ending != SUCCEEDED:
                self._checks.violate("told", f"{message.group} healed, but has not failed")
        elif episode.state != FAILED:
            self._checks.violate("told", f"{message.group} was told of, but has not failed")
        elif episode.is_notified:
            self._checks.violate("told", f"{message.group} was told of again")
        else:
            episode.notifications += 1


def _counts(call: Call) -> bool:
    """Return whether a call counts removals from the failed group, or devices missing from it."""
    item = call.parameters.get("Item") or call.parameters["Key"]
    return call.parameters["TableName"] == HISTORY and str(item["deviceId"]["S"]).startswith("#")


def _is_of_stray(call: Call) -> bool:
    """Return whether a call writes the line of a thing that held marks without an episode."""
    is_line = call.operation == "put_item" and call.parameters["TableName"] == HISTORY
    return is_line and call.parameters["Item"]["reason"]["S"] == Cause.STRAY


def parse_report(event: Mapping[str, Any]) -> Report:
    """Parse the input of an intake step."""
    message = Message.parse(event)
    return Report(
        message.device_id,
        message.event_ids.own,
        message.campaign,
        str(message.reported_by),
        message.sent_at,
        message.reasons,
        message.names_job,
        not message.is_fresh,
        message.happened_at,
        message.received_at,
        frozenset((message.event_ids.earlier, message.event_ids.later)),
    )


def _has_succeeded(run: FunctionRun) -> bool:
    return bool(run.event["kind"] == "succeeded")


def _by_recovery(update: Callable[[str, str], None]) -> Callable[..., None]:
    return lambda _, run, *details: update(run.device_id, run.recovery_id)


def _history_steps(call: Call) -> list[Step]:
    """Return the changes of state that a write also writes into the history."""
    return list(map(parse_step, _history_lines(call)))


def _history_lines(call: Call) -> list[Item]:
    return [put["Item"] for put in _history_puts(call) if "endId" not in put["Item"]]


def _history_puts(call: Call) -> list[dict[str, Any]]:
    puts = [action.get("Put", {}) for action in call.parameters.get("TransactItems", ())]
    return [put for put in puts if put.get("TableName") == HISTORY]


def parse_step(line: Item) -> Step:
    """Parse an item of the history."""
    return line["trackingId"]["S"], str(line["from"]["S"]), str(line["to"]["S"])


def _state_of(item: Item | None) -> str:
    # A write without a condition may make an item that is none of a device's.
    return item.get("state", {}).get("S", "none") if item else FREE


def _episode_state(episode: Episode, *, is_due: bool) -> dict[str, Any]:
    return {
        "state": episode.state,
        "RetryCounter": episode.failures,
        "ResetRetryCount": episode.cycles,
        "campaign": episode.campaign,
        "reportedBy": episode.reporter,
        "startedAt": episode.started_at,
        "notBefore": episode.not_before,
        "lastSentAt": episode.last_sent,
        "lastReason": episode.reason,
        "isFatal": episode.is_fatal,
        "trackingId": episode.name,
        "countedEvents": set(episode.counted),
        "recoveryId": episode.recovery,
        "usedUpAt": episode.has_used_up,
        "leftGroups": episode.groups_to_leave,
        "formerCampaigns": set(episode.former),
        "leaveChecks": episode.checks,
        "awaySince": episode.is_away,
        "failedGroupId": episode.has_joined,
        "notifiedAt": episode.is_notified,
        "ending": episode.ending,
        "dueAt": is_due,
    }


def _item_state(item: Item) -> dict[str, Any]:
    def text(name: str) -> str:
        return str(item.get(name, {}).get("S", ""))

    def number(name: str) -> int:
        return int(item.get(name, {}).get("N", "0"))

    texts = ("state", "campaign", "reportedBy", "lastReason", "trackingId", "recoveryId", "ending")
    numbers = (
        "RetryCounter",
        "ResetRetryCount",
        "startedAt",
        "notBefore",
        "lastSentAt",
        "leaveChecks",
    )
    marks = ("isFatal", "usedUpAt", "awaySince", "failedGroupId", "notifiedAt", "dueAt")
    return {
        **{name: text(name) for name in texts},
        **{name: number(name) for name in numbers},
        **{name: name in item for name in marks},
        **{name: set(item.get(name, _NONE)["SS"]) for name in _SETS},
    }


def _differences(
    left: dict[str, Any], right: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what only the left and only the right mapping holds."""
    names = [name for name in left | right if left.get(name) != right.get(name)]
    return (
        {name: left[name] for name in names if name in left},
        {name: right[name] for name in names if name in right},
    )


_SETS = ("countedEvents", "leftGroups", "formerCampaigns")
_NONE: dict[str, list[str]] = {"SS": []}
