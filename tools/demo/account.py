"""What a fleet has before this module comes: things, a dynamic thing group, a continuous job."""

import json
from typing import Any

from demo.fleet_plan import MODEL, NEW_FIRMWARE, OLD_FIRMWARE, Fate
from localcloud.process import LocalCloud

GROUP = "NeedsUpdate"
JOB = "update-to-2_28"
HARD_LIMIT = 10
"""Most retries that AWS IoT Jobs gives a device.
https://docs.aws.amazon.com/iot/latest/developerguide/jobs-configurations-details.html
"""


class Fleet:
    """The devices as the account shows them."""

    def __init__(self, cloud: LocalCloud, outputs: dict[str, Any]) -> None:
        """``outputs``: those of the module."""
        self._iot = cloud.client("iot")
        self._sqs = cloud.client("sqs")
        self._dynamodb = cloud.client("dynamodb")
        self._outputs = outputs
        self._queue = self._subscribe(cloud)
        self._told: list[dict[str, Any]] = []

    def create(self, fates: list[Fate]) -> None:
        """Makes the things, the dynamic group of those on the old firmware, and the job for it."""
        for fate in fates:
            self._iot.create_thing(
                thingName=fate.name,
                attributePayload={
                    "attributes": {"model": MODEL, "FW": OLD_FIRMWARE, "site": "plant-7"}
                },
            )
        # Dynamic groups are queries of the fleet index.
        self._iot.update_indexing_configuration(
            thingIndexingConfiguration={"thingIndexingMode": "REGISTRY"}
        )
        group = self._iot.create_dynamic_thing_group(
            thingGroupName=GROUP, queryString=f"attributes.FW:{OLD_FIRMWARE}"
        )
        self._iot.create_job(
            jobId=JOB,
            targets=[group["thingGroupArn"]],
            targetSelection="CONTINUOUS",
            document=json.dumps({"firmware": NEW_FIRMWARE}),
            jobExecutionsRetryConfig={
                "criteriaList": [{"failureType": "FAILED", "numberOfRetries": HARD_LIMIT}]
            },
        )

    def is_up_to_date(self, name: str) -> None:
        """What the fleet's backend does when a device has the new firmware."""
        self._iot.update_thing(
            thingName=name,
            attributePayload={"attributes": {"FW": NEW_FIRMWARE}, "merge": True},
        )

    def attributes(self, name: str) -> dict[str, str]:
        """The thing's attributes."""
        return dict(self._iot.describe_thing(thingName=name).get("attributes", {}))

    def records(self) -> dict[str, dict[str, str]]:
        """All records of the retries table, device to attribute to its value as text."""
        items = self._dynamodb.scan(TableName=self._outputs["retries_table_name"])["Items"]
        return {
            item["deviceId"]["S"]: {
                name: value["S"] if "S" in value else value.get("N", "")
                for name, value in item.items()
            }
            for item in items
        }

    def failed(self) -> set[str]:
        """The members of the static group for failed devices."""
        group = self._outputs["failed_thing_group_name"]
        return set(self._iot.list_things_in_thing_group(thingGroupName=group)["things"])

    def receive(self) -> list[dict[str, Any]]:
        """Receives what the FIFO topic delivers; all that it has delivered so far, in its order."""
        while messages := self._sqs.receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=10
        ).get("Messages"):
            for message in messages:
                self._told.append(json.loads(message["Body"]))
                self._sqs.delete_message(
                    QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"]
                )
        return self._told

    def _subscribe(self, cloud: LocalCloud) -> str:
        queue: str = self._sqs.create_queue(
            QueueName="demo-alerts.fifo", Attributes={"FifoQueue": "true"}
        )["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        cloud.client("sns").subscribe(
            TopicArn=self._outputs["alerts_topic_arn"],
            Protocol="sqs",
            Endpoint=arn["Attributes"]["QueueArn"],
            Attributes={"RawMessageDelivery": "true"},
        )
        return queue
