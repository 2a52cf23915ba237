"""The history of a device: its changes of state, when and why."""

from collections.abc import Iterator

from firmware_retry.history_table import TRANSITIONS, Transition
from fleet_retry import tables
from fleet_retry.deployment import Deployment


def read_transitions(deployment: Deployment, device_id: str) -> Iterator[Transition]:
    """Read the history of a device with one query, oldest first.

    Raises:
        DeploymentError: the module is not deployed.
    """
    items = tables.query(
        deployment,
        deployment.settings.history_table,
        KeyConditionExpression="deviceId = :device AND #at >= :transitions",
        ExpressionAttributeNames={"#at": "at"},
        ExpressionAttributeValues={
            ":device": {"S": device_id},
            ":transitions": {"S": TRANSITIONS},
        },
    )
    yield from map(Transition.of, items)


def to_json(transition: Transition) -> dict[str, str]:
    """Return JSON-ready values; the keys are those of the table."""
    return {
        "at": transition.at,
        "from": transition.before,
        "to": transition.after,
        "reason": transition.reason,
        "campaign": transition.campaign,
        "execution": transition.execution,
    }
