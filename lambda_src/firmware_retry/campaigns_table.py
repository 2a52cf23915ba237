"""The table ``FirmwareCampaigns``: which campaigns are paused, and which the breaker tripped.

A campaign is what is being installed: a job, or a firmware version. While it is paused, its devices
are on hold: they do not return from a cool-down for another cycle. Only campaigns that were paused
or tripped once have an item, so the table is small.

An item; a campaign is paused while it has ``pausedAt``:

=============  ====  =========================================================================
``campaign``   S     the key
``pausedAt``   S     ISO 8601, UTC
``pausedBy``   S     ``breaker`` or ``operator``
``why``        S
``toldAt``     S     when the breaker notified operators; not again before it was resumed
``resumedAt``  S
=============  ====  =========================================================================

Operators write it by ``fleet-retry pause`` and ``resume``; the latter sets ``resumedAt`` and
removes everything else.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import Any

from firmware_retry import aws, clock
from firmware_retry.aws import ConditionFailedError
from firmware_retry.record import Record
from firmware_retry.settings import settings


@dataclass(frozen=True)
class Campaign:
    """The item of a campaign; moments are ISO 8601, or empty."""

    name: str
    paused_at: str = ""
    notified_at: str = ""
    resumed_at: str = ""
    paused_by: str = ""
    """``breaker`` or ``operator``."""
    why: str = ""

    @classmethod
    def of(cls, item: dict[str, Any]) -> "Campaign":
        """Read an item in DynamoDB's typed JSON."""

        def text(name: str) -> str:
            return str(item.get(name, {}).get("S", ""))

        return cls(
            name=text("campaign"),
            paused_at=text("pausedAt"),
            notified_at=text("toldAt"),
            resumed_at=text("resumedAt"),
            paused_by=text("pausedBy"),
            why=text("why"),
        )

    @property
    def is_paused(self) -> bool:
        """Return whether its devices are on hold."""
        return bool(self.paused_at)

    @property
    def last_resume(self) -> float:
        """Return when it was resumed last, epoch seconds; 0 if never, or if that is no date."""
        try:
            return clock.epoch(self.resumed_at)
        except (ValueError, OverflowError):
            return 0.0

    def allows_since(self, record: Record) -> float:
        """Return since when its device may be acted on, epoch seconds.

        0 where the campaign never delayed it; infinite while the device is on hold.
        """
        if not record.is_to_return:
            return 0.0
        return inf if self.is_paused else self.last_resume


def is_paused(name: str) -> bool:
    """Return whether the devices of a campaign are on hold; False for an empty name.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    if not name:
        return False
    item = aws.get_item(settings().campaigns_table, {"campaign": {"S": name}})
    return bool(item and Campaign.of(item).is_paused)


def read_all() -> Mapping[str, Campaign]:
    """Read all campaigns that have an item, by name.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    pages = aws.scan(TableName=settings().campaigns_table, ConsistentRead=True)
    campaigns = (Campaign.of(item) for page in pages for item in page)
    return {campaign.name: campaign for campaign in campaigns}


def mark_notified(campaign: Campaign, why: str, pauses: bool) -> None:
    """Record that the breaker tripped a campaign, and pause it if ``pauses``.

    Nothing changes when the campaign was tripped, paused or resumed since it was read.

    Args:
        campaign: as read.
        why: the breaker's finding, for operators.
        pauses: whether its devices are on hold from now on.

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
