"""Metrics, and what is made of them: metric filters, queries, alarms, counting log queries."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import Device, LocalCloud, eventually
from localcloud.patches.insights import QueryError, answer
from localcloud.patches.metric_filters import PatternError, compile_pattern
from tests.tools.localcloud.common import make_rule, sqs_action

COUNTED = '{ $.message = "failure handled" && ($.outcome = "counted" || $.outcome = "*_due") }'


@pytest.mark.parametrize(
    ("pattern", "event", "matches"),
    [
        ('{ $.message = "a b" }', {"message": "a b"}, True),
        ('{ $.message = "a b" }', {"message": "a"}, False),
        ('{ $.message = "a b" }', {}, False),
        ("{ $.message = word }", {"message": "word"}, True),
        ('{ $.message = "*Throttl*" }', {"message": "(ThrottlingException) when"}, True),
        ('{ $.message = "*Throttl*" }', {"message": "throttled"}, False),
        ('{ $.message = "a[1]?" }', {"message": "a[1]?"}, True),
        ('{ $.message = "a[1]?" }', {"message": "a1x"}, False),
        ('{ $.message != "a" }', {"message": "b"}, True),
        ('{ $.message != "a" }', {"message": "a"}, False),
        ('{ $.message != "a" }', {}, False),
        ("{ $.n = 3 }", {"n": 3}, True),
        ('{ $.n = "3" }', {"n": 3}, False),
        ("{ $.n > 3 }", {"n": 3.5}, True),
        ("{ $.n > 3 }", {"n": 3}, False),
        ("{ $.n > 3 }", {"n": "4"}, False),
        ("{ $.a.b = 1 }", {"a": {"b": 1}}, True),
        ('{ $.a = "x" || $.b = "y" && $.c = "z" }', {"a": "x"}, True),
        ('{ ($.a = "x" || $.b = "y") && $.c = "z" }', {"a": "x"}, False),
        ('{ ($.a = "x" || $.b = "y") && $.c = "z" }', {"b": "y", "c": "z"}, True),
    ],
)
def test_a_pattern_matches_json_events(pattern: str, event: dict[str, Any], matches: bool) -> None:
    assert compile_pattern(pattern)(event) is matches


@pytest.mark.parametrize(
    "pattern",
    [
        "ERROR",
        "",
        '{ $.a = "x"',
        "{ $.a }",
        '{ a = "x" }',
        "{ $.a > high }",
        '{ $.a = "x" & $.b = 1 }',
        '{ $.a = "x" } more',
    ],
)
def test_a_pattern_that_is_not_understood_is_an_error(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern)


def test_log_lines_become_metrics(cloud: LocalCloud) -> None:
    space, group = _names()
    logs = cloud.client("logs")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    _filter(cloud, group, space, "Counted", COUNTED, "1")
    _filter(cloud, group, space, "Away", '{ $.message = "fleet counted" }', "$.away")

    _log(cloud, group, {"message": "failure handled", "outcome": "counted"})
    _log(cloud, group, {"message": "failure handled", "outcome": "duplicate"})
    _log(cloud, group, {"message": "failure handled", "outcome": "cool_down_due"})
    _log(cloud, group, {"message": "fleet counted", "away": 7}, "no JSON", "[1]")
    _log(cloud, group, {"message": "fleet counted", "away": "many"})

    assert _metric(cloud, space, "Counted") == 2
    assert _metric(cloud, space, "Away", "Maximum") == 7


def test_a_metric_filter_that_would_never_count_is_refused(cloud: LocalCloud) -> None:
    space, group = _names()
    cloud.client("logs").create_log_group(logGroupName=group)
    with pytest.raises(ClientError, match="filterPattern: "):
        _filter(cloud, group, space, "X", "{ $.a ~ 1 }", "1")


def test_expressions_sum_select_and_search(cloud: LocalCloud) -> None:
    space, _ = _names()
    for device, size in (("a", 1.0), ("b", 2.0), ("c", 4.0)):
        _put(cloud, space, "Sent", size, Device=device, Kind="k")
    _put(cloud, space, "Sent", 8.0)

    metrics = [_stat(space, "Sent", Id=d, ReturnData=False, Device=d, Kind="k") for d in "ab"]
    assert _ask(cloud, {"Id": "t", "Expression": "SUM(METRICS())"}, *metrics) == {"t": 3}

    select = f"SELECT SUM(Sent) FROM SCHEMA(\"{space}\", Device, Kind) WHERE Device = 'c'"
    assert _ask(cloud, {"Id": "s", "Expression": select, "Period": 300}) == {"Sent": 4}

    term = 'MetricName="Sent" Device=("a" OR "c")'
    search = f"SEARCH('{{{space},Device,Kind}} {term}', 'Sum', 300)"
    assert _ask(cloud, {"Id": "f", "Expression": search}) == {"a k Sent": 1, "c k Sent": 4}

    # Without dimensions is a metric of its own.
    assert _metric(cloud, space, "Sent") == 8
    with pytest.raises(ClientError, match="not supported here: RATE"):
        _ask(cloud, {"Id": "r", "Expression": "RATE(a)", "Period": 300})


def test_a_function_counts_its_invocations_and_errors(
    cloud: LocalCloud, make_function: Callable[..., str]
) -> None:
    name = f"counted-{uuid.uuid4().hex[:8]}"
    make_function(name, "def handler(event, context):\n    return 1 / event['by']\n")
    for by in (1, 0):
        payload = json.dumps({"by": by})
        cloud.client("lambda").invoke(FunctionName=name, Payload=payload)
    dimensions = {"FunctionName": name}
    assert _metric(cloud, "AWS/Lambda", "Invocations", **dimensions) == 2
    assert _metric(cloud, "AWS/Lambda", "Errors", **dimensions) == 1


def test_a_machine_counts_how_its_executions_end(
    cloud: LocalCloud,
    make_machine: Callable[..., str],
    outcome: Callable[[str], dict[str, Any]],
) -> None:
    ends = {"Fine": {"Type": "Succeed"}}
    arn = make_machine(f"fine-{uuid.uuid4().hex[:8]}", ends, "EXPRESS")
    bad = make_machine(f"bad-{uuid.uuid4().hex[:8]}", {"Bad": {"Type": "Fail", "Error": "E"}})
    for machine in (arn, bad, bad):
        run = cloud.client("stepfunctions").start_execution(stateMachineArn=machine)
        outcome(run["executionArn"])
    assert _metric(cloud, "AWS/States", "ExecutionsSucceeded", StateMachineArn=arn) == 1
    assert _metric(cloud, "AWS/States", "ExecutionsStarted", StateMachineArn=bad) == 2
    assert _metric(cloud, "AWS/States", "ExecutionsFailed", StateMachineArn=bad) == 2
    assert _metric(cloud, "AWS/States", "ExecutionTime", "Maximum", StateMachineArn=arn) > 0


def test_a_table_counts_the_units_it_takes(cloud: LocalCloud) -> None:
    dynamodb, table = cloud.client("dynamodb"), f"units-{uuid.uuid4().hex[:8]}"
    dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
    )
    item = {"k": {"S": "1"}}
    once = {"ConditionExpression": "attribute_not_exists(k)"}
    answer = dynamodb.put_item(TableName=table, Item=item, **once)
    assert "ConsumedCapacity" not in answer
    with pytest.raises(ClientError):
        dynamodb.put_item(TableName=table, Item=item, **once)
    dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": item}}])
    dynamodb.get_item(TableName=table, Key=item, ConsistentRead=True)

    assert _metric(cloud, "AWS/DynamoDB", "ConsumedWriteCapacityUnits", TableName=table) == 4
    assert _metric(cloud, "AWS/DynamoDB", "ConsumedReadCapacityUnits", TableName=table) == 1


def test_a_topic_counts_what_it_could_not_deliver(cloud: LocalCloud) -> None:
    sns, sqs, name = cloud.client("sns"), cloud.client("sqs"), f"topic-{uuid.uuid4().hex[:8]}"
    topic = sns.create_topic(Name=name)["TopicArn"]
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    sns.publish(TopicArn=topic, Message="taken")
    sqs.delete_queue(QueueUrl=queue)
    sns.publish(TopicArn=topic, Message="lost")
    assert _metric(cloud, "AWS/SNS", "NumberOfNotificationsDelivered", TopicName=name) == 1
    assert _metric(cloud, "AWS/SNS", "NumberOfNotificationsFailed", TopicName=name) == 1


def test_a_rule_counts_what_its_actions_did(cloud: LocalCloud) -> None:
    queue = cloud.client("sqs").create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    name = f"rule_{uuid.uuid4().hex[:8]}"
    sql = f"SELECT * FROM 'metrics/{name}'"
    gone = sqs_action(queue + "-gone")
    make_rule(cloud, name, sql, sqs_action(queue), gone, error=gone)
    with Device.of(cloud, "metrics") as device:
        device.publish(f"metrics/{name}", {})

    assert _metric(cloud, "AWS/IoT", "TopicMatch", RuleName=name) == 1
    for metric in ("Success", "Failure", "ErrorActionFailure"):
        assert _metric(cloud, "AWS/IoT", metric, RuleName=name, ActionType="sqs") == 1, metric


def test_an_alarm_goes_off_tells_and_is_over(cloud: LocalCloud) -> None:
    sqs, name = cloud.client("sqs"), f"letters-{uuid.uuid4().hex[:8]}"
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    topic, heard = _topic(cloud)
    _alarm(
        cloud,
        name,
        topic,
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Dimensions=[{"Name": "QueueName", "Value": name}],
        Statistic="Maximum",
        Period=1,
        TreatMissingData="notBreaching",
    )
    assert _state(cloud, name) == "OK"
    assert heard() == []

    sqs.send_message(QueueUrl=queue, MessageBody="x")
    assert eventually(lambda: _state(cloud, name) == "ALARM")
    assert _state(cloud, name) == "ALARM"
    assert heard() == [f'ALARM: "{name}" in us-east-1']

    sqs.purge_queue(QueueUrl=queue)
    assert eventually(lambda: _state(cloud, name) == "OK")
    assert heard() == []


@pytest.mark.parametrize(
    ("values", "state"),
    [([0], "OK"), ([1], "OK"), ([1, 0, 0], "OK"), ([1, 1], "ALARM"), ([1, 0, 1], "ALARM")],
)
def test_an_alarm_wants_so_many_of_so_many_periods(
    cloud: LocalCloud, values: list[int], state: str
) -> None:
    space, _ = _names()
    for ago, value in enumerate(values):
        _put(cloud, space, "Errors", value, at=time.time() - 30 - 60 * ago, Step="a")
    queries = [
        {"Id": "total", "Expression": "SUM(METRICS())", "ReturnData": True},
        *(_stat(space, "Errors", 60, Id=i, ReturnData=False, Step=i) for i in ("a", "b")),
    ]
    _alarm(
        cloud,
        space,
        "arn:aws:sns:us-east-1:123456789012:any",
        Metrics=queries,
        EvaluationPeriods=5,
        DatapointsToAlarm=2,
        TreatMissingData="notBreaching",
    )
    assert _state(cloud, space) == state


@pytest.mark.parametrize(
    ("missing", "state"),
    [
        ("missing", "INSUFFICIENT_DATA"),
        ("notBreaching", "OK"),
        ("breaching", "ALARM"),
        ("ignore", "INSUFFICIENT_DATA"),
    ],
)
def test_an_alarm_without_values_is_what_it_says(
    cloud: LocalCloud, missing: str, state: str
) -> None:
    space, _ = _names()
    topic = "arn:aws:sns:us-east-1:123456789012:any"
    select = f"SELECT SUM(Lost) FROM SCHEMA(\"{space}\", Rule) WHERE Rule = 'r'"
    query = {"Id": "lost", "Expression": select, "Period": 300, "ReturnData": True}
    _alarm(cloud, space, topic, Metrics=[query], TreatMissingData=missing)
    assert _state(cloud, space) == state

    _put(cloud, space, "Lost", 1, Rule="r")
    assert _state(cloud, space) == "ALARM"


def test_an_alarm_on_dynamodb_ignores_missing_data_whatever_it_says(cloud: LocalCloud) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""
    name, _ = _names()
    metric = {"Namespace": "AWS/DynamoDB", "MetricName": name, "Statistic": "Sum", "Period": 1}
    topic = "arn:aws:sns:us-east-1:123456789012:any"
    _alarm(cloud, name, topic, TreatMissingData="notBreaching", **metric)
    assert _state(cloud, name) == "INSUFFICIENT_DATA"
    _put(cloud, "AWS/DynamoDB", name, 1)
    assert eventually(lambda: _state(cloud, name) == "ALARM")
    time.sleep(2)
    assert _state(cloud, name) == "ALARM"


def test_a_state_that_was_set_lasts_for_a_while(cloud: LocalCloud) -> None:
    space, _ = _names()
    topic = "arn:aws:sns:us-east-1:123456789012:any"
    metric = {"Namespace": space, "MetricName": "X", "Statistic": "Sum", "Period": 60}
    _alarm(cloud, space, topic, TreatMissingData="notBreaching", **metric)
    cloud.client("cloudwatch").set_alarm_state(
        AlarmName=space, StateValue="ALARM", StateReason="planted"
    )
    assert _state(cloud, space) == "ALARM"


def test_a_log_query_counts_by_field() -> None:
    events: list[dict[str, Any]] = [
        {"message": "failure handled", "outcome": "counted", "campaign": "a", "n": 2},
        {"message": "failure handled", "outcome": "counted", "campaign": "b", "n": 3},
        {"message": "failure handled", "outcome": "duplicate", "campaign": "b"},
        {"message": "device restored", "campaign": "b", "n": 4},
    ]
    query = (
        'filter outcome = "counted" or message in ["device restored"]'
        ' | stats sum(strcontains(message, "failure")) as failures, count(*) as lines,'
        " sum(n) as total by campaign | sort lines desc | limit 20"
    )
    assert answer(query, events) == [
        {"campaign": "b", "failures": 1, "lines": 2, "total": 7},
        {"campaign": "a", "failures": 1, "lines": 1, "total": 2},
    ]
    assert answer("stats count(*) as n by campaign | sort campaign | limit 1", events) == [
        {"campaign": "a", "n": 1}
    ]


def test_a_log_query_counts_what_either_field_says() -> None:
    events = [
        {"message": "device moved out", "campaign": "a"},
        {"message": "device reconciled", "done": "moved_out", "campaign": "a"},
        {"message": "device reconciled", "done": "restored", "campaign": "a"},
    ]
    query = (
        "fields coalesce(done, message) as did | stats"
        ' sum(strcontains(did, "device moved out") + strcontains(did, "moved_out")) as out,'
        ' sum(strcontains(did, "restored")) as back by campaign'
    )
    assert answer(query, events) == [{"campaign": "a", "out": 2, "back": 1}]


@pytest.mark.parametrize(
    "query",
    ["stats avg(n) as x by y", "fields a", "parse @message", "filter a like /x/", "sort a, b down"],
)
def test_a_log_query_that_is_not_understood_is_an_error(query: str) -> None:
    with pytest.raises(QueryError):
        answer(query, [{"a": "x", "b": "y"}])


def test_a_counting_log_query_is_answered(cloud: LocalCloud) -> None:
    _, group = _names()
    logs = cloud.client("logs")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    _log(cloud, group, {"campaign": "a"}, {"campaign": "a"}, {"campaign": "b"})
    now = int(time.time())
    started = logs.start_query(
        logGroupNames=[group],
        startTime=now - 60,
        endTime=now + 60,
        queryString='filter campaign in ["a"] | stats count(*) as n by campaign',
    )
    rows = logs.get_query_results(queryId=started["queryId"])["results"]
    assert rows == [[{"field": "campaign", "value": "a"}, {"field": "n", "value": "2"}]]


def _names() -> tuple[str, str]:
    """A namespace and a log group of one's own."""
    unique = uuid.uuid4().hex[:8]
    return f"Space{unique}", f"/group/{unique}"


def _filter(cloud: LocalCloud, group: str, space: str, name: str, pattern: str, value: str) -> None:
    metric = {"metricNamespace": space, "metricName": name, "metricValue": value}
    cloud.client("logs").put_metric_filter(
        logGroupName=group, filterName=name, filterPattern=pattern, metricTransformations=[metric]
    )


def _log(cloud: LocalCloud, group: str, *events: dict[str, Any] | str) -> None:
    now = int(time.time() * 1000)
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    cloud.client("logs").put_log_events(
        logGroupName=group,
        logStreamName="s",
        logEvents=[{"timestamp": now, "message": line} for line in lines],
    )


def _put(
    cloud: LocalCloud,
    space: str,
    name: str,
    value: float,
    at: float | None = None,
    **dimensions: str,
) -> None:
    datum = {"MetricName": name, "Value": value, "Timestamp": at or time.time()}
    pairs = [{"Name": key, "Value": text} for key, text in dimensions.items()]
    cloud.client("cloudwatch").put_metric_data(
        Namespace=space, MetricData=[{**datum, "Dimensions": pairs}]
    )


def _stat(
    space: str,
    name: str,
    period: int = 300,
    stat: str = "Sum",
    Id: str = "m",  # noqa: N803 -- CloudWatch's name
    ReturnData: bool = True,  # noqa: N803
    **dimensions: str,
) -> dict[str, Any]:
    pairs = [{"Name": key, "Value": text} for key, text in dimensions.items()]
    metric = {"Namespace": space, "MetricName": name, "Dimensions": pairs}
    asked = {"Metric": metric, "Period": period, "Stat": stat}
    return {"Id": Id, "MetricStat": asked, "ReturnData": ReturnData}


def _ask(cloud: LocalCloud, *queries: dict[str, Any]) -> dict[str, float]:
    """Label to the total of what was returned."""
    now = time.time()
    answer = cloud.client("cloudwatch").get_metric_data(
        MetricDataQueries=list(queries), StartTime=now - 600, EndTime=now + 60
    )
    return {
        result["Label"] if result["Id"] != "t" else "t": sum(result["Values"])
        for result in answer["MetricDataResults"]
    }


def _metric(
    cloud: LocalCloud, space: str, name: str, stat: str = "Sum", **dimensions: str
) -> float:
    return _ask(cloud, _stat(space, name, 86_400, stat, "m", True, **dimensions))[name]


def _alarm(cloud: LocalCloud, name: str, topic: str, **settings: Any) -> None:
    cloud.client("cloudwatch").put_metric_alarm(
        **{
            "AlarmName": name,
            "AlarmActions": [topic],
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 0,
            "EvaluationPeriods": 1,
            **settings,
        }
    )


def _state(cloud: LocalCloud, name: str) -> str:
    found = cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(found[0]["StateValue"])


def _topic(cloud: LocalCloud) -> tuple[str, Callable[[], list[str]]]:
    """A topic, and the subjects of what it delivered since the last time."""
    sns, sqs = cloud.client("sns"), cloud.client("sqs")
    topic = sns.create_topic(Name=f"t-{uuid.uuid4().hex[:8]}")["TopicArn"]
    queue = sqs.create_queue(QueueName=f"heard-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])

    def heard() -> list[str]:
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"])["Subject"] for message in messages]

    return topic, heard
