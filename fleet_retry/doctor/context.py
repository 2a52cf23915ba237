"""The deployment that is checked, with data that several checks need, read once."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property

from firmware_retry.failed_group import Settled
from firmware_retry.record import GRACE_SECONDS, Record, State
from firmware_retry.settings import Settings
from fleet_retry import records, terminal
from fleet_retry.deployment import Deployment
from fleet_retry.records import Now

SAMPLE_SIZE = 100
"""Devices whose groups are read, and overdue devices whose names are kept."""


@dataclass(frozen=True)
class DynamicGroup:
    """A dynamic thing group of the account."""

    name: str
    query: str


@dataclass
class Census:
    """The devices, counted in one scan of their records."""

    now: Now
    devices: int = 0
    unreadable: list[str] = field(default_factory=list)
    """The errors of records that cannot be read."""
    overdue: list[str] = field(default_factory=list)
    """Names of the first ``SAMPLE_SIZE``."""
    overdue_count: int = 0
    oldest_overdue_seconds: float = 0
    not_away: list[str] = field(default_factory=list)
    """Names of the first ``SAMPLE_SIZE``."""
    not_away_count: int = 0
    settled: list[Settled] = field(default_factory=list)
    """The failed devices that await an operator."""
    held: Counter[str] = field(default_factory=Counter)
    """By campaign."""
    away: list[Record] = field(default_factory=list)
    """The cooling-down devices that have been away longest, longest first."""
    away_count: int = 0
    overwritten: set[str] = field(default_factory=set)
    """Names of the devices whose attributes are overwritten."""


@dataclass
class Context:
    """One deployment and the related resources of its account."""

    deployment: Deployment
    ignored_groups: Sequence[str] = ()
    """Patterns of names of dynamic groups that get no firmware updates."""

    @property
    def settings(self) -> Settings:
        """The module's configuration."""
        return self.deployment.settings

    @cached_property
    def dynamic_groups(self) -> list[DynamicGroup]:
        """The dynamic groups that are not ignored; only DescribeThingGroup identifies them."""
        iot = self.deployment.client("iot")
        pages = iot.get_paginator("list_thing_groups").paginate()
        names = [group["groupName"] for page in pages for group in page["thingGroups"]]
        groups = [
            iot.describe_thing_group(thingGroupName=name)
            for name in terminal.show_progress(names, "Reading thing groups", len(names))
            if not self.is_ignored(name)
        ]
        return [
            DynamicGroup(group["thingGroupName"], group["queryString"])
            for group in groups
            if "queryString" in group
        ]

    def is_ignored(self, group: str) -> bool:
        """Return whether the operator excluded a group."""
        return any(fnmatchcase(group, pattern) for pattern in self.ignored_groups)

    @cached_property
    def census(self) -> Census:
        """The devices, counted once."""
        census = Census(Now.read(self.deployment))
        longest: list[tuple[float, str, Record]] = []
        everything = records.read_all(
            self.deployment, lambda error: census.unreadable.append(str(error))
        )
        for record in terminal.show_progress(everything, "Reading records"):
            _count(census, record)
            if record.away_since:
                census.overwritten.add(record.device_id)
            if record.state is State.COOLING_DOWN and record.left_groups:
                census.away_count += 1
                heapq.heappush(longest, (-record.away_since, record.device_id, record))
                if len(longest) > SAMPLE_SIZE:
                    heapq.heappop(longest)
        census.away = [record for _, _, record in sorted(longest, reverse=True)]
        return census


def _count(census: Census, record: Record) -> None:
    now = census.now
    census.devices += 1
    if now.is_not_away(record):
        census.not_away_count += 1
        if len(census.not_away) < SAMPLE_SIZE:
            census.not_away.append(record.device_id)
    if record.awaits_operator_since < now.moment - GRACE_SECONDS:
        census.settled.append(Settled(record.device_id, record.failed_group_id))
    if now.is_held(record):
        census.held[record.campaign] += 1
    if not now.is_overdue(record):
        return
    census.overdue_count += 1
    if len(census.overdue) < SAMPLE_SIZE:
        census.overdue.append(record.device_id)
    late = now.moment - now.possible_since(record)
    census.oldest_overdue_seconds = max(census.oldest_overdue_seconds, late)
