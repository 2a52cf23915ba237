"""IoT rules: the actions, the error action, the SQL, payloads of any kind."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import Device, LocalCloud
from localcloud.waiting import eventually
from tests.tools.localcloud.common import ROLE, make_rule, sqs_action, take

MESSAGE = {
    "_id_": "3hwC2y7",
    "status": "failed",
    "model": "wo:v8",
    "FW": "2.27",
    "n": 3,
    "thingArn": "arn:aws:iot:us-east-1:123456789012:thing/3hwC2y7",
    "statusDetails": {"reason": "no space", "codes": [7, 9]},
}


@pytest.fixture(scope="module")
def queue_url(cloud: LocalCloud) -> str:
    return str(cloud.client("sqs").create_queue(QueueName="rules")["QueueUrl"])


@pytest.mark.parametrize("kind", ["EXPRESS", "STANDARD"])
def test_step_functions_action_starts_a_named_run(
    cloud: LocalCloud, make_machine: Callable[..., str], kind: str
) -> None:
    arn = make_machine(f"rule-{kind}", {"Done": {"Type": "Succeed"}}, kind)
    action = {"stateMachineName": f"rule-{kind}", "executionNamePrefix": "fw-", "roleArn": ROLE}
    sql = f"SELECT _id_ AS deviceId, topic(2) AS kind, clientid() AS c FROM 'sfn/{kind}'"
    make_rule(cloud, f"sfn_{kind}", sql, {"stepFunctions": action})

    with Device.of(cloud, "3hwC2y7") as device:
        device.publish(f"sfn/{kind}", MESSAGE)

    states = cloud.client("stepfunctions")
    (run,) = eventually(lambda: states.list_executions(stateMachineArn=arn)["executions"])
    assert len(run["name"]) == len("fw-") + 36
    given = states.describe_execution(executionArn=run["executionArn"])["input"]
    assert json.loads(given) == {"deviceId": "3hwC2y7", "kind": kind, "c": "3hwC2y7"}


def test_log_action_writes_one_event(cloud: LocalCloud) -> None:
    logs = cloud.client("logs")
    logs.create_log_group(logGroupName="iot_failed_updates")
    action = {"logGroupName": "iot_failed_updates", "roleArn": ROLE}
    make_rule(cloud, "logged", "SELECT * FROM 'logs/a'", {"cloudwatchLogs": action})

    with Device.of(cloud, "d") as device:
        device.publish("logs/a", MESSAGE)
        device.publish("logs/a", MESSAGE)

    found = logs.filter_log_events(logGroupName="iot_failed_updates")["events"]
    assert [json.loads(event["message"]) for event in found] == [MESSAGE, MESSAGE]


def test_failing_actions_reach_the_error_action(cloud: LocalCloud, queue_url: str) -> None:
    gone = {"stateMachineName": "gone", "roleArn": ROLE}
    no_group = {"logGroupName": "gone", "roleArn": ROLE}
    actions = ({"stepFunctions": gone}, {"cloudwatchLogs": no_group})
    make_rule(cloud, "failing", "SELECT * FROM 'fail'", *actions, error=sqs_action(queue_url))

    with Device.of(cloud, "3hwC2y7") as device:
        device.publish("fail", MESSAGE)

    error = take(cloud, queue_url)
    assert (error["ruleName"], error["topic"], error["clientId"]) == ("failing", "fail", "3hwC2y7")
    assert json.loads(base64.b64decode(error["base64OriginalPayload"])) == MESSAGE
    failures = error["failures"]
    assert [failure["failedAction"] for failure in failures] == [
        "StepFunctionsAction",
        "CloudwatchLogsAction",
    ]
    assert [failure["failedResource"] for failure in failures] == ["gone", "gone"]
    assert "StateMachineDoesNotExist" in failures[0]["errorMessage"]


RAISING = """
import boto3
def handler(event, context):
    queue = boto3.client("sqs")
    queue.send_message(QueueUrl=event["queue"], MessageBody=context.aws_request_id.join('""'))
    raise ValueError(event["_id_"])
"""


def test_lambda_action_invokes_and_lambda_tries_again(
    cloud: LocalCloud, queue_url: str, make_function: Callable[..., str]
) -> None:
    arn = make_function("of-rule", RAISING)
    make_rule(
        cloud,
        "invokes",
        f"SELECT _id_, '{queue_url}' AS queue FROM 'lambda'",
        {"lambda": {"functionArn": arn}},
        error=sqs_action(queue_url),
    )
    with Device.of(cloud, "3hwC2y7") as device:
        device.publish("lambda", MESSAGE)
    attempts = [take(cloud, queue_url) for _ in range(3)]
    assert all(isinstance(attempt, str) for attempt in attempts), "that it raised is no failure"
    assert take(cloud, queue_url, 0.5) is None


def test_lambda_action_without_its_function_fails(cloud: LocalCloud, queue_url: str) -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:gone"
    action = {"lambda": {"functionArn": arn}}
    make_rule(cloud, "invokes_none", "SELECT * FROM 'none'", action, error=sqs_action(queue_url))
    with Device.of(cloud, "3hwC2y7") as device:
        device.publish("none", MESSAGE)
    (failure,) = take(cloud, queue_url)["failures"]
    assert (failure["failedAction"], failure["failedResource"]) == ("LambdaAction", arn)
    assert "ResourceNotFoundException" in failure["errorMessage"]


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("_id_ AS deviceId, topic(2) AS c", {"deviceId": "3hwC2y7", "c": "select"}),
        ("clientid() AS id", {"id": "3hwC2y7"}),
        (
            "encode(*, 'base64') AS raw",
            {"raw": base64.b64encode(json.dumps(MESSAGE).encode()).decode()},
        ),
        ("CASE status WHEN 'failed' THEN 'bad' ELSE 'good' END AS s", {"s": "bad"}),
        ("CASE status WHEN 'x' THEN 'bad' END AS s", {}),
        ("CASE gone WHEN 'x' THEN 'bad' ELSE 'good' END AS s", {}),
        ("startswith(model, 'wo:') AS s", {"s": True}),
        ("isUndefined(gone) AS s", {"s": True}),
        ("regexp_matches(FW, '^2') AS s", {"s": True}),
        ("lower('FaiLED') AS s, trim(' a b ') AS t, trim(gone) AS u", {"s": "failed", "t": "a b"}),
        ("statusDetails.reason AS s, statusDetails.gone AS t", {"s": "no space"}),
        ("regexp_substr(thingArn, '[^/]+$') AS s", {"s": "3hwC2y7"}),
        ("regexp_substr('hihihello', '(hi)*') AS s", {"s": "hihi"}),
        ("regexp_substr(status, 'ok') AS s", {}),
        ("regexp_substr(status, '(') AS s", {}),
        ("regexp_substr(gone, 'a') AS s, regexp_substr(n) AS t", {}),
        ("regexp_substr(n, '[0-9]') + '/' + substring(FW, 2) AS s", {"s": "3/27"}),
        ("regexp_replace('abcd', 'b(.*)d', '$1') AS s", {"s": "ac"}),
        ("regexp_replace(n, '3', 'n') AS s, regexp_replace(gone, 'a', 'b') AS t", {"s": "n"}),
        ("regexp_replace(status, '(', '') AS s, regexp_replace(status, 'a') AS t", {}),
        ("regexp_matches(statusDetails, '^[{].*9]}$') AS s", {"s": True}),
        (
            "CASE cast(regexp_matches(FW, 'x') AS String) WHEN 'false' THEN FW END AS s",
            {"s": "2.27"},
        ),
        ("CASE cast(regexp_matches(gone, 'a') AS String) WHEN 'true' THEN 1 ELSE 2 END AS s", {}),
        ("indexof(thingArn, '/') AS s, indexof(status, '/') AS t", {"s": 40, "t": -1}),
        ("substring(thingArn, indexof(thingArn, '/') + 1) AS s", {"s": "3hwC2y7"}),
        ("substring('012345', 2.745) AS s", {"s": "2345"}),
        ("substring('012345', -1) AS s, substring(n, -50, 50) AS t", {"s": "012345", "t": "3"}),
        ("substring('012345', 3, 1) AS s", {"s": ""}),
        ("substring(true, 1.2) AS s, substring(gone, 1) AS t", {"s": "rue"}),
        ("substring('a', 'x') AS s, substring('a') AS t", {}),
        ("get(statusDetails, 'reason') AS s, get(statusDetails, 'gone') AS t", {"s": "no space"}),
        ("get(statusDetails.codes, 1) AS s, get(statusDetails.codes, 2) AS t", {"s": 9}),
        ("get('abc', 0) AS s, get(n, 0) AS t", {"s": "a"}),
        ("cast(true AS Int) AS s, cast(FW AS Int) AS t", {"s": 1, "t": 2}),
        ("cast(FW AS Decimal) AS s, cast(n AS String) AS t", {"s": 2.27, "t": "3"}),
        ("cast(n AS Bool) AS s, cast('FALSE' AS boolean) AS t", {"s": True, "t": False}),
        ("cast(status AS Int) AS s, cast(gone AS String) AS t, cast(n AS No) AS u", {}),
        ("CASE isUndefined(gone) WHEN true THEN 'none' ELSE gone END AS s", {"s": "none"}),
        ("null AS s, undefined AS t, false AS u", {"s": None, "u": False}),
        ("(n + 1) * 2 - 10 / 4 AS s, n % 2 AS t", {"s": 6, "t": 1}),
    ],
)
def test_select(cloud: LocalCloud, queue_url: str, select: str, expected: dict[str, Any]) -> None:
    sql = f"SELECT {select} FROM 'sql/select'"
    make_rule(cloud, "selects", sql, sqs_action(queue_url))
    with Device.of(cloud, "3hwC2y7") as device:
        device.publish("sql/select", MESSAGE)
    cloud.client("iot").delete_topic_rule(ruleName="selects")
    assert take(cloud, queue_url) == expected


def test_select_of_time_and_trace(cloud: LocalCloud, queue_url: str) -> None:
    sql = "SELECT timestamp() AS t, traceid() AS id FROM 'sql/time'"
    make_rule(cloud, "times", sql, sqs_action(queue_url))
    with Device.of(cloud, "d") as device:
        device.publish("sql/time", MESSAGE)
    found = take(cloud, queue_url)
    assert found["t"] > 1_700_000_000_000
    assert len(found["id"]) == 36


@pytest.mark.parametrize(
    ("where", "fires"),
    [
        ("status IN ['failed', 'error']", True),
        ("status IN ['error']", False),
        ("status NOT IN ['error']", True),
        ("status IN statuses", False),
        ("status = 'failed' OR status = 'error'", True),
        ("NOT status = 'failed'", False),
        ("NOT gone = 'failed'", False),
        ("isUndefined(gone)", True),
        ("NOT isUndefined(status) AND regexp_matches(model, 'v[0-9]$')", True),
        ("n = 9 OR (regexp_matches(lower(status), '^fail(ed)?$') AND status <> 'y')", True),
        ("n = 9 OR (regexp_matches(lower(status), '^fail(ed)?$') AND status <> 'failed')", False),
        ("startswith(model, 'wo')", True),
        ("CASE status WHEN 'failed' THEN 1 ELSE 0 END = 1", True),
        ("topic(2) = 'where' AND n >= 3", True),
        ("regexp_substr(thingArn, '[^/]+$') = '3hwC2y7'", True),
        ("isUndefined(statusDetails.reason) = false", True),
        ("substring(FW, 0, indexof(FW, '.')) IN ['2']", True),
    ],
)
def test_where(cloud: LocalCloud, queue_url: str, where: str, fires: bool) -> None:
    sql = f"SELECT _id_ FROM 'sql/where' WHERE {where}"
    make_rule(cloud, "wheres", sql, sqs_action(queue_url))
    with Device.of(cloud, "3hwC2y7") as device:
        device.publish("sql/where", MESSAGE)
    cloud.client("iot").delete_topic_rule(ruleName="wheres")
    expected = {"_id_": "3hwC2y7"} if fires else None
    assert take(cloud, queue_url, 180.0 if fires else 0.2) == expected


@pytest.mark.parametrize("payload", [b"plain text", b"\xff\xfe\x00", b"[" * 100_000, b"", b"80"])
def test_payload_that_is_no_json_object(cloud: LocalCloud, queue_url: str, payload: bytes) -> None:
    with_status = "SELECT * FROM 'raw' WHERE status = 'failed'"
    without = "SELECT encode(*, 'base64') AS raw FROM 'raw' WHERE isUndefined(status)"
    make_rule(cloud, "raw_status", with_status, sqs_action(queue_url))
    make_rule(cloud, "raw_any", without, sqs_action(queue_url))
    with Device.of(cloud, "d") as device:
        device.publish("raw", payload)
        device.publish("raw/after", b"still connected")
    for name in ("raw_status", "raw_any"):
        cloud.client("iot").delete_topic_rule(ruleName=name)
    assert take(cloud, queue_url) == {"raw": base64.b64encode(payload).decode()}
    assert take(cloud, queue_url, 0.1) is None


def test_text_cannot_start_an_execution(
    cloud: LocalCloud, queue_url: str, make_machine: Callable[..., str]
) -> None:
    make_machine("of-text", {"Done": {"Type": "Succeed"}})
    action = {"stepFunctions": {"stateMachineName": "of-text", "roleArn": ROLE}}
    make_rule(cloud, "of_text", "SELECT * FROM 'text'", action, error=sqs_action(queue_url))
    with Device.of(cloud, "d") as device:
        device.publish("text", b"no json")
    error = take(cloud, queue_url)
    assert "InvalidExecutionInput" in error["failures"][0]["errorMessage"]


def test_payload_above_128_kb_is_refused(cloud: LocalCloud) -> None:
    most = 128 * 1024
    with Device.of(cloud, "large") as device:
        device.publish("size", b"x" * most)
    with Device.of(cloud, "too-large") as device, pytest.raises(TimeoutError):
        device.publish("size", b"x" * (most + 1), timeout=1.0)
    data = cloud.client("iot-data")
    data.publish(topic="size", payload=b"x" * most)
    with pytest.raises(ClientError, match="RequestEntityTooLarge"):
        data.publish(topic="size", payload=b"x" * (most + 1))
