"""What must hold once a world has come to rest.

Each check reports, with the first word its name:

- ``stuck``       every device is tracked below its limit, has failed and was told of, or is free
- ``attributes``  each thing has the attributes that people gave it, or is marked as failed; nothing
                  is owed to a device that is free
- ``group``       a device is in the group of the failed exactly when it has failed
- ``told``        of each device that has failed it was told
- ``mailed``      of each device that was told of people were mailed, last what was told last
- ``ended``       whom an operator took out of the group is released
- ``history``     each change of a device's state is kept, once, and in order
- ``lost``        every message was handled, refused for a named reason, or is a dead letter; those
                  that could not be, in a storm of faults, are counted: they are in the log, and an
                  alarm tells of them
- ``failed``      no execution ended in an error that is not one of the passing kind
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any

from simulator import asl
from simulator.aws.sns import Published
from simulator.machines import Execution
from simulator.options import ALERTS, FAILED_GROUP, HISTORY, OPERATORS
from simulator.reference_model import FAILED, FREE, TRACKING, Episode
from simulator.safety_checks import step_of
from simulator.world import World, rendered_machines


def check(world: World) -> None:
    """Checks a world at rest; what is wrong is added to its violations."""
    for name in sorted({*world.iot.things, *world.model.episodes, *world.people.vanished}):
        _check_device(world, name, world.model.episodes.get(name))
    for name, episode in world.done_with:
        if world.model.episodes.get(name) is episode:
            world.violated("ended", f"{name} was taken out of the group, and is {episode.state}")
    for execution in world.executions("intake"):
        check_intake(world, execution)
    for execution in world.executions("cool_down", "escalation"):
        _check_recovery(world, execution)
    for letter in world.dead_letters.messages:
        _check_letter(world, letter)
    if world.options.has_operators:
        _check_mails(world)


def _check_mails(world: World) -> None:
    if world.letters.letters:
        world.violated("mailed", f"{len(world.letters.letters)} letters were never mailed")
    told: dict[str, Published] = {}
    for published in world.sns.published:
        if published.topic_arn == ALERTS and "deviceId" in json.loads(published.message):
            told[published.group] = published
    for name, last in told.items():
        event = json.loads(last.message)["event"]
        mailed = [
            _mailed_event(mail, name)
            for mail in world.sns.published
            if mail.topic_arn == OPERATORS and mail.at >= last.at
        ]
        if [known for known in mailed if known][-1:] != [event]:
            world.violated("mailed", f"{name} {event}, and people were mailed {mailed}")


def _mailed_event(mail: Published, name: str) -> str:
    """What a mail says became of a device; empty when it does not name it."""
    if name in mail.subject:
        return "failed" if "failed" in mail.subject else "healed"
    failed, _, healed = mail.message.partition("that healed:")
    if name in healed.splitlines():
        return "healed"
    return "failed" if name in failed.splitlines() else ""


def _check_device(world: World, name: str, episode: Episode | None) -> None:
    _check_history(world, name, episode)
    if name not in world.iot.things:
        _check_vanished(world, name, episode)
        return
    if episode is not None:
        _check_rest(world, name, episode)
    has_failed = episode is not None and episode.state == FAILED
    is_member = name in world.iot.groups[FAILED_GROUP]
    if is_member != has_failed and name not in world.late_members:
        world.violated("group", f"{name} has {'' if has_failed else 'not '}failed: {is_member}")
    _check_attributes(world, name, has_failed=has_failed)
    if episode is None and world.backup(name) is not None:
        _check_nothing_owed(world, name)


def _check_rest(world: World, name: str, episode: Episode) -> None:
    if episode.ending:
        world.violated("stuck", f"{name} is to end: {episode.ending}")
    if episode.state == TRACKING:
        if world.model.is_used_up(name):
            world.violated("stuck", f"{name} is at its limit, and no recovery has it")
    elif episode.state == FAILED:
        if world.model.is_due(name) or not episode.notifications:
            world.violated("told", f"{name} failed, and nobody was told")
        if world.backup(name) is None:
            world.violated("attributes", f"{name} has no backup")
    else:
        world.violated("stuck", f"{name} is {episode.state}")


def _check_vanished(world: World, name: str, episode: Episode | None) -> None:
    """A recovery that comes across a thing that is gone clears up after it."""
    if episode is None:
        return
    if episode.state != TRACKING:
        world.violated("stuck", f"{name} is gone, but its record is {episode.state}")
    elif world.model.is_used_up(name):
        world.violated("stuck", f"{name} is gone, but its record is at the limit")


def _check_history(world: World, name: str, episode: Episode | None) -> None:
    """Each episode's lines follow from one another, as far as the clocks of their writers agree."""
    items = world.dynamodb.tables[HISTORY].items
    lines = [step_of(items[key]) for key in sorted(items) if key[0] == name]
    kept = world.model.history.get(name, [])
    order = itemgetter(0) if world.is_in_order else None
    if sorted(lines, key=order) != sorted(kept, key=order):
        world.violated("history", f"{name} has {lines}, not {kept}")
    state = episode.state if episode else FREE
    if (kept[-1][-1] if kept else FREE) != state:
        world.violated("history", f"{name} is {state}, but it ends with {kept[-1:]}")
    if world.is_in_order and lines and episode is None and lines[-1][-1] != FREE:
        world.violated("history", f"{name} is free, but the newest line is {lines[-1]}")


def _check_nothing_owed(world: World, name: str) -> None:
    item = world.backup(name) or {}
    for attribute, values in item["written"]["M"].items():
        if world.iot.things[name].attributes.get(attribute) in values["SS"]:
            world.violated("attributes", f"{name} is free, and is owed its {attribute}")


def _check_attributes(world: World, name: str, *, has_failed: bool) -> None:
    wanted = dict(world.people.wanted(name))
    if has_failed:
        marks = world.options.failed.items()
        wanted.update({key: mark for key, mark in marks if world.people.is_overruled(name, key)})
    found = dict(world.iot.things[name].attributes)
    if found != wanted:
        world.violated("attributes", f"{name} has {found}, not {wanted}")


_STORM = 8
"""Failures in one intake at least, if nothing but faults made it outlast its five minutes."""


def check_intake(world: World, execution: Execution) -> None:
    """Checks what became of one message."""
    if execution.status == "TIMED_OUT" and execution.failures >= _STORM:
        world.overtime += 1
        return
    message = execution.input
    device = str(message.get("deviceId"))
    key = (device, str(message.get("eventId", message.get("timestamp"))))
    is_junk = message in world.junk
    ends = {
        "MessageHandled": not is_junk and (message["kind"] != "failed" or key in world.presented),
        "MessageRefused": is_junk,
        "MessageStale": message["kind"] == "failed",
        "ThingUnknown": device in world.people.vanished,
        "MessageInDeadLetterQueue": execution.status == "FAILED",
    }
    if not ends.get(execution.state, False):
        error = f"{execution.status} in {execution.state} {execution.error}"
        world.violated("lost", f"{execution} of {message}: {error}")
    elif execution.status == "FAILED" and execution.error not in passing_errors():
        world.violated("failed", f"{execution}: {execution.error} {execution.cause}")


def _check_recovery(world: World, execution: Execution) -> None:
    if execution.is_running:
        world.violated("stuck", f"{execution} does not end")
    elif execution.status == "FAILED" and execution.error not in passing_errors():
        world.violated("failed", f"{execution}: {execution.error} {execution.cause}")


def _check_letter(world: World, letter: Mapping[str, Any]) -> None:
    if not isinstance(letter.get("message"), dict):
        world.violated("lost", f"the dead letter {json.dumps(letter)} holds no message")


@lru_cache(maxsize=1)
def passing_errors() -> frozenset[str]:
    """The errors that the definitions retry: only these may use a run up in the end.

    And the one that ends an intake before its five minutes do, for the dead-letter queue.
    """
    named = {
        error
        for machine in rendered_machines().values()
        for state in machine.states.values()
        if isinstance(state, asl.Task)
        for retrier in state.retry
        if retrier.attempts
        for error in retrier.errors
    }
    others = {"StepFunctions.SdkClientException", "SQS.SdkClientException", "EpisodeContendedError"}
    return frozenset(named | others)
