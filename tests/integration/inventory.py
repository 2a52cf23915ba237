"""What an AWS account holds of the kinds of things that the module makes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from localcloud import LocalCloud

Inventory = Mapping[str, frozenset[str]]
"""Kind to names."""


class _List(NamedTuple):
    """A call that lists things of one kind."""

    service: str
    operation: str
    key: str
    """The list in the answer."""
    name: str | None = None
    """The name in an element; None where the element is the name."""
    parameters: Mapping[str, str] = MappingProxyType({})


_LISTS = (
    _List("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    _List("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    _List("dynamodb", "list_tables", "TableNames"),
    _List("events", "list_rules", "Rules", "Name"),
    _List("iam", "list_policies", "Policies", "PolicyName", {"Scope": "Local"}),
    _List("iam", "list_roles", "Roles", "RoleName"),
    _List("iot", "list_thing_groups", "thingGroups", "groupName"),
    _List("iot", "list_topic_rules", "rules", "ruleName"),
    _List("kms", "list_keys", "Keys", "KeyId"),
    _List("lambda", "list_functions", "Functions", "FunctionName"),
    _List("logs", "describe_log_groups", "logGroups", "logGroupName"),
    _List("logs", "describe_resource_policies", "resourcePolicies", "policyName"),
    _List("s3", "list_buckets", "Buckets", "Name"),
    _List("scheduler", "list_schedule_groups", "ScheduleGroups", "Name"),
    _List("scheduler", "list_schedules", "Schedules", "Name"),
    _List("sns", "list_subscriptions", "Subscriptions", "SubscriptionArn"),
    _List("sns", "list_topics", "Topics", "TopicArn"),
    _List("sqs", "list_queues", "QueueUrls"),
    _List("stepfunctions", "list_state_machines", "stateMachines", "stateMachineArn"),
)


def take_inventory(cloud: LocalCloud) -> Inventory:
    """Lists all there is. Things are left out: they belong to the fleet, not to the module."""
    return {f"{kind.service}.{kind.operation}": _names(cloud, kind) for kind in _LISTS}


def _names(cloud: LocalCloud, kind: _List) -> frozenset[str]:
    client: Any = cloud.client(kind.service)
    pages: Any = (
        client.get_paginator(kind.operation).paginate(**kind.parameters)
        if client.can_paginate(kind.operation)
        else [getattr(client, kind.operation)(**kind.parameters)]
    )
    elements = (element for page in pages for element in page.get(kind.key) or ())
    return frozenset(element if kind.name is None else element[kind.name] for element in elements)
