"""``fleet-retry adopt``: what the CDK stack left of a device becomes what the module's steps read.

The tables are filled as the CDK stack writes them, adopted, and then looked at by the package's own
handlers.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

from firmware_retry.handlers import (
    clear_device_record,
    increment_retry_counter,
    reconcile_devices,
    release_device,
)
from firmware_retry.settings import Settings
from fleet_retry import adoption, cdk_stack, records, registry
from fleet_retry.adoption import Adopted, AdoptionOutcome
from fleet_retry.cli import app
from fleet_retry.deployment import Deployment
from tests.unit.conftest import (  # noqa: F401 -- fixtures
    BACKUP,
    GROUP,
    REGION,
    RETRIES,
    Cloud,
    account,
    clients,
    cloud,
    environment,
    failure,
    success,
    versions,
)

BEGAN = "2024-03-24T22:43:28Z"
ORIGINAL = {"model": "wo:v8", "FW": "2.27", "site": "7"}
MOVED_OUT = {"model": "moveOut", "FW": "moveOut", "site": "7"}
FAILED = {"model": "failedtoupdate", "FW": "failedtoupdate", "site": "7"}
STORED = {"model": "wo:v8", "FW": "2.27"}
ROLE = "arn:aws:iam::123456789012:role/any"


@dataclass
class Stack:
    """The account as the CDK stack left it."""

    cloud: Cloud
    deployment: Deployment

    def leaves(
        self,
        failures: int | None,
        cycles: int = 0,
        thing: dict[str, str] | None = None,
        backup: dict[str, str] | None = STORED,
        *,
        in_group: bool = False,
        **noted: Any,
    ) -> None:
        """A device ``dev-1``; ``failures`` None is one without a record, ``thing`` None is gone."""
        if thing is not None:
            self.cloud.create_thing(**thing)
        if in_group:
            self.cloud.add_to(GROUP)
        if backup is not None:
            self.table(BACKUP).put_item(Item={"deviceId": "dev-1", **backup})
        if failures is not None:
            counters = {"RetryCounter": failures, "ResetRetryCount": cycles}
            item = {"deviceId": "dev-1", **counters, "timestamp": BEGAN, **noted}
            self.table(RETRIES).put_item(Item=item)

    def table(self, name: str) -> Any:
        return self.cloud.dynamodb.Table(name)

    def adopt(self, dry_run: bool = False) -> list[Adopted]:
        return list(adoption.adopt(self.deployment, dry_run))

    def outcome(self) -> AdoptionOutcome:
        (adopted,) = self.adopt()
        return adopted.outcome

    def items(self) -> tuple[Any, Any]:
        return self.cloud.record(), self.cloud.backup()


@cache
def _dynamodb() -> Any:
    """A client, made once: making one takes longer than most tests."""
    return boto3.client("dynamodb", REGION)


@pytest.fixture
def stack(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Stack:
    view: Cloud = request.getfixturevalue("cloud")
    monkeypatch.setattr(Deployment, "settings", Settings.of(os.environ))
    return Stack(view, Deployment(_clients={"iot": view.iot, "dynamodb": _dynamodb()}))


def fails(number: int = 1, **more: Any) -> dict[str, Any]:
    """The device fails just now, for the ``number``-th time."""
    return increment_retry_counter.handler(failure(number, **{**now(number), **more}), None)


def now(number: int = 1) -> dict[str, Any]:
    return {"timestamp": str(int(time.time() * 1000) + number)}


def reconcile(later: int = 60) -> dict[str, int]:
    """ReconcileDevices, so many seconds later and without its grace."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("firmware_retry.reconcile.GRACE_SECONDS", -later)
        done = reconcile_devices.handler({"graceSeconds": -later}, None)
    return {what: devices for what, devices in done.items() if devices}


# A device that is counting


def test_what_was_counted_goes_on_counting_in_its_cycle(stack: Stack) -> None:
    stack.leaves(1, cycles=1, thing=ORIGINAL)
    assert stack.adopt() == [Adopted("dev-1", AdoptionOutcome.TRACKED, "at 1 in cycle 2")]
    assert fails()["outcome"] == "counted"
    record = stack.cloud.record()
    assert record is not None
    assert (record["RetryCounter"], record["ResetRetryCount"]) == (2, 1)
    assert fails(2)["outcome"] == "escalation_due"


def test_a_limit_that_the_stack_did_not_act_on_is_acted_on(stack: Stack) -> None:
    stack.leaves(10, thing=ORIGINAL)
    assert stack.outcome() is AdoptionOutcome.TRACKED
    assert reconcile() == {"started": 1}


def test_its_originals_are_those_of_the_registry_not_of_an_old_message(stack: Stack) -> None:
    stack.leaves(1, thing=ORIGINAL, backup={"model": "wo:v8", "FW": "1.0"})
    stack.adopt()
    record, backup = stack.items()
    assert record["campaign"] == "2.27"
    assert backup["attributes"] == STORED
    assert backup["written"] == {}


def test_a_success_ends_its_episode(stack: Stack) -> None:
    stack.leaves(2, thing=ORIGINAL)
    stack.adopt()
    clear_device_record.handler(success(**now()), None)
    assert stack.items() == (None, None)


def test_another_campaign_starts_from_zero(stack: Stack) -> None:
    stack.leaves(2, thing=ORIGINAL)
    stack.adopt()
    assert fails(jobId="job-1")["outcome"] == "campaign_changed"


def test_its_history_says_where_it_comes_from(stack: Stack) -> None:
    stack.leaves(1, thing=ORIGINAL)
    stack.adopt()
    assert stack.cloud.steps() == [("free", "tracking", "adopted from the CDK stack")]


# A device that was moved out


def test_what_was_moved_out_comes_back_when_the_stack_would_have_restored_it(stack: Stack) -> None:
    until = int(time.time()) + 3600
    stack.leaves(0, 1, MOVED_OUT, waitsSince=until - 86400, waitsUntil=until)
    assert stack.outcome() is AdoptionOutcome.COOLING_DOWN
    assert reconcile(3500) == {}
    assert stack.cloud.attributes() == MOVED_OUT
    assert reconcile(3700) == {"restored": 1}
    assert stack.cloud.attributes() == ORIGINAL
    record = stack.cloud.record()
    assert record is not None
    assert (record["state"], record["ResetRetryCount"], record["RetryCounter"]) == (
        "tracking",
        1,
        0,
    )
    assert fails()["outcome"] == "counted"


def test_it_comes_back_at_once_where_nobody_noted_when(stack: Stack) -> None:
    stack.leaves(0, 1, MOVED_OUT)
    assert stack.adopt() == [Adopted("dev-1", AdoptionOutcome.COOLING_DOWN, "restored at once")]
    assert reconcile() == {"restored": 1}


def test_what_a_person_put_back_already_stays(stack: Stack) -> None:
    stack.leaves(0, 1, {**MOVED_OUT, "FW": "2.28"})
    stack.adopt()
    reconcile()
    assert stack.cloud.attributes() == {**ORIGINAL, "FW": "2.28"}


def test_without_originals_it_needs_a_person_and_stays_as_it_is(stack: Stack) -> None:
    stack.leaves(0, 1, MOVED_OUT, backup=None)
    before = stack.items()
    (adopted,) = stack.adopt()
    assert adopted.outcome is AdoptionOutcome.NEEDS_A_PERSON
    assert "no original of FW and model" in adopted.why
    assert stack.items() == before
    assert stack.cloud.attributes() == MOVED_OUT


def test_a_device_that_needs_a_person_does_not_stand_in_the_way_of_others(stack: Stack) -> None:
    stack.leaves(0, 1, MOVED_OUT, backup=None)
    stack.adopt()
    assert reconcile() == {}
    assert list(records.read_all(stack.deployment)) == []


def test_after_a_person_has_set_its_attributes_it_is_adopted(stack: Stack) -> None:
    stack.leaves(0, 1, MOVED_OUT, backup=None)
    stack.adopt()
    stack.cloud.iot.update_thing(thingName="dev-1", attributePayload={"attributes": ORIGINAL})
    assert stack.outcome() is AdoptionOutcome.TRACKED


# A device that failed


def test_what_is_in_the_failed_group_was_told_and_waits_for_its_operator(stack: Stack) -> None:
    stack.leaves(10, 2, FAILED, in_group=True)
    assert stack.outcome() is AdoptionOutcome.FAILED
    assert reconcile() == {"failed": 1}
    assert stack.cloud.messages() == []
    assert release_device.handler({"deviceId": "dev-1"}, None) == {"released": ["dev-1"]}
    assert stack.items() == (None, None)
    assert stack.cloud.attributes() == ORIGINAL
    assert stack.cloud.members() == []


def test_who_put_its_attributes_right_has_yet_to_release_it(stack: Stack) -> None:
    stack.leaves(10, 2, ORIGINAL, in_group=True)
    assert stack.outcome() is AdoptionOutcome.FAILED
    stack.cloud.remove_from(GROUP)
    assert reconcile() == {"released": 1}
    assert stack.items() == (None, None)
    assert stack.cloud.attributes() == ORIGINAL


def test_what_was_still_on_its_way_into_the_group_is_moved_and_told(stack: Stack) -> None:
    stack.leaves(10, 2, FAILED)
    assert stack.outcome() is AdoptionOutcome.FAILED
    assert reconcile() == {"told": 1}
    assert stack.cloud.members() == ["dev-1"]
    (message,) = stack.cloud.messages()
    assert '"event": "failed"' in message


def test_what_a_person_has_put_right_is_forgotten(stack: Stack) -> None:
    stack.leaves(10, 2, ORIGINAL)
    assert stack.outcome() is AdoptionOutcome.FORGOTTEN
    assert stack.items() == (None, None)


# What is left


def test_what_has_no_thing_any_more_is_forgotten(stack: Stack) -> None:
    stack.leaves(3, thing=None)
    assert stack.adopt() == [Adopted("dev-1", AdoptionOutcome.FORGOTTEN, "the thing is gone")]
    assert stack.items() == (None, None)


def test_a_backup_without_a_record_is_forgotten(stack: Stack) -> None:
    stack.leaves(None, thing=ORIGINAL)
    assert stack.outcome() is AdoptionOutcome.FORGOTTEN
    assert stack.items() == (None, None)


def test_a_moved_out_device_without_a_record_needs_a_person(stack: Stack) -> None:
    stack.leaves(None, thing=MOVED_OUT)
    assert stack.outcome() is AdoptionOutcome.NEEDS_A_PERSON


@pytest.mark.parametrize("fault", [{"RetryCounter": "three"}, {"timestamp": "yesterday"}])
def test_what_the_stack_did_not_write_needs_a_person(stack: Stack, fault: dict[str, Any]) -> None:
    stack.leaves(3, thing=ORIGINAL, **fault)
    assert stack.outcome() is AdoptionOutcome.NEEDS_A_PERSON


# The command


def test_a_second_time_there_is_nothing_left(stack: Stack) -> None:
    stack.leaves(1, thing=ORIGINAL)
    stack.adopt()
    after = stack.items()
    assert stack.adopt() == []
    assert stack.items() == after


@pytest.mark.parametrize("thing", [ORIGINAL, MOVED_OUT, FAILED, None])
def test_a_dry_run_says_the_same_and_changes_nothing(
    stack: Stack, thing: dict[str, str] | None
) -> None:
    stack.leaves(0, 1, thing)
    before = stack.items()
    said = stack.adopt(dry_run=True)
    assert stack.items() == before
    assert stack.adopt() == said


def test_nothing_is_taken_from_a_stack_that_still_counts(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.leaves(1, thing=ORIGINAL)
    read = registry.read_thing

    def count_before_reading(deployment: Deployment, name: str) -> Any:
        stack.table(RETRIES).update_item(
            Key={"deviceId": name},
            UpdateExpression="SET RetryCounter = :two",
            ExpressionAttributeValues={":two": 2},
        )
        return read(deployment, name)

    monkeypatch.setattr(registry, "read_thing", count_before_reading)
    assert stack.outcome() is AdoptionOutcome.CHANGED
    record, backup = stack.items()
    assert (record["RetryCounter"], "state" in record) == (2, False)
    assert "attributes" not in backup


def run(*arguments: str, stdin: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["adopt", *arguments], input=stdin)
    return result.exit_code, result.output


def test_it_ends_with_0_when_all_are_adopted(stack: Stack) -> None:
    stack.leaves(7, 1, ORIGINAL)
    assert run("--yes") == (
        0,
        "dev-1  goes on counting  at 7 in cycle 2\n1 goes on counting\n",
    )
    assert run() == (0, "No device of the CDK stack is left.\n")


def test_it_asks_first_and_says_how_many(stack: Stack) -> None:
    stack.leaves(7, 1, ORIGINAL)
    before = stack.items()
    code, output = run(stdin="n\n")
    assert (code, stack.items()) == (1, before)
    assert output.startswith("Adopt 1 device: replace the CDK stack's records and backups")
    assert output.endswith("Nothing was changed.\n")
    assert run(stdin="y\n")[0] == 0
    assert stack.items() != before


def test_it_ends_with_1_when_a_device_needs_a_person(stack: Stack) -> None:
    stack.leaves(0, 1, MOVED_OUT, backup=None)
    code, output = run("--yes")
    assert code == 1
    assert "1 needs a person" in output


@pytest.mark.usefixtures("stack")
def test_what_is_not_there_cannot_be_stopped() -> None:
    code, output = run("--stop-original", "--yes")
    assert code == 2
    assert "there is no Standard state machine FirmwareUpdateStateMachine" in output


# Its rule; its runs are stopped in tests/examples/test_adopt.py


@pytest.fixture
def machine(stack: Stack) -> Any:
    """The original's state machine, none of whose runs sleeps, and AWS IoT."""
    states = boto3.client("stepfunctions", REGION)
    definition = '{"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}'
    states.create_state_machine(name=cdk_stack.MACHINE, definition=definition, roleArn=ROLE)
    return stack.cloud.iot


def create_rule(iot: Any, name: str, machine: str) -> None:
    action = {"stepFunctions": {"stateMachineName": machine, "roleArn": ROLE}}
    payload = {"sql": "SELECT * FROM 'a'", "actions": [action]}
    iot.create_topic_rule(ruleName=name, topicRulePayload=payload)


def is_on(iot: Any, rule: str) -> bool:
    return not iot.get_topic_rule(ruleName=rule)["rule"]["ruleDisabled"]


@pytest.mark.parametrize(
    ("name", "starts"), [(cdk_stack.RULE, "another"), ("renamed", cdk_stack.MACHINE)]
)
def test_its_rule_is_disabled_by_whatever_name_and_that_is_said(
    machine: Any, name: str, starts: str
) -> None:
    create_rule(machine, name, starts)
    create_rule(machine, "other", "another")
    none = "No run sleeps: the CDK stack can be deleted."
    assert run("--stop-original", "--dry-run") == (
        0,
        f"rule {name}  would be disabled\n{none} (dry run: nothing was changed)\n",
    )
    assert is_on(machine, name)
    assert run("--stop-original", "--yes") == (0, f"rule {name}  disabled\n{none}\n")
    assert (is_on(machine, name), is_on(machine, "other")) == (False, True)
    assert run("--stop-original", "--yes") == (0, f"rule {name}  is disabled already\n{none}\n")


def test_who_says_no_leaves_the_stack_on(machine: Any) -> None:
    create_rule(machine, cdk_stack.RULE, cdk_stack.MACHINE)
    code, output = run("--stop-original", stdin="n\n")
    assert (code, is_on(machine, cdk_stack.RULE)) == (1, True)
    assert "disable the rule FailedFirmwareUpdateRule, and end those of the 0 runs" in output
    assert run("--stop-original", stdin="y\n")[0] == 0
    assert not is_on(machine, cdk_stack.RULE)


@pytest.mark.parametrize("how", ["--yes", "--dry-run"])
def test_a_stack_whose_rule_is_not_found_is_not_said_to_be_stopped(machine: Any, how: str) -> None:
    create_rule(machine, "other", "another")
    code, output = run("--stop-original", how)
    assert (code, is_on(machine, "other")) == (1, True)
    assert "can be deleted" not in output
    assert "No rule is called FailedFirmwareUpdateRule or starts" in output
