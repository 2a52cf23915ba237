"""Operators: what they do to a deployment besides editing the registry."""

from collections.abc import Callable

from botocore.exceptions import ClientError

from firmware_retry import clock
from simulator.faults import Fault
from simulator.functions import Call
from simulator.machines import Execution
from simulator.options import CAMPAIGNS, FAILED_GROUP
from simulator.world import World

_DAY = 86400.0


class Operators:
    """They redrive runs and dead letters, pause campaigns, and empty the failed group."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._campaigns = world.account.dynamodb.tables[CAMPAIGNS].items
        self.redrives_dead_letters = True
        # Called with the name of a device before it is taken out of the failed group.
        self.on_take_out: list[Callable[[str], None]] = []
        # Called before the failed group is replaced.
        self.on_replace: list[Callable[[], None]] = []
        # Called with the name of a campaign when it is paused or resumed.
        self.on_pause: list[Callable[[str], None]] = []
        self.on_resume: list[Callable[[str], None]] = []
        world.states.on_end = self._handle_end
        world.account.dead_letters.on_arrival = self._handle_dead_letter
        world.on_success.append(self._handle_breaker)

    # -- devices -----------------------------------------------------------------------------

    def take_out(self, name: str) -> None:
        """Take a device out of the failed group, where it is in it."""
        if name not in self._world.account.iot.groups[FAILED_GROUP]:
            return
        self._world.faults.count(Fault.TAKEN_OUT)
        for listener in self.on_take_out:
            listener(name)
        self._world.edits.take_out(name, FAILED_GROUP)

    def replace_failed_group(self) -> None:
        """Delete the failed group and create it again, which releases no device."""
        world = self._world
        world.faults.count(Fault.GROUP_REPLACED)
        self._log("replaces", FAILED_GROUP)
        for listener in self.on_replace:
            listener()
        # AWS does not say whether a deleted group sends the events of its members' removal.
        sends_events = world.random.random() < 0.5
        for name in world.account.iot.replace_group(FAILED_GROUP):
            if sends_events:
                world.account.iot.on_leave(FAILED_GROUP, name)
            world.schedules.care_for(name)

    # -- campaigns ---------------------------------------------------------------------------

    def pause(self, campaign: str) -> None:
        """Pause a campaign as ``fleet-retry`` does, and resume it after some time."""
        world = self._world
        world.faults.count(Fault.PAUSED)
        self._log("pauses", campaign)
        item = dict(self._campaigns.get((campaign,), {"campaign": {"S": campaign}}))
        item.pop("resumedAt", None)
        marks = {"pausedAt": clock.iso(world.scheduler.now), "pausedBy": "operator", "why": "?"}
        self._campaigns[campaign,] = {**item, **{mark: {"S": text} for mark, text in marks.items()}}
        for listener in self.on_pause:
            listener(campaign)
        self._resume_later(campaign)

    def _resume_later(self, campaign: str) -> None:
        chance = self._world.random
        delay = 600 + chance.choice((3600.0, 6 * 3600.0, _DAY)) * chance.random()
        self._world.scheduler.after(delay, lambda: self._resume(campaign))

    def _resume(self, campaign: str) -> None:
        self._log("resumes", campaign)
        resumed_at = clock.iso(self._world.scheduler.now)
        self._campaigns[campaign,] = {"campaign": {"S": campaign}, "resumedAt": {"S": resumed_at}}
        for listener in self.on_resume:
            listener(campaign)

    def _handle_breaker(self, call: Call) -> None:
        """Resume a campaign some time after the circuit breaker has marked it."""
        if call.operation == "update_item" and call.parameters["TableName"] == CAMPAIGNS:
            self._resume_later(call.parameters["Key"]["campaign"]["S"])

    # -- runs and messages -------------------------------------------------------------------

    def _handle_end(self, execution: Execution) -> None:
        if execution.machine.is_express:
            return
        if execution.status in ("FAILED", "ABORTED") and self._world.random.random() < 0.5:
            # An alarm leads to a redrive after some time.
            chance = self._world.random
            delay = 60 + chance.choice((900, 6 * 3600, 4 * 86400)) * chance.random()
            self._world.scheduler.after(delay, lambda: self._redrive(execution))

    def _redrive(self, execution: Execution) -> None:
        try:
            self._world.states.redrive_execution({"executionArn": execution.arn})
        except ClientError:
            self._log("cannot redrive", execution)

    def _handle_dead_letter(self) -> None:
        if self.redrives_dead_letters and len(self._world.account.dead_letters.messages) == 1:
            delay = 600 + 12 * 3600 * self._world.random.random()
            self._world.scheduler.after(delay, self._redrive_dead_letters)

    def _redrive_dead_letters(self) -> None:
        for letter in self._world.account.dead_letters.take():
            self._log("redrives", letter)
            self._world.deliver(letter["message"])

    def _log(self, action: str, *details: object) -> None:
        self._world.trace.add(self._world.scheduler.now, "person", action, *details)
