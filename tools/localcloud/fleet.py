"""A deployed instance of the module: publish as a device, and look at everything it did."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from fleet_retry import campaigns, dead_letters, deployment, tables
from fleet_retry.dead_letters import RedriveOutcome
from fleet_retry.deployment import Deployment, Machine
from fleet_retry.history import read_transitions
from localcloud import Call, Device, Hold, LocalCloud, LocalCloudError, eventually

MACHINES: tuple[Machine, ...] = tuple(deployment.MACHINES)
RECOVERIES: tuple[Machine, ...] = MACHINES[1:]

_FIRST_SENT_MS = int((time.time() - 1800) * 1000)
"""Devices report what failed within the last hour, in the order of the messages' numbers."""


@lru_cache(maxsize=32)
def _client(cloud: LocalCloud, service: str) -> Any:
    return cloud.client(service)


def subscribe_queue(cloud: LocalCloud, topic_arn: str, name: str) -> str:
    """Subscribe a new FIFO queue to the alerts of a module and return the queue's URL."""
    sqs = cloud.client("sqs")
    url: str = sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    cloud.client("sns").subscribe(
        TopicArn=topic_arn,
        Protocol="sqs",
        Endpoint=queue["QueueArn"],
        Attributes={"RawMessageDelivery": "true"},
    )
    return url


def stop_runs(cloud: LocalCloud) -> None:
    """Stop all executions of STANDARD machines, so that ``terraform destroy`` need not wait.

    A state machine is deleted when its last execution has ended, and a cool-down lasts a day.
    """
    states = cloud.client("stepfunctions")
    for machines in states.get_paginator("list_state_machines").paginate():
        for machine in machines["stateMachines"]:
            if machine["type"] == "STANDARD":
                _stop_runs_of(states, machine["stateMachineArn"])


def _stop_runs_of(states: Any, machine_arn: str) -> None:
    pages = states.get_paginator("list_executions").paginate(
        stateMachineArn=machine_arn, statusFilter="RUNNING"
    )
    for run in [run for page in pages for run in page["executions"]]:
        with suppress(states.exceptions.ValidationException):  # it has just ended
            states.stop_execution(executionArn=run["executionArn"])


@dataclass(frozen=True)
class Fleet:
    """One instance of the module.

    Attributes:
        cloud: the account.
        outputs: the module's outputs.
        alert_queue_url: a FIFO queue that is subscribed to the alerts.
        topic: where its devices report; ``{device}`` stands for their name.
        status: the status that means a failed update.
        prefix: the module's name_prefix.
    """

    cloud: LocalCloud
    outputs: dict[str, Any]
    alert_queue_url: str
    topic: str
    status: str = "failed"
    prefix: str = ""
    _alerts: list[dict[str, Any]] = field(default_factory=list)

    def client(self, service: str) -> Any:
        """Return a boto3 client."""
        return _client(self.cloud, service)

    # As a device

    def connect(self, device: str) -> Device:
        """Return the device's own MQTT connection, over TLS."""
        return Device.of(self.cloud, device)

    def message(self, device: str, number: int, **other: Any) -> dict[str, Any]:
        """Return a device's ``number``-th failure message; ``other`` replaces and adds fields."""
        sent = str(_FIRST_SENT_MS + number)
        message = {"_id_": device, "timestamp": sent, "status": self.status}
        return {**message, "model": "wo:v8", "FW": "2.27", **other}

    def publish(self, connection: Device, message: Any) -> None:
        """Publish any payload, valid or not, where the fleet's devices report.

        When it returns, the rule has run.
        """
        connection.publish(self.topic.format(device=connection.client_id), message)

    def fail(self, device: str, numbers: Iterable[int], **other: Any) -> None:
        """Publish failure messages of a device and wait until all are handled."""
        with self.connect(device) as connection:
            for number in numbers:
                self.publish(connection, self.message(device, number, **other))
        self.settle()

    def succeed(self, device: str, number: int, status: str = "succeeded", **other: Any) -> None:
        """Publish a success message and wait until it is handled."""
        with self.connect(device) as connection:
            self.publish(connection, self.message(device, number, **{"status": status, **other}))
        self.settle()

    def settle(self) -> None:
        """Wait until the intake has handled all that was published.

        Raises:
            LocalCloudError: it has not within the deadline of ``eventually``.
        """
        if not eventually(lambda: not self.is_running("intake")):
            raise LocalCloudError("the intake is stuck: an execution of it does not end")

    @contextmanager
    def away(self, device: str) -> Iterator[None]:
        """Has a device that cools down stay away for the time of a ``with`` block."""
        with self.cloud.hold_waits(Hold(device)):
            yield

    # The registry

    def add_thing(self, name: str, **attributes: str) -> None:
        """Register a device."""
        payload = {"attributes": attributes}
        self.client("iot").create_thing(thingName=name, attributePayload=payload)

    def attributes(self, name: str) -> dict[str, str]:
        """Return the attributes of a thing."""
        return dict(self.client("iot").describe_thing(thingName=name).get("attributes", {}))

    def groups(self, name: str) -> set[str]:
        """Return the thing groups of a thing, static and dynamic."""
        pages = self.client("iot").get_paginator("list_thing_groups_for_thing")
        return {
            group["groupName"]
            for page in pages.paginate(thingName=name)
            for group in page["thingGroups"]
        }

    def failed_devices(self) -> set[str]:
        """Return the members of the static group of failed devices."""
        group = self.outputs["failed_thing_group_name"]
        pages = self.client("iot").get_paginator("list_things_in_thing_group")
        return {name for page in pages.paginate(thingGroupName=group) for name in page["things"]}

    # The tables

    def record(self, device: str) -> dict[str, Any] | None:
        """Return the device's record."""
        return self._item(self.outputs["retries_table_name"], device)

    def all_records(self) -> dict[str, dict[str, Any]]:
        """Return the records of all devices, by device."""
        pages = self.client("dynamodb").get_paginator("scan")
        return {
            item["deviceId"]["S"]: tables.to_plain(item)
            for page in pages.paginate(
                TableName=self.outputs["retries_table_name"], ConsistentRead=True
            )
            for item in page["Items"]
        }

    def retry_counter(self, device: str) -> int | None:
        """Return the failures of this cycle; None for a device that is not tracked."""
        record = self.record(device)
        return None if record is None else int(record["RetryCounter"])

    def backup(self, device: str) -> dict[str, Any] | None:
        """Return the device's original attributes."""
        return self._item(self.outputs["backup_table_name"], device)

    def records(self) -> set[str]:
        """All devices that have a record or a backup."""
        pages = self.client("dynamodb").get_paginator("scan")
        return {
            item["deviceId"]["S"]
            for table in ("retries_table_name", "backup_table_name")
            for page in pages.paginate(TableName=self.outputs[table])
            for item in page["Items"]
        }

    def history(self, device: str) -> list[tuple[str, str, str]]:
        """From, to and reason of each change of the device, as ``fleet-retry history`` has them."""
        return [
            (change.before, change.after, change.reason)
            for change in read_transitions(self._deployment, device)
        ]

    def _item(self, table: str, device: str) -> dict[str, Any] | None:
        return self._read(table, {"deviceId": {"S": device}})

    def _read(self, table: str, key: dict[str, Any]) -> dict[str, Any] | None:
        answer = self.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True)
        item = answer.get("Item")
        return item and tables.to_plain(item)

    # Executions

    def machine(self, machine: Machine) -> str:
        """Return the ARN of a state machine."""
        return str(self.outputs[f"{machine}_state_machine_arn"])

    def runs(self, machine: Machine, status: str | None = None) -> list[dict[str, Any]]:
        """List the executions of a state machine. Unlike on AWS, Express executions are listed."""
        states = self.client("stepfunctions")
        wanted = {"statusFilter": status} if status else {}
        pages = states.get_paginator("list_executions").paginate(
            stateMachineArn=self.machine(machine), **wanted
        )
        return [run for page in pages for run in page["executions"]]

    def is_running(self, machine: Machine) -> bool:
        """Whether any execution of a state machine runs: reads one, however many there are."""
        answer = self.client("stepfunctions").list_executions(
            stateMachineArn=self.machine(machine), statusFilter="RUNNING", maxResults=1
        )
        return bool(answer["executions"])

    def recoveries(self, device: str) -> dict[str, list[dict[str, Any]]]:
        """Return the recovery runs of the device's present episode, by state machine."""
        record = self.record(device) or {}
        name = str(record.get("trackingId", "no record"))
        return {
            machine: [run for run in self.runs(machine) if run["name"].startswith(name)]
            for machine in RECOVERIES
        }

    def bad_ends(self) -> int:
        """How many executions failed, were aborted or timed out, of all machines."""
        ends = ("FAILED", "ABORTED", "TIMED_OUT")
        return sum(len(self.runs(machine, end)) for machine in MACHINES for end in ends)

    def states_entered(self, run: dict[str, Any]) -> list[str]:
        """Return the states that an execution entered."""
        pages = self.client("stepfunctions").get_paginator("get_execution_history")
        return [
            event["stateEnteredEventDetails"]["name"]
            for page in pages.paginate(executionArn=run["executionArn"])
            for event in page["events"]
            if "stateEnteredEventDetails" in event
        ]

    # Functions

    def reconcile(self, grace_seconds: int = -2 * 86_400) -> dict[str, int]:
        """Run ReconcileDevices, by default as if it were two days later.

        Returns:
            What it did; not that failed devices still wait for an operator.
        """
        done = self.invoke("ReconcileDevices", graceSeconds=grace_seconds)
        return {what: devices for what, devices in done.items() if what != "failed"}

    def settle_failed(self, device: str) -> None:
        """Set back the record of a failed device, as if operators had been notified long ago."""
        self.client("dynamodb").update_item(
            TableName=self.outputs["retries_table_name"],
            Key={"deviceId": {"S": device}},
            UpdateExpression="SET #timestamp = :long_ago",
            ConditionExpression="attribute_exists(notifiedAt)",
            ExpressionAttributeNames={"#timestamp": "timestamp"},
            ExpressionAttributeValues={":long_ago": {"S": "2020-01-01T00:00:00Z"}},
        )

    def invoke(self, step: str, **event: Any) -> Any:
        """Invoke a handler's function and return its result, or the error document."""
        name = self.outputs["handler_function_names"][step]
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        return json.loads(answer["Payload"].read())

    def mark(self) -> int:
        """Return a point in time for ``invocations`` and ``calls``."""
        return self.cloud.mark()

    def calls(self, since: int) -> list[Call]:
        """Return the handlers' calls and their own invocations, oldest first."""
        functions = set(self.outputs["handler_function_names"].values())
        return [
            call
            for call in self.cloud.calls(since)
            if call.caller in functions
            or (call.operation == "Invoke" and call.parameters["FunctionName"] in functions)
        ]

    def operations(self, since: int) -> list[str]:
        """Return ``calls`` by name: ``["lambda.Invoke", "dynamodb.UpdateItem"]``."""
        return [f"{call.service}.{call.operation}" for call in self.calls(since)]

    def invocations(self, device: str, since: int) -> list[str]:
        """Return the functions that were invoked for a device, oldest first."""
        return [
            call.parameters["FunctionName"]
            for call in self.calls(since)
            if call.operation == "Invoke" and call.parameters["Payload"].get("deviceId") == device
        ]

    # Logs and queues

    def errors_logged(self, step: str, text: str) -> list[dict[str, Any]]:
        """Return the error lines of a handler that contain ``text``."""
        group = f"/aws/lambda/{self.outputs['handler_function_names'][step]}"
        return [line for line in self._lines(group, text) if "errorType" in line]

    def log_lines(self, step: str, message: str) -> list[dict[str, Any]]:
        """Return the lines of a handler with this message, oldest first."""
        group = f"/aws/lambda/{self.outputs['handler_function_names'][step]}"
        return [line for line in self._lines(group, message) if line.get("message") == message]

    def failures_logged(self, text: str) -> list[dict[str, Any]]:
        """Return the lines of the failure log that contain ``text``."""
        return self._lines(self.outputs["failure_log_group_name"], text)

    def _lines(self, group: str, text: str) -> list[dict[str, Any]]:
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        lines = (event["message"] for page in pages for event in page["events"])
        return [json.loads(line) for line in lines if text in line]

    def alerts(self, device: str) -> list[dict[str, Any]]:
        """Return the alerts about a device that the FIFO topic has delivered so far."""
        return [alert for alert in self.all_alerts() if alert.get("deviceId") == device]

    def trips(self, campaign: str) -> list[dict[str, Any]]:
        """Return the delivered alerts that a campaign tripped the breaker."""
        told = (alert for alert in self.all_alerts() if alert["event"] == "campaign_tripped")
        return [alert for alert in told if alert["campaign"] == campaign]

    def all_alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that the FIFO topic has delivered so far."""
        self._alerts.extend(self._take(self.alert_queue_url))
        return self._alerts

    def dead_letters(self) -> list[dict[str, Any]]:
        """Take all messages out of the dead-letter queue."""
        return self._take(self.outputs["dead_letter_queue_url"])

    @property
    def _deployment(self) -> Deployment:
        return Deployment(self.prefix, self.cloud.endpoint_url)

    def redrive(self) -> int:
        """``fleet-retry redrive``: how many letters went on their way again."""
        letters = dead_letters.redrive(self._deployment)
        return sum(outcome is RedriveOutcome.REDRIVEN for _, outcome in letters)

    def pause(self, campaign: str) -> None:
        """``fleet-retry pause``."""
        campaigns.pause(self._deployment, campaign, "a test")

    def resume(self, campaign: str) -> None:
        """``fleet-retry resume``."""
        campaigns.resume(self._deployment, campaign)

    def campaign(self, name: str) -> dict[str, Any]:
        """Return the stored item of a campaign."""
        key = {"campaign": {"S": name}}
        return self._read(self.outputs["campaigns_table_name"], key) or {}

    def _take(self, queue_url: str) -> list[dict[str, Any]]:
        sqs = self.client("sqs")
        taken: list[dict[str, Any]] = []
        while True:
            answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
            if not answer.get("Messages"):
                return taken
            for message in answer["Messages"]:
                taken.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])

    # Breaking things

    @contextmanager
    def with_environment(self, step: str, **variables: str) -> Iterator[None]:
        """Change the environment of a handler's function within a ``with`` block."""
        name = self.outputs["handler_function_names"][step]
        functions = self.client("lambda")
        kept = functions.get_function_configuration(FunctionName=name)["Environment"]
        changed = {"Variables": {**kept["Variables"], **variables}}
        functions.update_function_configuration(FunctionName=name, Environment=changed)
        try:
            yield
        finally:
            functions.update_function_configuration(FunctionName=name, Environment=kept)

    @contextmanager
    def with_cool_down(self, *seconds: int) -> Iterator[None]:
        """Use another ladder for devices that move out within the block, in the fleet's seconds."""
        with ExitStack() as stack:
            for step in ("IncrementRetryCounter", "ResetRetryCounterAndMoveOut"):
                ladder = json.dumps(seconds)
                stack.enter_context(self.with_environment(step, COOL_DOWN_SECONDS=ladder))
            yield
