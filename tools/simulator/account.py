"""The AWS account of a simulated deployment: tables, registry, topics and queues."""

from collections.abc import Callable
from typing import Any

from simulator.aws.dynamodb import DynamoDB, Table
from simulator.aws.iot import DynamicGroup, IoT
from simulator.aws.sns import SNS
from simulator.aws.sqs import FifoQueue, Queue
from simulator.functions import Call
from simulator.options import (
    ALERTS,
    BACKUP,
    CAMPAIGNS,
    FAILED_GROUP,
    HISTORY,
    OPERATORS,
    RETRIES,
    Options,
)
from simulator.scheduler import Scheduler

UPDATE_GROUP = "trying"
"""The dynamic group of the devices that are to be updated."""
_EVERYTHING = "everything"
"""A dynamic group with every thing in it."""


class Account:
    """The services, without Step Functions and Lambda, which ``World`` adds."""

    def __init__(
        self, options: Options, scheduler: Scheduler, unique_id: Callable[[], str]
    ) -> None:
        key = ("deviceId",)
        self.dynamodb = DynamoDB(
            {
                RETRIES: Table(key),
                BACKUP: Table(key),
                HISTORY: Table((*key, "at")),
                CAMPAIGNS: Table(("campaign",)),
            }
        )
        self.dead_letters = Queue()
        # Alerts that MailOperators has not sent yet.
        self.alert_queue = FifoQueue(lambda: scheduler.now)
        self.sns = SNS(
            now=lambda: scheduler.now,
            topics={ALERTS, OPERATORS},
            subscribed={ALERTS: self.alert_queue} if options.has_operators else {},
        )
        self.iot = IoT(
            thing_id=unique_id,
            later=lambda action: scheduler.after(options.indexing_seconds, action),
            groups={FAILED_GROUP: {}},
            dynamic_groups=_dynamic_groups(options),
            page=options.page,
        )
        # By the name of its client in botocore.
        self.services: dict[str, Any] = {
            "dynamodb": self.dynamodb,
            "iot": self.iot,
            "sns": self.sns,
            "sqs": self.alert_queue,
        }

    def perform(self, call: Call) -> Any:
        """Make a call take effect and return its answer; raise ClientError."""
        return getattr(self.services[call.service], call.operation)(call.parameters)


def _dynamic_groups(options: Options) -> dict[str, DynamicGroup]:
    # The query names no value that the workflow itself writes.
    groups = {
        UPDATE_GROUP: DynamicGroup(
            lambda attributes: (
                not any(options.is_overwritten(name, value) for name, value in attributes.items())
            )
        )
    }
    if options.is_never_left:
        groups[_EVERYTHING] = DynamicGroup(lambda _: True)
    return groups
