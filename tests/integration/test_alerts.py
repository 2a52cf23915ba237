"""Operators are notified of one device clearly, and of a storm in a handful of mails."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import jsonschema
import pytest

from fleet_retry import undelivered
from fleet_retry.deployment import Deployment
from localcloud import eventually
from localcloud.fleet import Fleet

DOCS = Path(__file__).parents[2] / "docs" / "operations"
SCHEMA = json.loads((DOCS / "alert.schema.json").read_text())
FILTER = re.search(r"filter_policy +=.*\((\{.*\})\)\n", (DOCS / "alerts.md").read_text())

STORM = [f"blown-{number}" for number in range(100)]
"""Ten times what one ReceiveMessage brings; the unit tests have a digest of a thousand devices."""
FATAL = "signature invalid"  # the second fleet's fatal_reasons: one failure is enough
THREADS = 8
A_HANDFUL = 5


@pytest.fixture
def fleet(second: Fleet) -> Fleet:
    """Return the fleet that mails operators, with no alert left to mail."""
    second.invoke("MailOperators")
    return second


def _mails(fleet: Fleet, mark: int) -> list[dict[str, Any]]:
    """Return what was mailed to operators."""
    topic = fleet.outputs["operator_topic_arn"]
    calls = [call for call in fleet.calls(mark) if call.operation == "Publish"]
    return [call.parameters for call in calls if call.parameters["TopicArn"] == topic]


def _is_on(fleet: Fleet, alarm: str) -> bool:
    names = [f"{fleet.prefix}FirmwareRetry-{alarm}"]
    (found,) = fleet.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
    return bool(found["StateValue"] == "ALARM")


def test_one_device_is_one_clear_mail(fleet: Fleet) -> None:
    mark = fleet.mark()
    fleet.add_thing("mailed", model="gw:v3", FW="2.26")
    fleet.fail("mailed", [1], reason=f"{FATAL}: E_KEY", FW="2.26")
    assert eventually(lambda: fleet.alerts("mailed"))
    assert _mails(fleet, mark) == []
    assert fleet.invoke("MailOperators") == {"mails": 1, "devices": 1}
    (mail,) = _mails(fleet, mark)
    assert mail["Subject"] == "Firmware update failed: mailed"
    for fact in (
        "Model:           gw:v3",
        "Firmware:        2.26",
        "Campaign:        2.26",
        f"Reason:          {FATAL}: E_KEY",
        "Cycles:          1",
        "  firmwareRetry: none -> failed",
        "second-FailedToUpdate",
        "fleet-retry release --prefix second- --region us-east-1 -- mailed",
        "https://us-east-1.console.aws.amazon.com/iot/home?region=us-east-1#/thing/mailed",
    ):
        assert fact in mail["Message"]
    (alert,) = fleet.alerts("mailed")
    jsonschema.validate(alert, SCHEMA)

    fleet.succeed("mailed", 5, status="SUCCEEDED")
    assert eventually(lambda: len(fleet.alerts("mailed")) == 2)
    jsonschema.validate(fleet.alerts("mailed")[1], SCHEMA)
    assert fleet.invoke("MailOperators") == {"mails": 1, "devices": 1}
    assert _mails(fleet, mark)[1]["Subject"] == "Firmware update succeeded after all: mailed"
    assert fleet.invoke("MailOperators") == {}


def test_alerts_wait_until_an_operator_has_confirmed(fleet: Fleet) -> None:
    sqs, mark = fleet.client("sqs"), fleet.mark()
    url = sqs.get_queue_url(QueueName=fleet.prefix + undelivered.OPERATORS_QUEUE)["QueueUrl"]
    fleet.add_thing("unheard")
    fleet.fail("unheard", [1], reason=FATAL)
    assert eventually(lambda: fleet.alerts("unheard"))

    fleet.cloud.confirm_addresses(is_confirmed=False)
    # Longer than a pass, and shorter than ``eventually`` waits for the next one.
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "20"})
    refused = fleet.invoke("MailOperators")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "360"})
    fleet.cloud.confirm_addresses()
    assert refused.get("errorType") == "NoSubscriberError"
    assert _is_on(fleet, "mail-failing")
    assert _mails(fleet, mark) == []

    assert eventually(lambda: fleet.invoke("MailOperators") == {"mails": 1, "devices": 1})
    assert _mails(fleet, mark)[0]["Subject"] == "Firmware update failed: unheard"
    _forget(fleet, "unheard")


def test_alerts_that_the_queue_refuses_are_redriven(fleet: Fleet) -> None:
    """As where the policy of a customer key no longer lets SNS send."""
    sqs = fleet.client("sqs")
    url = sqs.get_queue_url(QueueName=fleet.prefix + undelivered.OPERATORS_QUEUE)["QueueUrl"]
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": '{"Statement": []}'})
    fleet.add_thing("refused")
    fleet.fail("refused", [1], reason=FATAL)
    assert eventually(lambda: fleet.alerts("refused"))
    deployment = Deployment(fleet.prefix, fleet.cloud.endpoint_url)
    assert undelivered.count_waiting(deployment) == 1
    assert fleet.invoke("MailOperators") == {}

    sqs.set_queue_attributes(QueueUrl=url, Attributes=before)
    assert undelivered.redrive(deployment) == 1
    assert undelivered.count_waiting(deployment) == 0
    assert fleet.invoke("MailOperators") == {"mails": 1, "devices": 1}
    _forget(fleet, "refused")


def _forget(fleet: Fleet, device: str) -> None:
    """End the episode, and mail that."""
    fleet.succeed(device, 5, status="SUCCEEDED")
    assert eventually(lambda: len(fleet.alerts(device)) == 2)
    fleet.invoke("MailOperators")


def test_a_subscriber_gets_what_its_filter_lets_through(fleet: Fleet) -> None:
    """The filter policy of ``docs/operations/alerts.md``."""
    assert FILTER
    policy = re.sub(r"(\w+) =", r'"\1":', FILTER[1])
    assert json.loads(policy) == {"event": ["failed"], "campaign": [{"prefix": "firmware-"}]}
    sqs, attributes = fleet.client("sqs"), {"FifoQueue": "true"}
    queue = sqs.create_queue(QueueName="tickets.fifo", Attributes=attributes)["QueueUrl"]
    subscription = fleet.client("sns").subscribe(
        TopicArn=fleet.outputs["alerts_topic_arn"],
        Protocol="sqs",
        Endpoint=fleet.outputs["alerts_topic_arn"].replace(":sns:", ":sqs:").rpartition(":")[0]
        + ":tickets.fifo",
        Attributes={"RawMessageDelivery": "true", "FilterPolicy": policy},
    )["SubscriptionArn"]
    for name, campaign in (("let-through", "firmware-3"), ("kept-back", "bootloader-3")):
        fleet.add_thing(name, model="gw:v3", FW="2.26")
        fleet.fail(name, [1], reason=FATAL, jobId=campaign)
    assert eventually(lambda: fleet.alerts("let-through") and fleet.alerts("kept-back"))
    for name in ("let-through", "kept-back"):
        fleet.succeed(name, 5, status="SUCCEEDED")
    assert eventually(lambda: len(fleet.alerts("let-through")) == 2)
    received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    alerts = [json.loads(message["Body"]) for message in received]
    assert [(alert["deviceId"], alert["event"]) for alert in alerts] == [("let-through", "failed")]
    fleet.client("sns").unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=queue)


@pytest.fixture
def _calm(fleet: Fleet) -> Iterator[None]:
    """After the storm nothing is left of it: other tests look at all records of the fleet."""
    yield
    eventually(lambda: not fleet.is_running("escalation"))
    resource = boto3.resource("dynamodb", endpoint_url=fleet.cloud.endpoint_url)
    for table in ("retries_table_name", "backup_table_name"):
        with resource.Table(fleet.outputs[table]).batch_writer() as batch:
            for name in STORM:
                batch.delete_item(Key={"deviceId": name})
    iot = fleet.client("iot")
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda name: iot.delete_thing(thingName=name), STORM))


@pytest.mark.usefixtures("_calm")
def test_a_storm_is_a_handful_of_mails(fleet: Fleet, figures: list[str]) -> None:
    mark, started = fleet.mark(), time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda name: fleet.add_thing(name, model="gw:v3", FW="2.26"), STORM))
    with fleet.connect("gateway") as connection:
        for number, name in enumerate(STORM):
            message = fleet.message(name, 1, reason=f"{FATAL} {number % 3}", FW="2.26")
            connection.publish(fleet.topic.format(device=name), message)
    fleet.settle()
    assert eventually(lambda: not fleet.is_running("escalation"))
    assert _list_notified(fleet) == set(STORM)

    mailed = fleet.invoke("MailOperators")
    assert mailed["devices"] == len(STORM)
    mails = _mails(fleet, mark)
    assert len(mails) == mailed["mails"] <= A_HANDFUL
    named = Counter(line for mail in mails for line in mail["Message"].splitlines())
    assert [named[name] for name in STORM] == [1] * len(STORM)
    assert "Commonest reasons:" in mails[0]["Message"]
    alerts = [alert for alert in fleet.all_alerts() if alert.get("deviceId") in set(STORM)]
    assert Counter(alert["deviceId"] for alert in alerts) == dict.fromkeys(STORM, 1)
    for alert in alerts:
        jsonschema.validate(alert, SCHEMA)
    assert fleet.invoke("MailOperators") == {}
    figures.append(
        f"alerts: {len(STORM)} devices failed for good at once: {len(STORM)} messages on the FIFO"
        f" topic, {len(mails)} mail(s) to operators, every device in exactly one of them"
        f" ({time.monotonic() - started:.0f} s)"
    )


def _list_notified(fleet: Fleet) -> set[str]:
    records = fleet.all_records()
    return {name for name in STORM if "notifiedAt" in records.get(name, {})}
