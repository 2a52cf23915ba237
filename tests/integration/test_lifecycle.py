"""Terraform's own promises: nothing to do after an apply, nothing left after a destroy."""

from __future__ import annotations

import re

import pytest

from localcloud import LocalCloud
from tests.integration.inventory import take_inventory
from tests.integration.plugin import Deployment


def test_a_second_plan_is_empty(account: LocalCloud, deployment: Deployment) -> None:
    would_change, printed = deployment.terraform(account).plan()
    assert not would_change, printed
    warnings = set(re.findall("Warning: (.+)", printed))
    assert warnings <= {"Deprecated flag: -state"}, "more than that of how the tests keep the state"


@pytest.mark.last
def test_destroy_leaves_nothing(account: LocalCloud, deployment: Deployment) -> None:
    present = take_inventory(account)
    made = {kind for kind, names in present.items() if names - deployment.before[kind]}
    assert made >= {
        "cloudwatch.describe_alarms",
        "cloudwatch.list_dashboards",
        "dynamodb.list_tables",
        "iam.list_roles",
        "iot.list_thing_groups",
        "iot.list_topic_rules",
        "lambda.list_functions",
        "logs.describe_log_groups",
        "scheduler.list_schedules",
        "sns.list_subscriptions",
        "sns.list_topics",
        "sqs.list_queues",
        "stepfunctions.list_state_machines",
    }
    deployment.terraform(account).destroy("-refresh=false")
    assert take_inventory(account) == deployment.before
