"""Lambda: environment, error document, logs, processes; and the record of calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from localcloud import LocalCloud, eventually
from localcloud.patches.metric_filters import compile_pattern

SOURCE = """
import json, logging, os
from decimal import Decimal
logger = logging.getLogger("step")
def handler(event, context):
    mode = event["mode"]
    if mode == "log":
        logger.info("counted", extra={"deviceId": "d", "retryCounter": 3})
        logger.debug("not at this level")
        print("printed")
    if mode == "caught":
        try:
            raise KeyError("k")
        except KeyError:
            logger.exception("caught it")
    if mode == "raise":
        raise ValueError("bad")
    if mode == "named":
        logger.warning("mine", extra={"errorType": "E", "level": "odd", "deviceId": "d"})
    if mode == "exit":
        os._exit(1)
    if mode == "set":
        return {1, 2}
    if mode == "decimal":
        return {"n": Decimal("1.5")}
    if mode == "call":
        import botocore.session
        client = botocore.session.get_session().create_client("dynamodb")
        client.put_item(TableName="called", Item={"k": {"S": event["k"]}})
    return {"pid": os.getpid(), "env": os.environ["OWN"], "id": context.aws_request_id,
            "left": context.get_remaining_time_in_millis(), "name": context.function_name}
"""


@pytest.fixture(scope="module")
def invoke(cloud: LocalCloud, make_function: Callable[..., str]) -> Callable[..., Any]:
    logging = {"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"}
    environment = {"Variables": {"OWN": "value"}}
    make_function("json-logs", SOURCE, LoggingConfig=logging, Environment=environment)

    def call(**event: Any) -> Any:
        answer = cloud.client("lambda").invoke(FunctionName="json-logs", Payload=json.dumps(event))
        return json.loads(answer["Payload"].read()), answer.get("FunctionError")

    return call


def log_lines(cloud: LocalCloud, request_id: str) -> list[dict[str, Any]]:
    found = cloud.client("logs").filter_log_events(logGroupName="/aws/lambda/json-logs")["events"]
    return [json.loads(e["message"]) for e in found if request_id in e["message"]]


def test_environment_and_context(invoke: Callable[..., Any]) -> None:
    result, error = invoke(mode="nothing")
    assert error is None
    assert (result["env"], result["name"]) == ("value", "json-logs")
    assert 2000 < result["left"] <= 3000


def test_a_function_cannot_import_this_project(
    cloud: LocalCloud, make_function: Callable[..., str]
) -> None:
    make_function("importing", "import boto3\nimport firmware_retry\n")
    answer = cloud.client("lambda").invoke(FunctionName="importing")
    document = json.loads(answer["Payload"].read())
    assert document["errorType"] == "Runtime.ImportModuleError"
    assert "No module named 'firmware_retry'" in document["errorMessage"]


def test_a_process_outlives_an_exception(invoke: Callable[..., Any]) -> None:
    before = invoke(mode="nothing")[0]["pid"]
    document, error = invoke(mode="raise")
    assert error == "Unhandled"
    assert (document["errorType"], document["errorMessage"]) == ("ValueError", "bad")
    assert "raise ValueError" in document["stackTrace"][0]
    assert invoke(mode="nothing")[0]["pid"] == before


def test_results_are_marshalled_as_by_lambdas_runtime(invoke: Callable[..., Any]) -> None:
    assert invoke(mode="decimal") == ({"n": 1.5}, None)
    document, error = invoke(mode="set")
    assert (error, document["errorType"]) == ("Unhandled", "Runtime.MarshalError")


def test_json_log_lines(cloud: LocalCloud, invoke: Callable[..., Any]) -> None:
    request_id = invoke(mode="log")[0]["id"]
    start, counted, report = log_lines(cloud, request_id)
    assert (start["type"], report["type"]) == ("platform.start", "platform.report")
    assert counted.pop("timestamp").endswith("Z")
    assert counted == {
        "level": "INFO",
        "message": "counted",
        "logger": "step",
        "requestId": request_id,
        "deviceId": "d",
        "retryCounter": 3,
    }


def test_exceptions_in_the_log(cloud: LocalCloud, invoke: Callable[..., Any]) -> None:
    caught = log_lines(cloud, invoke(mode="caught")[0]["id"])[1]
    assert (caught["level"], caught["errorType"]) == ("ERROR", "KeyError")
    raised = log_lines(cloud, invoke(mode="raise")[0]["requestId"])[1]
    assert (raised["errorType"], raised["errorMessage"]) == ("ValueError", "bad")
    # Lambda's runtime says ``log_level`` here, and a newer one ``level``.
    assert "level" not in raised


def test_no_extra_field_has_a_name_of_lambdas_own(
    cloud: LocalCloud, invoke: Callable[..., Any]
) -> None:
    line = log_lines(cloud, invoke(mode="named")[0]["id"])[1]
    assert (line["level"], line["deviceId"]) == ("WARNING", "d")
    assert "errorType" not in line


def test_a_process_that_dies_is_reported(cloud: LocalCloud, invoke: Callable[..., Any]) -> None:
    document, _ = invoke(mode="exit")
    assert document["errorType"] == "Runtime.ExitError"
    request_id = document["errorMessage"].split()[1]
    *_, report = log_lines(cloud, request_id)
    assert report["type"] == "platform.report"
    assert (report["record"]["status"], report["record"]["errorType"]) == (
        "error",
        "Runtime.ExitError",
    )


def test_a_pattern_finds_what_a_function_raised(
    cloud: LocalCloud, invoke: Callable[..., Any]
) -> None:
    is_error = compile_pattern('{ $.errorType = "*" }')
    lines = log_lines(cloud, invoke(mode="raise")[0]["requestId"])
    assert [is_error(line) for line in lines] == [False, True, False]


def test_calls_of_a_function_are_recorded(cloud: LocalCloud, invoke: Callable[..., Any]) -> None:
    cloud.client("dynamodb").create_table(
        TableName="called",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
    )
    mark = cloud.mark()
    result, error = invoke(mode="call", k="v")
    assert error is None, result
    invoked, written = cloud.calls(mark)
    assert (invoked.service, invoked.operation) == ("lambda", "Invoke")
    assert invoked.parameters["FunctionName"] == "json-logs"
    assert (written.service, written.operation) == ("dynamodb", "PutItem")
    assert written.parameters["Item"] == {"k": {"S": "v"}}
    assert written.caller == "json-logs"


def test_rest_calls_are_recorded_by_their_names(cloud: LocalCloud) -> None:
    mark = cloud.mark()
    iot = cloud.client("iot")
    iot.create_thing(thingName="recorded", attributePayload={"attributes": {"a": "b"}})
    iot.describe_thing(thingName="recorded")
    cloud.client("sns").create_topic(Name="recorded")
    calls = eventually(lambda: cloud.calls(mark))
    assert [(call.service, call.operation) for call in calls] == [
        ("iot", "CreateThing"),
        ("iot", "DescribeThing"),
        ("sns", "CreateTopic"),
    ]
    assert calls[0].parameters["thingName"] == "recorded"
    assert calls[2].parameters["Name"] == "recorded"
    assert {call.caller for call in calls} == {""}
