"""Topics: their subscribers, confirmations, and deliveries that fail."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from localcloud import LocalCloud
from tests.tools.localcloud.common import take


def test_a_fifo_topic_takes_queues_only(cloud: LocalCloud) -> None:
    sns = cloud.client("sns")
    fifo = sns.create_topic(Name="only.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    for protocol, endpoint in (("email", "a@example.com"), ("sms", "+15550100")):
        with pytest.raises(ClientError, match="InvalidParameter"):
            sns.subscribe(TopicArn=fifo, Protocol=protocol, Endpoint=endpoint)
    arn = f"arn:aws:sqs:us-east-1:{cloud.account_id}:any.fifo"
    assert sns.subscribe(TopicArn=fifo, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
    plain = sns.create_topic(Name="people")["TopicArn"]
    assert sns.subscribe(TopicArn=plain, Protocol="email", Endpoint="a@example.com")


def test_an_address_waits_until_somebody_confirms_it(cloud: LocalCloud) -> None:
    sns = cloud.client("sns")
    topic = sns.create_topic(Name="operators")["TopicArn"]

    def counts() -> tuple[str, str]:
        attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
        return attributes["SubscriptionsConfirmed"], attributes["SubscriptionsPending"]

    def listed() -> list[str]:
        found = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        return [subscription["SubscriptionArn"] for subscription in found]

    address = {"TopicArn": topic, "Protocol": "email"}
    answer = sns.subscribe(Endpoint="a@example.com", **address)
    assert answer["SubscriptionArn"] == "pending confirmation"
    answer = sns.subscribe(Endpoint="b@example.com", ReturnSubscriptionArn=True, **address)
    arn = answer["SubscriptionArn"]
    assert arn.startswith(topic)
    assert (counts(), listed()) == (("0", "2"), ["PendingConfirmation"] * 2)
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert attributes["PendingConfirmation"] == "true"
    cloud.confirm_addresses()
    assert counts() == ("2", "0")
    assert arn in listed()
    cloud.confirm_addresses(is_confirmed=False)
    assert counts() == ("0", "2")


@pytest.mark.parametrize("refuses", ["policy", "key", "gone"])
def test_a_message_that_a_queue_refuses_goes_to_the_dead_letter_queue_if_there_is_one(
    cloud: LocalCloud, refuses: str
) -> None:
    sns, sqs, kms = (cloud.client(service) for service in ("sns", "sqs", "kms"))
    topic = sns.create_topic(Name=f"{refuses}.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": "*",
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    allowed = json.dumps({"Statement": [statement]})
    nobody = json.dumps({"Statement": [statement | {"Condition": {}, "Effect": "Deny"}]})
    key = kms.create_key(Policy=json.dumps({"Statement": []}))["KeyMetadata"]["Arn"]
    attributes = {
        "policy": {"Policy": nobody},
        "key": {"Policy": allowed, "KmsMasterKeyId": key},
        "gone": {"Policy": allowed},
    }[refuses]
    urls = {}
    for name, given in (
        (f"{refuses}-kept.fifo", {"Policy": allowed}),
        (f"{refuses}.fifo", attributes),
    ):
        queue = sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true", **given})
        urls[name] = queue["QueueUrl"]
    arn = f"arn:aws:sqs:{cloud.region}:{cloud.account_id}:{refuses}.fifo"
    subscription = sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
    )["SubscriptionArn"]
    if refuses == "gone":
        sqs.delete_queue(QueueUrl=urls[f"{refuses}.fifo"])

    sns.publish(TopicArn=topic, Message='"1"', MessageGroupId="g", MessageDeduplicationId="1")
    redrive = json.dumps({"deadLetterTargetArn": arn.replace(".fifo", "-kept.fifo")})
    sns.set_subscription_attributes(
        SubscriptionArn=subscription, AttributeName="RedrivePolicy", AttributeValue=redrive
    )
    sns.publish(TopicArn=topic, Message='"2"', MessageGroupId="g", MessageDeduplicationId="2")

    assert take(cloud, urls[f"{refuses}-kept.fifo"]) == "2"
    assert take(cloud, urls[f"{refuses}-kept.fifo"], 1) is None
    if refuses != "gone":
        assert take(cloud, urls[f"{refuses}.fifo"], 1) is None
