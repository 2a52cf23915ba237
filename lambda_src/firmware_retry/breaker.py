"""The breaker: is one campaign to blame for most of the devices that used up a cycle lately?

Looked at whenever ReconcileDevices counts the fleet, from what is in the records then: nothing is
counted up anywhere, so nothing can be counted twice, and what is old leaves the window by itself.
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

_SURE = 1.96
"""Standard errors: 95 % of what chance does is within so many on either side."""


@dataclass
class Window:
    """The devices that used up a cycle within the window, by campaign."""

    rule: Breaker
    campaigns: Mapping[str, Campaign]
    """Those that are known, by name."""
    now: float
    devices: dict[str, int] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    """When the first of them did, epoch seconds."""

    def add(self, device: Record) -> None:
        """Takes a device into account, if it used up a cycle lately.

        What a campaign did before somebody resumed it is forgiven.
        """
        name, moment = device.campaign, device.used_up_at
        if moment < self.now - self.rule.window_seconds:
            return
        if moment <= self._campaign(name).resumed_since:
            return
        self.devices[name] = self.devices.get(name, 0) + 1
        self.since[name] = min(moment, self.since.get(name, moment))

    def look(self) -> int:
        """Tells of each campaign that is to blame, once until it is resumed, and may pause it.

        Told first and marked then: a death in between tells twice at worst, never not at all.

        Returns:
            How many campaigns that were.

        Raises:
            TransientError, RequestRefusedError: see ``aws.call``.
        """
        total, tripped = sum(self.devices.values()), 0
        for name, devices in sorted(self.devices.items()):
            campaign = self._campaign(name)
            is_known = campaign.told_at or campaign.is_paused
            # Devices that name neither job nor firmware have nothing in common.
            has_name = name not in ("", UNKNOWN_CAMPAIGN)
            if has_name and not is_known and is_too_much(self.rule, devices, total):
                self._trip(campaign, devices, total)
                tripped += 1
        return tripped

    def _campaign(self, name: str) -> Campaign:
        return self.campaigns.get(name) or Campaign(name)

    def _trip(self, campaign: Campaign, devices: int, total: int) -> None:
        window, pauses = self.rule.window_seconds, self.rule.pauses
        alerts.tell_campaign_tripped(
            campaign=campaign.name,
            devices=devices,
            total=total,
            window_seconds=window,
            is_paused=pauses,
            # The same for two passes at once, so that it is told once.
            since=clock.iso(self.since[campaign.name]),
        )
        why = f"{devices} of the {total} devices that used up a cycle within {window} seconds"
        campaigns_table.mark_told(campaign, why, pauses)
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
    """Whether a campaign's share is too large, and not by chance.

    That is: whether the lower end of Wilson's 95 % interval of the share is not below the rule's.
    Asked the other way round, it needs no interval: how far is what was seen from what a share
    just as large as the rule's would give, in its own standard errors?
    https://www.itl.nist.gov/div898/handbook/prc/section2/prc241.htm

    Args:
        rule: what is too large.
        devices: how many of the campaign used up a cycle.
        total: how many did in all.
    """
    expected = total * rule.share
    is_sure = devices - expected >= _SURE * sqrt(expected * (1 - rule.share))
    return devices >= rule.min_devices and is_sure
