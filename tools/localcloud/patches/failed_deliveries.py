"""Deliveries from a topic to a queue that fail.

AWS: https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html : a message that a queue
refuses, because it is gone or because its policy or the policy of its key does not let SNS send, is
discarded without another try, unless the subscription has a dead-letter queue.

MiniStack 1.5.33: a queue that exists takes every message, and dead-letter queues stay empty.

Here a queue without a policy takes every message, so that a test can subscribe one in a line, and
so does a queue whose key MiniStack does not have.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import get_region
from ministack.services import kms, sns, sqs

from localcloud.patches.patch import around

_SNS = "sns.amazonaws.com"


def install() -> None:
    """Let queues refuse, and keep what they refuse in the subscription's dead-letter queue."""

    @around(sns, "_deliver_to_sqs")
    def deliver(original: Any, queue: str, *rest: Any, topic_arn: str, **parameters: Any) -> None:
        if takes(queue, topic_arn):
            original(queue, *rest, topic_arn=topic_arn, **parameters)
            return
        kept_in = _dead_letter_queue(queue, topic_arn)
        if kept_in and takes(kept_in, topic_arn):
            original(kept_in, *rest, topic_arn=topic_arn, **parameters)


def takes(queue_arn: str, topic_arn: str) -> bool:
    """Return whether a queue takes what a topic sends."""
    queue = sqs._queue_by_arn(queue_arn)
    if queue is None:
        return False
    policy, key = queue["attributes"].get("Policy"), queue["attributes"].get("KmsMasterKeyId")
    if policy and not _allows(policy, "sqs:SendMessage", queue_arn, topic_arn):
        return False
    key_policy = kms.key_policy_for_arn(key) if key else None
    return key_policy is None or _allows(key_policy[0], "kms:GenerateDataKey", "*", topic_arn)


def _allows(policy: str, action: str, resource: str, topic_arn: str) -> bool:
    context = EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=resource,
        region=get_region(),
        secure_transport=True,
        service_context={"aws:sourcearn": topic_arn, "aws:sourceaccount": topic_arn.split(":")[4]},
    )
    return bool(evaluate_resource_policy(policy, context, service=_SNS).decision == "Allow")


def _dead_letter_queue(queue_arn: str, topic_arn: str) -> str:
    topic = sns._topic_by_arn_any_scope(topic_arn) or {"subscriptions": []}
    policies = [
        subscription["attributes"].get("RedrivePolicy")
        for subscription in topic["subscriptions"]
        if subscription["endpoint"] == queue_arn
    ]
    policy = json.loads(next(filter(None, policies), "{}"))
    return str(policy.get("deadLetterTargetArn", ""))
