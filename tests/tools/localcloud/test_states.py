"""Step Functions: names of executions, errors, retries, waits, integrations."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import Hold, LocalCloud, eventually
from tests.tools.localcloud.common import ROLE

DONE = {"Type": "Succeed"}

Make = Callable[..., str]
Outcome = Callable[[str], dict[str, Any]]

RAISING = """
class DeviceBusyError(Exception):
    pass
def handler(event, context):
    if event.get("mode") == "exit":
        import os
        os._exit(1)
    if event.get("mode") == "sleep":
        import time
        time.sleep(30)
    if event.get("mode") == "raise":
        raise DeviceBusyError("try later")
    return {"got": event}
"""


@pytest.fixture(scope="module")
def function_arn(make_function: Make) -> str:
    return make_function("raising", RAISING, Timeout=1)


@pytest.fixture(scope="module")
def waiting_arn(make_machine: Make) -> str:
    return make_machine("waiting", {"W": {"Type": "Wait", "Seconds": 1500, "End": True}})


def test_same_name_and_input_while_running_answers_as_before(
    cloud: LocalCloud, waiting_arn: str, outcome: Outcome
) -> None:
    states = cloud.client("stepfunctions")
    request = {"stateMachineArn": waiting_arn, "name": "track-1", "input": '{"a": 1}'}
    first = states.start_execution(**request)
    again = states.start_execution(**request)
    assert again["executionArn"] == first["executionArn"]
    assert again["startDate"] == first["startDate"]
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        states.start_execution(**request | {"input": '{"a": 2}'})
    outcome(first["executionArn"])
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        states.start_execution(**request)


@pytest.mark.parametrize("name", ["a:b", "a b", "a/b", "a*", "x" * 81])
def test_names_that_aws_refuses(cloud: LocalCloud, waiting_arn: str, name: str) -> None:
    with pytest.raises(ClientError, match="InvalidName"):
        cloud.client("stepfunctions").start_execution(stateMachineArn=waiting_arn, name=name)


def test_nested_start_of_a_used_name_has_awss_error_name(
    cloud: LocalCloud, make_machine: Make, outcome: Outcome
) -> None:
    child = make_machine("child", {"Done": {"Type": "Succeed"}})
    parent = make_machine(
        "parent",
        {
            "Start": {
                "Type": "Task",
                "Resource": "arn:aws:states:::states:startExecution",
                "Parameters": {"StateMachineArn": child, "Name.$": "$.name", "Input.$": "$"},
                "ResultPath": None,
                "Catch": [
                    {
                        "ErrorEquals": ["StepFunctions.ExecutionAlreadyExistsException"],
                        "Next": "Duplicate",
                    }
                ],
                "End": True,
            },
            "Duplicate": {"Type": "Pass", "Result": "duplicate", "End": True},
        },
        "EXPRESS",
    )
    states = cloud.client("stepfunctions")
    outputs = []
    for _ in range(2):
        run = states.start_execution(stateMachineArn=parent, input='{"name": "cycle-1"}')
        outputs.append(json.loads(outcome(run["executionArn"])["output"]))
    assert outputs == [{"name": "cycle-1"}, "duplicate"]
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        states.start_execution(stateMachineArn=child, name="cycle-1")


@pytest.mark.parametrize("optimized", [False, True])
@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("raise", "DeviceBusyError"),
        ("sleep", "Sandbox.Timedout"),
        ("exit", "Runtime.ExitError"),
    ],
)
def test_a_functions_error_is_the_states_error(
    cloud: LocalCloud,
    make_machine: Make,
    outcome: Outcome,
    function_arn: str,
    mode: str,
    error: str,
    optimized: bool,
) -> None:
    task = _task(function_arn, optimized)
    arn = make_machine(f"error-{mode}-{optimized}", {"T": {**task, "End": True}})
    run = cloud.client("stepfunctions").start_execution(
        stateMachineArn=arn, input=json.dumps({"mode": mode})
    )
    end = outcome(run["executionArn"])
    assert (end["status"], end["error"]) == ("FAILED", error)
    assert json.loads(end["cause"])["errorType"] == error


def test_a_throttled_function(
    cloud: LocalCloud, make_function: Make, make_machine: Make, outcome: Outcome
) -> None:
    function_arn = make_function("throttled", RAISING)
    lambda_ = cloud.client("lambda")
    lambda_.put_function_concurrency(FunctionName="throttled", ReservedConcurrentExecutions=0)
    arn = make_machine("throttled", {"T": {**_task(function_arn, optimized=False), "End": True}})
    run = cloud.client("stepfunctions").start_execution(stateMachineArn=arn)
    assert outcome(run["executionArn"])["error"] == "Lambda.TooManyRequestsException"


@pytest.mark.parametrize("optimized", [False, True])
def test_a_functions_result(
    cloud: LocalCloud, make_machine: Make, outcome: Outcome, function_arn: str, optimized: bool
) -> None:
    task = _task(function_arn, optimized)
    arn = make_machine(f"result-{optimized}", {"T": {**task, "End": True}})
    run = cloud.client("stepfunctions").start_execution(stateMachineArn=arn, input='{"a": 1}')
    output = json.loads(outcome(run["executionArn"])["output"])
    assert (output["Payload"] if optimized else output) == {"got": {"a": 1}}


def _task(function_arn: str, optimized: bool) -> dict[str, Any]:
    if not optimized:
        return {"Type": "Task", "Resource": function_arn}
    parameters = {"FunctionName": function_arn, "Payload.$": "$"}
    resource = "arn:aws:states:::lambda:invoke"
    return {"Type": "Task", "Resource": resource, "Parameters": parameters}


@pytest.mark.parametrize("kind", ["STANDARD", "EXPRESS"])
def test_a_message_sent_to_sqs(
    cloud: LocalCloud, make_machine: Make, outcome: Outcome, kind: str
) -> None:
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName=f"from-{kind}")["QueueUrl"]
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": url, "MessageBody": {"message.$": "$", "kind": kind}},
        "End": True,
    }
    arn = make_machine(f"sends-{kind}", {"S": task}, kind)
    run = cloud.client("stepfunctions").start_execution(stateMachineArn=arn, input='{"a": 1}')
    assert "MessageId" in outcome(run["executionArn"])["output"]
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"]) == {"message": {"a": 1}, "kind": kind}


@pytest.mark.parametrize("kind", ["Seconds", "SecondsPath", "Timestamp", "TimestampPath"])
def test_every_wait_is_scaled(
    cloud: LocalCloud, make_machine: Make, outcome: Outcome, kind: str
) -> None:
    due = (datetime.now(UTC) + timedelta(seconds=1000)).isoformat()
    value = {"Seconds": 1000, "Timestamp": due}.get(kind, "$.value")
    given = {"value": 1000 if kind == "SecondsPath" else due}
    arn = make_machine(f"waits-{kind}", {"W": {"Type": "Wait", kind: value, "End": True}})
    started = time.monotonic()
    run = cloud.client("stepfunctions").start_execution(
        stateMachineArn=arn, input=json.dumps(given)
    )
    assert outcome(run["executionArn"])["status"] == "SUCCEEDED"
    assert time.monotonic() - started > 0.9


@pytest.mark.parametrize(
    ("retry", "least"),
    [
        # 500, 1000 and 1000 seconds, scaled by 0.001; unlimited they would be 500, 10,000, 200,000.
        ({"IntervalSeconds": 500, "BackoffRate": 20, "MaxDelaySeconds": 1000}, 2.4),
        ({"IntervalSeconds": 500, "MaxDelaySeconds": 500, "JitterStrategy": "FULL"}, 0.0),
    ],
)
def test_retry_intervals(
    cloud: LocalCloud,
    make_machine: Make,
    outcome: Outcome,
    function_arn: str,
    retry: dict[str, Any],
    least: float,
) -> None:
    task = {
        **_task(function_arn, optimized=False),
        "Retry": [{"ErrorEquals": ["DeviceBusyError"], "MaxAttempts": 3, **retry}],
        "End": True,
    }
    arn = make_machine(f"retries-{least}", {"T": task})
    mark = cloud.mark()
    started = time.monotonic()
    run = cloud.client("stepfunctions").start_execution(
        stateMachineArn=arn, input='{"mode": "raise"}'
    )
    assert outcome(run["executionArn"])["error"] == "DeviceBusyError"
    assert time.monotonic() - started > least
    assert sum(call.operation == "Invoke" for call in cloud.calls(mark)) == 4


def test_tracing_configuration_is_kept(cloud: LocalCloud) -> None:
    states = cloud.client("stepfunctions")
    definition = json.dumps({"StartAt": "D", "States": {"D": {"Type": "Succeed"}}})
    arn = states.create_state_machine(
        name="traced", definition=definition, roleArn=ROLE, tracingConfiguration={"enabled": True}
    )["stateMachineArn"]
    assert states.describe_state_machine(stateMachineArn=arn)["tracingConfiguration"]["enabled"]


STOPPING = """
import botocore.session
def handler(event, context):
    states = botocore.session.get_session().create_client("stepfunctions")
    states.stop_execution(executionArn=event["arn"], error="Left", cause="the device is back")
"""


def test_a_function_stops_an_execution(
    cloud: LocalCloud, make_machine: Make, make_function: Make, function_arn: str, outcome: Outcome
) -> None:
    stopping = make_function("stopping", STOPPING, Timeout=180)
    wait = {"Type": "Wait", "Seconds": 1, "Next": "Act"}
    act = {"Type": "Task", "Resource": function_arn, "End": True}
    machine = make_machine("stopped", {"Wait": wait, "Act": act})
    states = cloud.client("stepfunctions")
    functions = cloud.client("lambda")
    mark = cloud.mark()
    with cloud.hold_waits(Hold("to-be-stopped")):
        arn = states.start_execution(
            stateMachineArn=machine, name="track-stop", input='{"device": "to-be-stopped"}'
        )["executionArn"]
        answer = functions.invoke(FunctionName=stopping, Payload=json.dumps({"arn": arn}))
        assert "FunctionError" not in answer
        stopped = outcome(arn)
    assert (stopped["status"], stopped["error"]) == ("ABORTED", "Left")
    assert stopped["cause"] == "the device is back"
    # By the end of another run, the wait of the stopped one is over as well.
    outcome(states.start_execution(stateMachineArn=machine, input="{}")["executionArn"])
    invoked = [c for c in cloud.calls(mark) if c.operation == "Invoke" and c.caller == "states"]
    assert len(invoked) == 1, "nothing follows the wait of a stopped run"
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        states.start_execution(stateMachineArn=machine, name="track-stop")


def test_a_wait_lasts_as_long_as_it_is_held(
    cloud: LocalCloud, make_machine: Make, outcome: Outcome
) -> None:
    states = cloud.client("stepfunctions")
    wait = {"Type": "Wait", "Seconds": 1, "Next": "Then"}
    machine = make_machine("held", {"First": wait, "Then": {**wait, "Next": "Done"}, "Done": DONE})

    def start(device: str) -> str:
        given = json.dumps({"deviceId": device})
        run = states.start_execution(stateMachineArn=machine, input=given)
        return str(run["executionArn"])

    def list_entered(run: str) -> list[str]:
        events = states.get_execution_history(executionArn=run)["events"]
        details = [e.get("stateEnteredEventDetails") for e in events]
        return [detail["name"] for detail in details if detail]

    with cloud.hold_waits(Hold("held-in-then", "Then"), Hold("held")):
        runs = {device: start(device) for device in ("held", "held-in-then", "other")}
        assert outcome(runs["other"])["status"] == "SUCCEEDED"
        assert eventually(lambda: list_entered(runs["held-in-then"]) == ["First", "Then"])
        assert list_entered(runs["held"]) == ["First"]
    assert {outcome(run)["status"] for run in runs.values()} == {"SUCCEEDED"}


# A machine that is deleted while executions run


SLEEP = {"Type": "Wait", "Seconds": 1, "Next": "Act"}


def list_machines(cloud: LocalCloud) -> set[str]:
    machines = cloud.client("stepfunctions").list_state_machines()["stateMachines"]
    return {machine["stateMachineArn"] for machine in machines}


def test_a_machine_is_deleting_until_its_last_execution_is_stopped(
    cloud: LocalCloud, make_machine: Make
) -> None:
    states = cloud.client("stepfunctions")
    machine = make_machine("deleting", {"Sleep": SLEEP, "Act": DONE})
    with cloud.hold_waits(Hold("deleting")):
        runs = [
            states.start_execution(stateMachineArn=machine, input='{"device": "deleting"}')
            for _ in range(2)
        ]
        states.delete_state_machine(stateMachineArn=machine)
        for run in runs:
            described = states.describe_state_machine(stateMachineArn=machine)
            assert described["status"] == "DELETING"
            assert machine in list_machines(cloud)
            for call, request in (
                (states.start_execution, {"stateMachineArn": machine}),
                (states.update_state_machine, {"stateMachineArn": machine, "roleArn": ROLE}),
                (make_machine, {"name": "deleting", "states": {"Act": DONE}}),
            ):
                with pytest.raises(states.exceptions.StateMachineDeleting):
                    call(**request)
            states.delete_state_machine(stateMachineArn=machine)
            states.stop_execution(executionArn=run["executionArn"])
        with pytest.raises(states.exceptions.StateMachineDoesNotExist):
            states.describe_state_machine(stateMachineArn=machine)
        assert machine not in list_machines(cloud)
        assert make_machine("deleting", {"Act": DONE}) == machine


def test_an_execution_of_a_deleting_machine_enters_no_further_state(
    cloud: LocalCloud, make_machine: Make, function_arn: str
) -> None:
    states = cloud.client("stepfunctions")
    act = {"Type": "Task", "Resource": function_arn, "End": True}
    machine = make_machine("deleting-task", {"Sleep": SLEEP, "Act": act})
    mark = cloud.mark()
    with cloud.hold_waits(Hold("left-alone")):
        states.start_execution(stateMachineArn=machine, input='{"device": "left-alone"}')
        states.delete_state_machine(stateMachineArn=machine)
        assert machine in list_machines(cloud)
    assert eventually(lambda: machine not in list_machines(cloud))
    assert not [call for call in cloud.calls(mark) if call.operation == "Invoke"]


def test_an_execution_in_its_last_state_of_a_deleting_machine_succeeds(
    cloud: LocalCloud, make_machine: Make
) -> None:
    states = cloud.client("stepfunctions")
    machine = make_machine("deleting-last", {"Sleep": {"Type": "Wait", "Seconds": 1, "End": True}})
    with cloud.hold_waits(Hold("last")):
        states.start_execution(stateMachineArn=machine, input='{"device": "last"}')
        states.delete_state_machine(stateMachineArn=machine)
    assert eventually(lambda: machine not in list_machines(cloud))
    succeeded = cloud.client("cloudwatch").list_metrics(
        MetricName="ExecutionsSucceeded",
        Dimensions=[{"Name": "StateMachineArn", "Value": machine}],
    )
    assert succeeded["Metrics"]


@pytest.mark.parametrize("kind", ["STANDARD", "EXPRESS"])
def test_a_machine_without_an_execution_that_would_keep_it_is_gone_immediately(
    cloud: LocalCloud, make_machine: Make, kind: str
) -> None:
    states = cloud.client("stepfunctions")
    machine = make_machine(f"gone-{kind}", {"Sleep": SLEEP, "Act": DONE}, kind)
    with cloud.hold_waits(Hold("gone")):
        if kind == "EXPRESS":
            states.start_execution(stateMachineArn=machine, input='{"device": "gone"}')
        states.delete_state_machine(stateMachineArn=machine)
        assert machine not in list_machines(cloud)
