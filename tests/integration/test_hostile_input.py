"""Hostile messages through the deployed rule and intake: nothing gets further than it may.

What is wrong with each message is in tests/fuzz/messages.py.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from localcloud import LocalCloud, Terraform
from localcloud.fleet import Fleet
from localcloud.project import ROOT
from tests.fuzz.messages import CANARY, CORPUS, COUNTED, Hostile, generate_messages, no_messages

GENERATED = 150
LONGEST_LINE = 10_000
"""Characters of the longest log line: four fields of 1,000, where each may be escaped."""
SENDER_FIELDS = {"topic", "clientId", "receivedAt"}


@dataclass(frozen=True)
class Attack:
    """What was sent, and what a fleet held before."""

    fleet: Fleet
    watchful: Fleet
    """A fleet that logs unreadable messages as well."""
    messages: dict[str, Hostile]
    """By the device that sent it, which is also the one that it names where it names a good one."""
    unreadable: dict[str, bytes]
    """What is no message, by its sender."""
    began_ms: int
    records_before: set[str]
    victim_before: tuple[Any, Any]
    bad_ends_before: int
    runs_before: set[str]

    @property
    def counted(self) -> set[str]:
        """The devices whose message is good."""
        return {device for device, sent in self.messages.items() if sent.outcome == COUNTED}


@pytest.fixture(scope="module")
def attack(quickstart: Fleet, second: Fleet) -> Attack:
    """All hostile messages, sent to a fleet in which one device has failed before."""
    quickstart.add_thing("victim", model="wo:v8", FW="2.27")
    quickstart.fail("victim", [1])
    sent = [*CORPUS, *generate_messages(GENERATED)]
    attack = Attack(
        fleet=quickstart,
        watchful=second,
        messages={f"hostile-{number}": message for number, message in enumerate(sent)},
        unreadable={
            f"unreadable-{number}": payload for number, payload in enumerate(no_messages().values())
        },
        began_ms=int(time.time() * 1000),
        records_before=quickstart.records(),
        victim_before=_read_items(quickstart, "victim"),
        bad_ends_before=quickstart.bad_ends(),
        runs_before=_runs(quickstart),
    )
    for device in attack.messages:
        quickstart.add_thing(device)
    payloads: dict[str, Any] = {
        device: message.message(device) for device, message in attack.messages.items()
    }
    for device, payload in (payloads | attack.unreadable).items():
        with quickstart.connect(device) as connection:
            quickstart.publish(connection, payload)
            if device in attack.unreadable:
                second.publish(connection, payload)
    quickstart.settle()
    return attack


def _read_items(fleet: Fleet, device: str) -> tuple[Any, Any]:
    return fleet.record(device), fleet.backup(device)


def _runs(fleet: Fleet) -> set[str]:
    return {run["executionArn"] for run in fleet.runs("intake")}


def _lines(fleet: Fleet, since_ms: int) -> dict[str, list[str]]:
    """All lines of all logs of the account, as they are, by log group."""
    logs = fleet.client("logs")
    groups = [
        group["logGroupName"]
        for page in logs.get_paginator("describe_log_groups").paginate()
        for group in page["logGroups"]
    ]
    return {
        name: [
            event["message"]
            for page in logs.get_paginator("filter_log_events").paginate(
                logGroupName=name, startTime=since_ms
            )
            for event in page["events"]
        ]
        for name in groups
    }


def _all_lines(attack: Attack) -> list[str]:
    return [line for group in _lines(attack.fleet, attack.began_ms).values() for line in group]


def _failure_log(attack: Attack, fleet: Fleet) -> dict[str, dict[str, Any]]:
    """The line that each sender left in the failure log of a fleet."""
    lines = _lines(fleet, attack.began_ms)[fleet.outputs["failure_log_group_name"]]
    by_sender = {line["clientId"]: line for line in map(json.loads, lines)}
    assert len(by_sender) == len(lines), "two lines of one message"
    return by_sender


def test_only_who_sent_a_good_message_gets_a_record(attack: Attack) -> None:
    assert attack.fleet.records() - attack.records_before == attack.counted
    assert {attack.fleet.retry_counter(device) for device in attack.counted} == {1}


def test_what_was_recorded_before_stays_as_it_is(attack: Attack) -> None:
    assert None not in attack.victim_before
    assert _read_items(attack.fleet, "victim") == attack.victim_before


def test_the_failure_log_says_what_may_be_said_of_each_message(attack: Attack) -> None:
    lines = _failure_log(attack, attack.fleet)
    assert lines.keys() == attack.messages.keys()
    for device, sent in attack.messages.items():
        line = lines[device]
        assert line.keys() & SENDER_FIELDS == SENDER_FIELDS
        said = {name: value for name, value in line.items() if name not in SENDER_FIELDS}
        assert said == sent.line(device), sent.name


def test_unreadable_messages_are_logged_where_it_was_asked_for(attack: Attack) -> None:
    lines = _failure_log(attack, attack.watchful)
    for device, payload in attack.unreadable.items():
        is_object = payload.startswith(b"{") and payload.endswith(b"}")
        assert (device in lines) is not is_object, payload[:60]


def test_the_function_says_of_each_refused_message_what_was_wrong(attack: Attack) -> None:
    for device, sent in attack.messages.items():
        errors = attack.fleet.errors_logged("IncrementRetryCounter", f"clientId '{device}'")
        found = [error["errorMessage"] for error in errors]
        refused = " is " in sent.outcome
        assert len(found) == refused, sent.name
        assert not refused or found[0].startswith(sent.outcome), sent.name


def test_no_log_line_says_more_than_it_may(attack: Attack) -> None:
    lines = _all_lines(attack)
    assert len(lines) > len(attack.messages)
    for line in lines:
        assert CANARY not in line, line[:500]
        assert len(line) <= LONGEST_LINE, line[:500]
        assert line.isprintable(), line
        assert line.isascii(), line


def test_nothing_else_holds_what_was_refused(attack: Attack) -> None:
    states = attack.fleet.client("stepfunctions")
    runs = _runs(attack.fleet) - attack.runs_before
    inputs = [states.describe_execution(executionArn=run)["input"] for run in runs]
    assert len(inputs) == len(attack.messages)
    assert max(map(len, inputs)) <= LONGEST_LINE
    tables = [repr(_read_items(attack.fleet, device)) for device in attack.fleet.records()]
    assert not [text[:500] for text in inputs + tables if CANARY in text]


def test_no_hostile_message_fails_anything(attack: Attack) -> None:
    assert attack.fleet.bad_ends() == attack.bad_ends_before
    assert attack.fleet.dead_letters() == []


def test_the_figures(attack: Attack, figures: list[str]) -> None:
    lines = _all_lines(attack)
    recorded = attack.fleet.records() - attack.records_before
    kept = len(CORPUS) + len(attack.unreadable)
    figures.append(
        f"hostile input, on the deployed module: {kept} kept and {GENERATED} generated messages, "
        f"of which {len(attack.counted)} are good for their own device; devices recorded: "
        f"{len(recorded & attack.counted)}, others: {len(recorded - attack.counted)}; log lines: "
        f"{len(lines)}, the longest {max(map(len, lines)):,} characters, that repeat what was "
        f"refused: {sum(CANARY in line for line in lines)}"
    )


SENDERS = {
    "colours": "\x1b[31mred\x1b[0m",
    "a line of its own": 'x\n{"level": "ERROR"}',
    "from right to left": "\u202edlrow",
    "not ASCII": "\u00fc" * 60,
}


@pytest.mark.parametrize("client_id", [pytest.param(id_, id=name) for name, id_ in SENDERS.items()])
def test_the_senders_own_name_is_logged_in_printable_characters(
    quickstart: Fleet, second: Fleet, client_id: str
) -> None:
    began = int(time.time() * 1000)
    with quickstart.connect(client_id) as connection:
        quickstart.publish(connection, quickstart.message("no thing", 1))
        second.publish(connection, b"no JSON")
    quickstart.settle()
    logs = _lines(quickstart, began)
    plain = "".join(character if " " <= character <= "~" else "?" for character in client_id)
    for fleet in (quickstart, second):
        (line,) = logs[fleet.outputs["failure_log_group_name"]]
        assert json.loads(line)["clientId"] == plain
    for line in (line for group in logs.values() for line in group):
        assert line.isascii()
        assert line.isprintable()


# One device cannot speak for another.


def test_a_topic_speaks_for_one_device_only(second: Fleet) -> None:
    for name in ("attacker-by-topic", "victim-by-topic"):
        second.add_thing(name)
    second.fail("victim-by-topic", [1])
    before = second.record("victim-by-topic")
    second.fail("attacker-by-topic", [2], _id_="victim-by-topic", deviceId="victim-by-topic")
    assert second.record("victim-by-topic") == before
    assert second.retry_counter("attacker-by-topic") == 1


@pytest.mark.parametrize("level", ["victim-by-topic\n", "\u202evictim", "v" * 129, " ", "a b"])
def test_a_topic_level_that_is_no_thing_name_speaks_for_none(second: Fleet, level: str) -> None:
    records = second.all_records()
    with second.connect("attacker-by-level") as connection:
        connection.publish(f"second/{level}/data", second.message("attacker-by-topic", 3))
    second.settle()
    assert second.all_records() == records


@pytest.fixture(scope="module")
def by_client_id(
    account: LocalCloud, quickstart: Fleet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A topic whose messages count in the quickstart, for the device that the client id names.

    The rule's SQL is the module's own; only its resources are not made another time.
    """
    copy = tmp_path_factory.mktemp("by-client-id") / "modules"
    shutil.copytree(ROOT / "modules", copy, ignore=shutil.ignore_patterns(".*"))
    topic, intake = "by/client/id", quickstart.machine("intake")
    machine = intake.rpartition(":")[2]
    terraform = Terraform(
        copy / "ingestion",
        environment=account.environment(),
        variables={
            "topic_filter": topic,
            "device_id_source": "clientid",
            "failure_statuses": ["failed"],
            "failed_thing_group_name": "FailedToUpdate",
            "intake_state_machine_name": machine,
            "intake_state_machine_arn": intake,
        },
    )
    terraform.init()
    terraform.run("plan", "-input=false", "-out=plan")
    plan = json.loads(terraform.run("show", "-json", "plan"))
    (sql,) = [
        resource["values"]["sql"]
        for resource in plan["planned_values"]["root_module"]["resources"]
        if resource["address"] == 'aws_iot_topic_rule.this["devices"]'
    ]
    role = "arn:aws:iam::123456789012:role/any"
    actions = [{"stepFunctions": {"stateMachineName": machine, "roleArn": role}}]
    payload = {"sql": sql, "awsIotSqlVersion": "2016-03-23", "actions": actions}
    rules = account.client("iot")
    rules.create_topic_rule(ruleName="by_client_id", topicRulePayload=payload)
    yield topic
    rules.delete_topic_rule(ruleName="by_client_id")


def test_a_client_id_speaks_for_one_device_only(quickstart: Fleet, by_client_id: str) -> None:
    for name in ("attacker-by-client", "victim-by-client"):
        quickstart.add_thing(name)
    quickstart.fail("victim-by-client", [1])
    before = quickstart.record("victim-by-client")
    with quickstart.connect("attacker-by-client") as connection:
        connection.publish(by_client_id, quickstart.message("victim-by-client", 2))
    quickstart.settle()
    assert quickstart.record("victim-by-client") == before
    assert quickstart.retry_counter("attacker-by-client") == 1


def test_a_client_id_that_is_no_thing_name_speaks_for_none(
    quickstart: Fleet, by_client_id: str
) -> None:
    records = quickstart.all_records()
    with quickstart.connect("victim-by-client\n") as connection:
        connection.publish(by_client_id, quickstart.message("victim-by-client", 3))
    quickstart.settle()
    assert quickstart.all_records() == records
