"""Campaigns: which are paused, so that their devices are not sent back for another cycle.

An item of the table ``FirmwareCampaigns``: ``campaign`` (S, the key), ``pausedAt`` (S, ISO 8601,
UTC: it is paused if this is there), ``pausedBy`` (S: ``breaker`` or ``operator``), ``why`` (S),
``resumedAt`` (S), ``toldAt`` (S: when people were told that too many of its devices fail).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from fleet_retry import tables, times
from fleet_retry.deployment import CAMPAIGNS, Deployment
from fleet_retry.records import Now


@dataclass(frozen=True)
class Campaign:
    """What was decided on a campaign."""

    name: str
    paused_at: str = ""
    paused_by: str = ""
    why: str = ""
    told_at: str = ""
    resumed_at: str = ""

    @property
    def is_paused(self) -> bool:
        """Whether its devices are held back."""
        return bool(self.paused_at)


def decided(deployment: Deployment) -> dict[str, Campaign]:
    """The campaigns that were paused, resumed or told of at some time, by name.

    Raises:
        DeploymentError: the table is not there.
    """
    return {
        item["campaign"]: Campaign(
            name=item["campaign"],
            paused_at=item.get("pausedAt", ""),
            paused_by=item.get("pausedBy", ""),
            why=item.get("why", ""),
            told_at=item.get("toldAt", ""),
            resumed_at=item.get("resumedAt", ""),
        )
        for item in tables.scan(deployment, CAMPAIGNS)
    }


def now(campaigns: Mapping[str, Campaign]) -> Now:
    """What records are judged by at this moment, by what was decided on campaigns."""
    return Now(
        time.time(),
        frozenset(name for name, of in campaigns.items() if of.is_paused),
        {name: times.moment(of.resumed_at) for name, of in campaigns.items() if of.resumed_at},
    )


def pause(deployment: Deployment, campaign: str, why: str) -> None:
    """Has no device of a campaign sent back for another cycle until the campaign is resumed.

    Raises:
        DeploymentError: the table is not there.
    """
    _update(
        deployment,
        campaign,
        UpdateExpression="SET pausedAt = :now, pausedBy = :by, why = :why REMOVE resumedAt",
        ExpressionAttributeValues={":now": _now(), ":by": {"S": "operator"}, ":why": {"S": why}},
    )


def resume(deployment: Deployment, campaign: str) -> bool:
    """Lets the devices of a campaign come back, and people be told of it anew.

    Returns:
        Whether it was paused, or told of.

    Raises:
        DeploymentError: the table is not there.
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
    name = deployment.table(CAMPAIGNS)
    with deployment.looking_for(f"table {name}"):
        deployment.client("dynamodb").update_item(
            TableName=name, Key={"campaign": {"S": campaign}}, **change
        )


def _now() -> dict[str, str]:
    return {"S": times.iso(time.time())}
