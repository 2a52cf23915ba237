"""Liveness: what must hold once a world has come to rest.

Each violation begins with the name of its check:

- ``stuck``       every device is tracked below its limit, has failed with an alert, or is untracked
- ``attributes``  each thing has the attributes that operators gave it, or is marked as failed; an
                  untracked device has all its originals
- ``renamed``     a renamed thing has the attributes that operators gave it, or those that it had
                  when it was renamed
- ``group``       a device is in the group of the failed exactly when it has failed
- ``told``        an alert went out for each device that has failed
- ``mailed``      operators got an e-mail for each alert, the latest last
- ``ended``       a device that an operator took out of the group is released
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

from firmware_retry.history_table import TRANSITIONS
from simulator import asl
from simulator.aws.sns import Published
from simulator.checks import Checks
from simulator.machines import Execution, load_machines
from simulator.options import ALERTS, FAILED_GROUP, HISTORY, OPERATORS
from simulator.reference_model import FAILED, FREE, TRACKING, Episode
from simulator.safety_checks import parse_report, parse_step


def check(checks: Checks) -> None:
    """Check a world at rest, and record what is wrong."""
    world, model = checks.world, checks.model
    for name in sorted({*world.account.iot.things, *model.episodes, *world.edits.ever_missing}):
        _check_device(checks, name, model.episodes.get(name))
    for name, episode in checks.taken_out:
        if model.episodes.get(name) is episode:
            checks.violate("ended", f"{name} was taken out of the group, and is {episode.state}")
    for execution in world.executions("intake"):
        check_intake(checks, execution)
    for execution in world.executions("cool_down", "escalation"):
        _check_recovery(checks, execution)
    for letter in world.account.dead_letters.messages:
        _check_dead_letter(checks, letter)
    if world.options.has_operators:
        _check_emails(checks)


def _check_emails(checks: Checks) -> None:
    account = checks.world.account
    if account.alert_queue.messages:
        waiting = len(account.alert_queue.messages)
        checks.violate("mailed", f"{waiting} alerts were never sent by e-mail")
    alerts: dict[str, Published] = {}
    for published in account.sns.published:
        if published.topic_arn == ALERTS and "deviceId" in json.loads(published.message):
            alerts[published.group] = published
    for name, last in alerts.items():
        event = json.loads(last.message)["event"]
        events = [
            _event_in(email, name)
            for email in account.sns.published
            if email.topic_arn == OPERATORS and email.at >= last.at
        ]
        if [known for known in events if known][-1:] != [event]:
            checks.violate("mailed", f"{name} {event}, and e-mail says {events}")


def _event_in(email: Published, name: str) -> str:
    """Return what an e-mail says about a device: "failed", "healed" or nothing."""
    if name in email.subject:
        return "failed" if "failed" in email.subject else "healed"
    failed, _, healed = email.message.partition("that healed:")
    if name in healed.splitlines():
        return "healed"
    return "failed" if name in failed.splitlines() else ""


def _check_device(checks: Checks, name: str, episode: Episode | None) -> None:
    if name in checks.world.edits.renamed:
        _check_renamed(checks, name)
        return
    _check_history(checks, name, episode)
    if name not in checks.world.account.iot.things:
        _check_vanished(checks, name, episode)
        return
    if episode is not None:
        _check_rest(checks, name, episode)
    has_failed = episode is not None and episode.state == FAILED
    is_member = name in checks.world.account.iot.groups[FAILED_GROUP]
    if is_member != has_failed and name not in checks.late_members:
        checks.violate("group", f"{name} has {'' if has_failed else 'not '}failed: {is_member}")
    _check_attributes(checks, name, has_failed=has_failed)
    if episode is None and checks.world.backup(name) is not None:
        _check_nothing_owed(checks, name)


def _check_renamed(checks: Checks, name: str) -> None:
    edits = checks.world.edits
    found = dict(checks.world.account.iot.things[name].attributes)
    if found not in (edits.expected_attributes(name), edits.renamed[name]):
        wanted = edits.expected_attributes(name)
        checks.violate("renamed", f"{name} has {found}, not {wanted}")


def _check_rest(checks: Checks, name: str, episode: Episode) -> None:
    if episode.ending:
        checks.violate("stuck", f"{name} is to end: {episode.ending}")
    if episode.state == TRACKING:
        if checks.model.is_used_up(name):
            checks.violate("stuck", f"{name} is at its limit, and no recovery has it")
    elif episode.state == FAILED:
        if checks.model.is_due(name) or not episode.notifications:
            checks.violate("told", f"{name} failed, and nobody was told")
        if checks.world.backup(name) is None:
            checks.violate("attributes", f"{name} has no backup")
    else:
        checks.violate("stuck", f"{name} is {episode.state}")


def _check_vanished(checks: Checks, name: str, episode: Episode | None) -> None:
    """Check that a recovery ended the record of a deleted thing."""
    if episode is None:
        return
    if episode.state != TRACKING:
        checks.violate("stuck", f"{name} is gone, but its record is {episode.state}")
    elif checks.model.is_used_up(name):
        checks.violate("stuck", f"{name} is gone, but its record is at the limit")


def _check_history(checks: Checks, name: str, episode: Episode | None) -> None:
    """Check the history, and its order as far as the clocks of its writers agree."""
    items = checks.world.account.dynamodb.tables[HISTORY].items
    lines = [
        parse_step(items[key]) for key in sorted(items) if key[0] == name and key[1] >= TRANSITIONS
    ]
    kept = checks.model.history.get(name, [])
    order = itemgetter(0) if checks.world.faults.is_in_order else None
    if sorted(lines, key=order) != sorted(kept, key=order):
        checks.violate("history", f"{name} has {lines}, not {kept}")
    state = episode.state if episode else FREE
    if (kept[-1][-1] if kept else FREE) != state:
        checks.violate("history", f"{name} is {state}, but it ends with {kept[-1:]}")
    if checks.world.faults.is_in_order and lines and episode is None and lines[-1][-1] != FREE:
        checks.violate("history", f"{name} is free, but the newest line is {lines[-1]}")


def _check_nothing_owed(checks: Checks, name: str) -> None:
    item = checks.world.backup(name) or {}
    for attribute, values in item["written"]["M"].items():
        if checks.world.account.iot.things[name].attributes.get(attribute) in values["SS"]:
            checks.violate("attributes", f"{name} is free, and is owed its {attribute}")


def _check_attributes(checks: Checks, name: str, *, has_failed: bool) -> None:
    wanted = dict(checks.world.edits.expected_attributes(name))
    if has_failed:
        marks = checks.world.options.failed.items()
        wanted.update(
            {key: mark for key, mark in marks if checks.world.edits.was_overwritten(name, key)}
        )
    found = dict(checks.world.account.iot.things[name].attributes)
    if found != wanted:
        checks.violate("attributes", f"{name} has {found}, not {wanted}")


_STORM = 8
"""Failures in one intake at least, if nothing but faults made it outlast its five minutes."""


def check_intake(checks: Checks, execution: Execution) -> None:
    """Check what became of one message."""
    if execution.status == "TIMED_OUT" and execution.failures >= _STORM:
        checks.overtime += 1
        return
    message = execution.input
    device = str(message.get("deviceId"))
    is_junk = message in checks.junk
    ends = {
        "MessageHandled": not is_junk and _is_processed(checks, message),
        "RecoveryPostponed": not is_junk and _is_processed(checks, message),
        "MessageRefused": is_junk,
        "MessageStale": message["kind"] == "failed",
        "ThingUnknown": device in checks.world.edits.ever_missing,
        "MessageInDeadLetterQueue": execution.status == "FAILED",
    }
    if not ends.get(execution.state, False):
        error = f"{execution.status} in {execution.state} {execution.error}"
        checks.violate("lost", f"{execution} of {message}: {error}")
    elif execution.status == "FAILED" and execution.error not in list_retried_errors():
        checks.violate("failed", f"{execution}: {execution.error} {execution.cause}")


def _is_processed(checks: Checks, message: Mapping[str, Any]) -> bool:
    if message["kind"] != "failed":
        return True
    report = parse_report(message)
    return (report.device, report.event) in checks.processed


def _check_recovery(checks: Checks, execution: Execution) -> None:
    if execution.is_running:
        checks.violate("stuck", f"{execution} does not end")
    elif execution.status == "FAILED" and execution.error not in list_retried_errors():
        checks.violate("failed", f"{execution}: {execution.error} {execution.cause}")


def _check_dead_letter(checks: Checks, letter: Mapping[str, Any]) -> None:
    if not isinstance(letter.get("message"), dict):
        checks.violate("lost", f"the dead letter {json.dumps(letter)} holds no message")


@lru_cache(maxsize=1)
def list_retried_errors() -> frozenset[str]:
    """Return the errors that the definitions retry: only these may use a run up in the end.

    And the one that ends an intake before its five minutes do, for the dead-letter queue.
    """
    named = {
        error
        for machine in load_machines().values()
        for state in machine.states.values()
        if isinstance(state, asl.Task)
        for retrier in state.retry
        if retrier.attempts
        for error in retrier.errors
    }
    others = {"StepFunctions.SdkClientException", "SQS.SdkClientException", "EpisodeContendedError"}
    return frozenset(named | others)
