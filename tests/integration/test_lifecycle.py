"""Terraform on day 2: a plan without changes, and each input changed while devices are away.

Table of ``docs/changing.md``. ``tests/examples`` destroys what it applied.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from localcloud import Call, LocalCloud, eventually
from localcloud.fleet import Fleet
from localcloud.project import ROOT
from tests.integration.deployer import NOT_CALLED, list_called, read_allowed
from tests.integration.plugin import Deployment
from tests.integration.policies import Permission, Role, read_role


@pytest.mark.last
def test_a_second_plan_changes_no_more_than_a_dependency(
    account: LocalCloud, deployment: Deployment
) -> None:
    """The second fleet has depends_on, so Terraform reads no data in it at this plan."""
    _, printed = deployment.terraform(account).plan(revision="2")
    assert "# terraform_data.dependency will be updated in-place" in printed
    assert "Plan: 0 to add, 1 to change, 0 to destroy." in printed, printed
    warnings = set(re.findall("Warning: (.+)", printed))
    assert warnings <= {"Deprecated flag: -state"}, "more than that of how the tests keep the state"


FLEET = "second-"
UNCHANGED = {
    "name_prefix": "refused at plan: tests/terraform/changes.tftest.hcl",
    "existing_tables": "refused at apply, or moved: tests/terraform/test_state.py",
    "lambda_package_s3": "every test takes the code from a bucket; another object is an update",
}
"""The inputs that the applies below do not change."""
FIRST: dict[str, Any] = {
    "topic_filter": "second/+/report",
    "device_id_source": "clientid",
    "failure_statuses": ["BROKEN"],
    "success_statuses": ["DONE"],
    "job_events_enabled": False,
    "unreadable_messages_enabled": False,
    "job_id_patterns": ["other-*"],
    "reason_keys": ["why"],
    "ignored_reasons": [],
    "fatal_reasons": ["*burnt*"],
    "refused_messages_alarm": 50,
    "breaker": None,
    "retry_limit": 3,
    "cool_down_seconds": [72000, 36000],
    "cool_down_jitter": 0.2,
    "settle_seconds": 60,
    "reconcile_interval": "30 minutes",
    "failed_thing_group_name": "FirmwareQuarantine",
    "move_out_attributes": {"firmwareUpdate": "paused"},
    "failed_attributes": {"firmwareUpdate": "failed"},
    "foreign_marks": [{"firmwareUpdate": "elsewhere"}],
    "alert_emails": ["night@example.com"],
    "alert_interval": "10 minutes",
    "alert_digest_threshold": 0,
    "tags": {"fleet": "changed"},
    "deletion_protection": True,
    "role_path": "/quarantine/",
    "log_retention_days": 90,
    "history_retention_days": 200,
    "lambda_memory_mb": 256,
    "lambda_architecture": "x86_64",
    "tracing_enabled": True,
}
"""In one apply, with a key, a boundary and targets of alarms that others have made."""
SECOND: dict[str, Any] = {
    "kms_key_arn": None,
    "alert_emails": [],
    "deletion_protection": False,
    "tags": {},
    "permissions_boundary_arn": None,
}
"""Then the key goes again, and alerts, operators and failed devices move to resources of others."""
REPLACED = {
    "aws_iam_role",  # role_path
    "aws_iam_role_policy",  # role_path, kms_key_arn
    "aws_iot_thing_group",  # failed_thing_group_name
    "terraform_data",  # what triggers the above, and is nothing in AWS
}
"""The kinds of resources that the first apply may replace."""
REMOVED = REPLACED | {
    "aws_iot_topic_rule",  # job_events_enabled, unreadable_messages_enabled
    "aws_iot_event_configurations",  # job_events_enabled
    "aws_sns_topic_subscription",  # alert_emails
    "aws_cloudwatch_metric_alarm",  # of these rules
}
CHANGED_ALONE = {
    "iam:PutRolePermissionsBoundary",
    "iam:UpdateAssumeRolePolicy",
    "iot:UpdateThingGroup",
    "sns:SetSubscriptionAttributes",
}
"""Updates of resources that the applies replace, or of settings that no input changes alone."""
STATES = ("tracked", "away", "failed")


@dataclass(frozen=True)
class Devices:
    """Record, attributes and originals of a device in each state of an episode."""

    records: dict[str, dict[str, Any]]
    attributes: dict[str, dict[str, str]]
    originals: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, fleet: Fleet) -> Devices:
        """Read all."""
        return cls(
            {state: _lasting(fleet.record(_device(state)) or {}) for state in STATES},
            {state: fleet.attributes(_device(state)) for state in STATES},
            {state: (fleet.backup(_device(state)) or {})["attributes"] for state in STATES},
        )


@dataclass(frozen=True)
class Change:
    """An apply of changes to a fleet that has a device in each state."""

    fleet: Fleet
    """As its devices know it afterwards."""
    inputs: dict[str, Any]
    printed: str
    """By the apply."""
    calls: list[Call]
    """Of the apply."""
    before: Devices
    after: Devices
    roles: Sequence[frozenset[Permission]]
    """Permissions of each role before."""
    alerts: int
    """Alerts about devices before."""


def _device(state: str) -> str:
    return f"day-two-{state}"


def _lasting(record: dict[str, Any]) -> dict[str, Any]:
    """Return what no pass of ReconcileDevices changes."""
    return {key: record[key] for key in record.keys() - {"timestamp", "failedGroupId"}}


# After everything else: the fleet stays as it becomes here.
@pytest.fixture(scope="module")
def first(account: LocalCloud, deployment: Deployment) -> Iterator[Change]:
    fleet = deployment.second
    for state in STATES:
        fleet.add_thing(_device(state), model="gw:v3", FW="2.26")
    fleet.fail(_device("tracked"), [1])
    fleet.fail(_device("failed"), [1], reason="signature invalid")
    assert eventually(lambda: fleet.alerts(_device("failed")))
    with fleet.away(_device("away")):
        fleet.fail(_device("away"), [1, 2])
        assert eventually(lambda: "awaySince" in (fleet.record(_device("away")) or {}))
        assert eventually(lambda: not fleet.is_running("escalation"))
        before, roles = Devices.read(fleet), _roles(account, "/")
        alerts = _count_alerts(fleet)
        inputs, mark = FIRST | _make_first(account), account.mark()
        printed = deployment.terraform(account).apply("-refresh=false", changes=inputs)
        calls = account.calls(mark)
        account.confirm_addresses()
        changed = replace(fleet, topic="second/{device}/report", status="BROKEN")
        after = Devices.read(fleet)
        yield Change(changed, inputs, printed, calls, before, after, roles, alerts)


def _make_first(account: LocalCloud) -> dict[str, Any]:
    """Make what the first apply refers to, and return the inputs."""
    document = {"Version": "2012-10-17", "Statement": []}
    allow_all = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    boundary = account.client("iam").create_policy(
        PolicyName="boundary",
        PolicyDocument=json.dumps(document | {"Statement": [allow_all]}),
    )
    pager = account.client("sns").create_topic(Name="pager")["TopicArn"]
    return {
        "kms_key_arn": account.client("kms").create_key()["KeyMetadata"]["Arn"],
        "permissions_boundary_arn": boundary["Policy"]["Arn"],
        "alarm_actions": [pager],
        "ok_actions": [pager],
    }


@pytest.mark.last
def test_applies_change_every_input_that_may_be_changed() -> None:
    declared = set(
        re.findall('^variable "(.+)"', (ROOT / "variables.tf").read_text("utf-8"), re.MULTILINE)
    )
    made = {"kms_key_arn", "permissions_boundary_arn", "alarm_actions", "ok_actions"}
    of_others = {"existing_failed_thing_group", "existing_alerts_topic", "existing_operator_topic"}
    changed = FIRST.keys() | SECOND.keys() | made | of_others
    assert changed | UNCHANGED.keys() == declared
    assert not changed & UNCHANGED.keys()


@pytest.mark.last
def test_an_apply_of_changes_is_the_only_one(
    account: LocalCloud, deployment: Deployment, first: Change
) -> None:
    would_change, printed = deployment.terraform(account).plan(changes=first.inputs)
    assert not would_change, printed


@pytest.mark.last
def test_an_apply_of_changes_replaces_nothing_with_state(first: Change) -> None:
    assert _kinds(first.printed, "must be replaced") == REPLACED
    assert _kinds(first.printed, "will be destroyed") <= REMOVED


def _kinds(printed: str, what: str) -> set[str]:
    """Return the types of the resources of which a plan says something."""
    addresses = re.findall(rf"# (\S+) (?:\(.*\) )?{what}", printed)
    return {re.sub(r"\[.*?\]", "", address).split(".")[-2] for address in addresses}


@pytest.mark.last
def test_devices_stay_what_they_are_through_an_apply_of_changes(first: Change) -> None:
    assert first.after == first.before


@pytest.mark.last
def test_roles_under_another_path_allow_what_the_former_ones_did(
    account: LocalCloud, first: Change
) -> None:
    assert len(_roles(account, "/quarantine/")) == len(first.roles)
    assert _roles(account, "/") == []


def _roles(account: LocalCloud, path: str) -> list[frozenset[Permission]]:
    """Return the permissions of each role, apart from the use of keys; in an order of their own."""
    return sorted(map(_allowed, _read_roles(account, path)), key=sorted)


def _key_users(account: LocalCloud, path: str) -> int:
    """Return the number of roles of the fleet that may use a key."""
    return sum(
        any(permission.action.startswith("kms:") for permission in role.gives)
        for role in _read_roles(account, path)
    )


def _read_roles(account: LocalCloud, path: str) -> list[Role]:
    return [
        read_role(account, role["RoleName"])
        for page in account.client("iam").get_paginator("list_roles").paginate()
        for role in page["Roles"]
        if role["Path"] == path and role["RoleName"].startswith(FLEET)
    ]


def _allowed(role: Role) -> frozenset[Permission]:
    return frozenset(
        permission._replace(
            resource=permission.resource.replace("FailedToUpdate", "FirmwareQuarantine")
        )
        for permission in role.gives
        if not permission.action.startswith("kms:")
    )


@pytest.mark.last
def test_a_key_encrypts_tables_that_every_role_may_use(
    account: LocalCloud, deployment: Deployment, first: Change
) -> None:
    assert _keys(account, deployment) == {first.inputs["kms_key_arn"]}
    assert _key_users(account, "/quarantine/") == len(first.roles) - 2


def _keys(account: LocalCloud, deployment: Deployment) -> set[str | None]:
    """Return the keys of the fleet's tables."""
    names = [name for key, name in deployment.second.outputs.items() if key.endswith("_table_name")]
    tables = [account.client("dynamodb").describe_table(TableName=name)["Table"] for name in names]
    assert len(tables) == 4
    return {table.get("SSEDescription", {}).get("KMSMasterKeyArn") for table in tables}


@pytest.mark.last
def test_messages_count_in_the_words_and_on_the_topic_that_were_changed(first: Change) -> None:
    first.fleet.fail(_device("tracked"), [2])
    assert first.fleet.retry_counter(_device("tracked")) == 2
    assert not any(first.fleet.recoveries(_device("tracked")).values()), "the limit is 3 now"


@pytest.mark.last
def test_an_apply_that_renames_the_failed_group_releases_no_device(first: Change) -> None:
    fleet, device = first.fleet, _device("failed")
    fleet.settle_failed(device)
    fleet.invoke("ReconcileDevices", graceSeconds=0)
    assert fleet.groups(device) == {"second-FirmwareQuarantine"}
    assert fleet.attributes(device) == first.before.attributes["failed"]
    assert "failed_group_refilled" in {alert["event"] for alert in fleet.all_alerts()}


@pytest.fixture(scope="module")
def taken_over(account: LocalCloud, deployment: Deployment, first: Change) -> Change:
    """The last apply of the session."""
    topics, fleet = account.client("sns"), first.fleet
    group = account.client("iot").create_thing_group(thingGroupName="others-failed")
    alerts = topics.create_topic(Name="others.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    inputs = first.inputs | SECOND
    inputs["existing_failed_thing_group"] = {"arn": group["thingGroupArn"]}
    inputs["existing_alerts_topic"] = {"arn": alerts}
    inputs["existing_operator_topic"] = {"arn": topics.create_topic(Name="others")["TopicArn"]}
    before, roles, mark = Devices.read(fleet), _roles(account, "/quarantine/"), account.mark()
    printed = deployment.terraform(account).apply("-refresh=false", changes=inputs)
    calls, after = account.calls(mark), Devices.read(fleet)
    return Change(fleet, inputs, printed, calls, before, after, roles, first.alerts)


@pytest.mark.last
def test_a_key_that_is_taken_away_leaves_tables_and_roles(
    account: LocalCloud, deployment: Deployment, taken_over: Change
) -> None:
    assert _keys(account, deployment) == {None}
    assert _key_users(account, "/quarantine/") == 0
    assert len(_roles(account, "/quarantine/")) == len(taken_over.roles)
    would_change, printed = deployment.terraform(account).plan(changes=taken_over.inputs)
    assert not would_change, printed


@pytest.mark.last
def test_devices_stay_what_they_are_when_group_and_topics_of_others_take_over(
    taken_over: Change,
) -> None:
    assert taken_over.after == taken_over.before
    fleet = taken_over.fleet
    fleet.settle_failed(_device("failed"))
    fleet.invoke("ReconcileDevices", graceSeconds=0)
    assert fleet.groups(_device("failed")) == {"others-failed"}


@pytest.mark.last
def test_nobody_was_notified_of_a_device_by_an_apply(taken_over: Change) -> None:
    assert _count_alerts(taken_over.fleet) == taken_over.alerts


def _count_alerts(fleet: Fleet) -> int:
    """Return the number of alerts about the devices of these tests."""
    names = {_device(state) for state in STATES}
    return sum(alert.get("deviceId") in names for alert in fleet.all_alerts())


@pytest.mark.last
def test_policy_of_deployer_allows_what_an_apply_calls_and_no_more(
    deployment: Deployment, first: Change, taken_over: Change
) -> None:
    """``tests/examples`` does so for a destroy."""
    called = list_called([*deployment.calls, *first.calls, *taken_over.calls])
    allowed = read_allowed()
    assert called <= allowed
    unused = {action for action in allowed - called - NOT_CALLED if ":Delete" not in action}
    assert {action for action in unused if not re.search(":(Tag|Untag)", action)} == CHANGED_ALONE


@pytest.mark.last
def test_each_device_gets_its_attributes_back_after_all_changes(taken_over: Change) -> None:
    names = [_device(state) for state in STATES]
    assert taken_over.fleet.invoke("ReleaseDevice", deviceIds=names) == {"released": names}
    for name in names:
        assert taken_over.fleet.attributes(name) == {"model": "gw:v3", "FW": "2.26"}
        assert taken_over.fleet.record(name) is None
