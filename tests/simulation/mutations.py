"""The package and its definitions with one safeguard taken out: a test has to fail.

The clauses of all conditional writes, and each Catch and Retry of the definitions, are found in the
code; the other safeguards are listed. ``KILLED_BY`` names the test that fails for each.
"""

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from simulation import definitions


@dataclass(frozen=True)
class Mutation:
    """A text in the source of a function of the package, and what stands there instead."""

    function: str
    """``module.function``."""
    safeguard: str
    instead: str
    how: str = ""
    """Tells it from another mutation of the same text."""

    def __str__(self) -> str:
        return f"{self.function}: {self.safeguard}{self.how and f' ({self.how})'}"

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Has the package run with the changed function for the length of the block."""
        place, _, name = self.function.rpartition(".")
        module = importlib.import_module(f"firmware_retry.{place}")
        original = getattr(module, name)
        source = textwrap.dedent(inspect.getsource(original))
        assert source.count(self.safeguard) == 1, f"{self} is not in the source once"
        exec(source.replace(self.safeguard, self.instead), module.__dict__)
        try:
            yield
        finally:
            setattr(module, name, original)


# Conditional writes

_EXPRESSIONS = frozenset({"ConditionExpression", "FilterExpression"})


def conditions() -> Iterator[Mutation]:
    """Each clause of each condition in the package, left out; an alternative also held true."""
    for place in ("record", "backup"):
        module = importlib.import_module(f"firmware_retry.{place}")
        for function in ast.parse(inspect.getsource(module)).body:
            # ``_update`` only passes on what it is given.
            if isinstance(function, ast.FunctionDef) and function.name != "_update":
                for text in _condition_texts(function):
                    yield from _mutations(f"{place}.{function.name}", text)


def _condition_texts(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        found: list[ast.expr | None] = []
        if isinstance(node, ast.Call):
            found += [word.value for word in node.keywords if word.arg in _EXPRESSIONS]
            if isinstance(node.func, ast.Name) and node.func.id == "_update":
                found.append(node.args[2])
        elif isinstance(node, ast.Dict):
            found += [
                value
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant) and key.value in _EXPRESSIONS
            ]
        yield from (_text(expression) for expression in found if expression is not None)


def _text(expression: ast.expr) -> str:
    if isinstance(expression, ast.JoinedStr):
        return "".join(map(_text, expression.values))
    if isinstance(expression, ast.FormattedValue):
        return f"{{{ast.unparse(expression.value)}}}"
    assert isinstance(expression, ast.Constant), "a condition is written where it is used"
    return str(expression.value)


def _mutations(function: str, condition: str) -> Iterator[Mutation]:
    clauses = re.split(r"\s*\b(?:AND|OR)\b\s*", condition)
    operators = re.findall(r"\b(?:AND|OR)\b", condition)
    for place, text in enumerate(clauses):
        clause = text.lstrip("(")
        if clause.count(")") > clause.count("("):
            clause = clause.removesuffix(")")
        if set(operators[max(place - 1, 0) : place + 1]) == {"OR"}:
            yield Mutation(function, clause, f"NOT {_always(clause)}", "never")
            yield Mutation(function, clause, _always(clause), "always")
        else:
            yield Mutation(function, clause, _always(clause))


def _always(clause: str) -> str:
    """What is always true and mentions the same names and values: DynamoDB wants all used."""
    values = re.findall(r":\w+", clause)
    names = re.findall(r"#\w+", clause) or ([] if values else ["deviceId"])
    terms = [f"{value} = {value}" for value in values]
    terms += [f"(attribute_exists({name}) OR attribute_not_exists({name}))" for name in names]
    # DynamoDB refuses parentheses that are there twice.
    return terms[0] if len(terms) == 1 and names else f"({' AND '.join(terms)})"


# Everything else that must not go

SAFEGUARDS = (
    Mutation("record._update", 'ReturnValuesOnConditionCheckFailure="ALL_OLD",', ""),
    Mutation("record._held", "(record.recovery_id, record.state)", "(run.recovery_id, state)"),
    Mutation(
        "record._why_refused",
        "return _due(record) or Outcome.DUPLICATE",
        "return Outcome.DUPLICATE",
    ),
    Mutation("record.mark_notified", "if_not_exists(notifiedAt, :now)", ":now"),
    Mutation("record.mark_mailed", "if_not_exists(mailedAt, :now)", ":now"),
    Mutation("registry.update", "expectedVersion=thing.version,", ""),
    Mutation("registry.update", '"merge": True', '"merge": False'),
    Mutation("registry.add_to_group", "describe(thing_name)", "pass"),
    Mutation("backup.store", '"<=" if overwriting else "<"', '"<="'),
    Mutation("backup.store", '"<=" if overwriting else "<"', '"<"', "the other"),
    Mutation("alerts.tell_once", "if not device.notified_at:", "if True:"),
    Mutation("alerts.tell_once", "(device.mailed_at or not has_people)", "not has_people"),
    Mutation("alerts.tell_once", "record.mark_notified(run, is_last=not has_people)", "pass"),
    Mutation("alerts.tell_once", "record.mark_mailed(run)", "pass"),
    Mutation(
        "alerts._tell_machines",
        "MessageDeduplicationId=run.recovery_id",
        'MessageDeduplicationId=__import__("uuid").uuid4().hex',
    ),
    Mutation("recovery.restore", "record.held(run, State.COOLING_DOWN)", "pass"),
    Mutation("recovery.restore", "record.release(run)", "pass"),
    Mutation("recovery._overwrite", "backup.store(thing, attributes)", "pass"),
    Mutation("recovery._overwrite", "if device.away_since:", "if False:"),
    Mutation("recovery._overwrite", "if device.due_at < int(ambient.now()):", "if False:"),
    Mutation("recovery._overwrite", "record.mark_away(run)", "pass"),
    Mutation("recovery.join_failed_group", "record.held(run, State.FAILED)", "pass"),
    Mutation("recovery._ended_with_its_thing", "record.forget(run)", "pass"),
    Mutation("handlers.reconcile_devices._finish", "if live:", "if False:"),
    Mutation("executions.start", 'if refused.code != "ExecutionAlreadyExists":', "if True:"),
)


def mutations() -> tuple[Mutation, ...]:
    """All mutations of the package."""
    return (*conditions(), *SAFEGUARDS)


REDUNDANT = frozenset(
    {
        # Only a device that is tracked has counted failures: a claim sets them to zero.
        "record.claim: #state = :tracking",
        "record.overdue: #state = :tracking",
        # What does not exist is different from everything, also from a thing's id.
        "backup.store: attribute_not_exists(deviceId) (never)",
    }
)
"""Clauses that follow from others: nothing can miss them."""

_UNIT = "tests/unit/test_{}.py::test_{}".format
KILLED_BY = {
    "record.create: attribute_not_exists(deviceId) (never)": _UNIT(
        "record", "an_episode_begins_with_counters_at_zero"
    ),
    "record.create: attribute_not_exists(deviceId) (always)": _UNIT(
        "record", "an_episode_that_is_on_is_not_begun_again"
    ),
    "record.create: #state = :tracking": _UNIT(
        "record", "a_campaign_does_not_begin_anew_in_the_middle_of_a_recovery"
    ),
    "record.create: campaign <> :campaign": _UNIT(
        "record", "an_episode_that_is_on_is_not_begun_again"
    ),
    "record.create: startedAt < :sent": _UNIT(
        "record", "a_late_message_of_an_earlier_campaign_counts_for_nothing"
    ),
    "record.count: #state = :tracking": _UNIT("record", "a_device_in_recovery_is_not_counted"),
    "record.count: campaign = :campaign": _UNIT(
        "record", "a_late_message_of_an_earlier_campaign_counts_for_nothing"
    ),
    "record.count: RetryCounter < :limit": _UNIT(
        "record", "the_recovery_stays_due_until_it_has_begun"
    ),
    "record.count: NOT contains(countedEvents, :event)": _UNIT(
        "record", "a_copy_of_a_message_is_not_counted"
    ),
    "record.claim: trackingId = :tracking_id": _UNIT(
        "record", "a_run_that_is_not_due_claims_nothing"
    ),
    "record.claim: RetryCounter >= :limit": _UNIT("record", "a_run_below_the_limit_claims_nothing"),
    "record.claim: ResetRetryCount = :previous": _UNIT(
        "record", "a_run_that_is_not_due_claims_nothing"
    ),
    "record._update_held: recoveryId = :run": _UNIT("record", "a_finished_run_claims_nothing"),
    "record.overdue: dueAt < :moment (never)": _UNIT(
        "reconcile_devices", "a_run_stopped_while_waiting_is_finished"
    ),
    "record.overdue: dueAt < :moment (always)": _UNIT(
        "reconcile_devices", "nothing_due_is_nothing_done"
    ),
    "record.overdue: RetryCounter >= :limit": _UNIT(
        "reconcile_devices", "every_page_of_the_table_is_read"
    ),
    "record.overdue: #timestamp < :iso": _UNIT("reconcile_devices", "nothing_due_is_nothing_done"),
    "record.forget: trackingId = :tracking_id": _UNIT(
        "record", "forgetting_leaves_a_later_episode_alone"
    ),
    "backup.store: attribute_not_exists(deviceId) (always)": _UNIT(
        "backup", "a_slow_twin_does_not_put_an_older_reading_over_a_newer"
    ),
    "backup.store: thingId <> :thing (never)": _UNIT(
        "backup", "a_later_thing_of_the_same_name_starts_afresh"
    ),
    "backup.store: thingId <> :thing (always)": _UNIT(
        "backup", "a_slow_twin_does_not_put_an_older_reading_over_a_newer"
    ),
    "backup.store: thingVersion {older} :version (never)": _UNIT(
        "backup", "it_follows_the_registry_while_nothing_is_overwritten"
    ),
    "backup.store: thingVersion {older} :version (always)": _UNIT(
        "backup", "a_slow_twin_does_not_put_an_older_reading_over_a_newer"
    ),
    'record._update: ReturnValuesOnConditionCheckFailure="ALL_OLD",': _UNIT(
        "record", "a_run_that_claims_again_keeps_its_first_wait"
    ),
    "record._held: (record.recovery_id, record.state)": _UNIT(
        "record", "a_run_that_is_not_due_claims_nothing"
    ),
    "record._why_refused: return _due(record) or Outcome.DUPLICATE": _UNIT(
        "record", "the_recovery_stays_due_until_it_has_begun"
    ),
    "record.mark_notified: if_not_exists(notifiedAt, :now)": _UNIT(
        "once", "when_somebody_was_told_first_stays"
    ),
    "record.mark_mailed: if_not_exists(mailedAt, :now)": _UNIT(
        "once", "when_somebody_was_told_first_stays"
    ),
    "registry.update: expectedVersion=thing.version,": _UNIT(
        "handlers", "a_slow_twin_cannot_move_a_restored_device_out_again"
    ),
    'registry.update: "merge": True': _UNIT("handlers", "what_a_person_changed_meanwhile_stays"),
    "registry.add_to_group: describe(thing_name)": _UNIT(
        "registry", "a_missing_group_is_not_taken_for_a_missing_thing"
    ),
    'backup.store: "<=" if overwriting else "<"': _UNIT(
        "backup", "a_slow_twin_does_not_forget_what_is_about_to_be_written"
    ),
    'backup.store: "<=" if overwriting else "<" (the other)': _UNIT(
        "handlers", "the_whole_journey"
    ),
    "alerts.tell_once: if not device.notified_at:": _UNIT(
        "handlers", "trouble_with_one_topic_tells_the_other_no_second_time"
    ),
    "alerts.tell_once: (device.mailed_at or not has_people)": _UNIT(
        "once", "people_are_mailed_once_however_often_the_step_runs"
    ),
    "alerts.tell_once: record.mark_notified(run, is_last=not has_people)": _UNIT(
        "handlers", "people_are_told_once_however_often_the_step_runs"
    ),
    "alerts.tell_once: record.mark_mailed(run)": _UNIT(
        "once", "people_are_mailed_once_however_often_the_step_runs"
    ),
    "alerts._tell_machines: MessageDeduplicationId=run.recovery_id": _UNIT(
        "once", "a_death_between_telling_and_marking_adds_no_second_message"
    ),
    "recovery.restore: record.held(run, State.COOLING_DOWN)": _UNIT(
        "handlers", "a_slow_twin_cannot_restore_a_device_in_its_second_cool_down"
    ),
    "recovery.restore: record.release(run)": _UNIT("handlers", "the_whole_journey"),
    "recovery._overwrite: backup.store(thing, attributes)": _UNIT("handlers", "the_whole_journey"),
    "recovery._overwrite: if device.away_since:": _UNIT(
        "once", "a_device_that_is_away_is_not_moved_out_again"
    ),
    "recovery._overwrite: if device.due_at < int(ambient.now()):": _UNIT(
        "reconcile_devices", "a_device_claimed_but_never_moved_out_still_gets_its_time_away"
    ),
    "recovery._overwrite: record.mark_away(run)": _UNIT(
        "reconcile_devices", "a_run_stopped_while_waiting_is_finished"
    ),
    "recovery.join_failed_group: record.held(run, State.FAILED)": _UNIT(
        "handlers", "a_run_that_does_not_hold_the_device_ends_and_touches_nothing"
    ),
    "recovery._ended_with_its_thing: record.forget(run)": _UNIT(
        "handlers", "a_thing_that_vanished_ends_its_episode"
    ),
    "handlers.reconcile_devices._finish: if live:": _UNIT(
        "reconcile_devices", "a_live_run_is_left_alone"
    ),
    'executions.start: if refused.code != "ExecutionAlreadyExists":': _UNIT(
        "once", "a_run_that_somebody_else_started_is_not_started_again"
    ),
}
"""The test that fails, by the name of the mutation."""


# Definitions


@dataclass(frozen=True)
class Removal:
    """One entry of a Catch or Retry that is not there any more."""

    machine: str
    state: str
    kind: str
    """``Catch`` or ``Retry``."""
    place: int
    errors: tuple[str, ...]

    def __str__(self) -> str:
        of = f" {', '.join(self.errors)}" if self.kind == "Catch" else ""
        return f"{self.machine}.{self.state}: {self.kind}{of}"

    def applied(self) -> dict[str, Any]:
        """The definition without the entry."""
        changed = definitions.definition(self.machine)
        del changed["States"][self.state][self.kind][self.place]
        return changed


def removals() -> Iterator[Removal]:
    """Each entry of each Catch and Retry of the definitions."""
    for machine in definitions.MACHINES:
        for name, state in definitions.definition(machine)["States"].items():
            for kind in ("Catch", "Retry"):
                for place, entry in enumerate(state.get(kind, ())):
                    yield Removal(machine, name, kind, place, tuple(entry["ErrorEquals"]))
