"""``fleet-retry doctor``: finds each fault that is planted, and says what to type."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from firmware_retry.clock import iso
from fleet_retry import undelivered
from fleet_retry.deployment import MACHINES
from fleet_retry.doctor import CHECKS
from fleet_retry.doctor.resources import RULES_OF_JOBS, SCHEDULE_GROUP
from fleet_retry.undelivered import OPERATORS_QUEUE

from .conftest import HOUR, Fleet

Said = dict[str, str]


def findings(fleet: Fleet, status: str = "finding", *options: str) -> dict[str, list[Said]]:
    """What the doctor says of a status, by check."""
    said: dict[str, list[Said]] = {}
    for line in fleet.run_json("doctor", *options):
        if line["status"] == status:
            said.setdefault(line["check"], []).append(line)
    return said


def only(fleet: Fleet, check: str, status: str = "finding") -> Said:
    """The one thing that is said with a status, which this check says."""
    said = findings(fleet, status)
    assert list(said) == [check]
    (finding,) = said[check]
    return finding


def group(fleet: Fleet, query: str, name: str = "firmware") -> None:
    """A dynamic group; moto has none, so that a static one is made to look like it."""
    boto3.client("iot").create_thing_group(thingGroupName=name)
    known = fleet.answers.get("DescribeThingGroup", lambda asked: {**asked, "thingGroupId": "id"})
    answer = {"thingGroupName": name, "queryString": query}
    fleet.answers["DescribeThingGroup"] = lambda asked: (
        answer if asked["thingGroupName"] == name else known(asked)
    )


def subscribe(fleet: Fleet, topic: str, *subscriptions: dict[str, str]) -> None:
    """Replace a topic's subscriptions; the other topics keep theirs."""
    before = {
        arn: boto3.client("sns").list_subscriptions_by_topic(TopicArn=arn)
        for arn in (fleet.environment["ALERTS_TOPIC_ARN"], fleet.environment["OPERATOR_TOPIC_ARN"])
    }
    answers = {**before, topic: {"Subscriptions": list(subscriptions)}}
    fleet.answers["ListSubscriptionsByTopic"] = lambda asked: answers[asked["TopicArn"]]


def test_a_module_in_order_has_no_findings(healthy: Fleet) -> None:
    code, output = healthy.run("doctor")
    assert code == 0
    assert output.splitlines()[-1] == f"1 note, {len(CHECKS) - 1} in order"
    assert not [line for line in healthy.run_json("doctor") if "\n" in line["what"]]
    assert only(healthy, "membership events", "note")["do"].startswith("nothing has to be done")


def test_a_finding_says_what_why_and_what_to_type(healthy: Fleet) -> None:
    healthy.answers["GetIndexingConfiguration"] = {
        "thingIndexingConfiguration": {"thingIndexingMode": "OFF"}
    }
    code, output = healthy.run("doctor")
    first, why, do = output.partition("finding")[2].splitlines()[:3]
    assert code == 1
    assert "fleet indexing is off" in first
    assert why.split()[0] == "why:"
    assert do.split()[:4] == ["do:", "aws", "iot", "update-indexing-configuration"]
    assert output.splitlines()[-1].startswith("1 finding, ")


def test_indexing_that_is_off(healthy: Fleet) -> None:
    healthy.answers["GetIndexingConfiguration"] = {}
    assert only(healthy, "fleet indexing")["what"] == "fleet indexing is off"


def test_a_function_that_is_not_there_or_cannot_run(healthy: Fleet) -> None:
    present = healthy.answers["GetFunctionConfiguration"]

    def answer(asked: dict[str, Any]) -> Any:
        if asked["FunctionName"] == "ReleaseDevice":
            return present({"FunctionName": "no such"})
        is_broken = asked["FunctionName"] == "MailOperators"
        return present(asked) | ({"State": "Failed", "StateReason": "key"} if is_broken else {})

    healthy.answers["GetFunctionConfiguration"] = answer
    broken, missing = findings(healthy)["functions"]
    assert broken["what"] == "MailOperators cannot run: key"
    assert missing["what"] == "there is no function ReleaseDevice"


def measure(fleet: Fleet, **metrics: dict[datetime, float]) -> None:
    """Give metrics values, by the start of their period."""

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        (query,) = asked["MetricDataQueries"]
        values = metrics.get(query["MetricStat"]["Metric"]["MetricName"], {})
        result = {"Timestamps": list(values), "Values": list(values.values())}
        return {"MetricDataResults": [result]}

    fleet.answers["GetMetricData"] = answer


def log(fleet: Fleet, lines: dict[str, list[Any]]) -> None:
    """Give logs lines: many pages, since AWS may answer with empty ones."""

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        events = [{"message": json.dumps(line)} for line in lines.get(asked["logGroupName"], [])]
        page = int(asked.get("nextToken", "0"))
        return {"events": events[page : page + 1], "nextToken": str(page + 1)}

    fleet.answers["FilterLogEvents"] = answer


LATEST = datetime(2026, 11, 24, 10, 5, tzinfo=UTC)


def test_refused_messages_with_their_commonest_cause(healthy: Fleet) -> None:
    invalid = {"errorType": "InvalidMessageError", "errorMessage": "deviceId is missing: it should"}
    unknown = {"errorType": "ThingNotFoundError", "errorMessage": "no thing AA:BB"}
    measure(healthy, MessagesRefused={LATEST: 4, LATEST - timedelta(hours=20): 3000})
    log(
        healthy,
        {
            "/aws/lambda/IncrementRetryCounter": [invalid, {"errorType": "TransientError"}],
            "/aws/lambda/CheckIfDeviceExists": [unknown, "no JSON", unknown | {"x": 1}],
            "iot_failed_updates": [{"refused": "no JSON object", "clientId": "c"}, {"kind": "x"}],
        },
    )
    finding = only(healthy, "refused messages")
    assert finding["what"] == (
        "3004 message(s) were refused within 24 hours, 2 of the latest 4 because the registry has"
        " no thing of that name; the last of these: no thing AA:BB"
    )


def test_causes_of_refusals_are_looked_for_with_a_few_calls_where_the_latest_are(
    healthy: Fleet,
) -> None:
    """In a busy log a page may have no line that matches."""
    measure(healthy, MessagesRefused={LATEST - timedelta(hours=20): 1, LATEST: 100})
    log(healthy, {"iot_failed_updates": [{"refused": "no JSON object"}] * 100})
    what = only(healthy, "refused messages")["what"]
    assert what.startswith("101 message(s) were refused within 24 hours, 5 of the latest 5 because")
    asked = healthy.has_asked("FilterLogEvents")
    assert len(asked) == 4 * 5
    start = int(LATEST.timestamp()) * 1000
    assert {(call["startTime"], call["endTime"]) for call in asked} == {(start, start + 300_000)}
    assert {call["logGroupName"]: call["filterPattern"] for call in asked} == {
        "/aws/lambda/IncrementRetryCounter": '{ $.errorType = "InvalidMessageError" }',
        "/aws/lambda/ClearDeviceRecord": '{ $.errorType = "InvalidMessageError" }',
        "/aws/lambda/CheckIfDeviceExists": '{ $.errorType = "ThingNotFoundError" }',
        "iot_failed_updates": '{ $.refused = "*" }',
    }


def test_refused_messages_of_which_no_log_has_the_cause(healthy: Fleet) -> None:
    measure(healthy, MessagesRefused={LATEST: 4})
    what = only(healthy, "refused messages")["what"]
    assert what == "4 message(s) were refused within 24 hours"


def test_stale_messages_with_the_device_that_sent_most_of_them(healthy: Fleet) -> None:
    late = {"errorType": "StaleMessageError", "errorMessage": "dev-1: sent before the last episode"}
    handled = {"message": "failure message handled", "outcome": "stale", "deviceId": "dev-1"}
    measure(healthy, MessagesStale={LATEST: 3, LATEST - timedelta(hours=2): 4})
    log(
        healthy,
        {
            "/aws/lambda/IncrementRetryCounter": [handled, handled | {"outcome": "counted"}],
            "/aws/lambda/CheckIfDeviceExists": [late],
            "/aws/lambda/ClearDeviceRecord": [{"message": "success is stale", "deviceId": "dev-2"}],
        },
    )
    (note,) = findings(healthy, "note")["stale messages"]
    assert note["what"] == (
        "7 message(s) within 24 hours seemed older than the end of an update, 2 of the latest 3 of"
        " dev-1"
    )


def test_json_with_a_fault_inside_its_braces(healthy: Fleet) -> None:
    """Only the metric of AWS IoT notices it."""
    measure(healthy, ParseError={LATEST: 7})
    assert only(healthy, "refused messages")["what"] == (
        "AWS IoT could not read 7 message(s) of the rule FailedFirmwareUpdateRule as JSON within 24"
        " hours"
    )
    dimensions = [{"Name": "RuleName", "Value": "FailedFirmwareUpdateRule"}]
    metrics = [
        asked["MetricDataQueries"][0]["MetricStat"]["Metric"]
        for asked in healthy.has_asked("GetMetricData")
    ]
    metric = {"Namespace": "AWS/IoT", "MetricName": "ParseError", "Dimensions": dimensions}
    assert metric in metrics


@pytest.mark.parametrize(
    ("failures", "successes", "is_found"), [(10, 0, True), (9, 0, False), (900, 1, False)]
)
def test_failures_without_any_success(
    healthy: Fleet, failures: int, successes: int, is_found: bool
) -> None:
    """No list of words has all that a device may say for success."""
    measure(healthy, FailuresCounted={LATEST: failures}, UpdatesSucceeded={LATEST: successes})
    found = findings(healthy).get("successes", [])
    assert len(found) == is_found
    assert not found or found[0]["what"].startswith("10 failure(s) were counted within 7 days")


@pytest.mark.parametrize("name", MACHINES.values())
def test_a_state_machine_that_is_not_there(healthy: Fleet, name: str) -> None:
    machines = healthy.answers["ListStateMachines"]["stateMachines"]
    machines.remove(next(machine for machine in machines if machine["name"] == name))
    assert only(healthy, "state machines")["what"] == f"there is no state machine {name}"


def test_a_table_that_is_not_there(healthy: Fleet) -> None:
    boto3.client("dynamodb").delete_table(TableName="DeviceFirmwareHistory")
    assert only(healthy, "tables")["what"] == "there is no table DeviceFirmwareHistory"


def test_a_table_with_a_name_of_its_own(healthy: Fleet) -> None:
    healthy.environment["HISTORY_TABLE"] = "their-history"
    assert only(healthy, "tables")["what"] == "there is no table their-history"


@pytest.mark.parametrize("variable", ["ALERTS_TOPIC_ARN", "OPERATOR_TOPIC_ARN"])
def test_a_topic_that_is_not_there(healthy: Fleet, variable: str) -> None:
    topic = healthy.environment[variable]
    boto3.client("sns").delete_topic(TopicArn=topic)
    assert only(healthy, "subscriptions")["what"].startswith(f"there is no topic {topic} in ")


@pytest.mark.parametrize(
    ("queue", "check"),
    [("FailedFirmwareUpdateDeadLetters", "dead letters"), (OPERATORS_QUEUE, "subscriptions")],
)
def test_a_queue_that_is_not_there(healthy: Fleet, queue: str, check: str) -> None:
    sqs = boto3.client("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"])
    assert only(healthy, check)["what"].startswith(f"there is no queue {queue} in ")


def test_alerts_that_sns_could_not_deliver(healthy: Fleet) -> None:
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=undelivered.QUEUE)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}", MessageGroupId="a", MessageDeduplicationId="1")
    finding = only(healthy, "undelivered alerts")
    assert finding["what"].startswith("1 alert(s) wait that SNS could not deliver")
    assert "fleet-retry redrive" in finding["do"]


def test_a_group_of_the_failed_that_is_not_there(healthy: Fleet) -> None:
    boto3.client("iot").delete_thing_group(thingGroupName="FailedToUpdate")
    finding = only(healthy, "failed group")
    assert finding["what"].startswith("there is no thing group FailedToUpdate in ")
    assert finding["do"] == "terraform apply"


def test_a_rule_that_is_disabled(healthy: Fleet) -> None:
    boto3.client("iot").disable_topic_rule(ruleName="FirmwareJobFailedRule")
    finding = only(healthy, "rules")
    assert finding["what"] == "the rule FirmwareJobFailedRule is disabled"
    assert finding["do"] == "aws iot enable-topic-rule --rule-name FirmwareJobFailedRule"


@pytest.mark.parametrize(
    ("has_job_events", "rule"),
    [
        ("true", "FirmwareJobTimedOutRule"),
        ("false", "FailedFirmwareUpdateRule"),
        ("false", "FailedFirmwareRemovedRule"),
    ],
)
def test_a_rule_that_is_not_there(healthy: Fleet, has_job_events: str, rule: str) -> None:
    healthy.environment["JOB_EVENTS_ENABLED"] = has_job_events
    boto3.client("iot").delete_topic_rule(ruleName=rule)
    assert only(healthy, "rules")["what"] == f"there is no rule {rule}"


def test_rules_that_the_module_was_not_asked_for_are_not_missed(healthy: Fleet) -> None:
    iot = boto3.client("iot")
    healthy.environment["JOB_EVENTS_ENABLED"] = "false"
    for rule in RULES_OF_JOBS:
        iot.delete_topic_rule(ruleName=rule)
    assert findings(healthy) == {}


def test_a_schedule_that_is_not_there_or_disabled(healthy: Fleet) -> None:
    scheduler = boto3.client("scheduler")
    scheduler.delete_schedule(Name="MailOperators", GroupName=SCHEDULE_GROUP)
    kept = scheduler.get_schedule(Name="ReconcileDevices", GroupName=SCHEDULE_GROUP)
    fields = ("Name", "GroupName", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    scheduler.update_schedule(**{name: kept[name] for name in fields}, State="DISABLED")
    disabled, missing = findings(healthy)["schedules"]
    assert disabled["what"] == "the schedule ReconcileDevices is disabled"
    assert missing["what"] == "there is no schedule MailOperators"


def test_a_schedule_of_mails_is_not_missed_where_nobody_is_mailed(healthy: Fleet) -> None:
    group = {"GroupName": SCHEDULE_GROUP}
    boto3.client("scheduler").delete_schedule(Name="MailOperators", **group)
    healthy.environment["OPERATOR_TOPIC_ARN"] = ""
    healthy.answers["ListSubscriptionsByTopic"] = {"Subscriptions": [{"SubscriptionArn": "any"}]}
    assert findings(healthy) == {}


def test_a_group_whose_query_still_matches_a_device_that_is_away(healthy: Fleet) -> None:
    group(healthy, "attributes.site:north")
    finding = only(healthy, "group queries")
    assert "`attributes.site:north`" in finding["what"]
    assert "cools down or has failed" in finding["what"]
    assert "NOT attributes.FW:moveOut" in finding["do"]
    assert "NOT attributes.FW:failedUpdate" in finding["do"]


def test_a_group_whose_query_only_lets_devices_go_that_cool_down(healthy: Fleet) -> None:
    group(healthy, "attributes.site:north AND NOT attributes.FW:moveOut")
    assert "may match a device that has failed" in only(healthy, "group queries")["what"]


def test_a_group_whose_query_lets_devices_go_is_in_order(healthy: Fleet) -> None:
    group(healthy, "attributes.model:wo* AND attributes.FW:2.27")
    assert findings(healthy) == {}


def test_the_queries_that_the_doctor_proposes_are_in_order(healthy: Fleet) -> None:
    group(healthy, "attributes.site:north")
    proposed = only(healthy, "group queries")["do"].split("`")[1]
    group(healthy, proposed, "mended")
    assert findings(healthy, "finding", "--ignore-group", "firmware") == {}


def test_a_group_that_has_nothing_to_do_with_firmware_can_be_ignored(healthy: Fleet) -> None:
    group(healthy, "connectivity.connected:false", "offline-north")
    assert findings(healthy, "finding", "--ignore-group", "offline-*") == {}


def test_a_query_that_cannot_be_read_is_not_checked(healthy: Fleet) -> None:
    group(healthy, "attributes.site:(north")
    assert "is not closed" in only(healthy, "group queries", "not checked")["what"]


@pytest.mark.parametrize(
    ("groups", "away_for", "is_found"),
    [({"firmware"}, 2 * HOUR, True), (set(), 2 * HOUR, False), ({"firmware"}, 60, False)],
)
def test_a_device_that_is_away_and_still_in_its_groups(
    healthy: Fleet, groups: set[str], away_for: int, is_found: bool
) -> None:
    iot = boto3.client("iot")
    iot.create_thing(thingName="stuck")
    for name in groups:
        iot.create_thing_group(thingGroupName=name)
        iot.add_thing_to_thing_group(thingGroupName=name, thingName="stuck")
    since = int(time.time()) - away_for
    healthy.put("stuck", "cooling_down", awaySince=since, leftGroups={"firmware"})
    said = findings(healthy)
    assert list(said) == (["devices that stayed"] if is_found else [])
    if is_found:
        assert "still in firmware" in said["devices that stayed"][0]["what"]


def test_the_longest_away_are_looked_at_and_it_is_said_that_there_are_more(
    healthy: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet_retry.doctor.context.SAMPLE_SIZE", 1)
    iot = boto3.client("iot")
    iot.create_thing_group(thingGroupName="firmware")
    for hours in (2, 3):
        name = f"stuck-{hours}"
        iot.create_thing(thingName=name)
        iot.add_thing_to_thing_group(thingGroupName="firmware", thingName=name)
        since = int(time.time()) - hours * HOUR
        healthy.put(name, "cooling_down", awaySince=since, leftGroups={"firmware"})
    (finding,) = findings(healthy)["devices that stayed"]
    assert finding["what"].startswith("stuck-3 ")
    (note,) = findings(healthy, "note")["devices that stayed"]
    assert note["what"].startswith("of 2 devices that are away, only the 1 ")


def test_job_events_that_are_off_where_the_module_listens_to_them(healthy: Fleet) -> None:
    healthy.answers["DescribeEventConfigurations"] = {}
    assert "AWS IoT Jobs are off" in only(healthy, "job events")["what"]
    healthy.environment["JOB_EVENTS_ENABLED"] = "false"
    assert findings(healthy) == {}


MAILED = {"Protocol": "email", "Endpoint": "you@example.com"}
PENDING = {**MAILED, "SubscriptionArn": "PendingConfirmation"}
CONFIRMED = {**MAILED, "SubscriptionArn": "arn:aws:sns:eu-west-1:123456789012:Operators:1"}
GONE = {**MAILED, "SubscriptionArn": "Deleted"}


def test_a_topic_that_mails_nobody_yet(healthy: Fleet) -> None:
    topic = healthy.environment["OPERATOR_TOPIC_ARN"]
    subscribe(healthy, topic, {**PENDING, "TopicArn": topic})
    _, finding = findings(healthy)["subscriptions"]
    assert finding["what"] == f"nobody has confirmed a subscription of {topic}"
    assert "alerts wait in the queue" in finding["why"]


def test_a_subscription_that_nobody_confirmed(healthy: Fleet) -> None:
    topic = healthy.environment["OPERATOR_TOPIC_ARN"]
    subscribe(healthy, topic, {**PENDING, "TopicArn": topic}, CONFIRMED)
    finding = only(healthy, "subscriptions")
    assert finding["what"] == "you@example.com has not confirmed its subscription"
    assert f"aws sns subscribe --topic-arn {topic}" in finding["do"]


@pytest.mark.parametrize("subscriptions", [[], [GONE]], ids=["never", "unsubscribed"])
def test_a_topic_that_mails_nobody(healthy: Fleet, subscriptions: list[dict[str, str]]) -> None:
    subscribe(healthy, healthy.environment["OPERATOR_TOPIC_ARN"], *subscriptions)
    assert "nobody is subscribed to" in only(healthy, "subscriptions")["what"]


def test_a_queue_of_mails_that_the_alerts_do_not_come_to(healthy: Fleet) -> None:
    topic = healthy.environment["ALERTS_TOPIC_ARN"]
    of_another = f"arn:aws:sqs:eu-west-1:123456789012:fleet-b-{OPERATORS_QUEUE}"
    other = {"SubscriptionArn": f"{topic}:1", "Protocol": "sqs", "Endpoint": of_another}
    subscribe(healthy, topic, {**other, "TopicArn": topic})
    finding = only(healthy, "subscriptions")
    assert finding["what"] == f"the queue {OPERATORS_QUEUE} is not subscribed to {topic}"
    assert finding["why"] == "nobody is mailed of failed devices"


def test_failed_devices_that_nobody_hears_of(healthy: Fleet) -> None:
    healthy.environment["OPERATOR_TOPIC_ARN"] = ""
    healthy.answers["ListSubscriptionsByTopic"] = {"Subscriptions": []}
    assert "nobody hears of failed devices" in only(healthy, "subscriptions")["what"]


def test_an_alarm_that_is_on(healthy: Fleet) -> None:
    boto3.client("cloudwatch").set_alarm_state(
        AlarmName="FirmwareRetry-dead-letters", StateValue="ALARM", StateReason="3 letters"
    )
    finding = only(healthy, "alarms")
    assert finding["what"] == "the alarm FirmwareRetry-dead-letters is on: 3 letters"
    assert "docs/operations/runbook.md" in finding["do"]


def test_an_alarm_that_is_silenced(healthy: Fleet) -> None:
    boto3.client("cloudwatch").disable_alarm_actions(AlarmNames=["FirmwareRetry-dead-letters"])
    assert "is silenced" in only(healthy, "alarms")["what"]


def test_a_module_without_alarms(healthy: Fleet) -> None:
    boto3.client("cloudwatch").delete_alarms(AlarmNames=["FirmwareRetry-dead-letters"])
    assert "there is no alarm" in only(healthy, "alarms")["what"]


def test_dead_letters(healthy: Fleet) -> None:
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="FailedFirmwareUpdateDeadLetters")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    finding = only(healthy, "dead letters")
    assert finding["what"] == "1 message(s) wait in the dead-letter queue"
    assert "fleet-retry redrive --dry-run" in finding["do"]


def test_devices_that_are_overdue(healthy: Fleet) -> None:
    now = int(time.time())
    healthy.put("late", "cooling_down", dueAt=now - 3 * HOUR)
    healthy.put("in-time", "cooling_down", dueAt=now - 60)
    finding = only(healthy, "overdue devices")
    assert finding["what"] == "1 device(s) are overdue, one since 3h: late"


@pytest.mark.parametrize("used_up", [{"RetryCounter": 10}, {"isFatal": True}])
def test_a_device_that_no_recovery_has_claimed_is_overdue(
    healthy: Fleet, used_up: dict[str, Any]
) -> None:
    healthy.put("unclaimed", timestamp="2026-11-01T00:00:00Z", **used_up)
    assert "unclaimed" in only(healthy, "overdue devices")["what"]


@pytest.mark.parametrize(
    ("group_id", "devices", "cause"),
    [("another", 1, "was replaced: 1 "), ("present", 11, "was emptied: 11 ")],
)
def test_failed_group_that_was_replaced_or_emptied(
    healthy: Fleet, group_id: str, devices: int, cause: str
) -> None:
    present = boto3.client("iot").describe_thing_group(thingGroupName="FailedToUpdate")
    recorded = present["thingGroupId"] if group_id == "present" else group_id
    settled = {"notifiedAt": iso(time.time() - HOUR), "timestamp": iso(time.time() - HOUR)}
    for number in range(devices):
        healthy.put(f"failed-{number}", "failed", failedGroupId=recorded, **settled)
    assert cause in only(healthy, "failed group")["what"]


def test_removal_of_a_failed_device_is_no_finding(healthy: Fleet) -> None:
    present = boto3.client("iot").describe_thing_group(thingGroupName="FailedToUpdate")
    settled = {"notifiedAt": iso(time.time() - HOUR), "timestamp": iso(time.time() - HOUR)}
    healthy.put("removed", "failed", failedGroupId=present["thingGroupId"], **settled)
    assert findings(healthy) == {}


def test_devices_that_should_be_away_and_are_not(healthy: Fleet) -> None:
    now = int(time.time())
    healthy.put("stays", "cooling_down", awaySince=0, usedUpAt=now - 600)
    healthy.put("just-claimed", "cooling_down", awaySince=0, usedUpAt=now)
    finding = only(healthy, "devices not away")
    assert finding["what"].startswith("1 device(s) used up a cycle")
    assert finding["what"].endswith(": stays")


def test_records_that_cannot_be_read(healthy: Fleet) -> None:
    healthy.put("broken", state="paused")
    healthy.put("broken-too", timestamp="yesterday")
    finding = only(healthy, "records")
    assert finding["what"].startswith("2 record(s) cannot be read: the record of broken ")
    assert "'yesterday'" in finding["what"]


def test_a_paused_campaign_is_a_note_and_its_devices_are_not_overdue(healthy: Fleet) -> None:
    healthy.put("held", "cooling_down", dueAt=int(time.time()) - HOUR)
    healthy.pause("2.27")
    assert findings(healthy) == {}
    (note,) = findings(healthy, "note")["paused campaigns"]
    assert note["what"] == "the campaign 2.27 is paused: 1 device(s) are held"


def test_a_device_that_was_held_is_not_overdue_as_soon_as_its_campaign_is_resumed(
    healthy: Fleet,
) -> None:
    now = int(time.time())
    healthy.put("held", "cooling_down", dueAt=now - HOUR, awaySince=now - 2 * HOUR)
    healthy.pause("2.27")
    assert healthy.run("resume", "2.27")[0] == 0
    assert findings(healthy) == {}


def test_what_was_found_is_told_though_the_rest_may_not_be_asked(healthy: Fleet) -> None:
    topic = healthy.environment["OPERATOR_TOPIC_ARN"]
    subscribe(healthy, topic, {**PENDING, "TopicArn": topic}, CONFIRMED)
    healthy.refuse("GetQueueUrl")
    assert "has not confirmed" in only(healthy, "subscriptions")["what"]
    assert findings(healthy, "not checked")["subscriptions"]


def test_a_quota_that_all_devices_at_once_would_reach(healthy: Fleet) -> None:
    for number in range(3):
        healthy.put(f"pump-{number}")
    quotas = healthy.answers["ListServiceQuotas"]["Quotas"]
    quotas[0]["Value"] = 0.0005
    assert "UpdateThing be called 0.0005 times a second" in only(healthy, "quotas")["what"]


def test_a_quota_that_is_only_a_default_is_looked_at_too(healthy: Fleet) -> None:
    for number in range(3):
        healthy.put(f"pump-{number}")
    default = healthy.answers["ListServiceQuotas"]["Quotas"].pop()
    quotas = {"Quotas": [{**default, "Value": 0.0005}]}
    healthy.answers["ListAWSDefaultServiceQuotas"] = quotas
    assert "AddThingToThingGroup be called 0.0005 times" in only(healthy, "quotas")["what"]


def test_an_account_that_runs_few_functions_at_once(healthy: Fleet) -> None:
    healthy.answers["GetAccountSettings"]["AccountLimit"]["UnreservedConcurrentExecutions"] = 10
    assert only(healthy, "functions at once")["what"].startswith("Lambda runs 10 functions")


def test_a_quota_that_is_not_told_is_not_checked(healthy: Fleet) -> None:
    healthy.answers["ListServiceQuotas"]["Quotas"].pop()
    finding = only(healthy, "quotas", "not checked")
    assert finding["what"].startswith("AddThingToThingGroup: ")


@pytest.mark.parametrize(
    ("operation", "check"),
    [
        ("ListStateMachines", "state machines"),
        ("DescribeTable", "tables"),
        ("ListTopicRules", "rules"),
        ("GetSchedule", "schedules"),
        ("GetIndexingConfiguration", "fleet indexing"),
        ("ListThingGroups", "group queries"),
        ("DescribeEventConfigurations", "job events"),
        ("ListSubscriptionsByTopic", "subscriptions"),
        ("DescribeAlarms", "alarms"),
        ("GetQueueUrl", "dead letters"),
        ("Scan", "overdue devices"),
        ("ListServiceQuotas", "quotas"),
        ("GetAccountSettings", "functions at once"),
    ],
)
def test_what_may_not_be_asked_is_not_checked_and_no_finding(
    healthy: Fleet, operation: str, check: str
) -> None:
    healthy.refuse(operation)
    code, output = healthy.run("doctor")
    assert code == 0
    assert f"{check}: AccessDeniedException: no {operation}" in output


def test_a_service_that_does_not_answer_is_not_checked(healthy: Fleet) -> None:
    healthy.answers["ListServiceQuotas"] = EndpointConnectionError(endpoint_url="https://quotas")
    assert "https://quotas" in only(healthy, "quotas", "not checked")["what"]


def test_with_a_prefix_the_commands_have_it_too(healthy: Fleet) -> None:
    present = healthy.answers["GetFunctionConfiguration"]
    healthy.answers["GetFunctionConfiguration"] = lambda asked: present(
        {"FunctionName": asked["FunctionName"].removeprefix("fleet-b-")}
    )
    group(healthy, "attributes.site:north")
    said = findings(healthy, "finding", "--prefix", "fleet-b-")
    assert said["group queries"][0]["do"].endswith("--prefix fleet-b- --ignore-group firmware")
    assert said["rules"][0]["what"] == "there is no rule fleet_b_FailedFirmwareRemovedRule"


def test_no_module_at_all_says_what_to_do(healthy: Fleet) -> None:
    code, output = healthy.run("doctor", "--prefix", "fleet-b-")
    assert code == 2
    assert "there is no function fleet-b-ReconcileDevices" in output


# Things with marks


def make_thing(name: str, **attributes: str) -> None:
    boto3.client("iot").create_thing(thingName=name, attributePayload={"attributes": attributes})


def keep_originals(healthy: Fleet, written: dict[str, set[str]]) -> None:
    """Those of a thing that is gone."""
    item = {
        "deviceId": "old#id",
        "thingId": "id",
        "attributes": {"FW": "2.26", "model": "wo:v8"},
        "written": written,
        "rest": {"site": "7"},
        "thingType": "",
    }
    healthy.table("DeviceAttributeBackup").put_item(Item=item)


def test_a_thing_with_marks_and_no_episode_is_found(healthy: Fleet) -> None:
    make_thing("stray", FW="moveOut", model="moveOut")
    said = only(healthy, "things with marks")
    assert said["what"].startswith("stray holds attributes that this module writes")
    assert "aws iot update-thing --thing-name=stray" in said["do"]


def test_originals_that_may_be_its_own_are_named(healthy: Fleet) -> None:
    make_thing("stray", FW="moveOut", model="moveOut", site="7")
    keep_originals(healthy, {"FW": {"moveOut"}, "model": {"moveOut"}})
    assert '{"FW": "2.26", "model": "wo:v8"} of old' in only(healthy, "things with marks")["do"]


@pytest.mark.parametrize(
    ("record", "is_stray"),
    [
        ({"state": "cooling_down", "awaySince": 1}, False),
        ({"state": "cooling_down"}, True),  # claimed while it held marks of unknown origin
        ({"state": "tracking"}, True),
        ({}, False),  # of the CDK stack, whose records have no state
        ({"state": "paused"}, False),  # cannot be read, and is a finding by itself
    ],
)
def test_record_explains_marks_as_for_reconcile_devices(
    healthy: Fleet, record: dict[str, Any], is_stray: bool
) -> None:
    make_thing("pump-17", FW="moveOut", model="moveOut")
    item = {"deviceId": "pump-17", "timestamp": iso(time.time()), **record}
    healthy.table("DeviceFirmwareRetries").put_item(Item=item)
    assert ("things with marks" in findings(healthy)) is is_stray


@pytest.mark.parametrize(
    ("attributes", "is_stray"),
    [
        ({"FW": "0", "model": "moveOut", "site": "7"}, True),
        ({"FW": "0", "model": "moveOut", "site": "8"}, False),
        ({"FW": "formerOut", "site": "7"}, True),
    ],
)
def test_a_part_of_the_marks_is_found_where_a_backup_can_be_of_the_thing(
    healthy: Fleet, attributes: dict[str, str], *, is_stray: bool
) -> None:
    healthy.environment["FOREIGN_MARKS"] = '[{"FW": "formerOut"}]'
    make_thing("stray", **attributes)
    keep_originals(healthy, {"FW": {"moveOut", "formerOut"}, "model": {"moveOut"}})
    assert ("things with marks" in findings(healthy)) is is_stray


def test_a_backup_that_cannot_be_read_does_not_end_the_doctor(healthy: Fleet) -> None:
    make_thing("pump-17", FW="moveOut", model="moveOut")
    healthy.put("pump-17", "cooling_down", awaySince=None)
    healthy.table("DeviceAttributeBackup").put_item(Item={"deviceId": "pump-17", "written": {}})
    assert "things with marks" not in findings(healthy)


@pytest.mark.parametrize("table", ["DeviceFirmwareRetries", "other-DeviceFirmwareRetries"])
def test_a_device_that_is_away_is_no_such_thing(healthy: Fleet, table: str) -> None:
    make_thing("pump-17", FW="moveOut", model="moveOut")
    if table.startswith("other-"):
        make_records_of_another_instance(table)
        item = {"deviceId": "pump-17", "state": "failed"}
        healthy.table(table).put_item(Item=item)
    else:
        healthy.put("pump-17", "cooling_down")
    assert findings(healthy) == {}


# Other instances


def make_records_of_another_instance(table: str) -> None:
    boto3.client("dynamodb").create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "deviceId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "deviceId", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.mark.parametrize(
    ("other", "listed", "unknown"),
    [
        ({"FW": "moveOut", "model": "moveOut"}, [], ""),
        ({"FW": "pumpsOut", "model": "moveOut"}, [], "writes FW = pumpsOut"),
        ({"FW": "pumpsOut"}, [{"FW": "pumpsOut"}], ""),
        ({"pumpsRetry": "out"}, [], ""),  # nothing that this module overwrites
    ],
)
def test_marks_of_another_instance_have_to_be_listed(
    healthy: Fleet, other: dict[str, str], listed: list[dict[str, str]], unknown: str
) -> None:
    make_records_of_another_instance("pumps-DeviceFirmwareRetries")
    healthy.environment["FOREIGN_MARKS"] = json.dumps(listed)
    present = healthy.answers["GetFunctionConfiguration"]
    others = {**healthy.environment, "MOVE_OUT_ATTRIBUTES": json.dumps(other)}

    def answer(asked: dict[str, Any]) -> Any:
        is_other = asked["FunctionName"].startswith("pumps-")
        return {"Environment": {"Variables": others}} if is_other else present(asked)

    healthy.answers["GetFunctionConfiguration"] = answer
    found = findings(healthy).get("marks of other instances", [{"what": ""}])
    assert unknown in found[0]["what"]
    assert bool(found[0]["what"]) is bool(unknown)


def test_settings_of_another_instance_that_cannot_be_read_are_a_note(healthy: Fleet) -> None:
    make_records_of_another_instance("pumps-DeviceFirmwareRetries")
    (said,) = findings(healthy, "note")["marks of other instances"]
    assert "the table pumps-DeviceFirmwareRetries cannot be read" in said["what"]
