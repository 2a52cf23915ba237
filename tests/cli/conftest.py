"""A deployed module, as far as ``fleet-retry`` sees it, against moto; all of it in order."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.loaders import create_loader
from moto import mock_aws
from typer.testing import CliRunner

from firmware_retry.clock import iso
from fleet_retry import undelivered
from fleet_retry.cli import app
from fleet_retry.deployment import MACHINES
from fleet_retry.doctor.resources import (
    MAILING,
    RECONCILING,
    REMOVED_RULE,
    RULE_OF_DEVICES,
    RULES_OF_JOBS,
    SCHEDULE_GROUP,
    STEPS,
)
from fleet_retry.undelivered import OPERATORS_QUEUE
from tests.unit.conftest import BACKUP, CAMPAIGNS, HISTORY, RETRIES, create_tables

REGION = "eu-west-1"
HOUR = 3600
DAY = 24 * HOUR
STATES = f"arn:aws:states:{REGION}:123456789012"
ROLE = "arn:aws:iam::123456789012:role/any"


ENVIRONMENT = {
    "RETRY_LIMIT": "10",
    "HISTORY_DAYS": "365",
    "MOVE_OUT_ATTRIBUTES": '{"FW": "moveOut", "model": "moveOut"}',
    "FAILED_ATTRIBUTES": '{"FW": "failedUpdate", "model": "failedUpdate"}',
    "FOREIGN_MARKS": "[]",
    "FAILED_THING_GROUP_NAME": "FailedToUpdate",
    "JOB_EVENTS_ENABLED": "true",
    "ALERTS_TOPIC_ARN": "",
    "OPERATOR_TOPIC_ARN": "",
    "OPERATOR_QUEUE_URL": "",
    "ALERT_DIGEST_THRESHOLD": "5",
    "RETRIES_TABLE": RETRIES,
    "BACKUP_TABLE": BACKUP,
    "HISTORY_TABLE": HISTORY,
    "CAMPAIGNS_TABLE": CAMPAIGNS,
    "COOL_DOWN_SECONDS": "[86400]",
    "COOL_DOWN_JITTER": "0.1",
    "SETTLE_SECONDS": "900",
    "IGNORED_REASONS": "[]",
    "FATAL_REASONS": "[]",
    "BREAKER": "null",
    "NAME_PREFIX": "",
    "COOL_DOWN_STATE_MACHINE_ARN": f"{STATES}:stateMachine:{MACHINES['cool_down']}",
    "ESCALATION_STATE_MACHINE_ARN": f"{STATES}:stateMachine:{MACHINES['escalation']}",
}


@dataclass
class Fleet:
    """The account, and a test's hands in it."""

    answers: dict[str, Any] = field(default_factory=dict)
    """What AWS answers to an operation instead of moto: a value, an error, or a function of the
    parameters."""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """What was asked, in order."""
    environment: dict[str, str] = field(default_factory=ENVIRONMENT.copy)
    """Of the functions."""

    def run(self, *arguments: str, stdin: str | None = None) -> tuple[int, str]:
        """Runs ``fleet-retry``; its exit status and all that it printed."""
        result = CliRunner().invoke(app, list(arguments), input=stdin, catch_exceptions=False)
        return result.exit_code, result.output

    def run_json(self, *arguments: str) -> list[dict[str, Any]]:
        """Return what ``fleet-retry … --json`` prints on stdout, line by line."""
        result = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def refuse(self, operation: str, code: str = "AccessDeniedException") -> None:
        """Lets AWS refuse a call from now on."""
        error = {"Error": {"Code": code, "Message": f"no {operation}"}}
        self.answers[operation] = ClientError(error, operation)  # type: ignore[arg-type]

    def put(self, device: str, state: str = "tracking", **other: Any) -> None:
        """Puts a record, as the handlers write it; ages in seconds are counted from now."""
        now = int(time.time())
        item = {
            "deviceId": device,
            "state": state,
            "campaign": "2.27",
            "RetryCounter": 1,
            "ResetRetryCount": 0,
            "lastReason": "flash error",
            "startedAt": (now - HOUR) * 1000,
            "timestamp": iso(now - 60),
            "trackingId": f"t-{device}",
        }
        if state != "tracking":
            item |= {"ResetRetryCount": 1, "RetryCounter": 0, "recoveryId": f"t-{device}-1"}
            item |= {"awaySince": now - HOUR, "dueAt": now + DAY}
        self.table(RETRIES).put_item(Item={**item, **other})

    def table(self, name: str) -> Any:
        return boto3.resource("dynamodb", region_name=REGION).Table(name)

    def pause(self, campaign: str, **other: str) -> None:
        """Puts a paused campaign, as the breaker does."""
        item = {"campaign": campaign, "pausedAt": "2026-11-24T10:00:00Z", "pausedBy": "breaker"}
        self.table(CAMPAIGNS).put_item(Item={**item, "why": "20 of 22 devices", **other})

    def has_asked(self, operation: str) -> list[dict[str, Any]]:
        """The parameters of all calls of an operation, in order."""
        return [parameters for called, parameters in self.calls if called == operation]


@pytest.fixture(scope="session")
def loader() -> Any:
    """Reads what botocore knows of AWS once for all tests, which is most of their time."""
    return create_loader()


@pytest.fixture(scope="session")
def make_client() -> Any:
    """Make each client once for all tests: that takes longer than most of their calls."""
    make, clients = boto3.Session.client, {}

    def client(session: Any, service: str, region_name: str | None = None, **options: Any) -> Any:
        region = region_name or session.region_name
        key = (service, region, session.profile_name, *sorted(options.items()))
        if key not in clients:
            clients[key] = make(session, service, region_name=region, **options)  # type: ignore[call-overload]
        return clients[key]

    return client


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch, loader: Any, make_client: Any) -> Iterator[Fleet]:
    """A module without a prefix, as far as devices' records go; none has failed."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("botocore.session.create_loader", lambda _: loader)
    monkeypatch.setattr(boto3.Session, "client", make_client)
    made = Fleet()
    with mock_aws():
        create_tables(boto3.client("dynamodb"))
        _answer(made, monkeypatch)
        yield made


@pytest.fixture
def healthy(fleet: Fleet) -> Fleet:
    """The whole module, in order."""
    _deploy(fleet)
    return fleet


def _deploy(fleet: Fleet) -> None:
    sqs = boto3.client("sqs")
    sqs.create_queue(QueueName="FailedFirmwareUpdateDeadLetters")
    for name in (OPERATORS_QUEUE, undelivered.QUEUE):
        sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})
    sns = boto3.client("sns")
    operators = sns.create_topic(Name="FailedFirmwareUpdateOperators")["TopicArn"]
    sns.subscribe(TopicArn=operators, Protocol="email", Endpoint="me@example.com")
    alerts = sns.create_topic(Name="FailedFirmwareUpdate.fifo", Attributes={"FifoTopic": "true"})
    queue = f"arn:aws:sqs:{REGION}:123456789012:{OPERATORS_QUEUE}"
    sns.subscribe(TopicArn=alerts["TopicArn"], Protocol="sqs", Endpoint=queue)
    fleet.environment |= {
        "ALERTS_TOPIC_ARN": alerts["TopicArn"],
        "OPERATOR_TOPIC_ARN": operators,
    }
    for rule in (REMOVED_RULE, RULE_OF_DEVICES, *RULES_OF_JOBS):
        boto3.client("iot").create_topic_rule(
            ruleName=rule, topicRulePayload={"sql": "SELECT * FROM 'a'", "actions": []}
        )
    boto3.client("iot").create_thing_group(thingGroupName="FailedToUpdate")
    boto3.client("cloudwatch").put_metric_alarm(
        AlarmName="FirmwareRetry-dead-letters",
        MetricName="any",
        Namespace="any",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        Period=60,
        Statistic="Sum",
        Threshold=0,
    )
    boto3.client("scheduler").create_schedule_group(Name=SCHEDULE_GROUP)
    for name in (RECONCILING, MAILING):
        boto3.client("scheduler").create_schedule(
            Name=name,
            GroupName=SCHEDULE_GROUP,
            ScheduleExpression="rate(15 minutes)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": f"arn:aws:lambda:{REGION}:123456789012:function:any", "RoleArn": ROLE},
        )


def _answer(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets AWS answer what moto does not know, and what a test wants it to."""
    fleet.answers |= {
        "GetFunctionConfiguration": lambda asked: _function(fleet, asked["FunctionName"]),
        "GetIndexingConfiguration": {
            "thingIndexingConfiguration": {"thingIndexingMode": "REGISTRY"}
        },
        "DescribeEventConfigurations": {
            "eventConfigurations": {"JOB_EXECUTION": {"Enabled": True}}
        },
        "ListStateMachines": {
            "stateMachines": [
                {"name": name, "stateMachineArn": f"{STATES}:stateMachine:{name}"}
                for name in MACHINES.values()
            ]
        },
        "FilterLogEvents": {"events": []},
        "GetAccountSettings": {"AccountLimit": {"UnreservedConcurrentExecutions": 1000}},
        "ListAWSDefaultServiceQuotas": {"Quotas": []},
        "ListServiceQuotas": {
            "Quotas": [
                {"QuotaName": f"{call} API TPS", "Value": 100.0}
                for call in (
                    "UpdateThing",
                    "DescribeThing",
                    "ListThingGroupsForThing",
                    "AddThingToThingGroup",
                )
            ]
        },
    }
    original = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(self: Any, operation: str, parameters: dict[str, Any]) -> Any:
        fleet.calls.append((operation, parameters))
        if operation not in fleet.answers:
            return original(self, operation, parameters)
        answer = fleet.answers[operation]
        if isinstance(answer, Exception):
            raise answer
        return answer(parameters) if callable(answer) else answer

    monkeypatch.setattr(BaseClient, "_make_api_call", call)


def _function(fleet: Fleet, name: str) -> dict[str, Any]:
    if name not in STEPS:
        missing = {"Error": {"Code": "ResourceNotFoundException", "Message": f"no {name}"}}
        raise ClientError(missing, "GetFunctionConfiguration")  # type: ignore[arg-type]
    return {"State": "Active", "Environment": {"Variables": fleet.environment}}
