"""Whether AWS IoT provides what the module relies on: indexing, dynamic groups, events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from firmware_retry import failed_group
from fleet_retry import queries, registry, times
from fleet_retry.doctor.context import Context, DynamicGroup
from fleet_retry.doctor.findings import Finding, fault, not_checked, note
from fleet_retry.queries import QueryError

_SETTLE_SECONDS = 900
"""Dynamic groups follow their query within minutes."""


def check_indexing(context: Context) -> Iterator[Finding]:
    """Fleet indexing is on: without it there are no dynamic groups."""
    answer = context.deployment.client("iot").get_indexing_configuration()
    mode = answer.get("thingIndexingConfiguration", {}).get("thingIndexingMode", "OFF")
    if mode == "OFF":
        yield fault(
            "fleet indexing is off",
            "dynamic thing groups do not follow their queries, so no device leaves its group",
            "aws iot update-indexing-configuration"
            " --thing-indexing-configuration thingIndexingMode=REGISTRY",
        )


def check_failed_group(context: Context) -> Iterator[Finding]:
    """Check that the failed group exists and holds all devices that were put into it."""
    group = registry.read_failed_group(context.deployment)
    review = failed_group.sort(context.census.settled, group)
    if review.missing:
        name = context.settings.failed_thing_group_name
        cause = "was replaced" if review.is_replaced else "was emptied"
        yield fault(
            f"the thing group {name} {cause}: {len(review.missing)} failed device(s) are missing"
            f" from it: {', '.join(sorted(review.missing)[:5])}",
            "ReconcileDevices releases none of them, puts them back and notifies operators",
            "wait for its next pass; to release them on purpose:"
            f" {context.deployment.command('release', '--state', 'failed')}",
        )


def check_group_queries(context: Context) -> Iterator[Finding]:
    """No dynamic group's query matches a thing that is away or has failed."""
    written = {
        "cools down": context.settings.move_out_attributes,
        "has failed": context.settings.failed_attributes,
    }
    for group in context.dynamic_groups:
        try:
            stays = [
                when
                for when, attributes in written.items()
                if queries.may_match(group.query, attributes)
            ]
        except QueryError as error:
            yield not_checked(f"the query of {group.name}, `{group.query}`: {error}")
            continue
        if stays:
            yield _describe_match(group, stays, context)


def _describe_match(group: DynamicGroup, stays: list[str], context: Context) -> Finding:
    markers = {
        f"attributes.{name}:{value}"
        for attributes in (context.settings.move_out_attributes, context.settings.failed_attributes)
        for name, value in list(attributes.items())[:1]
    }
    excluded = " ".join(f"AND NOT {marker}" for marker in sorted(markers))
    return fault(
        f"the query of the dynamic group {group.name}, `{group.query}`, may match a device that"
        f" {' or '.join(stays)}",
        "such a device never leaves the group, and gets no new retries from AWS IoT Jobs",
        f"make it `({group.query}) {excluded}`; if no firmware updates go to this group:"
        f" {context.deployment.command('doctor', '--ignore-group', group.name)}",
    )


def check_devices_that_stayed(context: Context) -> Iterator[Finding]:
    """Devices that are away have left at least one of their dynamic groups."""
    census = context.census
    for record in census.away:
        away_for = census.now.moment - record.away_since
        left = {name for name in record.left_groups if not context.is_ignored(name)}
        if not record.away_since or away_for < _SETTLE_SECONDS or not left:
            continue
        if not left - set(registry.list_groups(context.deployment, record.device_id)):
            yield fault(
                f"{record.device_id} is away since {times.format_age(away_for)}, and still in"
                f" {', '.join(sorted(left))}",
                "it will come back without new retries from AWS IoT Jobs",
                "correct the query of the group;"
                f" {context.deployment.command('show', '--', record.device_id)}",
            )
    if census.away_count > len(census.away):
        yield note(
            f"of {census.away_count} devices that are away, only the {len(census.away)} that are so"
            " for longest were looked at"
        )


def check_job_events(context: Context) -> Iterator[Finding]:
    """Check that the events of AWS IoT Jobs are on where the module listens to them."""
    if context.settings.job_events_enabled and not _is_on(_read_events(context), "JOB_EXECUTION"):
        yield fault(
            "the events of AWS IoT Jobs are off in this region",
            "failures and successes that only AWS IoT Jobs tells of are not noticed",
            "aws iot update-event-configurations"
            " --event-configurations JOB_EXECUTION={Enabled=true}",
        )


def check_membership_events(context: Context) -> Iterator[Finding]:
    """Membership events are on. When off, ReconcileDevices notices removals."""
    if not _is_on(_read_events(context), "THING_GROUP_MEMBERSHIP"):
        yield note(
            "the thing-group membership events are off in this region",
            "a device that is removed from the failed group is released by the next pass of"
            " ReconcileDevices, not at once",
            "nothing has to be done; to have it at once: aws iot update-event-configurations"
            " --event-configurations THING_GROUP_MEMBERSHIP={Enabled=true}",
        )


def _read_events(context: Context) -> dict[str, Any]:
    answer = context.deployment.client("iot").describe_event_configurations()
    return dict(answer.get("eventConfigurations", {}))


def _is_on(events: dict[str, Any], kind: str) -> bool:
    return bool(events.get(kind, {}).get("Enabled", False))
