"""Metrics, alarms and dashboard, deployed: what they say of devices, and whom they wake."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import dashboard
from localcloud import Fault, Kind, Origin, Target, eventually
from localcloud.fleet import Fleet
from localcloud.patches.metric_filters import compile_pattern
from localcloud.project import ROOT

from .test_fleet_retry import find_faults, run, run_json

RUNBOOK = (ROOT / "docs/operations/runbook.md").read_text()
LATER = -36_005
"""A grace with which the second fleet's cool-down is over."""


def alarms(fleet: Fleet) -> dict[str, dict[str, Any]]:
    """The fleet's alarms by what follows the prefix."""
    cloudwatch, prefix = fleet.client("cloudwatch"), f"{fleet.prefix}FirmwareRetry-"
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix)
    return {
        alarm["AlarmName"].removeprefix(prefix): alarm
        for page in pages
        for alarm in page["MetricAlarms"]
    }


def totals(fleet: Fleet, *names: str, stat: str = "Sum") -> dict[str, float]:
    """Each metric of the fleet over the last day; 0 for one without values."""
    now = time.time()
    queries = [
        {
            "Id": f"m{number}",
            "Label": name,
            "MetricStat": {
                "Metric": {"Namespace": f"{fleet.prefix}FirmwareRetry", "MetricName": name},
                "Period": 86_400,
                "Stat": stat,
            },
        }
        for number, name in enumerate(names)
    ]
    answer = fleet.client("cloudwatch").get_metric_data(
        MetricDataQueries=queries, StartTime=now - 3600, EndTime=now + 60
    )
    return {result["Label"]: sum(result["Values"]) for result in answer["MetricDataResults"]}


@pytest.fixture
def read_subjects(second: Fleet) -> Iterator[Any]:
    """Subjects of what the operator topic delivers from now on."""
    sns, sqs = second.client("sns"), second.client("sqs")
    queue = sqs.create_queue(QueueName=f"woken-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    subscription = sns.subscribe(
        TopicArn=second.outputs["operator_topic_arn"], Protocol="sqs", Endpoint=arn["QueueArn"]
    )["SubscriptionArn"]

    def subjects() -> list[str]:
        received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"])["Subject"] for message in received]

    yield subjects
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=queue)


def test_each_alarm_has_its_section_in_the_runbook_and_each_section_its_alarm(
    quickstart: Fleet, second: Fleet
) -> None:
    sections = set(re.findall(r"^## ([\w-]+)$", RUNBOOK, re.MULTILINE))
    named = set()
    for fleet in (quickstart, second):
        for name, alarm in alarms(fleet).items():
            section = re.sub("^(messages-lost)-.*", r"\1", name)
            assert alarm["AlarmDescription"].endswith(f"docs/operations/runbook.md#{section}")
            named.add(section)
    assert named == sections


def test_each_alarm_wakes_the_operators_where_there_are_any(
    quickstart: Fleet, second: Fleet
) -> None:
    topic = second.outputs["operator_topic_arn"]
    assert {tuple(alarm["AlarmActions"]) for alarm in alarms(second).values()} == {(topic,)}
    assert {tuple(alarm["AlarmActions"]) for alarm in alarms(quickstart).values()} == {()}


def test_refused_messages_are_a_metric(second: Fleet) -> None:
    before = totals(second, "MessagesRefused")["MessagesRefused"]
    second.fail("AA:BB", [1])  # no such thing
    with second.connect("a b") as connection:
        second.publish(connection, second.message("any", 1))
        second.publish(connection, second.message("any", 1, status="SUCCEEDED"))
        second.publish(connection, b'{"status": "failed"}\0')
    second.settle()
    assert totals(second, "MessagesRefused")["MessagesRefused"] - before == 4


def test_a_slip_of_many_devices_raises_an_alarm_and_the_doctor_knows_the_commonest_cause(
    second: Fleet,
) -> None:
    """They send their address in upper case, and are registered in lower case."""
    with second.connect("gateway") as connection:
        for number in range(20):
            second.add_thing(f"aa:{number}")
            name = f"AA:{number}"
            connection.publish(second.topic.format(device=name), second.message(name, 1))
    second.settle()
    assert alarms(second)["messages-refused"]["StateValue"] == "ALARM"
    finding = ("refused messages", "because the registry has no thing of that name; the last of")
    assert find_faults(second, {finding}) == {finding}


def test_json_with_a_fault_inside_its_braces_is_noticed(second: Fleet) -> None:
    with second.connect("sprintf") as connection:
        for _ in range(5):
            second.publish(connection, b'{"_id_":"any","status":"failed","reason":"bad "x""}')
    second.settle()
    assert alarms(second)["messages-refused"]["StateValue"] == "ALARM"
    rule = "rule second_FailedFirmwareUpdateRule as JSON"
    finding = ("refused messages", rule)
    assert find_faults(second, {finding}) == {finding}


def test_a_device_that_has_no_room_for_the_attributes_is_found_and_can_be_freed(
    second: Fleet,
) -> None:
    """AWS IoT takes three attributes of a thing without a type.

    https://docs.aws.amazon.com/general/latest/gr/iot-core.html#thing-limits
    """
    device, attributes = "no-room", {"serial": "7", "site": "lab-1", "hw": "B"}
    second.add_thing(device, **attributes)
    second.fail(device, [1, 2])
    assert eventually(lambda: (second.record(device) or {})["state"] == "cooling_down")
    assert eventually(lambda: not second.is_running("cool_down"))
    _set_back(second, device, "usedUpAt")
    second.invoke("ReconcileDevices")
    assert totals(second, "NotAway", stat="Maximum")["NotAway"] == 1
    assert alarms(second)["devices-not-away"]["StateValue"] == "ALARM"
    listed = {line["deviceId"]: line["isNotAway"] for line in run_json(second, "list")}
    assert listed[device]
    assert "1 not away" in run(second, "list")[1]
    finding = ("devices not away", f"could not be overwritten: {device}")
    assert find_faults(second, {finding}) == {finding}

    second.succeed(device, 3, "SUCCEEDED")
    second.invoke("ReconcileDevices", graceSeconds=-5)
    assert second.record(device) is None
    assert second.attributes(device) == attributes


def _set_back(fleet: Fleet, device: str, moment: str) -> None:
    """Set back a moment in a record by an hour."""
    fleet.client("dynamodb").update_item(
        TableName=fleet.outputs["retries_table_name"],
        Key={"deviceId": {"S": device}},
        UpdateExpression="SET #moment = #moment - :hour",
        ExpressionAttributeNames={"#moment": moment},
        ExpressionAttributeValues={":hour": {"N": "3600"}},
    )


def test_metrics_tell_what_happens_to_a_device(second: Fleet) -> None:
    names = (
        "FailuresCounted",
        "DevicesMovedOut",
        "DevicesRestored",
        "DevicesFailed",
        "UpdatesSucceeded",
        "DevicesHealed",
    )
    before = totals(second, *names)
    second.add_thing("measured-1", model="wo:v8", FW="2.27")
    second.fail("measured-1", [1, 2, 1])  # the copy may be found below the limit, or at it
    assert eventually(lambda: second.retry_counter("measured-1") == 0 and is_restored(second))
    second.fail("measured-1", [3, 4])
    assert eventually(lambda: (second.record("measured-1") or {}).get("notifiedAt"))
    second.succeed("measured-1", 5, "SUCCEEDED")

    now = totals(second, *names)
    assert {name: now[name] - before[name] for name in names} == {
        "FailuresCounted": 4,
        "DevicesMovedOut": 1,
        "DevicesRestored": 1,
        "DevicesFailed": 1,
        "UpdatesSucceeded": 1,
        "DevicesHealed": 1,
    }


def test_copies_are_counted_apart(second: Fleet) -> None:
    names = ("FailuresCounted", "DuplicatesRefused")
    before = totals(second, *names)
    second.add_thing("measured-5")
    second.fail("measured-5", [1])
    second.fail("measured-5", [1, 1])
    now = totals(second, *names)
    assert [now[name] - before[name] for name in names] == [1, 2]


def is_restored(fleet: Fleet) -> bool:
    record = fleet.record("measured-1") or {}
    return bool(record.get("state") == "tracking" and record.get("ResetRetryCount") == 1)


def test_the_fleet_is_counted_and_what_nobody_finishes_wakes_people(
    second: Fleet, read_subjects: Any
) -> None:
    plant_overdue(second, "overdue", "measured-2")
    states = alarms(second)
    assert states["devices-overdue"]["Threshold"] < 50_000

    second.invoke("ReconcileDevices")

    latest = totals(second, "OldestOverdueSeconds", "Tracking", "CoolingDown", stat="Maximum")
    assert 50_000 <= latest["OldestOverdueSeconds"] < 50_600
    assert latest["Tracking"] >= 1
    assert latest["CoolingDown"] >= 1
    assert alarms(second)["devices-overdue"]["StateValue"] == "ALARM"
    subject = 'ALARM: "second-FirmwareRetry-devices-overdue" in us-east-1'
    assert eventually(lambda: subject in read_subjects())


def test_a_pass_ends_the_alarm_on_missing_passes(quickstart: Fleet, second: Fleet) -> None:
    """Missing data is breaching, hence it is on in a fleet where no pass has run."""
    second.invoke("ReconcileDevices")
    assert alarms(second)["reconcile-stopped"]["StateValue"] == "OK"
    assert alarms(quickstart)["reconcile-stopped"]["TreatMissingData"] == "breaching"


def plant_overdue(fleet: Fleet, device: str, like: str) -> None:
    """One that is due since long, as a copy of another; its thing is gone, so a pass ends it."""
    fleet.add_thing(like)
    fleet.fail(like, [1])
    table, dynamodb = fleet.outputs["retries_table_name"], fleet.client("dynamodb")
    item = dynamodb.get_item(TableName=table, Key={"deviceId": {"S": like}})["Item"]
    late = {"deviceId": {"S": device}, "state": {"S": "cooling_down"}}
    due = {"dueAt": {"N": str(int(time.time()) - 50_000)}, "recoveryId": {"S": "gone-1"}}
    dynamodb.put_item(TableName=table, Item={**item, **late, **due})


def test_a_throttled_pass_is_counted_and_wakes_nobody(second: Fleet) -> None:
    before = totals(second, "CallsThrottled")["CallsThrottled"]
    plant_overdue(second, "overdue-2", "measured-6")
    target = Target(Origin.FUNCTION, "second-ReconcileDevices", "dynamodb", "GetItem")
    second.cloud.inject(Fault("overdue-2", target, Kind.THROTTLED))
    assert second.reconcile(300)["left"] == 1
    assert totals(second, "CallsThrottled")["CallsThrottled"] == before + 1
    assert alarms(second)["reconcile-failing"]["StateValue"] == "OK"
    assert second.reconcile(300)["gone"] == 1


def test_what_a_step_raises_as_it_should_wakes_nobody_however_often(second: Fleet) -> None:
    alarm = alarms(second)["handlers-failing"]
    assert (alarm["MetricName"], alarm["DatapointsToAlarm"]) == ("UnexpectedErrors", 3)
    before, mark = totals(second, "UnexpectedErrors"), second.mark()
    gone = {"deviceId": "ghost", "trackingId": "gone", "cycle": 1, "campaign": "c", "reason": ""}
    raised = {
        second.invoke(step, **event)["errorType"]
        for step, event in (
            ("MoveDeviceToFailedGroup", gone),
            ("SendSNSNotification", gone),
            ("IncrementRetryCounter", {}),
        )
    }
    assert raised == {"ThingNotFoundError", "RecoverySupersededError", "InvalidMessageError"}
    move_out_beside(second, "measured-7", Kind.THROTTLED)
    steps = second.invocations("measured-7", mark)
    assert steps.count("second-ResetRetryCounterAndMoveOut") == 2
    assert totals(second, "UnexpectedErrors") == before


def test_a_process_that_dies_and_an_error_that_nobody_expects_count(second: Fleet) -> None:
    before = totals(second, "UnexpectedErrors")["UnexpectedErrors"]
    move_out_beside(second, "measured-8", Kind.KILLED)
    assert totals(second, "UnexpectedErrors")["UnexpectedErrors"] == before + 1

    assert second.invoke("ResetRetryCounterAndMoveOut")["errorType"] == "KeyError"
    assert totals(second, "UnexpectedErrors")["UnexpectedErrors"] == before + 2
    raised = second.errors_logged("ResetRetryCounterAndMoveOut", "KeyError")
    timed_out = {"type": "platform.report", "record": {"status": "timeout"}}
    log(second, "ResetRetryCounterAndMoveOut", timed_out)  # nothing here outlasts its time
    assert totals(second, "UnexpectedErrors")["UnexpectedErrors"] == before + 3

    (pattern,) = re.findall(r"'({ .+ })'", section("handlers-failing"))
    assert raised
    assert all(map(compile_pattern(pattern), [*raised, timed_out]))


def move_out_beside(fleet: Fleet, device: str, kind: Kind) -> None:
    """Has the step that moves a device out fail once, and waits until it did it all the same."""
    name = fleet.outputs["handler_function_names"]["ResetRetryCounterAndMoveOut"]
    fleet.cloud.inject(Fault(device, Target(Origin.FUNCTION, name, "iot", "UpdateThing"), kind))
    fleet.add_thing(device)
    with fleet.away(device):
        fleet.fail(device, [1, 2])
        assert eventually(lambda: "awaySince" in (fleet.record(device) or {}))


def log(fleet: Fleet, step: str, line: dict[str, Any]) -> None:
    """Writes to a handler's log."""
    target = {
        "logGroupName": f"/aws/lambda/{fleet.outputs['handler_function_names'][step]}",
        "logStreamName": "planted",
    }
    logs = fleet.client("logs")
    logs.create_log_stream(**target)
    event = {"timestamp": int(time.time() * 1000), "message": json.dumps(line)}
    logs.put_log_events(**target, logEvents=[event])


def section(name: str) -> str:
    """What the runbook says of an alarm."""
    return RUNBOOK.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def test_an_alert_that_a_queue_rejects_raises_an_alarm(second: Fleet, read_subjects: Any) -> None:
    sns, sqs, topic = second.client("sns"), second.client("sqs"), second.outputs["alerts_topic_arn"]
    queue = sqs.create_queue(QueueName="tickets.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    sqs.delete_queue(QueueUrl=queue)
    # Another test may have lost an alert within the five minutes that the alarm looks back.
    assert eventually(lambda: alarms(second)["alerts-lost"]["StateValue"] == "OK", 600)
    try:
        alert = {"Message": '{"event": "none"}', "MessageGroupId": "none"}
        sns.publish(TopicArn=topic, MessageDeduplicationId=uuid.uuid4().hex, **alert)
    finally:
        sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    assert alarms(second)["alerts-lost"]["StateValue"] == "ALARM"
    subject = 'ALARM: "second-FirmwareRetry-alerts-lost" in us-east-1'
    assert eventually(lambda: subject in read_subjects())


def test_throttled_calls_are_counted_and_wake_nobody_at_once(second: Fleet) -> None:
    before = totals(second, "CallsThrottled")["CallsThrottled"]
    target = Target(Origin.FUNCTION, "second-IncrementRetryCounter", "dynamodb", "UpdateItem")
    second.cloud.inject(Fault("measured-3", target, Kind.THROTTLED))
    second.add_thing("measured-3")
    second.fail("measured-3", [1])
    assert second.retry_counter("measured-3") == 1
    assert totals(second, "CallsThrottled")["CallsThrottled"] == before + 1
    assert alarms(second)["calls-throttled"]["StateValue"] == "OK"


def test_dead_letters_wake_people(second: Fleet, read_subjects: Any) -> None:
    queue = second.outputs["dead_letter_queue_url"]
    second.client("sqs").send_message(QueueUrl=queue, MessageBody="{}")
    try:
        assert alarms(second)["dead-letters"]["StateValue"] == "ALARM"
    finally:
        second.dead_letters()


def test_the_dashboard_shows_nothing_that_nobody_publishes(second: Fleet) -> None:
    logs = second.client("logs")
    pages = logs.get_paginator("describe_metric_filters").paginate()
    published = {
        transformation["metricName"]
        for page in pages
        for found in page["metricFilters"]
        for transformation in found["metricTransformations"]
        if transformation["metricNamespace"] == "second-FirmwareRetry"
    }
    shown = {
        metric[1]
        for widget in body(second)["widgets"]
        for metric in widget["properties"].get("metrics", [])
        if metric[0] == "second-FirmwareRetry"
    }
    assert shown == published


def test_the_dashboard_can_be_drawn(second: Fleet, tmp_path: Path) -> None:
    campaign = "campaign-drawn"
    second.pause(campaign)
    second.add_thing("measured-4")
    second.fail("measured-4", [1, 2], FW=campaign)
    assert eventually(lambda: second.recoveries("measured-4")["cool_down"])
    (run,) = second.recoveries("measured-4")["cool_down"]
    assert eventually(lambda: "HeldByPause" in second.states_entered(run))
    second.resume(campaign)
    assert second.reconcile(LATER)["restored"] >= 1  # all that were held come back like this
    now = time.time()
    name = second.outputs["dashboard_name"]
    figures = dashboard.CloudFigures(second.cloud, now - 600, now + 1)

    table = next(w for w in body(second)["widgets"] if w["type"] == "log")
    rows = figures.rows(table["properties"]["query"])
    drawn = next(row for row in rows if row["campaign"] == campaign)
    assert drawn == {
        "campaign": campaign,
        "failures": "1",
        "moved_out": "1",
        "restored": "1",
        "failed": "0",
    }

    dashboard.draw_deployed(tmp_path / "dashboard.png", second.cloud, name, now - 600, now)
    assert (tmp_path / "dashboard.png").stat().st_size > 20_000


def body(fleet: Fleet) -> dict[str, Any]:
    """The deployed dashboard."""
    name = fleet.outputs["dashboard_name"]
    answer = fleet.client("cloudwatch").get_dashboard(DashboardName=name)
    found: dict[str, Any] = json.loads(answer["DashboardBody"])
    return found
