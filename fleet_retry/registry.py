"""Reads of the registry of AWS IoT: things, and the groups that they are in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from botocore.exceptions import ClientError

from firmware_retry.failed_group import Group
from firmware_retry.registry import Thing
from fleet_retry.deployment import Deployment, is_missing


def read_thing(deployment: Deployment, name: str) -> Thing | None:
    """Read a thing; None when it does not exist."""
    try:
        return Thing.of(deployment.client("iot").describe_thing(thingName=name))
    except ClientError as error:
        if not is_missing(error):
            raise
        return None


def list_groups(deployment: Deployment, name: str) -> list[str]:
    """List the thing groups of a thing, dynamic groups included; none when it does not exist."""
    pages = deployment.client("iot").get_paginator("list_thing_groups_for_thing")
    try:
        return sorted(
            group["groupName"]
            for page in pages.paginate(thingName=name)
            for group in page["thingGroups"]
        )
    except ClientError as error:
        if not is_missing(error):
            raise
        return []


def list_with_attribute(
    deployment: Deployment, name: str, value: str
) -> Iterator[list[tuple[str, Mapping[str, str]]]]:
    """Yield the names and attributes of the things that have a value of an attribute, by page."""
    pages = deployment.client("iot").get_paginator("list_things")
    for page in pages.paginate(attributeName=name, attributeValue=value):
        yield [(thing["thingName"], thing.get("attributes", {})) for thing in page["things"]]


def read_failed_group(deployment: Deployment) -> Group:
    """Read the thing group for failed devices.

    Raises:
        DeploymentError: the group does not exist, or the module is not deployed.
    """
    name = deployment.settings.failed_thing_group_name
    iot = deployment.client("iot")
    with deployment.report_missing(f"thing group {name}"):
        # First: a group that is replaced in between has another id than that of its members.
        group_id = iot.describe_thing_group(thingGroupName=name)["thingGroupId"]
        pages = iot.get_paginator("list_things_in_thing_group").paginate(thingGroupName=name)
        return Group(group_id, frozenset(thing for page in pages for thing in page["things"]))
