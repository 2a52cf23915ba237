"""The package and its definitions with one safeguard taken out: a test has to fail.

The clauses of all conditional writes, and each Catch and Retry of the definitions, are found in the
code; the other safeguards are listed. ``KILLED_BY`` names the test that fails for each.
"""

import ast
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from simulation import definitions


@dataclass(frozen=True)
class Mutation:
    """A text in the source of a function of the package, and what stands there instead."""

    function: str
    """``module.function``, or ``module.Class.function``."""
    safeguard: str
    instead: str
    killed_by: str
    """The test that fails, by file and name; empty when nothing can miss the safeguard."""
    how: str = ""
    """Tells it from another mutation of the same text."""

    def __str__(self) -> str:
        return f"{self.function}: {self.safeguard.strip()}{self.how and f' ({self.how})'}"

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Has the package run with the changed function for the length of the block."""
        place, _, name = self.function.rpartition(".")
        owner = pkgutil.resolve_name(f"firmware_retry.{place}")
        original = inspect.getattr_static(owner, name)
        function: Any = original.fget if isinstance(original, property) else original
        source = textwrap.dedent(inspect.getsource(function))
        assert source.count(self.safeguard) == 1, f"{self} is not in the source once"
        changed: dict[str, Any] = {}
        exec(
            source.replace(self.safeguard, self.instead),
            vars(sys.modules[function.__module__]),
            changed,
        )
        setattr(owner, name, changed[name])
        try:
            yield
        finally:
            setattr(owner, name, original)


# Conditional writes

_EXPRESSIONS = frozenset({"ConditionExpression", "FilterExpression"})
_WRITERS = frozenset({"_update", "_change"})
"""Functions that get a condition as their third argument, and only pass it on."""
_CLAUSE = r"(?:NOT )?\w+\([^)]*\)|[#:\w]+ \S+ [#:\w]+"
_TOKEN = re.compile(rf"\b(?:AND|OR)\b|{_CLAUSE}|[()]")


def conditions() -> Iterator[Mutation]:
    """Each clause of each condition in the package, left out; below an OR also never true."""
    for place in ("record", "backup", "campaigns"):
        module = importlib.import_module(f"firmware_retry.{place}")
        for function in ast.parse(inspect.getsource(module)).body:
            if isinstance(function, ast.FunctionDef) and function.name not in _WRITERS:
                for text in _condition_texts(function):
                    yield from _mutations(f"{place}.{function.name}", text)


def _condition_texts(function: ast.FunctionDef) -> Iterator[str]:
    nodes = list(ast.walk(function))
    parts = {
        node.targets[0].id: node.value
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in nodes:
        for expression in _conditions_in(node):
            yield _text(expression, parts)


def _conditions_in(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call):
        yield from (word.value for word in node.keywords if word.arg in _EXPRESSIONS)
        if isinstance(node.func, ast.Name) and node.func.id in _WRITERS:
            yield node.args[2]
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value in _EXPRESSIONS:
                yield value


def _text(expression: ast.expr, parts: Mapping[str, ast.expr]) -> str:
    """The condition, with all that it may be made of; an operator that varies stays ``{name}``."""
    match expression:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(value, parts) for value in values)
        case ast.BinOp(left=left, right=right):
            return _text(left, parts) + _text(right, parts)
        case ast.IfExp(body=body, orelse=other):
            return " AND ".join(filter(None, (_text(body, parts), _text(other, parts))))
        case ast.FormattedValue(value=ast.Name(id=name)):
            text = _text(parts[name], parts)
            return text if re.search(_CLAUSE, text) else f"{{{name}}}"
    raise AssertionError(f"a condition is written where it is used: {ast.unparse(expression)}")


def _mutations(function: str, condition: str) -> Iterator[Mutation]:
    for clause, is_below_or in _clauses(condition):
        always = _always(clause)
        mutants = {"never": f"NOT {always}", "always": always} if is_below_or else {"": always}
        for how, instead in mutants.items():
            name = f"{function}: {clause}{how and f' ({how})'}"
            yield Mutation(function, clause, instead, CLAUSES.get(name, ""), how)


def _clauses(condition: str) -> list[tuple[str, bool]]:
    """Each clause, and whether it is an alternative, or part of one."""
    groups: list[int] = [0]
    """The parentheses that are open, by number."""
    inside: list[tuple[str, tuple[int, ...]]] = []
    with_or: set[int] = set()
    for number, token in enumerate(_TOKEN.findall(condition), 1):
        if token == "(":
            groups.append(number)
        elif token == ")":
            groups.pop()
        elif token == "OR":
            with_or.add(groups[-1])
        elif token != "AND":
            inside.append((token, tuple(groups)))
    return [(clause, not with_or.isdisjoint(around)) for clause, around in inside]


def _always(clause: str) -> str:
    """What is always true and mentions the same names and values: DynamoDB wants all used."""
    values = re.findall(r":\w+", clause)
    names = re.findall(r"#\w+", clause) or ([] if values else ["deviceId"])
    terms = [f"{value} = {value}" for value in values]
    terms += [f"(attribute_exists({name}) OR attribute_not_exists({name}))" for name in names]
    # DynamoDB refuses parentheses that are there twice.
    return terms[0] if len(terms) == 1 and names else f"({' AND '.join(terms)})"


_UNIT = "tests/unit/test_{}.py::test_{}".format
CLAUSES = {
    "record.create: attribute_not_exists(deviceId)": _UNIT(
        "record", "an_episode_that_is_on_is_not_begun_again"
    ),
    "record.count: #state = :tracking": _UNIT("record", "a_device_in_recovery_is_not_counted"),
    "record.count: reportedBy = :reporter": _UNIT(
        "record", "only_who_tells_of_an_episode_counts_in_it"
    ),
    "record.count: campaign = :campaign": _UNIT(
        "clear_device_record", "a_failure_of_a_later_campaign_begins_an_episode"
    ),
    "record.count: RetryCounter < :limit": _UNIT(
        "record", "the_recovery_stays_due_until_it_has_begun"
    ),
    "record.count: attribute_not_exists(isFatal)": _UNIT(
        "record", "the_escalation_of_a_fatal_failure_stays_due_until_it_has_begun"
    ),
    "record.count: NOT contains(countedEvents, :event)": _UNIT(
        "record", "a_copy_of_a_message_is_not_counted"
    ),
    "record.count: notBefore <= :sent": _UNIT(
        "record", "a_failure_from_before_the_episode_counts_for_nothing"
    ),
    "record.claim: #state = :tracking": _UNIT(
        "record", "a_device_that_failed_for_good_is_claimed_by_nobody_else"
    ),
    "record.claim: trackingId = :tracking_id": _UNIT(
        "record", "a_run_that_is_not_due_claims_nothing"
    ),
    "record.claim: RetryCounter >= :limit (never)": _UNIT("handlers", "the_whole_journey"),
    "record.claim: RetryCounter >= :limit (always)": _UNIT(
        "record", "a_run_below_the_limit_claims_nothing"
    ),
    "record.claim: attribute_exists(isFatal) (never)": _UNIT(
        "reasons", "a_fatal_failure_goes_straight_to_the_failed_group"
    ),
    "record.claim: attribute_exists(isFatal) (always)": _UNIT(
        "record", "a_run_below_the_limit_claims_nothing"
    ),
    "record.claim: ResetRetryCount = :previous": _UNIT(
        "record", "a_run_that_is_not_due_claims_nothing"
    ),
    "record.release: recoveryId = :run": _UNIT("record", "a_finished_run_claims_nothing"),
    "record.release: attribute_not_exists(ending)": _UNIT(
        "record", "a_device_that_is_to_end_its_episode_does_not_go_into_its_next_cycle"
    ),
    "record._update_held: recoveryId = :run": _UNIT(
        "record", "only_who_holds_a_device_can_ask_to_end_its_episode"
    ),
    "record.end: trackingId = :tracking_id": _UNIT(
        "record", "an_episode_does_not_end_on_a_reading_of_the_one_before"
    ),
    "record.postpone: recoveryId = :run": _UNIT(
        "record", "only_the_run_that_holds_a_device_puts_it_off"
    ),
    "record.postpone: attribute_not_exists(awaySince)": _UNIT(
        "record", "a_slow_twin_does_not_put_off_what_is_done"
    ),
    "record.take_over: #state = :tracking": _UNIT("record", "a_takeover_is_bound_to_what_was_read"),
    "record.take_over: trackingId = :tracking_id": _UNIT(
        "record", "a_takeover_is_bound_to_what_was_read"
    ),
    "record.take_over: reportedBy = :former": _UNIT(
        "record", "a_takeover_is_bound_to_what_was_read"
    ),
    "record.take_over: lastSentAt = :told": _UNIT("record", "a_takeover_is_bound_to_what_was_read"),
    "record.end: reportedBy = :reporter": _UNIT(
        "record", "an_episode_that_another_reports_meanwhile_is_not_ended"
    ),
    "record.end: #state = :state": _UNIT("record", "an_episode_does_not_end_on_an_old_reading"),
    "record.end: ResetRetryCount = :cycles": _UNIT(
        "record", "an_episode_does_not_end_on_an_old_reading"
    ),
    "record.end: attribute_not_exists(notifiedAt)": _UNIT(
        "record", "an_episode_does_not_end_on_a_reading_from_before_people_were_told"
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
    "record.everyone: attribute_exists(#state)": _UNIT(
        "census", "an_item_that_is_none_of_the_packages_is_not_counted"
    ),
    "campaigns.mark_told: attribute_not_exists(toldAt)": _UNIT(
        "breaker", "two_passes_at_once_tell_once"
    ),
    "campaigns.mark_told: attribute_not_exists(pausedAt)": _UNIT(
        "breaker", "who_pauses_it_at_that_very_moment_has_paused_it"
    ),
    "campaigns.mark_told: resumedAt = :seen": _UNIT(
        "breaker", "who_resumes_it_at_that_very_moment_is_not_overruled"
    ),
    "campaigns.mark_told: attribute_not_exists(resumedAt)": _UNIT(
        "breaker", "who_resumes_it_for_the_first_time_then_is_not_overruled_either"
    ),
}
"""The test that fails without a clause, by the name of the mutation."""

REDUNDANT = frozenset(
    {
        # When people were told stays until the episode ends: another time is another trackingId.
        "record.end: notifiedAt = :told",
        # What does not exist is different from everything, also from a thing's id.
        "backup.store: attribute_not_exists(deviceId) (never)",
    }
)
"""Clauses that follow from others: nothing can miss them."""


# Everything else that must not go

SAFEGUARDS = (
    Mutation(
        "record._change",
        '"ReturnValuesOnConditionCheckFailure": "ALL_OLD",',
        "",
        _UNIT("record", "a_copy_of_a_message_is_not_counted"),
    ),
    Mutation(
        "record.create", ", history.put(begun)", "", _UNIT("history", "a_whole_life_can_be_read")
    ),
    Mutation(
        "record.create",
        "up_to=not_before,",
        "",
        _UNIT("history", "what_is_of_the_past_stays_so_while_the_next_episode_is_on"),
    ),
    Mutation(
        "record.claim",
        ", history.put(_step(run, State.TRACKING, state))",
        "",
        _UNIT("history", "there_is_no_transition_without_its_line"),
    ),
    Mutation(
        "record.release",
        ", history.put(back)",
        "",
        _UNIT("history", "there_is_no_transition_without_its_line"),
    ),
    Mutation(
        "record.end",
        ", history.put(ended)",
        "",
        _UNIT("history", "there_is_no_transition_without_its_line"),
    ),
    Mutation(
        "record.end", ", backup,", ",", _UNIT("record", "an_episode_ends_with_record_and_backup")
    ),
    Mutation(
        "record.end",
        "max(up_to, device.not_before)",
        "up_to",
        _UNIT("record", "what_was_of_the_past_at_the_beginning_is_so_at_the_end"),
    ),
    Mutation(
        "record.read",
        "ConsistentRead=True,",
        "",
        _UNIT("handlers", "every_read_sees_what_was_written_before"),
    ),
    Mutation(
        "record.held",
        "record.recovery_id != run.recovery_id",
        "False",
        _UNIT("races", "a_slow_twin_cannot_restore_a_device_in_its_second_cool_down"),
    ),
    Mutation(
        "record.held",
        "record.state != (state or record.state)",
        "False",
        _UNIT(
            "record",
            "a_run_that_shares_its_name_with_one_of_the_other_machine_does_not_share_the_device",
        ),
    ),
    Mutation(
        "record.held_for_good",
        "if record.ending:",
        "if False:",
        _UNIT("record", "a_failed_device_that_is_to_end_its_episode_is_not_held_for_good"),
    ),
    Mutation(
        "record._gone_on",
        "if refused.item and Record.of(refused.item).recovery_id == run.recovery_id:",
        "if False:",
        _UNIT("record", "a_device_that_is_to_end_its_episode_does_not_go_into_its_next_cycle"),
    ),
    Mutation(
        "record.mark_notified",
        "if_not_exists(notifiedAt, :now)",
        ":now",
        _UNIT("once", "when_somebody_was_told_first_stays"),
    ),
    Mutation(
        "record.mark_notified",
        " REMOVE dueAt",
        "",
        _UNIT("record", "something_is_due_until_it_was_told"),
    ),
    Mutation(
        "record.ask_to_end",
        "if_not_exists(ending, :cause)",
        ":cause",
        _UNIT("record", "the_first_wish_to_end_stays"),
    ),
    Mutation(
        "record.ask_to_end",
        "if_not_exists(endingUpTo, :upto)",
        ":upto",
        _UNIT("record", "the_first_wish_to_end_stays"),
    ),
    Mutation(
        "record.forget",
        "device.tracking_id == run.tracking_id",
        "True",
        _UNIT("record", "forgetting_leaves_a_later_episode_alone"),
    ),
    Mutation(
        "history.put",
        "#{ambient.unique_id()[:8]}",
        "",
        _UNIT("history", "a_whole_life_can_be_read"),
    ),
    Mutation(
        "history.ended_up_to",
        "ScanIndexForward=False,",
        "",
        _UNIT("history", "the_newest_end_counts"),
    ),
    Mutation(
        "history.ended_up_to",
        "ConsistentRead=True,",
        "",
        _UNIT("handlers", "every_read_sees_what_was_written_before"),
    ),
    Mutation(
        "backup.load",
        "ConsistentRead=True,",
        "",
        _UNIT("handlers", "every_read_sees_what_was_written_before"),
    ),
    Mutation(
        "backup.store",
        '"<=" if overwriting else "<"',
        '"<="',
        _UNIT("backup", "a_slow_twin_does_not_forget_what_is_about_to_be_written"),
    ),
    Mutation(
        "backup.store",
        '"<=" if overwriting else "<"',
        '"<"',
        _UNIT("handlers", "the_whole_journey"),
        "the other",
    ),
    Mutation(
        "backup.store",
        "previous.owed(thing) if previous else {}",
        "{}",
        _UNIT("backup", "an_overwritten_value_is_never_kept_as_the_original"),
    ),
    Mutation(
        "backup.store",
        "written.get(name, frozenset())",
        "frozenset()",
        _UNIT("backup", "a_second_overwriting_before_it_took_effect_keeps_the_original"),
    ),
    Mutation(
        "backup.Backup.owed",
        "if self.thing_id != thing.thing_id:",
        "if False:",
        _UNIT("backup", "a_later_thing_of_the_same_name_starts_afresh"),
    ),
    Mutation(
        "backup.Backup.owed",
        "if thing.attributes.get(name) in values",
        "",
        _UNIT("handlers", "what_a_person_changed_meanwhile_stays"),
    ),
    Mutation(
        "message.Message.parse",
        '"eventId" if "eventId" in event else "timestamp"',
        '"timestamp"',
        _UNIT("job_events", "events_of_one_second_are_told_apart_by_their_id"),
    ),
    Mutation(
        "message._sent_at",
        "or not received - _OLDEST <= sent <= received",
        "",
        _UNIT("message", "when_it_was_sent_is_the_devices_word_or_else_the_brokers"),
    ),
    Mutation(
        "message.Message.has_reason_among",
        "reason.lower()",
        "reason",
        _UNIT("message", "reason_and_error_code_are_each_matched_in_any_case"),
    ),
    Mutation(
        "message.Message.has_reason_among",
        "pattern.lower()",
        "pattern",
        _UNIT("message", "reason_and_error_code_are_each_matched_in_any_case"),
    ),
    Mutation(
        "device.Record.present_up_to",
        "self.last_sent_at + 1",
        "self.last_sent_at",
        _UNIT("release_device", "what_it_had_sent_before_counts_for_nothing"),
    ),
    Mutation(
        "device.Record.present_up_to",
        "self.last_sent_at + 1",
        "10**13",
        _UNIT("release_device", "its_next_failure_begins_an_episode"),
        "by another clock",
    ),
    Mutation(
        "device.Record.escalates",
        "self.is_fatal or",
        "",
        _UNIT("record", "a_fatal_failure_makes_the_escalation_due_in_every_cycle"),
    ),
    Mutation(
        "device.Record.is_used_up",
        "self.is_fatal or",
        "",
        _UNIT("record", "a_fatal_failure_makes_the_escalation_due_in_every_cycle"),
    ),
    Mutation(
        "device.Record.outcome_of",
        "if message.sent_at < self.not_before:",
        "if False:",
        _UNIT("record", "a_failure_from_before_the_episode_counts_for_nothing"),
    ),
    Mutation(
        "device.Record._outcome_of_other",
        "if message.reported_by is not believed:",
        "if False:",
        _UNIT("job_events", "what_the_device_says_does_not_count_beside_the_events"),
    ),
    Mutation(
        "device.Record._outcome_of_other",
        "if settings().job_events_enabled",
        "if True",
        _UNIT("job_events", "a_device_counts_itself_again_where_the_events_were_switched_off"),
    ),
    Mutation(
        "device.Record._outcome_of_other",
        "is_late = message.sent_at < self.started_at - CLOCKS_DIFFER",
        "is_late = False",
        _UNIT("job_events", "an_event_from_long_before_the_episode_takes_nothing_over"),
    ),
    Mutation(
        "record.take_over",
        "message.sent_at >= device.told_up_to",
        "True",
        _UNIT("job_events", "two_failures_of_which_both_tell_count_twice"),
    ),
    Mutation(
        "record.take_over",
        "max(device.not_before, device.told_up_to)",
        "device.not_before",
        _UNIT("job_events", "two_failures_of_which_both_tell_count_twice"),
    ),
    Mutation(
        "device.Record.outcome_of",
        "if self.state is not State.TRACKING:",
        "if False:",
        _UNIT("record", "a_device_in_recovery_is_not_counted"),
    ),
    Mutation(
        "device.Record.outcome_of",
        "if not is_by_other and",
        "if",
        _UNIT("job_events", "they_do_not_take_over_in_the_middle_of_a_recovery"),
    ),
    Mutation(
        "device.Record.outcome_of",
        "self.started_at < message.sent_at",
        "True",
        _UNIT("record", "a_late_failure_of_an_earlier_campaign_counts_for_nothing_in_every_state"),
    ),
    Mutation(
        "device.Record.outcome_of",
        "if self.due:",
        "if False:",
        _UNIT("record", "the_recovery_stays_due_until_it_has_begun"),
    ),
    Mutation(
        "device.Record._is_of_other_campaign",
        "not message.is_of_unknown_campaign and",
        "",
        _UNIT("record", "nor_does_it_change_the_campaign_in_the_middle_of_a_recovery"),
    ),
    Mutation(
        "device.Record.ends_by",
        "if success.sent_at < self.started_at:",
        "if False:",
        _UNIT("clear_device_record", "a_success_from_before_the_episode_is_nothing"),
    ),
    Mutation(
        "device.Record.ends_by",
        "success.reported_by is Reporter.DEVICE or",
        "",
        _UNIT("clear_device_record", "a_success_ends_the_episode_whatever_firmware_it_reports"),
    ),
    Mutation(
        "device.Record.ends_by",
        "self.campaign == success.campaign",
        "True",
        _UNIT("clear_device_record", "no_other_success_of_a_job_does"),
    ),
    Mutation(
        "registry.update",
        "expectedVersion=thing.version,",
        "",
        _UNIT("races", "a_slow_twin_cannot_move_a_restored_device_out_again"),
    ),
    Mutation(
        "registry.update",
        '"merge": True',
        '"merge": False',
        _UNIT("handlers", "what_a_person_changed_meanwhile_stays"),
    ),
    Mutation(
        "registry.add_to_group",
        "describe(thing_name)",
        "pass",
        _UNIT("registry", "a_missing_group_is_not_taken_for_a_missing_thing"),
    ),
    Mutation(
        "registry.remove_from_group",
        "describe(thing_name)",
        "raise",
        _UNIT("registry", "nobody_is_in_a_missing_group"),
    ),
    Mutation(
        "registry.remove_from_group",
        "describe(thing_name)",
        "pass",
        _UNIT("release_device", "one_whose_thing_is_gone_is_gone"),
        "not told",
    ),
    Mutation(
        "registry._pages",
        'if not page.get("nextToken"):',
        "if True:",
        _UNIT("registry", "every_page_of_a_list_is_read"),
    ),
    Mutation(
        "registry.members_of",
        'raise RequestRefusedError(f"the thing group {group} does not exist: {error}") from error',
        "return frozenset()",
        _UNIT("reconcile_devices", "without_its_group_no_failed_device_is_taken_for_released"),
    ),
    Mutation(
        "registry._is_dynamic",
        '.get("queryString")',
        "",
        _UNIT("cool_down", "a_device_without_a_dynamic_group_is_not_held_up"),
    ),
    Mutation(
        "alerts.tell_once",
        "record.held_for_good(run)",
        "record.held(run)",
        _UNIT("races", "nobody_is_told_of_a_device_whose_episode_is_to_end"),
    ),
    Mutation(
        "alerts.tell_once",
        "if device.is_told:",
        "if False:",
        _UNIT("handlers", "people_are_told_once_however_often_the_step_runs"),
    ),
    Mutation(
        "alerts.tell_once",
        "record.mark_notified(run)",
        "pass",
        _UNIT("handlers", "people_are_told_once_however_often_the_step_runs"),
    ),
    Mutation(
        "alerts.tell_healed",
        'f"{run.recovery_id}-healed"',
        "run.recovery_id",
        _UNIT("clear_device_record", "who_was_told_that_a_device_failed_is_told_that_it_healed"),
    ),
    Mutation(
        "alerts.tell_campaign_tripped",
        "{since} {campaign}",
        "{campaign}",
        _UNIT("mail_operators", "a_campaign_that_trips_is_told_once_for_each_time"),
    ),
    Mutation(
        "alerts.tell_campaign_tripped",
        "{since} {campaign}",
        "{since}",
        _UNIT("mail_operators", "a_campaign_that_trips_is_told_once_for_each_time"),
        "of any",
    ),
    Mutation(
        "alerts.tell_campaign_tripped",
        "{settings().name_prefix} ",
        "",
        _UNIT("mail_operators", "fleets_that_share_a_topic_are_told_apart"),
    ),
    Mutation(
        "alerts._tell",
        ' | {"fleet": settings().name_prefix}',
        "",
        _UNIT("mail_operators", "fleets_that_share_a_topic_are_told_apart"),
    ),
    Mutation(
        "alerts._tell",
        "MessageDeduplicationId=deduplication_id",
        'MessageDeduplicationId=__import__("uuid").uuid4().hex',
        _UNIT("once", "a_death_between_telling_and_marking_adds_no_second_message"),
    ),
    Mutation(
        "alerts._tell",
        " if report.get(name)",
        " if name in report",
        _UNIT("mail_operators", "subscribers_filter_on_attributes_that_all_have_a_value"),
    ),
    Mutation(
        "backup.store",
        ", *_TOLD",
        "",
        _UNIT("mail_operators", "a_fleet_that_sets_a_marker_learns_model_and_firmware_too"),
    ),
    Mutation(
        "mails.read",
        'if alert["version"] != alerts.SCHEMA_VERSION:',
        "if False:",
        _UNIT("mail_operators", "a_letter_that_cannot_be_read_is_logged_and_mailed_as_it_is"),
    ),
    Mutation(
        "mails.read",
        "isinstance(alert[name], kind)",
        "alert[name] is not None",
        _UNIT("mail_operators", "a_letter_that_cannot_be_read_is_logged_and_mailed_as_it_is"),
    ),
    Mutation(
        "mails.read",
        'thing_name(alert["deviceId"])',
        "pass",
        _UNIT("mail_operators", "a_letter_that_cannot_be_read_is_logged_and_mailed_as_it_is"),
    ),
    Mutation(
        "mails.read",
        "(ValueError, KeyError, TypeError, InvalidMessageError)",
        "()",
        _UNIT("mail_operators", "a_letter_that_cannot_be_read_is_logged_and_mailed_as_it_is"),
    ),
    Mutation(
        "mails._subject",
        're.sub(r"[^ -~]+", "?", text)',
        "text",
        _UNIT("mail_operators", "a_subject_is_as_short_and_plain_as_sns_wants_it"),
    ),
    Mutation(
        "mails._subject",
        "if len(line) < 100",
        "if True",
        _UNIT("mail_operators", "a_subject_is_as_short_and_plain_as_sns_wants_it"),
    ),
    Mutation(
        "mails._short",
        "if len(text) <= cut",
        "if True",
        _UNIT("mail_operators", "long_ones_and_many_are_shortened"),
    ),
    Mutation(
        "mails._command",
        "shlex.join(",
        '" ".join(',
        _UNIT("mail_operators", "a_campaign_is_told_first_and_on_its_own"),
    ),
    Mutation(
        "handlers.mail_operators.handler",
        "is_storm=tally[",
        "is_storm=False and tally[",
        _UNIT("mail_operators", "what_follows_a_digest_in_the_same_pass_is_no_mail_each"),
    ),
    Mutation(
        "handlers.mail_operators.handler",
        " and _seconds_left(context) > _LAST_SECONDS",
        "",
        _UNIT("mail_operators", "a_pass_ends_in_time_and_leaves_the_rest_for_the_next"),
    ),
    Mutation(
        "handlers.mail_operators.handler",
        "if len(letters) < mails.MOST_DEVICES:",
        "if not letters:",
        _UNIT("mail_operators", "a_storm_that_lasts_is_one_digest_a_pass"),
    ),
    Mutation(
        "handlers.mail_operators._received",
        " and _seconds_left(context) > _LAST_SECONDS",
        "",
        _UNIT("mail_operators", "a_pass_ends_in_time_and_leaves_the_rest_for_the_next"),
    ),
    Mutation(
        "handlers.mail_operators._received",
        "received < mails.MOST_DEVICES and",
        "",
        _UNIT("mail_operators", "what_follows_a_digest_in_the_same_pass_is_no_mail_each"),
    ),
    Mutation(
        "handlers.mail_operators._mail",
        "len(of_device) > settings().alert_digest_threshold",
        "False",
        _UNIT("mail_operators", "more_share_one_digest_that_names_each"),
    ),
    Mutation(
        "handlers.mail_operators._mail_of_unreadable",
        '_logger.error("an alert cannot be read", extra={"alert": letter.body})',
        "pass",
        _UNIT("mail_operators", "a_letter_that_cannot_be_read_is_logged_and_mailed_as_it_is"),
    ),
    Mutation(
        "handlers.mail_operators._latest",
        "letters[-1]",
        "letters[0]",
        _UNIT("mail_operators", "of_a_device_that_failed_and_healed_the_last_is_told"),
    ),
    Mutation(
        "handlers.mail_operators._send",
        "range(0, len(letters), _AT_ONCE)",
        "range(0)",
        _UNIT("mail_operators", "one_device_is_one_clear_mail"),
    ),
    Mutation(
        "handlers.mail_operators._send",
        'if answer.get("Failed"):',
        "if False:",
        _UNIT("mail_operators", "a_letter_that_stays_though_it_was_mailed_is_noted"),
    ),
    Mutation(
        "recovery._overwrite",
        "if not device.away_since:",
        "if True:",
        _UNIT("once", "a_device_that_is_away_is_not_moved_out_again"),
    ),
    Mutation(
        "recovery._overwrite",
        "if device.ending:",
        "if False:",
        _UNIT(
            "clear_device_record",
            "a_success_of_a_device_that_is_just_being_moved_ends_its_episode_when_it_is_away",
        ),
    ),
    Mutation(
        "recovery._move_away",
        "if device.due_at < int(ambient.now()):",
        "if False:",
        _UNIT("reconcile_devices", "a_device_claimed_but_never_moved_out_still_gets_its_time_away"),
    ),
    Mutation(
        "recovery._move_away",
        "backup.store(thing, attributes)",
        "pass",
        _UNIT("handlers", "the_whole_journey"),
    ),
    Mutation(
        "recovery._move_away",
        "return record.mark_away(run)",
        "return device",
        _UNIT("reconcile_devices", "a_run_stopped_while_waiting_is_finished"),
    ),
    Mutation(
        "recovery.restore",
        "record.held(run, State.COOLING_DOWN)",
        "record.read(run.device_id)",
        _UNIT("races", "a_slow_twin_cannot_restore_a_device_in_its_second_cool_down"),
    ),
    Mutation(
        "recovery.restore",
        "owed and not device.ending",
        "not device.ending",
        _UNIT("cool_down", "a_device_that_rejoined_before_its_release_is_not_held_up"),
    ),
    Mutation(
        "recovery.restore",
        "owed and not device.ending",
        "owed",
        _UNIT("cool_down", "nor_does_one_whose_episode_its_own_run_ends"),
        "the other",
    ),
    Mutation(
        "recovery.restore",
        "if device.ending:",
        "if False:",
        _UNIT("races", "a_restored_device_whose_success_came_in_between_ends_its_episode"),
    ),
    Mutation(
        "recovery.restore",
        "record.release(run, reason)",
        "pass",
        _UNIT("handlers", "the_whole_journey"),
    ),
    Mutation(
        "recovery._reason_to_restore",
        "if device.left_groups - registry",
        "if True or registry",
        _UNIT("cool_down", "a_device_that_is_still_in_a_group_stays_away_a_little_longer"),
    ),
    Mutation(
        "recovery._reason_to_restore",
        "device.leave_checks < MOST_CHECKS",
        "True",
        _UNIT("cool_down", "one_that_never_leaves_is_restored_all_the_same_and_that_is_said"),
    ),
    Mutation(
        "recovery._reason_to_restore",
        "device.leave_checks < MOST_CHECKS",
        "False",
        _UNIT("cool_down", "a_device_that_is_still_in_a_group_stays_away_a_little_longer"),
        "the other",
    ),
    Mutation(
        "recovery._reason_to_restore",
        "record.check_again(run, CHECK_AGAIN_SECONDS)",
        "pass",
        _UNIT("cool_down", "a_device_that_is_still_in_a_group_stays_away_a_little_longer"),
    ),
    Mutation(
        "recovery._owed",
        "record.held(run)",
        "pass",
        _UNIT("races", "a_backup_that_a_twin_took_with_the_record_is_not_missing"),
    ),
    Mutation(
        "recovery._owed",
        "if _is_overwritten(thing):",
        "if False:",
        _UNIT("handlers", "a_missing_backup_is_not_passed_over"),
    ),
    Mutation(
        "recovery._owed",
        "if _is_overwritten(thing):",
        "if True:",
        _UNIT(
            "release_device",
            "without_a_backup_a_device_is_free_once_a_person_has_set_its_attributes",
        ),
        "the other",
    ),
    Mutation(
        "recovery.join_failed_group",
        ", _out_of_the_group_unless_failed(run)",
        "",
        _UNIT(
            "races",
            "a_device_whose_episode_ends_while_it_joins_the_failed_group_does_not_stay_in_it",
        ),
    ),
    Mutation(
        "recovery.join_failed_group",
        ".is_told",
        " is None",
        _UNIT("handlers", "a_device_that_was_told_of_does_not_join_the_failed_group_again"),
    ),
    Mutation(
        "recovery.join_failed_group",
        "\n        record.held_for_good(run)",
        "",
        _UNIT(
            "races",
            "a_device_whose_episode_ends_while_it_joins_the_failed_group_does_not_stay_in_it",
        ),
    ),
    Mutation(
        "recovery._out_of_the_group_unless_failed",
        "device.ending or",
        "",
        _UNIT("races", "nor_does_one_whose_end_has_taken_it_out_already"),
    ),
    Mutation(
        "recovery._out_of_the_group_unless_failed",
        "or not device.has_failed",
        "",
        _UNIT("races", "nor_does_one_that_begins_its_next_episode_meanwhile"),
    ),
    Mutation(
        "recovery._out_of_the_group_unless_failed",
        "if device is None or device.ending or not device.has_failed:",
        "if True:",
        _UNIT("races", "a_run_of_an_earlier_episode_does_not_take_a_failed_device_out"),
    ),
    Mutation(
        "recovery.end_episode",
        "if not record.ask_to_end(run, cause, up_to).away_since:",
        "if not record.ask_to_end(run, cause, up_to):",
        _UNIT(
            "clear_device_record",
            "a_success_of_a_device_that_is_just_being_moved_ends_its_episode_when_it_is_away",
        ),
    ),
    Mutation(
        "recovery.finish",
        "record.held(run)",
        "record.read(run.device_id)",
        _UNIT("races", "a_twin_that_ends_the_episode_leaves_nothing_to_do_and_nothing_missing"),
    ),
    Mutation(
        "recovery.finish",
        "if device.has_failed:",
        "if False:",
        _UNIT("clear_device_record", "a_success_of_a_device_that_is_away_puts_it_back_at_once"),
    ),
    Mutation(
        "recovery.finish",
        "registry.update(thing, _owed(run, thing))",
        "pass",
        _UNIT("clear_device_record", "a_success_of_a_device_that_is_away_puts_it_back_at_once"),
    ),
    Mutation(
        "recovery.finish",
        "device.notified_at and",
        "",
        _UNIT("clear_device_record", "who_was_not_told_that_a_device_failed_is_told_nothing"),
    ),
    Mutation(
        "recovery.finish",
        "and device.ending == Cause.SUCCEEDED",
        "",
        _UNIT("release_device", "a_device_is_free_as_if_nothing_had_been"),
    ),
    Mutation(
        "recovery.finish",
        "alerts.tell_healed(run, device)",
        "pass",
        _UNIT("clear_device_record", "who_was_told_that_a_device_failed_is_told_that_it_healed"),
    ),
    Mutation(
        "recovery._ended_with_its_thing",
        "record.forget(run)",
        "pass",
        _UNIT("handlers", "a_thing_that_vanished_ends_its_episode"),
    ),
    Mutation(
        "handlers.increment_retry_counter.handler",
        "message.has_reason_among(settings().ignored_reasons)",
        "False",
        _UNIT("reasons", "an_ignored_failure_costs_nothing_and_counts_for_nothing"),
    ),
    Mutation(
        "handlers.increment_retry_counter.handler",
        "message.has_reason_among(settings().fatal_reasons)",
        "False",
        _UNIT("reasons", "a_fatal_failure_goes_straight_to_the_failed_group"),
    ),
    Mutation(
        "handlers.check_if_device_exists.handler",
        "registry.describe(message.device_id)",
        'registry.Thing(message.device_id, "", 0, {})',
        _UNIT("handlers", "a_thing_that_does_not_exist_leaves_nothing"),
    ),
    Mutation(
        "handlers.check_if_device_exists.handler",
        "if message.sent_at < not_before:",
        "if False:",
        _UNIT("history", "what_was_sent_before_the_last_episode_ended_is_of_the_past"),
    ),
    Mutation(
        "handlers.clear_device_record.handler",
        "message.sent_at if cause is Cause.SUCCEEDED else 0",
        "message.sent_at",
        _UNIT("clear_device_record", "the_failures_of_a_new_campaign_may_come_in_any_order"),
    ),
    Mutation(
        "handlers.clear_device_record.handler",
        'raise TransientError(f"{device.device_id} went on meanwhile: look again") from error',
        "raise",
        _UNIT("races", "a_device_that_was_claimed_since_it_was_read_is_looked_at_again"),
    ),
    Mutation(
        "handlers.clear_device_record.handler",
        "if not has_ended and cause is Cause.CAMPAIGN_CHANGED:",
        "if False:",
        _UNIT("clear_device_record", "it_waits_for_a_device_that_is_just_being_moved"),
    ),
    Mutation(
        "handlers.clear_device_record._cause",
        "if device.ends_by(message)",
        "if True",
        _UNIT("clear_device_record", "a_success_from_before_the_episode_is_nothing"),
    ),
    Mutation(
        "handlers.clear_device_record._cause",
        "device.outcome_of(message) is Outcome.CAMPAIGN_CHANGED",
        "True",
        _UNIT("clear_device_record", "a_clearing_that_comes_too_late_ends_no_later_episode"),
    ),
    Mutation(
        "handlers.release_device._released_all",
        'refused[name] = f"{type(error).__name__}: {error}"',
        "raise",
        _UNIT(
            "release_device", "one_that_cannot_be_released_is_refused_and_all_others_are_told_of"
        ),
    ),
    Mutation(
        "handlers.release_device._was_removed_by_operator",
        "device.ending or",
        "",
        _UNIT("release_device", "nor_is_the_one_of_an_episode_that_is_just_ending"),
    ),
    Mutation(
        "handlers.release_device._was_removed_by_operator",
        "device.has_failed and device.is_told",
        "True",
        _UNIT(
            "release_device", "a_removal_of_a_device_that_was_not_settled_there_is_not_an_operators"
        ),
    ),
    Mutation(
        "handlers.release_device._was_removed_by_operator",
        "_told_at(device) <= removed_at",
        "True",
        _UNIT("release_device", "nor_is_one_before_people_were_told"),
    ),
    Mutation(
        "handlers.release_device._ended",
        'raise TransientError(f"{device.device_id} went on meanwhile: look again") from error',
        "raise",
        _UNIT("release_device", "one_that_went_on_meanwhile_is_looked_at_again"),
    ),
    Mutation(
        "handlers.reconcile_devices._finish_overdue",
        "if device.ending and device.away_since:",
        "if False:",
        _UNIT(
            "reconcile_devices",
            "an_end_that_somebody_asked_for_and_did_not_reach_is_made_though_the_run_sleeps",
        ),
    ),
    Mutation(
        "handlers.reconcile_devices._finish_overdue",
        "device.ending and device.away_since",
        "device.ending",
        _UNIT("reconcile_devices", "an_end_that_waits_for_a_dead_run_is_made"),
        "the other",
    ),
    Mutation(
        "handlers.reconcile_devices._finish_overdue",
        "if executions.is_live(machine, run):",
        "if False:",
        _UNIT("reconcile_devices", "a_live_run_is_left_alone"),
    ),
    Mutation(
        "handlers.reconcile_devices._finish_overdue",
        "if is_unclaimed and (found := executions.start(machine, run)):",
        "if found := executions.start(machine, run):",
        _UNIT("reconcile_devices", "one_refused_device_does_not_hold_up_the_others"),
    ),
    Mutation(
        "handlers.reconcile_devices._finish_overdue",
        "device.due_since >= moment",
        "False",
        _UNIT("reconcile_devices", "a_device_that_went_on_since_it_was_counted_is_left_alone"),
    ),
    Mutation(
        "handlers.reconcile_devices._release",
        "device.settled_since >= moment",
        "False",
        _UNIT(
            "reconcile_devices",
            "one_that_failed_again_since_it_was_counted_is_not_taken_for_released",
        ),
    ),
    Mutation(
        "handlers.reconcile_devices._each_settled",
        "if device not in members",
        "",
        _UNIT("reconcile_devices", "a_failed_device_in_its_group_is_left_alone"),
    ),
    Mutation(
        "handlers.reconcile_devices._each_settled",
        "or is_over()",
        "",
        _UNIT(
            "reconcile_devices",
            "failed_devices_are_left_for_the_next_pass_when_the_time_is_over",
        ),
    ),
    Mutation(
        "handlers.reconcile_devices._each",
        '"left" if is_over() else ',
        "",
        _UNIT("reconcile_devices", "a_pass_ends_in_time"),
    ),
    Mutation(
        "handlers.reconcile_devices.at_once",
        "ThreadPoolExecutor(AT_ONCE)",
        "ThreadPoolExecutor(1)",
        _UNIT("reconcile_devices", "many_devices_are_acted_on_at_the_same_time"),
    ),
    Mutation(
        "handlers.reconcile_devices._done",
        "except CampaignPausedError:",
        "except ZeroDivisionError:",
        _UNIT("campaigns", "one_whose_campaign_was_paused_since_it_was_counted_is_held"),
    ),
    Mutation(
        "handlers.reconcile_devices._done",
        'if device else "superseded"',
        "",
        _UNIT("reconcile_devices", "a_device_that_went_on_since_it_was_counted_is_left_alone"),
    ),
    Mutation(
        "handlers.reconcile_devices._not_done",
        '"left" if isinstance(error, TransientError) else ',
        "",
        _UNIT("reconcile_devices", "a_call_that_is_throttled_is_left_for_the_next_pass"),
    ),
    Mutation(
        "handlers.reconcile_devices._looked",
        "except FirmwareRetryError as error:",
        "except ZeroDivisionError as error:",
        _UNIT("breaker", "a_breaker_that_cannot_tell_holds_nobody_up"),
    ),
    Mutation(
        "aws.scan",
        'if "LastEvaluatedKey" not in page:',
        "if True:",
        _UNIT("reconcile_devices", "every_page_of_the_table_is_read"),
    ),
    Mutation(
        "device.Record.due_since",
        "[self.due_at] if self.due_at else []",
        "[]",
        _UNIT("reconcile_devices", "a_run_stopped_while_waiting_is_finished"),
    ),
    Mutation(
        "device.Record.due_since",
        "self.ending or ",
        "",
        _UNIT(
            "reconcile_devices",
            "an_end_that_somebody_asked_for_and_did_not_reach_is_made_though_the_run_sleeps",
        ),
    ),
    Mutation(
        "device.Record.due_since",
        "(self.state is State.TRACKING and self.is_used_up)",
        "False",
        _UNIT("reconcile_devices", "a_recovery_that_was_never_started_is_started"),
    ),
    Mutation(
        "device.Record.due_since",
        "self.state is State.TRACKING and ",
        "",
        _UNIT(
            "reconcile_devices",
            "a_fatal_failure_whose_escalation_was_stopped_is_escalated_in_time",
        ),
    ),
    Mutation(
        "device.Record.due_since",
        " and self.is_used_up",
        "",
        _UNIT("reconcile_devices", "every_page_of_the_table_is_read"),
    ),
    Mutation(
        "device.Record.settled_since",
        "self.is_told and ",
        "",
        _UNIT("reconcile_devices", "a_recovery_that_was_never_started_is_started"),
    ),
    Mutation(
        "device.Record.settled_since",
        " and not self.ending",
        "",
        _UNIT(
            "reconcile_devices",
            "an_end_that_somebody_asked_for_and_did_not_reach_is_made_though_the_run_sleeps",
        ),
    ),
    Mutation(
        "device.Record.is_to_return",
        "self.state is State.COOLING_DOWN",
        "True",
        _UNIT("campaigns", "an_escalation_of_a_paused_campaign_that_was_stopped_is_finished"),
    ),
    Mutation(
        "device.Record.is_to_return",
        "bool(self.away_since)",
        "True",
        _UNIT("campaigns", "a_cool_down_of_a_paused_campaign_that_was_stopped_still_begins"),
    ),
    Mutation(
        "device.Record.is_to_return",
        "not self.ending",
        "True",
        _UNIT("campaigns", "an_end_that_nobody_finished_is_made_though_the_campaign_is_paused"),
    ),
    Mutation(
        "census.Census._add_overdue",
        "campaign.is_paused",
        "False",
        _UNIT("campaigns", "one_that_is_held_costs_nothing_but_its_place_in_the_table"),
    ),
    Mutation(
        "census.Census.take",
        "if is_over():",
        "if False:",
        _UNIT("census", "a_table_that_is_too_large_for_a_pass_is_counted_in_part"),
    ),
    Mutation(
        "census.Sample.add",
        "len(self.names) < self.most",
        "True",
        _UNIT("census", "each_name_has_the_same_chance"),
    ),
    Mutation(
        "census.Sample.add",
        "int(ambient.share() * self.seen)",
        "0",
        _UNIT("census", "each_name_has_the_same_chance"),
    ),
    Mutation(
        "census.Sample.shuffled",
        "sorted(self.names, key=lambda _: ambient.share())",
        "self.names",
        _UNIT("reconcile_devices", "devices_that_are_left_alone_stand_in_nobodys_way"),
    ),
    Mutation(
        "record.everyone",
        "ProjectionExpression",
        "Ignored",
        _UNIT("census", "only_what_a_census_needs_is_read"),
    ),
    Mutation(
        "record.claim",
        "usedUpAt = :used, ",
        "",
        _UNIT("breaker", "a_device_counts_from_its_move_on_also_when_it_is_back"),
    ),
    Mutation(
        "recovery.restore",
        "campaigns.is_paused(device.campaign)",
        "False",
        _UNIT("campaigns", "a_device_of_a_paused_campaign_is_not_put_back"),
    ),
    Mutation(
        "recovery.restore",
        "is_away and campaigns",
        "campaigns",
        _UNIT("campaigns", "one_whose_attributes_are_back_already_is_not_held"),
    ),
    Mutation(
        "campaigns.is_paused",
        "ConsistentRead=True,",
        "",
        _UNIT("breaker", "what_is_known_is_read_as_it_is_now"),
    ),
    Mutation(
        "campaigns.is_paused",
        "if not name:",
        "if False:",
        _UNIT("campaigns", "a_device_of_no_campaign_cannot_be_held"),
    ),
    Mutation(
        "campaigns.known",
        ", ConsistentRead=True",
        "",
        _UNIT("breaker", "what_is_known_is_read_as_it_is_now"),
    ),
    Mutation(
        "breaker.Window.add",
        "moment < self.now - self.rule.window_seconds",
        "False",
        _UNIT("breaker", "what_is_old_does_not_count"),
    ),
    Mutation(
        "breaker.Window.add",
        "moment <= self._campaign(name).resumed_since",
        "False",
        _UNIT("breaker", "what_was_before_it_was_resumed_is_forgiven"),
    ),
    Mutation(
        "breaker.Window.look",
        "has_name and ",
        "",
        _UNIT("breaker", "devices_that_name_no_campaign_have_none_in_common"),
    ),
    Mutation(
        "breaker.Window.look",
        "campaign.told_at or ",
        "",
        _UNIT("breaker", "it_is_told_once"),
    ),
    Mutation(
        "breaker.Window.look",
        " or campaign.is_paused",
        "",
        _UNIT("breaker", "nothing_is_told_of_what_an_operator_has_paused"),
    ),
    Mutation(
        "breaker.Window._trip",
        "ambient.iso(self.since[campaign.name])",
        "ambient.iso(ambient.now())",
        _UNIT("breaker", "two_passes_at_once_tell_once"),
    ),
    Mutation(
        "breaker.is_too_much",
        "devices >= rule.min_devices and ",
        "",
        _UNIT("breaker", "few_devices_are_no_proof"),
    ),
    Mutation(
        "breaker.is_too_much",
        " and is_sure",
        "",
        _UNIT("breaker", "few_devices_are_no_proof"),
    ),
    Mutation(
        "handlers.reconcile_devices._finish_cool_down",
        "if not device.away_since:",
        "if False:",
        _UNIT("reconcile_devices", "a_run_stopped_before_its_first_step_is_finished"),
    ),
    Mutation(
        "handlers.reconcile_devices._finish_escalation",
        "if not device.away_since:",
        "if False:",
        _UNIT("reconcile_devices", "an_escalation_stopped_at_any_state_is_finished"),
    ),
    Mutation(
        "executions.start",
        'if refused.code != "ExecutionAlreadyExists":',
        "if True:",
        _UNIT("once", "a_run_that_somebody_else_started_is_not_started_again"),
    ),
)


def mutations() -> tuple[Mutation, ...]:
    """All mutations of the package."""
    return (*conditions(), *SAFEGUARDS)


KILLED_BY = {str(one): one.killed_by for one in mutations() if one.killed_by}
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
