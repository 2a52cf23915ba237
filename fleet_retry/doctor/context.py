"""What several checks look at, read once."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property

from fleet_retry import campaigns, records, terminal
from fleet_retry.deployment import Deployment
from fleet_retry.records import Now, Record
from fleet_retry.settings import Settings

MOST_LOOKED_AT = 100
"""Devices whose groups are asked for, and overdue ones whose names are kept."""


@dataclass(frozen=True)
class DynamicGroup:
    """A dynamic thing group of the account."""

    name: str
    query: str


@dataclass
class Census:
    """The devices, counted in one pass over their records."""

    now: Now
    devices: int = 0
    overdue: list[str] = field(default_factory=list)
    """Names, of the first few."""
    overdue_count: int = 0
    oldest_overdue_seconds: float = 0
    held: Counter[str] = field(default_factory=Counter)
    """By campaign."""
    away: list[Record] = field(default_factory=list)
    """Of those that cool down the few that have been away for longest, longest first."""
    away_count: int = 0


@dataclass
class Patient:
    """One deployment, and what of its account has to do with it."""

    deployment: Deployment
    ignored_groups: Sequence[str] = ()
    """Patterns of names of dynamic groups that have nothing to do with firmware."""

    @property
    def settings(self) -> Settings:
        """What the module is configured with."""
        return self.deployment.settings

    @cached_property
    def dynamic_groups(self) -> list[DynamicGroup]:
        """The dynamic groups that are not ignored. Only a look at each tells what it is."""
        iot = self.deployment.client("iot")
        pages = iot.get_paginator("list_thing_groups").paginate()
        names = [group["groupName"] for page in pages for group in page["thingGroups"]]
        looked_at = [
            iot.describe_thing_group(thingGroupName=name)
            for name in terminal.with_progress(names, "Looking at thing groups", len(names))
            if not self.is_ignored(name)
        ]
        return [
            DynamicGroup(of["thingGroupName"], of["queryString"])
            for of in looked_at
            if "queryString" in of
        ]

    def is_ignored(self, group: str) -> bool:
        """Whether a group is said to have nothing to do with firmware."""
        return any(fnmatchcase(group, pattern) for pattern in self.ignored_groups)

    @cached_property
    def census(self) -> Census:
        """The devices, counted."""
        census = Census(campaigns.now(campaigns.decided(self.deployment)))
        longest: list[tuple[float, str, Record]] = []
        everything = records.read_all(self.deployment)
        for record in terminal.with_progress(everything, "Reading records"):
            _count(census, record, self.settings.retry_limit)
            if record.state is records.State.COOLING_DOWN and record.left_groups:
                census.away_count += 1
                heapq.heappush(longest, (-record.away_since, record.device_id, record))
                if len(longest) > MOST_LOOKED_AT:
                    heapq.heappop(longest)
        census.away = [record for _, _, record in sorted(longest, reverse=True)]
        return census


def _count(census: Census, record: Record, retry_limit: int) -> None:
    now = census.now
    census.devices += 1
    if now.is_held(record):
        census.held[record.campaign] += 1
    if not (now.is_overdue(record) or now.is_unclaimed(record, retry_limit)):
        return
    census.overdue_count += 1
    if len(census.overdue) < MOST_LOOKED_AT:
        census.overdue.append(record.device_id)
    since = now.moment - (now.due_since(record) or record.changed_at)
    census.oldest_overdue_seconds = max(census.oldest_overdue_seconds, since)
