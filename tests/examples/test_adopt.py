"""From the CDK stack to the module, as docs/migrating-from-cdk.md has it, in an account of its own.

The account is filled as the CDK stack leaves it. Then its runs are stopped, what CloudFormation
does not retain is deleted, ``examples/moving-from-cdk`` is applied, and the devices are adopted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fleet_retry.cli import app
from localcloud import LocalCloud, Terraform, eventually
from localcloud.fleet import Fleet
from localcloud.project import copy_project, take_code_from_a_bucket

MACHINE = "FirmwareUpdateStateMachine"
RULE = "FailedFirmwareUpdateRule"
GROUP = "FailedToUpdate"
RETRIES, BACKUP = "DeviceFirmwareRetries", "DeviceAttributeBackup"
ORIGINAL = {"model": "wo:v8", "FW": "2.27", "site": "7"}
MOVED_OUT = {**ORIGINAL, "model": "moveOut", "FW": "moveOut"}
FAILED = {**ORIGINAL, "model": "failedtoupdate", "FW": "failedtoupdate"}
DAY = 86_400
IN_PLACE = (["no-op"], ["update"])


@dataclass
class Move:
    """One account, on its way from the CDK stack to the module."""

    cloud: LocalCloud
    said: dict[str, tuple[int, str]] = field(default_factory=dict)
    """What each command ended with, and what it printed."""
    seen: dict[str, Any] = field(default_factory=dict)
    """What there was to see on the way."""
    plan: dict[str, Any] = field(default_factory=dict)
    """What Terraform would change, JSON."""
    outputs: dict[str, Any] = field(default_factory=dict)

    @property
    def fleet(self) -> Fleet:
        """The module, once it is applied."""
        return Fleet(self.cloud, self.outputs["firmware_retry"], "", "iot/device/data")

    def fleet_retry(self, step: str, *arguments: str) -> None:
        """Runs ``fleet-retry`` on this account."""
        where = ("--endpoint-url", self.cloud.endpoint_url, "--region", self.cloud.region)
        ended = CliRunner(env=self.cloud.environment()).invoke(app, [*arguments, *where])
        self.said[step] = ended.exit_code, ended.output

    def list_imports(self) -> dict[str, list[str]]:
        """Return Terraform's actions on each imported resource, by its import id."""
        return {
            change["change"]["importing"]["id"]: change["change"]["actions"]
            for change in self.plan["resource_changes"]
            if "importing" in change["change"]
        }


@pytest.fixture(scope="module")
def move(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Move]:
    """The whole way, once; what tests ask for happened on it."""
    with LocalCloud(group_lag_seconds=0.3, patience=20) as cloud:
        move = Move(cloud)
        _leave(move)
        move.fleet_retry("dry stop", "adopt", "--stop-original", "--dry-run")
        move.seen["running"] = _running(cloud)
        move.fleet_retry("busy", "adopt", "--stop-original", "--yes")
        _let_busy_run_end(cloud)
        move.fleet_retry("stop", "adopt", "--stop-original", "--yes")
        _look(move)
        _delete_stack(cloud)
        _apply(move, tmp_path_factory.mktemp("move"))
        move.fleet.fail("counting", [1])
        move.fleet_retry("dry run", "adopt", "--dry-run")
        move.fleet_retry("adopt", "adopt", "--yes")
        move.fleet_retry("redrive", "redrive")
        move.fleet.settle()
        yield move


# As the CDK stack leaves it


def _leave(move: Move) -> None:
    cloud = move.cloud
    for table in (RETRIES, BACKUP):
        cloud.client("dynamodb").create_table(
            TableName=table,
            KeySchema=[{"AttributeName": "deviceId", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "deviceId", "AttributeType": "S"}],
            ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
        )
    cloud.client("iot").create_thing_group(thingGroupName=GROUP)
    for group in ("iot_failed_updates", "/aws/lambda/IncrementRetryCounter"):
        cloud.client("logs").create_log_group(logGroupName=group)
    _leave_topic(cloud)
    _leave_device(cloud, "counting", 7, 0, ORIGINAL)
    _leave_device(cloud, "moved-out", 0, 1, MOVED_OUT, fw="1.0")
    _leave_device(cloud, "failed", 10, 2, FAILED)
    _leave_device(cloud, "lost", 0, 1, MOVED_OUT, fw="")
    cloud.client("iot").add_thing_to_thing_group(thingGroupName=GROUP, thingName="failed")
    machine = _leave_machine(cloud)
    _run(cloud, machine, "moved-out")
    _run(cloud, machine, "counting", status="busy")


def _leave_topic(cloud: LocalCloud) -> None:
    topic = cloud.client("sns").create_topic(
        Name="FailedFirmwareUpdate.fifo",
        Attributes={
            "FifoTopic": "true",
            "ContentBasedDeduplication": "true",
            "DisplayName": "FailedFirmwareUpdate",
        },
    )["TopicArn"]
    queue = cloud.client("sqs").create_queue(
        QueueName="listener.fifo", Attributes={"FifoQueue": "true"}
    )["QueueUrl"]
    arn = cloud.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    endpoint = arn["Attributes"]["QueueArn"]
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=endpoint)


def _leave_device(
    cloud: LocalCloud,
    name: str,
    failures: int,
    cycles: int,
    thing: dict[str, str],
    fw: str = "2.27",
) -> None:
    cloud.client("iot").create_thing(thingName=name, attributePayload={"attributes": thing})
    counters = {"RetryCounter": {"N": str(failures)}, "ResetRetryCount": {"N": str(cycles)}}
    record = {"deviceId": {"S": name}, **counters, "timestamp": {"S": "2024-03-24T22:43:28Z"}}
    cloud.client("dynamodb").put_item(TableName=RETRIES, Item=record)
    if fw:
        backup = {"deviceId": {"S": name}, "FW": {"S": fw}, "model": {"S": "wo:v8"}}
        cloud.client("dynamodb").put_item(TableName=BACKUP, Item=backup)


def _leave_machine(cloud: LocalCloud) -> str:
    """A state machine with the original's name and sleep; what it does before is a single state."""
    is_busy = {"Variable": "$.status", "StringEquals": "busy", "Next": "CheckIfDeviceExists"}
    queue = cloud.client("sqs").create_queue(QueueName="busy")["QueueUrl"]
    states = {
        "TransformInput": {"Type": "Choice", "Choices": [is_busy], "Default": "Wait24Hours"},
        "CheckIfDeviceExists": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {"QueueUrl": queue, "MessageBody.$": "$$.Task.Token"},
            "End": True,
        },
        "Wait24Hours": {"Type": "Wait", "Seconds": DAY, "End": True},
    }
    role = f"arn:aws:iam::{cloud.account_id}:role/StepFunctionsInvokeRole"
    machine = cloud.client("stepfunctions").create_state_machine(
        name=MACHINE,
        definition=json.dumps({"StartAt": "TransformInput", "States": states}),
        roleArn=role,
    )["stateMachineArn"]
    action = {"stepFunctions": {"stateMachineName": MACHINE, "roleArn": role}}
    sql = "SELECT * FROM 'iot/device/data' WHERE status = 'failed'"
    cloud.client("iot").create_topic_rule(
        ruleName=RULE, topicRulePayload={"sql": sql, "actions": [action]}
    )
    return str(machine)


def _run(cloud: LocalCloud, machine: str, device: str, status: str = "failed") -> None:
    message = {"_id_": device, "timestamp": "1711320208793", "status": status}
    states = cloud.client("stepfunctions")
    run = states.start_execution(
        stateMachineArn=machine, input=json.dumps({**message, "model": "wo:v8", "FW": "2.27"})
    )["executionArn"]

    def is_on_its_way() -> bool:
        events = states.get_execution_history(executionArn=run, reverseOrder=True)["events"]
        return events[0]["type"] in ("WaitStateEntered", "TaskScheduled")

    assert eventually(is_on_its_way), "the run does not get anywhere"


# The way


def _let_busy_run_end(cloud: LocalCloud) -> None:
    states = cloud.client("stepfunctions")
    queue = cloud.client("sqs").get_queue_url(QueueName="busy")["QueueUrl"]
    (message,) = cloud.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    token = message["Body"]
    states.send_task_success(taskToken=token, output="{}")
    assert eventually(lambda: not _running(cloud)), "the busy run does not end"


def _running(cloud: LocalCloud) -> int:
    """How many runs of the stack are under way."""
    states = cloud.client("stepfunctions")
    (machine,) = states.list_state_machines()["stateMachines"]
    arn = machine["stateMachineArn"]
    return len(states.list_executions(stateMachineArn=arn, statusFilter="RUNNING")["executions"])


def _look(move: Move) -> None:
    cloud = move.cloud
    (machine,) = cloud.client("stepfunctions").list_state_machines()["stateMachines"]
    runs = cloud.client("stepfunctions").list_executions(
        stateMachineArn=machine["stateMachineArn"]
    )["executions"]
    key = {"deviceId": {"S": "moved-out"}}
    record, backup = (
        cloud.client("dynamodb").get_item(TableName=table, Key=key)["Item"]
        for table in (RETRIES, BACKUP)
    )
    move.seen |= {
        "rule": cloud.client("iot").get_topic_rule(ruleName=RULE)["rule"],
        "runs": sorted(run["status"] for run in runs),
        "record": record,
        "backup": backup,
        "at": time.time(),
    }


def _delete_stack(cloud: LocalCloud) -> None:
    """What CloudFormation deletes of the stack: all that cannot be imported."""
    (machine,) = cloud.client("stepfunctions").list_state_machines()["stateMachines"]
    cloud.client("stepfunctions").delete_state_machine(stateMachineArn=machine["stateMachineArn"])
    cloud.client("iot").delete_topic_rule(ruleName=RULE)


def _apply(move: Move, folder: Path) -> None:
    copy = copy_project(folder / "copy")
    root = copy / "examples" / "moving-from-cdk"
    take_code_from_a_bucket(move.cloud, copy)
    terraform = Terraform(root, environment=move.cloud.environment())
    terraform.init()
    with terraform.one_provider():
        terraform.run("plan", "-input=false", "-no-color", "-out=plan")
        move.plan = json.loads(terraform.run("show", "-json", "plan"))
        terraform.run("apply", "-input=false", "-no-color", "plan")
        move.outputs = terraform.outputs()
        move.seen["second plan"] = terraform.plan()


# The stack is stopped


def test_a_dry_run_stops_nothing(move: Move) -> None:
    assert move.said["dry stop"][1].splitlines()[-2] == move.said["busy"][1].splitlines()[-2] + (
        " (dry run: nothing was changed)"
    )
    assert move.said["dry stop"][1].startswith(f"rule {RULE}  would be disabled\n")
    assert move.seen["running"] == 2


def test_a_run_that_is_busy_is_left_and_said(move: Move) -> None:
    code, output = move.said["busy"]
    assert code == 1
    assert "counting  busy" in output
    assert "again in a minute" in output


def test_the_rule_is_disabled_and_no_run_sleeps_any_more(move: Move) -> None:
    assert move.seen["rule"]["ruleDisabled"] is True
    assert move.seen["runs"] == ["ABORTED", "SUCCEEDED"]
    assert move.said["stop"] == (
        0,
        f"rule {RULE}  is disabled already\nNo run sleeps: the CDK stack can be deleted.\n",
    )


def test_the_end_of_a_devices_cool_down_is_recorded(move: Move) -> None:
    until = int(move.seen["record"]["waitsUntil"]["N"])
    assert until - int(move.seen["record"]["waitsSince"]["N"]) == DAY
    assert DAY - 300 < until - move.seen["at"] < DAY


def test_its_backup_is_what_it_had_when_it_was_moved_out(move: Move) -> None:
    assert move.seen["backup"]["FW"] == {"S": "2.27"}


# The module is applied


def test_retained_resources_are_imported_and_not_replaced(move: Move) -> None:
    assert {id_.rpartition(":")[2] for id_ in move.list_imports()} == {
        RETRIES,
        BACKUP,
        GROUP,
        "FailedFirmwareUpdate.fifo",
        "iot_failed_updates",
        "/aws/lambda/IncrementRetryCounter",
    }
    assert [how for how in move.list_imports().values() if how not in IN_PLACE] == []


def test_nothing_is_deleted(move: Move) -> None:
    changes = move.plan["resource_changes"]
    assert [
        change["address"] for change in changes if "delete" in change["change"]["actions"]
    ] == []


def test_after_it_there_is_nothing_to_do(move: Move) -> None:
    would_change, printed = move.seen["second plan"]
    assert not would_change, printed
    assert "Warning" not in printed


def test_subscriptions_of_the_topic_are_kept(move: Move) -> None:
    topic = move.outputs["firmware_retry"]["alerts_topic_arn"]
    sns = move.cloud.client("sns")
    (listener,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert listener["Endpoint"].endswith(":listener.fifo")


# The devices are adopted


def test_a_dry_run_prints_what_the_adoption_prints(move: Move) -> None:
    assert move.said["dry run"][1].splitlines()[:-1] == move.said["adopt"][1].splitlines()[:-1]
    assert "nothing was changed" in move.said["dry run"][1]


def test_all_are_adopted_but_the_one_that_needs_a_person(move: Move) -> None:
    code, output = move.said["adopt"]
    assert code == 1
    assert output.splitlines()[-1] == (
        "1 cools down, 1 failed, 1 goes on counting, 1 needs a person"
    )
    assert move.fleet.attributes("lost") == MOVED_OUT


def test_a_failure_that_came_too_early_counts_once_it_is_redriven(move: Move) -> None:
    assert move.said["redrive"][1].endswith("1 redriven\n")
    assert move.fleet.retry_counter("counting") == 8


def test_the_limit_is_reached_where_the_stack_would_have_reached_it(move: Move) -> None:
    move.fleet.fail("counting", [2, 3])
    assert eventually(lambda: move.fleet.attributes("counting") == MOVED_OUT)


def test_a_moved_out_device_is_restored_when_it_is_due(move: Move) -> None:
    move.fleet.reconcile(grace_seconds=0)
    assert move.fleet.attributes("moved-out") == MOVED_OUT
    move.fleet.reconcile()
    assert move.fleet.attributes("moved-out") == ORIGINAL
    move.fleet_retry("history", "history", "moved-out", "--json")
    history = map(json.loads, move.said["history"][1].splitlines())
    assert [(step["from"], step["to"], step["reason"]) for step in history] == [
        ("free", "cooling_down", "adopted from the CDK stack"),
        ("cooling_down", "tracking", "cool-down is over"),
    ]


def test_a_failed_device_can_be_released(move: Move) -> None:
    assert move.fleet.invoke("ReleaseDevice", deviceId="failed") == {"released": ["failed"]}
    assert move.fleet.attributes("failed") == ORIGINAL
    assert move.fleet.groups("failed") == set()
    assert move.fleet.record("failed") is None
