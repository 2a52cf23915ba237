"""The handlers against moto: in process, no server, no deployment."""

import copy
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from boto3.dynamodb.conditions import Key
from moto import mock_aws
from moto.backends import get_backend
from moto.iot.exceptions import VersionConflictException
from moto.iot.models import FakeThingGroup
from moto.iot.responses import IoTResponse

from firmware_retry import aws, clock
from firmware_retry.emails import Mail
from firmware_retry.history_table import TRANSITIONS
from firmware_retry.settings import settings
from tests.conftest import requests

ACCOUNT = "123456789012"
REGION = "eu-west-1"
RETRIES = "DeviceFirmwareRetries"
BACKUP = "DeviceAttributeBackup"
HISTORY = "DeviceFirmwareHistory"
HISTORY_DAYS = 90
GROUP = "FailedToUpdate"
LIMIT = 3
CAMPAIGNS = "FirmwareCampaigns"
TABLES = {
    RETRIES: ["deviceId"],
    BACKUP: ["deviceId"],
    HISTORY: ["deviceId", "at"],
    CAMPAIGNS: ["campaign"],
}
MACHINES = f"arn:aws:states:{REGION}:123456789012:stateMachine:"


@dataclass
class Cloud:
    """The account that the handlers find, and a test's view into it."""

    iot: Any
    dynamodb: Any
    sns: Any
    sqs: Any
    stepfunctions: Any
    queue_url: str
    calls: list[str] = field(default_factory=list)
    """Every call that the package made: ``dynamodb.update_item``."""
    began_at: int = field(default_factory=lambda: requests[0])
    call: Callable[..., Any] | None = None
    """``aws.call`` of the package, recorded."""

    def is_untouched(self) -> bool:
        """Return whether nothing was called in the account yet, and no call is replaced."""
        return requests[0] == self.began_at and aws.call is self.call

    def create_thing(self, name: str = "dev-1", **attributes: str) -> None:
        self.iot.create_thing(thingName=name, attributePayload={"attributes": attributes})

    def attributes(self, name: str = "dev-1") -> dict[str, str]:
        return dict(self.iot.describe_thing(thingName=name).get("attributes", {}))

    def record(self, device_id: str = "dev-1") -> dict[str, Any] | None:
        return self._item(RETRIES, device_id)

    def backup(self, device_id: str = "dev-1") -> dict[str, Any] | None:
        return self._item(BACKUP, device_id)

    def history(self, device_id: str = "dev-1") -> list[dict[str, Any]]:
        """What happened to the device, oldest first."""
        items: list[dict[str, Any]] = self.dynamodb.Table(HISTORY).query(
            KeyConditionExpression=Key("deviceId").eq(device_id) & Key("at").gte(TRANSITIONS)
        )["Items"]
        return items

    def steps(self, device_id: str = "dev-1") -> list[tuple[str, str, str]]:
        """The history in short: from, to and reason."""
        return [(item["from"], item["to"], item["reason"]) for item in self.history(device_id)]

    def members(self, group: str = GROUP) -> list[str]:
        things: list[str] = self.iot.list_things_in_thing_group(thingGroupName=group)["things"]
        return things

    def add_to(self, group: str, name: str = "dev-1") -> None:
        """Puts a thing into a group; into a dynamic one as its query does, a little later."""
        self.iot.add_thing_to_thing_group(thingGroupName=group, thingName=name)

    def remove_from(self, group: str, name: str = "dev-1") -> None:
        """Takes a thing out of a group; out of a dynamic one as its query does, a little later."""
        self.iot.remove_thing_from_thing_group(thingGroupName=group, thingName=name)

    def campaign(self, name: str = "2.27") -> dict[str, Any]:
        """What is known of a campaign."""
        item = self.dynamodb.Table(CAMPAIGNS).get_item(Key={"campaign": name}).get("Item", {})
        return dict(item)

    def pause(self, name: str = "2.27", at: str = "2024-03-24T22:00:00Z") -> None:
        """Pauses a campaign, as ``fleet-retry pause`` does."""
        self.dynamodb.Table(CAMPAIGNS).update_item(
            Key={"campaign": name},
            UpdateExpression="SET pausedAt = :at, pausedBy = :by, why = :why REMOVE resumedAt",
            ExpressionAttributeValues={":at": at, ":by": "operator", ":why": "bad image"},
        )

    def resume(self, at: str, name: str = "2.27") -> None:
        """Resumes a campaign, as ``fleet-retry resume`` does."""
        self.dynamodb.Table(CAMPAIGNS).update_item(
            Key={"campaign": name},
            UpdateExpression="SET resumedAt = :at REMOVE pausedAt, pausedBy, why, toldAt",
            ExpressionAttributeValues={":at": at},
        )

    def messages(self) -> list[str]:
        """What the FIFO topic delivered since the last look."""
        return self.receive(self.queue_url)

    def receive(self, queue_url: str) -> list[str]:
        """Take the messages out of a queue: in a FIFO queue they hold up those that follow."""
        answer = self.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
        messages = answer.get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in messages]

    def _item(self, table: str, device_id: str) -> dict[str, Any] | None:
        item = self.dynamodb.Table(table).get_item(Key={"deviceId": device_id}).get("Item")
        return dict(item) if item else None


@pytest.fixture(autouse=True)
def fake_time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time the package sees, epoch seconds; a test sets its only element."""
    moment = [1_711_320_300.0]
    monkeypatch.setattr(clock, "now", lambda: moment[0])
    monkeypatch.setattr(clock, "share", lambda: 0.5)
    # In order, so that the history of one moment is too.
    ids = itertools.count(1)
    monkeypatch.setattr(clock, "unique_id", lambda: f"{next(ids):08x}" * 4)
    return moment


@pytest.fixture(scope="session")
def clients() -> Iterator[dict[str, Any]]:
    """The test's own clients, made once: making one takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        yield {
            "dynamodb": boto3.resource("dynamodb", REGION),
            **{name: boto3.client(name, REGION) for name in ("iot", "sns", "sqs", "stepfunctions")},
        }
        aws.client.cache_clear()


@pytest.fixture(autouse=True)
def versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto ignores ``expectedVersion`` and counts no versions; AWS does both."""
    update = IoTResponse.update_thing

    def updating(self: IoTResponse) -> Any:
        thing = self.iot_backend.describe_thing(self._get_param("thingName"))
        if self._get_param("expectedVersion") not in (None, thing.version):
            raise VersionConflictException(thing.thing_name)
        answer = update(self)
        thing.version += 1
        return answer

    monkeypatch.setattr(IoTResponse, "update_thing", updating)


@pytest.fixture(autouse=True)
def queries(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto has no dynamic groups: here, those whose name begins with ``dynamic`` have a query."""
    to_dict = FakeThingGroup.to_dict

    def describe(self: FakeThingGroup) -> dict[str, Any]:
        is_dynamic = self.thing_group_name.startswith("dynamic")
        query = {"queryString": "attributes.FW:2.26"} if is_dynamic else {}
        return {**to_dict(self), **query}

    monkeypatch.setattr(FakeThingGroup, "to_dict", describe)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    values = {
        "RETRIES_TABLE": RETRIES,
        "BACKUP_TABLE": BACKUP,
        "HISTORY_TABLE": HISTORY,
        "HISTORY_DAYS": str(HISTORY_DAYS),
        "CAMPAIGNS_TABLE": CAMPAIGNS,
        "RETRY_LIMIT": str(LIMIT),
        "COOL_DOWN_SECONDS": "[86400]",
        "COOL_DOWN_JITTER": "0.1",
        "SETTLE_SECONDS": "900",
        "MOVE_OUT_ATTRIBUTES": '{"model": "moveOut", "FW": "moveOut"}',
        "FAILED_ATTRIBUTES": '{"model": "failedtoupdate", "FW": "failedtoupdate"}',
        "FOREIGN_MARKS": "[]",
        "FAILED_THING_GROUP_NAME": GROUP,
        "IGNORED_REASONS": "[]",
        "JOB_EVENTS_ENABLED": "true",
        "FATAL_REASONS": "[]",
        "BREAKER": "null",
        "ALERTS_TOPIC_ARN": f"arn:aws:sns:{REGION}:123456789012:FailedFirmwareUpdate.fifo",
        "OPERATOR_TOPIC_ARN": "",
        "OPERATOR_QUEUE_URL": "",
        "ALERT_DIGEST_THRESHOLD": "2",
        "NAME_PREFIX": "",
        "COOL_DOWN_STATE_MACHINE_ARN": f"{MACHINES}CoolDown",
        "ESCALATION_STATE_MACHINE_ARN": f"{MACHINES}Escalation",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def backends() -> dict[str, Any]:
    """Return moto's state of the account, by service; queues have locks, which cannot be copied."""
    return {
        service: get_backend(service)[ACCOUNT][REGION]
        for service in ("dynamodb", "iot", "sns", "stepfunctions")
    }


@pytest.fixture(scope="session")
def account(clients: dict[str, Any]) -> dict[str, Any]:
    """The account of the module, without devices; made once, and copied for each test."""
    with mock_aws():
        _create_account(**clients)
        return copy.deepcopy(backends())


def restore(account: dict[str, Any]) -> None:
    """Fill moto with a copy of the account; resources refer to the backend that they are in."""
    present = backends()
    for service, backend in present.items():
        memo = {id(kept): present[name] for name, kept in account.items()}
        vars(backend).update(copy.deepcopy(vars(account[service]), memo))


def _create_queue(sqs: Any) -> str:
    queue = sqs.create_queue(QueueName="seen.fifo", Attributes={"FifoQueue": "true"})
    return str(queue["QueueUrl"])


def create_tables(dynamodb: Any) -> None:
    """Create the module's tables by a client or a resource of DynamoDB."""
    for table, keys in TABLES.items():
        dynamodb.create_table(
            TableName=table,
            KeySchema=[
                {"AttributeName": key, "KeyType": kind}
                for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            BillingMode="PAY_PER_REQUEST",
        )


def _create_account(dynamodb: Any, iot: Any, sns: Any, sqs: Any, stepfunctions: Any) -> None:
    _create_queue(sqs)
    create_tables(dynamodb)
    for name in ("CoolDown", "Escalation"):
        stepfunctions.create_state_machine(
            name=name,
            definition='{"StartAt": "S", "States": {"S": {"Type": "Wait", "Seconds": 1}}}',
            roleArn="arn:aws:iam::123456789012:role/any",
        )
    iot.create_thing_group(thingGroupName=GROUP)
    topic = sns.create_topic(Name="FailedFirmwareUpdate.fifo", Attributes={"FifoTopic": "true"})
    sns.subscribe(
        TopicArn=topic["TopicArn"],
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:seen.fifo",
        Attributes={"RawMessageDelivery": "true"},
    )


@pytest.fixture
def cloud(
    clients: dict[str, Any], account: dict[str, Any], environment: pytest.MonkeyPatch
) -> Iterator[Cloud]:
    settings.cache_clear()
    with mock_aws():
        restore(account)
        view = Cloud(**clients, queue_url=_create_queue(clients["sqs"]))
        view.call = _record_calls(view.calls, aws.call)
        environment.setattr(aws, "call", view.call)
        yield view
    settings.cache_clear()


@dataclass
class Operators:
    """The operators who are mailed."""

    cloud: Cloud
    queue_url: str
    """Alerts that are not mailed yet."""
    inbox_url: str

    def confirm(self, number: int) -> None:
        """Let so many subscriptions be confirmed: moto counts none."""
        topics = get_backend("sns")[ACCOUNT][REGION].topics
        topics[settings().operator_topic_arn].subscriptions_confimed = number

    def mails(self) -> list[Mail]:
        """Return what they were mailed since the last look."""
        received = map(json.loads, self.cloud.receive(self.inbox_url))
        return [Mail(message["Subject"], message["Message"]) for message in received]

    def waiting(self) -> int:
        """Return how many alerts are still in the queue, received or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counted = self.cloud.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)
        return sum(int(counted["Attributes"][name]) for name in names)


@pytest.fixture
def operators(cloud: Cloud, environment: pytest.MonkeyPatch) -> Operators:
    """Somebody subscribed to the operator topic."""
    topic = cloud.sns.create_topic(Name="people")["TopicArn"]
    inbox = cloud.sqs.create_queue(QueueName="people")["QueueUrl"]
    queue = cloud.sqs.create_queue(
        QueueName="operators.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "360"}
    )["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:123456789012:"
    cloud.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"{arn}people")
    cloud.sns.subscribe(
        TopicArn=settings().alerts_topic_arn,
        Protocol="sqs",
        Endpoint=f"{arn}operators.fifo",
        Attributes={"RawMessageDelivery": "true"},
    )
    configure(environment, OPERATOR_TOPIC_ARN=topic, OPERATOR_QUEUE_URL=queue)
    found = Operators(cloud, queue, inbox)
    found.confirm(1)
    return found


def _record_calls(calls: list[str], call: Any) -> Any:
    def recording(service: str, operation: str, **parameters: Any) -> Any:
        calls.append(f"{service}.{operation}")
        return call(service, operation, **parameters)

    return recording


def failure(
    number: int = 1, device: str = "dev-1", fw: str = "2.27", **more: Any
) -> dict[str, Any]:
    """The ``number``-th failure message of a device, as the IoT rule hands it on."""
    sent = 1_711_320_208_793 + number
    message = {"deviceId": device, "timestamp": str(sent), "status": "failed", "model": "x"}
    by = {"kind": "failed", "reportedBy": "device", "topic": "iot/device/data", "clientId": device}
    return {**message, "FW": fw, **by, **more}


def success(number: int = 1, **more: Any) -> dict[str, Any]:
    """What a device says after its update; sent when its ``number``-th failure message would be."""
    return failure(number, **{"kind": "succeeded", "status": "succeeded", **more})


def job_event(
    number: int = 1, job: str = "job-1", kind: str = "failed", device: str = "dev-1", **more: Any
) -> dict[str, Any]:
    """What AWS IoT Jobs says of an execution, ``number`` seconds after a device could have."""
    return {
        "kind": kind,
        "reportedBy": "jobs",
        "deviceId": device,
        "eventId": f"event-{number}",
        "timestamp": 1_711_320_209 + number,
        "jobId": job,
        "topic": f"$aws/events/jobExecution/{job}/{kind}",
        **more,
    }


def configure(environment: pytest.MonkeyPatch, **values: str) -> None:
    """Sets environment variables of the functions."""
    for name, value in values.items():
        environment.setenv(name, value)
    settings.cache_clear()
