"""The handlers against moto: in process, no server, no deployment."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.iot.exceptions import VersionConflictException
from moto.iot.responses import IoTResponse

from firmware_retry import ambient, aws
from firmware_retry.settings import settings

REGION = "eu-west-1"
RETRIES = "DeviceFirmwareRetries"
BACKUP = "DeviceAttributeBackup"
GROUP = "FailedToUpdate"
LIMIT = 3
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

    def create_thing(self, name: str = "dev-1", **attributes: str) -> None:
        self.iot.create_thing(thingName=name, attributePayload={"attributes": attributes})

    def attributes(self, name: str = "dev-1") -> dict[str, str]:
        return dict(self.iot.describe_thing(thingName=name).get("attributes", {}))

    def record(self, device_id: str = "dev-1") -> dict[str, Any] | None:
        return self._item(RETRIES, device_id)

    def backup(self, device_id: str = "dev-1") -> dict[str, Any] | None:
        return self._item(BACKUP, device_id)

    def messages(self) -> list[str]:
        """What the FIFO topic delivered since the last look."""
        answer = self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10)
        return [message["Body"] for message in answer.get("Messages", [])]

    def _item(self, table: str, device_id: str) -> dict[str, Any] | None:
        item = self.dynamodb.Table(table).get_item(Key={"deviceId": device_id}).get("Item")
        return dict(item) if item else None


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time the package sees, epoch seconds; a test sets its only element."""
    moment = [1_711_320_300.0]
    monkeypatch.setattr(ambient, "now", lambda: moment[0])
    monkeypatch.setattr(ambient, "share", lambda: 0.5)
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


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    values = {
        "RETRIES_TABLE": RETRIES,
        "BACKUP_TABLE": BACKUP,
        "RETRY_LIMIT": str(LIMIT),
        "COOL_DOWN_SECONDS": "[86400]",
        "COOL_DOWN_JITTER": "0.1",
        "SETTLE_SECONDS": "900",
        "MOVE_OUT_ATTRIBUTES": '{"model": "moveOut", "FW": "moveOut"}',
        "FAILED_ATTRIBUTES": '{"model": "failedtoupdate", "FW": "failedtoupdate"}',
        "FAILED_THING_GROUP_NAME": GROUP,
        "ALERTS_TOPIC_ARN": f"arn:aws:sns:{REGION}:123456789012:FailedFirmwareUpdate.fifo",
        "OPERATOR_TOPIC_ARN": "",
        "COOL_DOWN_STATE_MACHINE_ARN": f"{MACHINES}CoolDown",
        "ESCALATION_STATE_MACHINE_ARN": f"{MACHINES}Escalation",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def cloud(clients: dict[str, Any], environment: pytest.MonkeyPatch) -> Iterator[Cloud]:
    settings.cache_clear()
    with mock_aws():
        queue = clients["sqs"].create_queue(QueueName="seen.fifo", Attributes={"FifoQueue": "true"})
        view = Cloud(**clients, queue_url=queue["QueueUrl"])
        for table in (RETRIES, BACKUP):
            view.dynamodb.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": "deviceId", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "deviceId", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        for name in ("CoolDown", "Escalation"):
            view.stepfunctions.create_state_machine(
                name=name,
                definition='{"StartAt": "S", "States": {"S": {"Type": "Wait", "Seconds": 1}}}',
                roleArn="arn:aws:iam::123456789012:role/any",
            )
        view.iot.create_thing_group(thingGroupName=GROUP)
        topic = view.sns.create_topic(
            Name="FailedFirmwareUpdate.fifo", Attributes={"FifoTopic": "true"}
        )["TopicArn"]
        view.sns.subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:{REGION}:123456789012:seen.fifo",
            Attributes={"RawMessageDelivery": "true"},
        )
        environment.setattr(aws, "call", _recorded(view.calls, aws.call))
        yield view
    settings.cache_clear()


def _recorded(calls: list[str], call: Any) -> Any:
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
    return {**message, "FW": fw, "topic": "iot/device/data", "clientId": device, **more}
