"""``fleet-retry``, every command of it, on the deployed module."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from firmware_retry.clock import iso
from fleet_retry import dead_letters
from fleet_retry.cli import app
from fleet_retry.doctor import resources
from localcloud import LocalCloud, eventually
from localcloud.fleet import Fleet
from tests.integration.plugin import Deployment

ORIGINAL = {"model": "gw:v3", "FW": "2.26"}
GROUP = "second-FailedToUpdate"


def run(fleet: Fleet, *arguments: str, stdin: str | None = None) -> tuple[int, str]:
    """Runs a command on a fleet; its exit status and what it printed."""
    which = ["--prefix", fleet.prefix, "--endpoint-url", fleet.cloud.endpoint_url]
    result = CliRunner().invoke(app, [*arguments, *which], input=stdin, catch_exceptions=False)
    return result.exit_code, result.output


def run_json(fleet: Fleet, *arguments: str) -> list[dict[str, Any]]:
    """Return what a command prints with ``--json``, line by line."""
    _, output = run(fleet, *arguments, "--json")
    return [json.loads(line) for line in output.splitlines()]


def fail_for_good(fleet: Fleet, device: str, campaign: str) -> None:
    """Brings a device into the failed group."""
    fleet.add_thing(device, **ORIGINAL)
    fleet.fail(device, [1], reason="signature invalid", FW=campaign)
    assert eventually(lambda: not fleet.is_running("escalation") and fleet.groups(device))


def test_a_failed_device_is_listed_shown_and_released(second: Fleet) -> None:
    fail_for_good(second, "operated", "9.1")
    (listed,) = run_json(second, "list", "--state", "failed", "--campaign", "9.1")
    assert (listed["deviceId"], listed["lastReason"]) == ("operated", "signature invalid")

    (shown,) = run_json(second, "show", "operated")
    assert shown["record"]["state"] == "failed"
    assert shown["attributes"] == {**ORIGINAL, "firmwareRetry": "failed"}
    assert shown["originals"]["firmwareRetry"] is None
    assert shown["groups"] == [GROUP]
    assert [change["to"] for change in shown["history"]] == ["tracking", "failed"]
    assert shown["execution"]["status"] == "SUCCEEDED"
    assert shown["execution"]["consoleUrl"] == ""

    code, output = run(second, "release", "operated", stdin="y\n")
    assert (code, output.splitlines()[-1]) == (0, "1 released")
    assert (second.record("operated"), second.attributes("operated")) == (None, ORIGINAL)
    assert run(second, "list", "--campaign", "9.1") == (0, "No such device.\n")
    assert "released by an operator" in run(second, "history", "operated")[1]


def test_many_are_released_and_who_is_not_there_is_said(second: Fleet) -> None:
    for number in (1, 2):
        fail_for_good(second, f"many-{number}", "9.2")
    second.add_thing("many-fine")
    assert run(second, "release", "--campaign", "9.2", "--dry-run")[0] == 0
    assert second.record("many-1") is not None
    # As Excel and PowerShell save a list.
    names = "\ufeffmany-1\r\nmany-2\r\nmany-fine\r\nmany-nobody\r\n"
    code, output = run(second, "release", "--file", "-", "--yes", stdin=names)
    assert code == 0
    assert output.splitlines() == [
        "many-fine  not tracked",
        "many-nobody  gone",
        "1 gone, 1 not tracked, 2 released",
    ]


def test_one_that_is_refused_is_named_and_the_others_are_told_of(second: Fleet) -> None:
    fail_for_good(second, "without-backup", "9.3")
    second.add_thing("beside", **ORIGINAL)
    second.client("dynamodb").delete_item(
        TableName=second.outputs["backup_table_name"], Key={"deviceId": {"S": "without-backup"}}
    )
    code, output = run(second, "release", "without-backup", "beside", "nobody", "--yes")
    assert code == 1
    first, *others = output.splitlines()
    assert first.startswith("without-backup  refused  BackupMissingError: no backup of")
    assert others[:3] == [
        "beside  not tracked",
        "nobody  gone",
        "1 gone, 1 not tracked, 1 refused",
    ]
    # What the error says: set its attributes.
    second.client("iot").update_thing(
        thingName="without-backup", attributePayload={"attributes": ORIGINAL, "merge": False}
    )
    assert run(second, "release", "without-backup", "--yes") == (0, "1 released\n")


def test_a_paused_campaign_holds_its_devices_until_it_is_resumed(second: Fleet) -> None:
    assert run(second, "pause", "9.4", "--why", "a bad bootloader")[0] == 0
    second.add_thing("held", **ORIGINAL)
    second.fail("held", [1, 2], FW="9.4")
    assert eventually(lambda: not second.is_running("cool_down"))
    (counted,) = [line for line in run_json(second, "campaigns") if line["campaign"] == "9.4"]
    assert (counted["cooling_down"], counted["pausedBy"]) == (1, "operator")
    assert "a bad bootloader" in run(second, "campaigns")[1]

    code, output = run(second, "resume", "9.4")
    assert (code, output.startswith("9.4 is resumed.")) == (0, True)
    second.reconcile()
    assert second.attributes("held") == ORIGINAL
    assert run(second, "resume", "9.4")[0] == 1


def test_a_dead_letter_is_shown_and_redriven(second: Fleet) -> None:
    message = {**second.message("nobody", 1), "deviceId": "nobody", "kind": "failed"}
    letter = {"execution": "x", "failure": {"Error": "Broken", "Cause": "y"}, "message": message}
    second.client("sqs").send_message(
        QueueUrl=second.outputs["dead_letter_queue_url"], MessageBody=json.dumps(letter)
    )
    runs = len(second.runs("intake"))
    code, output = run(second, "redrive", "--dry-run")
    assert (code, "nobody  redriven  Broken: y" in output) == (0, True)
    assert len(second.runs("intake")) == runs
    assert "1 redriven" in run(second, "redrive")[1]
    assert len(second.runs("intake")) == runs + 1


@pytest.mark.parametrize(
    ("rule", "status", "kind"),
    [
        ("FailedFirmwareUpdateRule", "TIMED_OUT", "failed"),
        ("FailedFirmwareUpdateRule", "SUCCEEDED", "succeeded"),
        ("FailedFirmwareUpdateRule", "success", "unclear"),
        ("FirmwareJobFailedRule", "FAILED", "failed"),
        ("FirmwareJobSucceededRule", "SUCCEEDED", "succeeded"),
    ],
)
def test_a_letter_of_a_rule_is_the_message_that_the_rule_makes(
    second: Fleet, rule: str, status: str, kind: str
) -> None:
    arn = "arn:aws:iot:us-east-1:000000000000:thing/redriven"
    payload = {"thingArn": arn, "status": status, "FW": "9.9"}
    letter = {
        "ruleName": f"second_{rule}",
        "topic": "second/redriven/data",
        "base64OriginalPayload": base64.b64encode(json.dumps(payload).encode()).decode(),
        "failures": [{"failedAction": "StepFunctionsAction", "errorMessage": "throttled"}],
    }
    read = dead_letters.read(second.client("iot"), json.dumps(letter), sent=1)
    assert read.message is not None
    assert (read.device_id, read.message["kind"]) == ("redriven", kind)


def test_the_deployment_is_found_by_terraforms_outputs(
    deployment: Deployment, tmp_path: Path
) -> None:
    fleets = {"quickstart": deployment.quickstart.outputs, "second": deployment.second.outputs}
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps({"fleets": {"value": fleets, "type": "any", "sensitive": False}}))
    run(deployment.second, "pause", "9.5")
    code, output = run(deployment.second, "campaigns", "--terraform-outputs", str(file))
    assert (code, "9.5" in output) == (0, True)
    code, output = run(deployment.quickstart, "campaigns", "--terraform-outputs", str(file))
    assert (code, "9.5" in output) == (0, False)
    run(deployment.second, "resume", "9.5")


def test_the_doctor_knows_the_parts_of_the_module(second: Fleet, quickstart: Fleet) -> None:
    assert set(second.outputs["handler_function_names"]) == set(resources.STEPS)
    every = {resources.REMOVED_RULE, resources.RULE_OF_DEVICES}
    assert set(quickstart.outputs["rule_names"]) == every
    every |= {resources.UNREADABLE_RULE, *resources.RULES_OF_JOBS}
    assert set(second.outputs["rule_names"]) == {f"second_{rule}" for rule in every}


Fault = tuple[str, str]
"""The check that finds it, and some of what that says."""
PLANTED: set[Fault] = {
    ("rules", "the rule second_FirmwareJobSucceededRule is disabled"),
    ("schedules", "the schedule second-ReconcileDevices is disabled"),
    ("fleet indexing", "fleet indexing is off"),
    ("group queries", "the query of the dynamic group everything, `thingName:*`"),
    ("devices that stayed", "planted is away since 3h, and still in everything"),
    ("job events", "the events of AWS IoT Jobs are off"),
    ("alarms", "the alarm second-FirmwareRetry-dead-letters is on: planted"),
    ("alarms", "the alarm second-FirmwareRetry-dead-letters is silenced"),
    ("dead letters", "message(s) wait in the dead-letter queue"),
    ("overdue devices", "device(s) are overdue"),
}
DELETED: set[Fault] = {
    ("functions", "there is no function second-ReleaseDevice"),
    ("state machines", "there is no state machine second-FirmwareEscalationStateMachine"),
    ("tables", "there is no table second-DeviceFirmwareHistory"),
    ("rules", "there is no rule second_FirmwareJobTimedOutRule"),
    ("schedules", "there is no schedule second-MailOperators"),
    ("subscriptions", "the queue second-FailedFirmwareUpdateOperators.fifo is not subscribed to"),
    ("subscriptions", "nobody is subscribed to"),
    ("alarms", "there is no alarm whose name begins with second-FirmwareRetry-"),
}


def find_faults(fleet: Fleet, faults: set[Fault]) -> set[Fault]:
    """Return those of the faults that the doctor finds."""
    findings = [line for line in run_json(fleet, "doctor") if line["status"] == "finding"]
    return {
        (check, what)
        for check, what in faults
        if any(finding["check"] == check and what in finding["what"] for finding in findings)
    }


@contextmanager
def _plant_faults(fleet: Fleet) -> Iterator[None]:
    with ExitStack() as undo:
        for plant in (_registry, _device, _switches, _letter):
            undo.enter_context(plant(fleet))
        yield


@contextmanager
def _registry(fleet: Fleet) -> Iterator[None]:
    """A group of all things; then the group follows its query no more."""
    iot = fleet.client("iot")
    fleet.add_thing("planted")
    _index(fleet, "REGISTRY")
    iot.create_dynamic_thing_group(thingGroupName="everything", queryString="thingName:*")
    assert eventually(lambda: "everything" in fleet.groups("planted"))
    _index(fleet, "OFF")
    yield
    _index(fleet, "REGISTRY")
    iot.delete_dynamic_thing_group(thingGroupName="everything")


def _index(fleet: Fleet, mode: str) -> None:
    fleet.client("iot").update_indexing_configuration(
        thingIndexingConfiguration={"thingIndexingMode": mode}
    )


@contextmanager
def _device(fleet: Fleet) -> Iterator[None]:
    """A device that is away for three hours, and overdue since an hour."""
    now = int(time.time())
    table = fleet.outputs["retries_table_name"]
    item = {
        "deviceId": {"S": "planted"},
        "state": {"S": "cooling_down"},
        "campaign": {"S": "9.6"},
        "timestamp": {"S": iso(now)},
        "trackingId": {"S": "planted"},
        "recoveryId": {"S": "planted-1"},
        "RetryCounter": {"N": "0"},
        "ResetRetryCount": {"N": "1"},
        "awaySince": {"N": str(now - 3 * 3600)},
        "dueAt": {"N": str(now - 3600)},
        "leftGroups": {"SS": ["everything"]},
    }
    fleet.client("dynamodb").put_item(TableName=table, Item=item)
    yield
    fleet.client("dynamodb").delete_item(TableName=table, Key={"deviceId": item["deviceId"]})


@contextmanager
def _switches(fleet: Fleet) -> Iterator[None]:
    """A rule, a schedule, an alarm, which is on, and the events of jobs are off."""
    rule = "second_FirmwareJobSucceededRule"
    alarm = f"{fleet.prefix}FirmwareRetry-dead-letters"
    fleet.client("iot").disable_topic_rule(ruleName=rule)
    fleet.client("cloudwatch").disable_alarm_actions(AlarmNames=[alarm])
    _alarm(fleet, alarm, "ALARM")
    _schedule(fleet, "DISABLED")
    _job_events(fleet, is_on=False)
    yield
    _job_events(fleet, is_on=True)
    _schedule(fleet, "ENABLED")
    _alarm(fleet, alarm, "OK")
    fleet.client("cloudwatch").enable_alarm_actions(AlarmNames=[alarm])
    fleet.client("iot").enable_topic_rule(ruleName=rule)


def _schedule(fleet: Fleet, state: str) -> None:
    scheduler = fleet.client("scheduler")
    group = f"{fleet.prefix}{resources.SCHEDULE_GROUP}"
    kept = scheduler.get_schedule(Name=f"{fleet.prefix}ReconcileDevices", GroupName=group)
    fields = (
        "Name",
        "GroupName",
        "Description",
        "ScheduleExpression",
        "FlexibleTimeWindow",
        "Target",
    )
    scheduler.update_schedule(**{name: kept[name] for name in fields}, State=state)


def _alarm(fleet: Fleet, name: str, state: str) -> None:
    fleet.client("cloudwatch").set_alarm_state(
        AlarmName=name, StateValue=state, StateReason="planted"
    )


def _job_events(fleet: Fleet, *, is_on: bool) -> None:
    fleet.client("iot").update_event_configurations(
        eventConfigurations={"JOB_EXECUTION": {"Enabled": is_on}}
    )


@contextmanager
def _letter(fleet: Fleet) -> Iterator[None]:
    fleet.client("sqs").send_message(
        QueueUrl=fleet.outputs["dead_letter_queue_url"], MessageBody="{}"
    )
    yield
    fleet.client("sqs").purge_queue(QueueUrl=fleet.outputs["dead_letter_queue_url"])


def test_the_doctor_finds_each_fault_that_is_planted(second: Fleet) -> None:
    _index(second, "REGISTRY")
    second.client("sqs").purge_queue(QueueUrl=second.outputs["dead_letter_queue_url"])
    assert find_faults(second, PLANTED) == set()
    with _plant_faults(second):
        assert find_faults(second, PLANTED) == PLANTED
        assert run(second, "doctor")[0] == 1
    assert find_faults(second, PLANTED) == set()


def _delete_parts(fleet: Fleet) -> None:
    prefix, sns, cloudwatch = fleet.prefix, fleet.client("sns"), fleet.client("cloudwatch")
    (escalation,) = [
        machine["stateMachineArn"]
        for machine in fleet.client("stepfunctions").list_state_machines()["stateMachines"]
        if machine["name"] == f"{prefix}FirmwareEscalationStateMachine"
    ]
    alarms = cloudwatch.describe_alarms(AlarmNamePrefix=f"{prefix}FirmwareRetry-")["MetricAlarms"]
    fleet.client("lambda").delete_function(FunctionName=f"{prefix}ReleaseDevice")
    fleet.client("stepfunctions").delete_state_machine(stateMachineArn=escalation)
    fleet.client("dynamodb").delete_table(TableName=f"{prefix}DeviceFirmwareHistory")
    fleet.client("iot").delete_topic_rule(ruleName="second_FirmwareJobTimedOutRule")
    group = f"{prefix}{resources.SCHEDULE_GROUP}"
    fleet.client("scheduler").delete_schedule(Name=f"{prefix}MailOperators", GroupName=group)
    cloudwatch.delete_alarms(AlarmNames=[alarm["AlarmName"] for alarm in alarms])
    for topic in ("alerts_topic_arn", "operator_topic_arn"):
        answer = sns.list_subscriptions_by_topic(TopicArn=fleet.outputs[topic])
        for subscription in answer["Subscriptions"]:
            ends = subscription["TopicArn"] + subscription["Endpoint"]
            if f"{prefix}FailedFirmwareUpdateOperators" in ends:
                sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])


def test_what_is_gone_is_found_and_the_apply_that_is_told_brings_it_back(
    second: Fleet, account: LocalCloud, deployment: Deployment
) -> None:
    _delete_parts(second)
    assert find_faults(second, DELETED) == DELETED
    deployment.terraform(account).apply()
    account.confirm_addresses()
    assert find_faults(second, DELETED) == set()


def test_the_doctor_says_what_it_could_not_check(second: Fleet) -> None:
    _, output = run(second, "doctor")
    assert "not checked  quotas: " in output


@pytest.mark.parametrize("command", ["list", "campaigns", "doctor"])
def test_without_a_terminal_nothing_but_the_result_is_printed(second: Fleet, command: str) -> None:
    _, output = run(second, command)
    assert "\x1b" not in output
    assert "Reading" not in output


def test_things_and_jobs_of_any_name_are_counted_and_listed(quickstart: Fleet) -> None:
    job, uuid = "AFR_OTA-pumps-2-28-1", "0c7f4c5e-1b5a-4b5c-9d3e-2f6a7b8c9d0e"
    names = {"aa:bb:cc:dd:ee:ff": job, "A_B_:3": uuid, "-dash": job, "123456": uuid}
    for name, campaign in names.items():
        quickstart.add_thing(name)
        quickstart.fail(name, [1], jobId=campaign)
    quickstart.add_thing("356938035643809")  # of an IMEI, which the device sends as a number
    quickstart.fail("356938035643809", [1], _id_=356_938_035_643_809, jobId=job)
    listed = {line["deviceId"]: line["campaign"] for line in run_json(quickstart, "list")}
    assert listed.items() >= {**names, "356938035643809": job}.items()
