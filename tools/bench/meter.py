"""Counts what a deployed fleet used: from the local cloud's record of calls and its executions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from bench.capacity import Capacity, Items, Key, key_of
from fleet_retry.deployment import Machine
from localcloud import Call
from localcloud.fleet import RECOVERIES, Fleet
from pricing import bill, dynamodb
from pricing.bill import Usage
from pricing.recorded_usage import Figures, figures_of

_LOG_EVENT_BYTES = 26
"""What CloudWatch Logs adds to each event.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

_FAILURES = "failures"


@dataclass(frozen=True)
class Reading:
    """What was used between two moments.

    Attributes:
        usage: the billed units, with the bill's fixed durations.
        operations: the handlers' calls, and their own invocations, by name:
            ``{"dynamodb.UpdateItem": 1}``.
        items_changed: how many items of the tables are not what they were.
        express_seconds: how long each Express run took here, which says little of AWS.
        lambda_seconds: how long each task of a state machine, or each pass of a scheduled
            function, took here, the same.
    """

    usage: Usage
    operations: Mapping[str, int]
    items_changed: int
    express_seconds: tuple[float, ...]
    lambda_seconds: tuple[float, ...]

    def figures(self) -> Figures:
        """All that was counted, and nothing that was timed; see ``bench.figures``."""
        calls = {
            name: count for name, count in self.operations.items() if name.startswith("dynamodb.")
        }
        reads = sum(calls.get(f"dynamodb.{name}", 0) for name in ("GetItem", "Query", "Scan"))
        return {
            **figures_of(self.usage),
            "items_changed": self.items_changed,
            "dynamodb_calls": sum(calls.values()),
            "dynamodb_reads": reads,
        }


class Meter:
    """Reads what a fleet used since the meter was made. Read it when the fleet is at rest."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._items = self._all_items()
        self._runs = {machine: self._run_arns(machine) for machine in ("intake", *RECOVERIES)}
        self._logged, self._looks = self._logs(), self._rule_looks()
        self._mark = fleet.mark()

    def read(self) -> Reading:
        """Return the usage since the meter was made."""
        calls = self._fleet.calls(self._mark)
        items, logged = self._all_items(), self._logs()
        intake = self._new_runs("intake")
        recoveries = [self._events(run) for name in RECOVERIES for run in self._new_runs(name)]
        usage = (
            self._invocations(calls)
            + bill.express_runs(len(intake))
            + Usage(standard_transitions=sum(map(transitions, recoveries)))
            + Capacity(calls, self._items, items).usage()
            + self._ingestion(len(intake) + logged[_FAILURES][0] - self._logged[_FAILURES][0])
            + Usage(log_bytes=_size(logged) - _size(self._logged))
            + _registry(calls)
            + self._alerts(calls)
        )
        histories = [*recoveries, *map(self._events, intake)]
        return Reading(
            usage,
            Counter(f"{call.service}.{call.operation}" for call in calls),
            _count_changed(self._items, items),
            tuple((run["stopDate"] - run["startDate"]).total_seconds() for run in intake),
            tuple(seconds for events in histories for seconds in _task_seconds(events)),
        )

    # Step Functions

    def _run_arns(self, machine: Machine) -> set[str]:
        return {run["executionArn"] for run in self._fleet.runs(machine)}

    def _new_runs(self, machine: Machine) -> list[dict[str, Any]]:
        runs = self._fleet.runs(machine)
        return [run for run in runs if run["executionArn"] not in self._runs[machine]]

    def _events(self, run: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the history of a run, oldest first. Unlike on AWS, Express runs have one here."""
        pages = self._fleet.client("stepfunctions").get_paginator("get_execution_history")
        return [
            event
            for page in pages.paginate(executionArn=run["executionArn"])
            for event in page["events"]
        ]

    # Functions

    def _invocations(self, calls: list[Call]) -> Usage:
        invoked = Counter(
            call.parameters["FunctionName"] for call in calls if call.operation == "Invoke"
        )
        return sum(
            (
                bill.invocations(times, megabytes=self.megabytes(function))
                for function, times in invoked.items()
            ),
            Usage(),
        )

    def megabytes(self, function: str) -> int:
        """Return the memory of a function."""
        answer = self._fleet.client("lambda").get_function_configuration(FunctionName=function)
        return int(answer["MemorySize"])

    # The IoT rules, and the logs

    def _ingestion(self, actions: int) -> Usage:
        """Return the rules' share: AWS bills each triggered rule and at least one action of it.

        AWS does not say whether a rule is triggered whose WHERE does not hold; here it is.

        Args:
            actions: how many actions the rules took.
        """
        looks = self._rule_looks() - self._looks
        return Usage(rules_triggered=looks, rule_actions=max(actions, looks))

    def _rule_looks(self) -> int:
        """Return how many times a rule has looked at a message so far.

        https://docs.aws.amazon.com/iot/latest/developerguide/metrics_dimensions.html
        """
        now = datetime.now(UTC)
        answers = (
            self._fleet.client("cloudwatch").get_metric_statistics(
                Namespace="AWS/IoT",
                MetricName="TopicMatch",
                Dimensions=[{"Name": "RuleName", "Value": rule}],
                StartTime=now - timedelta(days=1),
                EndTime=now + timedelta(days=1),
                Period=2 * 86_400,
                Statistics=["Sum"],
            )
            for rule in self._fleet.outputs["rule_names"]
        )
        return int(sum(point["Sum"] for answer in answers for point in answer["Datapoints"]))

    def _logs(self) -> dict[str, tuple[int, int]]:
        """Lines and bytes so far, of the failures and of the handlers."""
        functions = self._fleet.outputs["handler_function_names"].values()
        return {
            _FAILURES: self._lines_and_bytes(self._fleet.outputs["failure_log_group_name"]),
            **{
                function: self._lines_and_bytes(f"/aws/lambda/{function}") for function in functions
            },
        }

    def _lines_and_bytes(self, group: str) -> tuple[int, int]:
        pages = self._fleet.client("logs").get_paginator("filter_log_events")
        lines = [
            event["message"]
            for page in pages.paginate(logGroupName=group)
            for event in page["events"]
        ]
        return len(lines), sum(len(line.encode()) + _LOG_EVENT_BYTES for line in lines)

    # Alerts

    def _alerts(self, calls: list[Call]) -> Usage:
        usage = Usage(fifo_queue_requests=sum(call.service == "sqs" for call in calls))
        for call in calls:
            if (call.service, call.operation) == ("sns", "Publish"):
                usage += self._publish_usage(call)
        return usage

    def _publish_usage(self, call: Call) -> Usage:
        topic = call.parameters["TopicArn"]
        answer = self._fleet.client("sns").list_subscriptions_by_topic(TopicArn=topic)
        subscriptions = len(answer["Subscriptions"])
        if not topic.endswith(".fifo"):
            return Usage(publishes=1, mails=subscriptions)
        payload = sum(
            len(value.encode())
            for name, value in call.parameters.items()
            if name == "Message" or name.startswith("MessageAttributes")
        )
        return Usage(
            fifo_publishes=1,
            fifo_published_bytes=payload,
            fifo_deliveries=subscriptions,
            fifo_delivered_bytes=payload * subscriptions,
            # What the topic sends to a queue is a request of that queue.
            fifo_queue_requests=subscriptions,
        )

    # The tables

    def _all_items(self) -> Items:
        return {table: self._items_of(table) for table in self._tables()}

    def _tables(self) -> list[str]:
        """Return the fleet's own tables, as its functions know them."""
        function = self._fleet.outputs["handler_function_names"]["IncrementRetryCounter"]
        configuration = self._fleet.client("lambda").get_function_configuration(
            FunctionName=function
        )
        variables = configuration["Environment"]["Variables"]
        return [value for name, value in variables.items() if name.endswith("_TABLE")]

    def _items_of(self, table: str) -> dict[Key, dynamodb.Item]:
        client = self._fleet.client("dynamodb")
        schema = client.describe_table(TableName=table)["Table"]["KeySchema"]
        names = [key["AttributeName"] for key in schema]
        pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return {key_of(item, names): item for page in pages for item in page["Items"]}


def _size(logs: dict[str, tuple[int, int]]) -> int:
    return sum(size for _, size in logs.values())


def transitions(events: list[dict[str, Any]]) -> int:
    """Billed transitions: each state entered, and each retry.

    https://aws.amazon.com/step-functions/pricing/
    """
    types = Counter(event["type"] for event in events)
    entered = sum(count for kind, count in types.items() if kind.endswith("StateEntered"))
    return entered + types["TaskScheduled"] - types["TaskStateEntered"]


def _task_seconds(events: list[dict[str, Any]]) -> Iterator[float]:
    for before, after in pairwise(events):
        if (before["type"], after["type"]) == ("TaskScheduled", "TaskSucceeded"):
            yield (after["timestamp"] - before["timestamp"]).total_seconds()


def _registry(calls: list[Call]) -> Usage:
    """Count registry calls; those that AWS's price list omits, such as removals, count as well."""
    iot = [call.operation for call in calls if call.service == "iot"]
    return Usage(registry_operations=len(iot), index_updates=iot.count("UpdateThing"))


def _count_changed(before: Items, after: Items) -> int:
    return sum(
        before.get(table, {}).get(key) != after.get(table, {}).get(key)
        for table in before.keys() | after.keys()
        for key in before.get(table, {}).keys() | after.get(table, {}).keys()
    )
