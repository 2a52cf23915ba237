"""``fleet-retry redrive``: each dead letter is told, and goes on its way once."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from fleet_retry.cli import app
from fleet_retry.dead_letters import read
from fleet_retry.deployment import Deployment

REGION = "eu-west-1"
MESSAGE = {"deviceId": "pump-1", "timestamp": "1711320208793", "status": "failed", "FW": "2.27"}
SENT = 1711320300000


def intake_letter(message: Any = MESSAGE) -> str:
    failure = {"Error": "RequestRefusedError", "Cause": '{"errorMessage":\n"denied"}'}
    return json.dumps({"execution": "arn:…", "failure": failure, "message": message})


def rule_letter(payload: bytes, rule: str = "FailedFirmwareUpdateRule") -> str:
    failure = {"failedAction": "StepFunctionsAction", "errorMessage": "throttled"}
    return json.dumps(
        {
            "ruleName": rule,
            "topic": "iot/pump-2/data",
            "clientId": "pump-3",
            "base64OriginalPayload": base64.b64encode(payload).decode(),
            "failures": [failure],
        }
    )


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """A deployment as far as redriving needs one."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        boto3.client("sqs").create_queue(QueueName="FailedFirmwareUpdateDeadLetters")
        boto3.client("stepfunctions").create_state_machine(
            name="FirmwareUpdateStateMachine",
            definition='{"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}',
            roleArn="arn:aws:iam::123456789012:role/any",
        )
        yield Deployment()


def create_rule(device_id: str) -> None:
    checked = f"CASE cast(regexp_matches({device_id}, '[^a-z]') AS String) WHEN 'false' THEN"
    sql = (
        "SELECT 'failed' AS kind, 'device' AS reportedBy,"
        f" {checked} {device_id} ELSE '[refused]' END AS deviceId,"
        " timestamp AS timestamp, status AS status FROM 'iot/+/data'"
    )
    boto3.client("iot").create_topic_rule(
        ruleName="FailedFirmwareUpdateRule", topicRulePayload={"sql": sql, "actions": []}
    )


def put(deployment: Deployment, *letters: str) -> None:
    for letter in letters:
        deployment.client("sqs").send_message(
            QueueUrl=deployment.dead_letter_queue_url, MessageBody=letter
        )


def left(deployment: Deployment) -> int:
    answer = deployment.client("sqs").get_queue_attributes(
        QueueUrl=deployment.dead_letter_queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )
    return sum(map(int, answer["Attributes"].values()))


def started(deployment: Deployment) -> list[Any]:
    states = deployment.client("stepfunctions")
    runs = states.list_executions(stateMachineArn=deployment.intake_state_machine_arn)
    return [
        json.loads(states.describe_execution(executionArn=run["executionArn"])["input"])
        for run in runs["executions"]
    ]


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["redrive", *arguments])
    return result.exit_code, result.output


def test_what_the_intake_gave_up_starts_it_again(aws: Deployment) -> None:
    put(aws, intake_letter())
    code, output = run()
    assert (code, started(aws), left(aws)) == (0, [MESSAGE], 0)
    assert 'pump-1  redriven  RequestRefusedError: {"errorMessage": "denied"}' in output


@pytest.mark.parametrize(
    ("source", "device"), [("_id_", "pump-1"), ("topic(2)", "pump-2"), ("clientid()", "pump-3")]
)
def test_what_a_rule_could_not_start_is_made_as_the_rule_makes_it(
    aws: Deployment, source: str, device: str
) -> None:
    create_rule(source)
    payload = {"_id_": "pump-1", "timestamp": "7", "status": "failed", "eventId": "x"}
    letter = read(aws, rule_letter(json.dumps(payload).encode()), SENT)
    assert letter.why == "StepFunctionsAction: throttled"
    assert letter.message == {
        "kind": "failed",
        "reportedBy": "device",
        "deviceId": device,
        "timestamp": "7",
        "status": "failed",
        "topic": "iot/pump-2/data",
        "clientId": "pump-3",
        "receivedAt": SENT,
    }


def test_an_event_of_aws_iot_jobs_is_made_as_its_rule_makes_it(aws: Deployment) -> None:
    sql = (
        "SELECT 'failed' AS kind, 'jobs' AS reportedBy, regexp_substr(thingArn, '[^/]+$') AS"
        " deviceId, eventId AS eventId, timestamp AS timestamp, jobId AS jobId,"
        " status AS status FROM '$aws/events/jobExecution/+/failed'"
    )
    boto3.client("iot").create_topic_rule(
        ruleName="FirmwareJobFailedRule", topicRulePayload={"sql": sql, "actions": []}
    )
    event = {
        "eventId": "7364ffd1",
        "timestamp": 1711320208,
        "jobId": "job-1",
        "thingArn": "arn:aws:iot:eu-west-1:123456789012:thing/pump:1",
        "status": "FAILED",
        "statusDetails": {"reason": "flash", "secret": "x"},
    }
    letter = read(aws, rule_letter(json.dumps(event).encode(), "FirmwareJobFailedRule"), SENT)
    assert letter.message == {
        "kind": "failed",
        "reportedBy": "jobs",
        "deviceId": "pump:1",
        "eventId": "7364ffd1",
        "timestamp": 1711320208,
        "jobId": "job-1",
        "status": "FAILED",
        "reason": "flash",
        "topic": "iot/pump-2/data",
        "clientId": "pump-3",
        "receivedAt": SENT,
    }


def test_what_was_no_message_is_told_and_taken_out(aws: Deployment) -> None:
    create_rule("_id_")
    put(aws, rule_letter(b"\xff\xfenot json"))
    code, output = run()
    assert (code, started(aws), left(aws)) == (0, [], 0)
    assert "nothing to count" in output


@pytest.mark.parametrize("letter", ["not json", "[]", "{}", '{"message": {}}'])
def test_what_cannot_be_read_stays_and_says_so(aws: Deployment, letter: str) -> None:
    put(aws, letter)
    code, output = run()
    assert (code, left(aws)) == (1, 1)
    assert "not a letter of this module" in output


def test_a_dry_run_changes_nothing(aws: Deployment) -> None:
    put(aws, intake_letter())
    code, output = run("--dry-run")
    assert (code, started(aws), left(aws)) == (0, [], 1)
    assert "nothing was changed" in output


def test_what_a_dry_run_has_shown_can_be_redriven_at_once(aws: Deployment) -> None:
    put(aws, intake_letter(), intake_letter())
    run("--dry-run")
    code, output = run()
    assert (code, len(started(aws)), left(aws)) == (0, 2, 0)
    assert output.splitlines()[-1] == "2 redriven"


def test_most_is_most(aws: Deployment) -> None:
    put(aws, intake_letter(), intake_letter(), intake_letter())
    code, _ = run("--most", "2")
    assert (code, len(started(aws)), left(aws)) == (0, 2, 1)


def test_an_empty_queue_is_said(aws: Deployment) -> None:
    assert run() == (0, "The dead-letter queue is empty.\n")


def test_a_module_that_is_not_there_says_what_to_do(aws: Deployment) -> None:
    code, output = run("--prefix", "fleet-b-")
    assert code == 2
    assert "no queue fleet-b-FailedFirmwareUpdateDeadLetters in eu-west-1" in output
    assert "--prefix" in output


def test_what_a_sender_wrote_cannot_play_with_the_terminal(aws: Deployment) -> None:
    create_rule("_id_")
    payload = {"_id_": "\x1b[2Jpump\n" + "x" * 500, "timestamp": "7", "status": "failed"}
    put(aws, rule_letter(json.dumps(payload).encode()))
    _, output = run("--dry-run")
    assert output.splitlines()[0].startswith("\\x1b[2Jpump\\nxxx")
    assert len(output.splitlines()[0]) < 250
