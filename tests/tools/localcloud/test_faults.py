"""Faults strike the call they were aimed at, and no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from localcloud import Device, Fault, Kind, LocalCloud, Origin, Target, eventually
from localcloud.faults import words
from tests.tools.localcloud.common import ROLE

Make = Callable[..., str]
Outcome = Callable[[str], dict[str, Any]]

SOURCE = """
import os
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError
clients = {}
def client(service):
    if service not in clients:
        config = Config(retries={"mode": "standard", "total_max_attempts": 2})
        session = botocore.session.get_session()
        clients[service] = session.create_client(service, config=config)
    return clients[service]
def handler(event, context):
    thing, saw = event["deviceId"], []
    calls = {
        "put": lambda: client("dynamodb").update_item(
            TableName="struck", Key={"k": {"S": thing}}, UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}}),
        "describe": lambda: client("iot").describe_thing(thingName=thing),
        "publish": lambda: client("sns").publish(TopicArn=event["topic"], Message="no name"),
    }
    for name in event["do"]:
        try:
            calls[name]()
            saw.append("answer")
        except ClientError as error:
            saw.append(error.response["Error"]["Code"])
        except Exception as error:
            saw.append(type(error).__name__)
    return {"saw": saw, "pid": os.getpid()}
"""

names = (f"struck-{number}" for number in count())


@pytest.fixture(scope="module")
def function(cloud: LocalCloud, make_function: Make) -> str:
    cloud.client("dynamodb").create_table(
        TableName="struck",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
    )
    return make_function("struck", SOURCE, Timeout=10)


@pytest.fixture
def thing(cloud: LocalCloud) -> str:
    name = next(names)
    cloud.client("iot").create_thing(thingName=name)
    return name


@pytest.fixture
def run(cloud: LocalCloud, function: str) -> Callable[..., Any]:
    topic = cloud.client("sns").create_topic(Name="struck")["TopicArn"]

    def invoke(device: str, *do: str) -> Any:
        event = json.dumps({"deviceId": device, "do": do, "topic": topic})
        answer = cloud.client("lambda").invoke(FunctionName=function, Payload=event)
        return json.loads(answer["Payload"].read())

    return invoke


def count_writes(cloud: LocalCloud, device: str) -> int:
    answer = cloud.client("dynamodb").get_item(TableName="struck", Key={"k": {"S": device}})
    return int(answer.get("Item", {"n": {"N": "0"}})["n"]["N"])


PUT = Target(Origin.FUNCTION, "struck", "dynamodb", "UpdateItem")


@pytest.mark.parametrize(
    ("kind", "first_only", "saw", "writes", "fired"),
    [
        (Kind.THROTTLED, False, "ThrottlingException", 0, 2),
        (Kind.THROTTLED, True, "answer", 1, 1),
        (Kind.LOST, False, "ConnectionClosedError", 2, 2),
        (Kind.LOST, True, "answer", 2, 1),
    ],
)
def test_a_fault_hits_all_attempts_of_the_sdk_or_the_first(
    cloud: LocalCloud,
    run: Callable[..., Any],
    thing: str,
    kind: Kind,
    first_only: bool,
    saw: str,
    writes: int,
    fired: int,
) -> None:
    fault = Fault(thing, PUT, kind, first_attempt_only=first_only)
    cloud.inject(fault)
    assert run(thing, "put")["saw"] == [saw]
    assert count_writes(cloud, thing) == writes
    assert cloud.count_hits()[fault] == fired
    # Attempts are one call, as its caller sees it.
    assert cloud.targets(thing) == [PUT]


def test_a_killed_process_dies_after_its_call_took_effect(
    cloud: LocalCloud, run: Callable[..., Any], thing: str
) -> None:
    before = run(thing)["pid"]
    cloud.inject(Fault(thing, PUT, Kind.KILLED))
    assert run(thing, "put")["errorType"] == "Runtime.ExitError"
    assert count_writes(cloud, thing) == 1
    after = run(thing, "put")
    assert after["saw"] == ["answer"]
    assert after["pid"] != before


def test_only_the_chosen_occurrence_about_the_chosen_device_is_hit(
    cloud: LocalCloud, run: Callable[..., Any], thing: str
) -> None:
    second = Target(Origin.FUNCTION, "struck", "dynamodb", "UpdateItem", occurrence=2)
    cloud.inject(Fault(thing, second, Kind.THROTTLED))
    other = next(names)
    assert run(other, "put", "put")["saw"] == ["answer", "answer"]
    assert run(thing, "put")["saw"] == ["answer"]
    assert run(thing, "put", "put")["saw"] == ["ThrottlingException", "answer"]


def test_an_outage_hits_as_many_calls_as_it_says(
    cloud: LocalCloud, run: Callable[..., Any], thing: str
) -> None:
    cloud.inject(Fault(thing, PUT, Kind.THROTTLED, times=2))
    assert run(thing, "put", "put", "put")["saw"] == [*["ThrottlingException"] * 2, "answer"]


@pytest.mark.parametrize(
    ("do", "service", "operation", "code"),
    [
        ("describe", "iot", "DescribeThing", "ThrottlingException"),
        # Over the Query protocol, and the device only in the caller's event.
        ("publish", "sns", "Publish", "Throttling"),
    ],
)
def test_each_protocol_has_its_own_error(
    cloud: LocalCloud,
    run: Callable[..., Any],
    thing: str,
    do: str,
    service: str,
    operation: str,
    code: str,
) -> None:
    cloud.inject(
        Fault(thing, Target(Origin.FUNCTION, "struck", service, operation), Kind.THROTTLED)
    )
    assert run(thing, do)["saw"] == [code]


def test_targets_are_the_calls_in_their_order(
    cloud: LocalCloud, run: Callable[..., Any], thing: str
) -> None:
    run(thing, "put", "describe", "put")
    assert [(t.operation, t.occurrence) for t in cloud.targets(thing)] == [
        ("UpdateItem", 1),
        ("DescribeThing", 1),
        ("UpdateItem", 2),
    ]


def _task(resource: str, **parameters: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True}


@pytest.mark.parametrize(
    ("kind", "error", "writes"),
    [
        (Kind.THROTTLED, "Lambda.TooManyRequestsException", 0),
        (Kind.LOST, "Lambda.SdkClientException", 1),
        (Kind.KILLED, "Runtime.ExitError", 0),
    ],
)
@pytest.mark.parametrize("optimized", [False, True])
def test_an_invocation_by_a_state_machine(
    cloud: LocalCloud,
    make_machine: Make,
    outcome: Outcome,
    function: str,
    thing: str,
    kind: Kind,
    error: str,
    writes: int,
    optimized: bool,
) -> None:
    task: dict[str, Any] = {"Type": "Task", "Resource": function, "TimeoutSeconds": 10, "End": True}
    if optimized:
        parameters = {"FunctionName": function, "Payload.$": "$"}
        task = _task("arn:aws:states:::lambda:invoke", **parameters)
    machine = f"invokes-{kind.name}-{optimized}"
    arn = make_machine(machine, {"T": task})
    cloud.inject(Fault(thing, Target(Origin.MACHINE, machine, "lambda", "Invoke", "struck"), kind))
    states, given = cloud.client("stepfunctions"), {"deviceId": thing, "do": ["put"]}
    run = states.start_execution(stateMachineArn=arn, input=json.dumps(given))
    assert outcome(run["executionArn"])["error"] == error
    assert count_writes(cloud, thing) == writes
    again = states.start_execution(stateMachineArn=arn, input=json.dumps(given))
    assert outcome(again["executionArn"])["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("kind", "error", "effects"),
    [(Kind.THROTTLED, "ThrottlingException", 0), (Kind.LOST, "SdkClientException", 1)],
)
def test_a_state_machines_own_calls(
    cloud: LocalCloud,
    make_machine: Make,
    outcome: Outcome,
    thing: str,
    kind: Kind,
    error: str,
    effects: int,
) -> None:
    states, sqs = cloud.client("stepfunctions"), cloud.client("sqs")
    child = make_machine(f"child-{thing}", {"Done": {"Type": "Succeed"}})
    url = sqs.create_queue(QueueName=f"queue-{thing}")["QueueUrl"]
    sends = _task("arn:aws:states:::sqs:sendMessage", QueueUrl=url, MessageBody="{}")
    starts = _task("arn:aws:states:::states:startExecution", StateMachineArn=child)

    def error_of(name: str, task: dict[str, Any], service: str, operation: str) -> str:
        arn = make_machine(f"{name}-{thing}", {"T": task}, "EXPRESS")
        target = Target(Origin.MACHINE, f"{name}-{thing}", service, operation)
        cloud.inject(Fault(thing, target, kind))
        # Neither call names the device: it is the input that the caller works on.
        run = states.start_execution(stateMachineArn=arn, input=json.dumps({"device": thing}))
        return str(outcome(run["executionArn"])["error"])

    assert error_of("starts", starts, "states", "StartExecution") == f"StepFunctions.{error}"
    assert len(states.list_executions(stateMachineArn=child)["executions"]) == effects
    assert error_of("sends", sends, "sqs", "SendMessage") == f"SQS.{error}"
    assert len(sqs.receive_message(QueueUrl=url).get("Messages", [])) == effects


@pytest.mark.parametrize(("kind", "started"), [(Kind.THROTTLED, 0), (Kind.LOST, 1)])
def test_a_rules_action(
    cloud: LocalCloud, make_machine: Make, thing: str, kind: Kind, started: int
) -> None:
    rule = f"struck_{kind.name}"
    make_machine(rule, {"Done": {"Type": "Succeed"}})
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName=rule)["QueueUrl"]
    start = {"stateMachineName": rule, "executionNamePrefix": "m-", "roleArn": ROLE}
    cloud.client("iot").create_topic_rule(
        ruleName=rule,
        topicRulePayload={
            "sql": f"SELECT id FROM '{rule}'",
            "actions": [{"stepFunctions": start}],
            "errorAction": {"sqs": {"queueUrl": url, "roleArn": ROLE}},
        },
    )
    cloud.inject(Fault(thing, Target(Origin.RULE, rule, "states", "StartExecution"), kind))
    with Device.of(cloud, thing) as device:
        device.publish(rule, {"id": thing})
        (letter,) = eventually(lambda: sqs.receive_message(QueueUrl=url).get("Messages", []))
        assert json.loads(letter["Body"])["failures"][0]["failedResource"] == rule
        device.publish(rule, {"id": thing})
    states = cloud.client("stepfunctions")
    arn = f"arn:aws:states:us-east-1:123456789012:stateMachine:{rule}"
    assert len(states.list_executions(stateMachineArn=arn)["executions"]) == started + 1


def test_every_fault_of_a_call() -> None:
    def kinds(target: Target) -> list[tuple[Kind, bool]]:
        return [(fault.kind, fault.first_attempt_only) for fault in Fault.every(target, "d")]

    of_machine = [(Kind.THROTTLED, False), (Kind.LOST, False)]
    of_sdk = [(Kind.THROTTLED, True), (Kind.LOST, True)]
    assert kinds(Target(Origin.RULE, "r", "states", "StartExecution")) == of_machine
    assert kinds(Target(Origin.MACHINE, "m", "lambda", "Invoke", "f")) == [
        *of_machine,
        (Kind.KILLED, False),
    ]
    assert kinds(PUT) == [*of_machine, *of_sdk, (Kind.KILLED, False)]


def test_a_fault_that_cannot_be_is_refused() -> None:
    starts = Target(Origin.MACHINE, "m", "states", "StartExecution")
    with pytest.raises(ValueError, match="no process to kill"):
        Fault("d", starts, Kind.KILLED)
    with pytest.raises(ValueError, match="an SDK's attempts"):
        Fault("d", starts, Kind.LOST, first_attempt_only=True)


def test_what_a_call_is_about_is_found_wherever_it_says_so() -> None:
    parameters = {
        "Key": {"deviceId": {"S": "in-a-key"}},
        "Message": json.dumps({"deviceId": "in-a-message", "note": json.dumps(["in-a-list"])}),
        "FunctionName": "not-in-a-part-of-a-text",
        "Large": "x" * 1000,
        "Broken": "{",
    }
    about = words(parameters, {"deviceId": "in-the-event"})
    assert about >= {"in-a-key", "in-a-message", "in-a-list", "in-the-event"}
    assert not about & {"text", "x" * 1000}
