"""The table ``FirmwareCampaigns``: which campaigns are paused, and who was told of a bad one.

A campaign is what is being installed: a job, or a firmware version. While it is paused, its devices
do not come back from a cool-down for another cycle. Only campaigns that were paused once, or told
of, have an item, so the table is small.

An item: ``campaign`` (S, the key), ``pausedAt`` (S, ISO 8601, UTC; paused is what has it),
``pausedBy`` (S: ``breaker`` or ``operator``), ``why`` (S), ``toldAt`` (S, when the breaker told of
it; not again before it was resumed), ``resumedAt`` (S). Operators write it by ``fleet-retry pause``
and ``resume``: the latter sets ``resumedAt`` and takes everything else away.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from firmware_retry import aws, clock
from firmware_retry.aws import ConditionFailedError
from firmware_retry.settings import settings


@dataclass(frozen=True)
class Campaign:
    """What is known of a campaign; moments are ISO 8601, empty where there is none."""

    name: str
    paused_at: str = ""
    told_at: str = ""
    resumed_at: str = ""

    @classmethod
    def of(cls, item: dict[str, Any]) -> "Campaign":
        """Reads an item in DynamoDB's typed JSON."""

        def text(name: str) -> str:
            return str(item.get(name, {}).get("S", ""))

        return cls(text("campaign"), text("pausedAt"), text("toldAt"), text("resumedAt"))

    @property
    def is_paused(self) -> bool:
        """Whether its devices are held back."""
        return bool(self.paused_at)

    @property
    def resumed_since(self) -> float:
        """When it was resumed last, epoch seconds; 0 if never."""
        return clock.epoch(self.resumed_at) if self.resumed_at else 0.0


def is_paused(name: str) -> bool:
    """Whether the devices of a campaign are held back; never those of none (an empty name).

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    if not name:
        return False
    item = aws.get_item(settings().campaigns_table, {"campaign": {"S": name}})
    return bool(item and Campaign.of(item).is_paused)


def known() -> Mapping[str, Campaign]:
    """Reads all campaigns that have an item, by name.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    pages = aws.scan(TableName=settings().campaigns_table, ConsistentRead=True)
    found = (Campaign.of(item) for page in pages for item in page)
    return {campaign.name: campaign for campaign in found}


def mark_told(campaign: Campaign, why: str, pauses: bool) -> None:
    """Records that the breaker told of a campaign, and pauses it if it should.

    Nothing changes when somebody told of it, paused or resumed it since it was read.

    Args:
        campaign: as it was read.
        why: what the breaker found, for operators.
        pauses: whether its devices are held back from now on.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    paused = ", pausedAt = :now, pausedBy = :breaker" if pauses else ""
    seen = "resumedAt = :seen" if campaign.resumed_at else "attribute_not_exists(resumedAt)"
    values = {
        ":now": {"S": clock.iso(clock.now())},
        ":why": {"S": why},
        **({":breaker": {"S": "breaker"}} if pauses else {}),
        **({":seen": {"S": campaign.resumed_at}} if campaign.resumed_at else {}),
    }
    with suppress(ConditionFailedError):
        aws.call(
            "dynamodb",
            "update_item",
            TableName=settings().campaigns_table,
            Key={"campaign": {"S": campaign.name}},
            UpdateExpression=f"SET toldAt = :now, why = :why{paused}",
            ConditionExpression=(
                f"attribute_not_exists(toldAt) AND attribute_not_exists(pausedAt) AND {seen}"
            ),
            ExpressionAttributeValues=values,
        )
