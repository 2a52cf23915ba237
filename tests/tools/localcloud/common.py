"""What the tests of this folder share besides fixtures."""

from __future__ import annotations

import json
from typing import Any

from localcloud import Device, LocalCloud, eventually

ROLE = "arn:aws:iam::123456789012:role/any"


def make_rule(cloud: LocalCloud, name: str, sql: str, *actions: Any, error: Any = None) -> None:
    """Create an IoT rule, with ``error`` as its error action."""
    payload = {"sql": sql, "actions": list(actions)}
    if error:
        payload["errorAction"] = error
    cloud.client("iot").create_topic_rule(ruleName=name, topicRulePayload=payload)


def sqs_action(queue_url: str) -> dict[str, Any]:
    """A rule's action that sends to a queue."""
    return {"sqs": {"queueUrl": queue_url, "roleArn": ROLE}}


def take(cloud: LocalCloud, queue_url: str, seconds: float = 180.0) -> Any:
    """The next message of a queue, decoded and removed; None if none comes in time.

    ``seconds`` is for where none is to come: a late one passes unseen, but nothing fails by chance.
    """
    sqs = cloud.client("sqs")

    def receive_one() -> Any:
        got = sqs.receive_message(QueueUrl=queue_url).get("Messages", [])
        if got:
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=got[0]["ReceiptHandle"])
        return got

    got = eventually(receive_one, seconds)
    return json.loads(got[0]["Body"]) if got else None


def start_next(device: Device, thing: str) -> Any:
    """The execution that a device gets when it asks for its next job; None if there is none."""
    device.publish(f"$aws/things/{thing}/jobs/start-next", {})
    return device.receive()[1].get("execution")


def report(device: Device, thing: str, job: str, status: str, **details: str) -> None:
    """Report the status of a device's execution, and see it accepted."""
    update = {"status": status, "statusDetails": details} if details else {"status": status}
    device.publish(f"$aws/things/{thing}/jobs/{job}/update", update)
    assert device.receive()[0].endswith("/update/accepted")


def subscribe_to_answers(device: Device, thing: str, job: str) -> None:
    """Have a device hear what ``start_next`` and ``report`` wait for."""
    device.subscribe(f"$aws/things/{thing}/jobs/start-next/accepted")
    device.subscribe(f"$aws/things/{thing}/jobs/{job}/update/accepted")
