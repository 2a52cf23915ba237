"""The breaker: is one campaign to blame for most of the devices that used up a cycle lately?

Evaluated in each pass of ReconcileDevices, from the records as they are then. Nothing is
accumulated, so nothing can be counted twice, and old records leave the window by themselves.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sqrt

from firmware_retry import alerts, campaigns_table, clock
from firmware_retry.campaigns_table import Campaign
from firmware_retry.message import UNKNOWN_CAMPAIGN
from firmware_retry.record import Record
from firmware_retry.settings import Breaker

_logger = logging.getLogger(__name__)

_Z_SCORE = 1.96
"""Standard errors: 95 % of a normal distribution lies within so many on either side."""


@dataclass
class Window:
    """The devices that used up a cycle within the window, by campaign."""

    rule: Breaker
    campaigns: Mapping[str, Campaign]
    """Those that have an item, by name."""
    now: float
    devices: dict[str, int] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    """When the first of them did, epoch seconds."""

    def add(self, record: Record) -> None:
        """Count a device if it used up a cycle within the window.

        Cycles that were used up before the campaign was resumed do not count.
        """
        name, moment = record.campaign, record.used_up_at
        if moment < self.now - self.rule.window_seconds:
            return
        if moment <= self._campaign(name).last_resume:
            return
        self.devices[name] = self.devices.get(name, 0) + 1
        self.since[name] = min(moment, self.since.get(name, moment))

    def trip_campaigns(self) -> int:
        """Notify of each campaign that is to blame, once until it is resumed, and pause it if set.

        The alert is published first and the campaign marked then: a crash in between publishes it
        twice at worst, and never not at all.

        Returns:
            How many campaigns tripped.

        Raises:
            TransientError, RequestRefusedError: see ``aws.call``.
        """
        total, tripped = sum(self.devices.values()), 0
        for name, devices in sorted(self.devices.items()):
            campaign = self._campaign(name)
            is_known = campaign.notified_at or campaign.is_paused
            # Devices that report neither job nor firmware have nothing in common.
            has_name = name not in ("", UNKNOWN_CAMPAIGN)
            if has_name and not is_known and is_too_much(self.rule, devices, total):
                self._trip(campaign, devices, total)
                tripped += 1
        return tripped

    def _campaign(self, name: str) -> Campaign:
        return self.campaigns.get(name) or Campaign(name)

    def _trip(self, campaign: Campaign, devices: int, total: int) -> None:
        window, pauses = self.rule.window_seconds, self.rule.pauses
        alerts.notify_campaign_tripped(
            campaign=campaign.name,
            devices=devices,
            total=total,
            window_seconds=window,
            is_paused=pauses,
            # The same in two concurrent passes, so that SNS drops the second message.
            since=clock.iso(self.since[campaign.name]),
        )
        why = f"{devices} of the {total} devices that used up a cycle within {window} seconds"
        campaigns_table.mark_notified(campaign, why, pauses)
        _logger.warning(
            "campaign tripped the breaker",
            extra={
                "campaign": campaign.name,
                "devices": devices,
                "total": total,
                "isPaused": pauses,
            },
        )


def is_too_much(rule: Breaker, devices: int, total: int) -> bool:
    """Return whether a campaign's share is too large, and not by chance.

    That is: whether the lower end of Wilson's 95 % interval of the share is not below the rule's.
    The equivalent test needs no interval: the difference between the number observed and the one
    expected under the rule's share, in standard errors of the latter.
    https://www.itl.nist.gov/div898/handbook/prc/section2/prc241.htm

    Args:
        rule: the largest share that is acceptable.
        devices: how many of the campaign used up a cycle.
        total: how many did in all.
    """
    expected = total * rule.share
    is_sure = devices - expected >= _Z_SCORE * sqrt(expected * (1 - rule.share))
    return devices >= rule.min_devices and is_sure
