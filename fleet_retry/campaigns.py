"""Operators' decisions on campaigns: pause and resume.

The items of the table ``FirmwareCampaigns``: see ``firmware_retry.campaigns_table``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from firmware_retry import clock
from firmware_retry.campaigns_table import Campaign
from firmware_retry.record import Record, State
from fleet_retry import tables
from fleet_retry.deployment import Deployment


def read_all(deployment: Deployment) -> dict[str, Campaign]:
    """Read the campaigns that were ever paused, resumed or alerted on, by name.

    Raises:
        DeploymentError: the table does not exist.
    """
    items = tables.scan(deployment, deployment.settings.campaigns_table)
    return {campaign.name: campaign for campaign in map(Campaign.of, items)}


def count_cooling_down(records: Iterable[Record], name: str) -> tuple[int, int]:
    """Count the devices of a campaign that cool down, and those whose cool-down is over."""
    now = clock.now()
    cooling_down = [
        record
        for record in records
        if record.campaign == name and record.state is State.COOLING_DOWN
    ]
    return len(cooling_down), sum(0 < record.due_at < now for record in cooling_down)


def pause(deployment: Deployment, campaign: str, why: str) -> None:
    """Keep the devices of a campaign away after their cool-down, until it is resumed.

    Raises:
        DeploymentError: the table does not exist.
    """
    _update(
        deployment,
        campaign,
        UpdateExpression="SET pausedAt = :now, pausedBy = :by, why = :why REMOVE resumedAt",
        ExpressionAttributeValues={":now": _now(), ":by": {"S": "operator"}, ":why": {"S": why}},
    )


def resume(deployment: Deployment, campaign: str) -> bool:
    """Let the devices of a campaign return, and the breaker evaluate it again.

    Returns:
        Whether it was paused, or the breaker had alerted on it.

    Raises:
        DeploymentError: the table does not exist.
    """
    try:
        _update(
            deployment,
            campaign,
            UpdateExpression="SET resumedAt = :now REMOVE pausedAt, pausedBy, why, toldAt",
            ConditionExpression="attribute_exists(pausedAt) OR attribute_exists(toldAt)",
            ExpressionAttributeValues={":now": _now()},
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True


def _update(deployment: Deployment, campaign: str, **change: Any) -> None:
    table = deployment.settings.campaigns_table
    with deployment.report_missing(f"table {table}"):
        deployment.client("dynamodb").update_item(
            TableName=table, Key={"campaign": {"S": campaign}}, **change
        )


def _now() -> dict[str, str]:
    return {"S": clock.iso(clock.now())}
