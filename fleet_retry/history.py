"""What happened to a device, when and why."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

from fleet_retry.deployment import Deployment

_deserialize = TypeDeserializer().deserialize


@dataclass(frozen=True)
class Transition:
    """One change of a device's state."""

    at: str
    """ISO 8601 in UTC, to the millisecond."""
    before: str
    """``free``, ``tracking``, ``cooling_down`` or ``failed``; so is ``after``."""
    after: str
    reason: str
    campaign: str
    execution: str
    """The recovery run that did it; empty where none did."""

    def as_dict(self) -> dict[str, str]:
        """JSON-ready; the keys are those of the table."""
        fields = asdict(self)
        return {_NAMES.get(name, name): value for name, value in fields.items()}


_NAMES = {"before": "from", "after": "to"}


def transitions(deployment: Deployment, device_id: str) -> Iterator[Transition]:
    """Reads the history of a device with one query, oldest first.

    Raises:
        DeploymentError: the module is not there.
    """
    pages = (
        deployment.client("dynamodb")
        .get_paginator("query")
        .paginate(
            TableName=f"{deployment.prefix}DeviceFirmwareHistory",
            KeyConditionExpression="deviceId = :device",
            ExpressionAttributeValues={":device": {"S": device_id}},
        )
    )
    try:
        for page in pages:
            for typed in page["Items"]:
                item = {name: str(_deserialize(value)) for name, value in typed.items()}
                yield Transition(
                    at=item["at"].partition("#")[0],
                    before=item["from"],
                    after=item["to"],
                    reason=item["reason"],
                    campaign=item["campaign"],
                    execution=item["execution"],
                )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        raise deployment.missing(
            f"table {deployment.prefix}DeviceFirmwareHistory", error
        ) from error
