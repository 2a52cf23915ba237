"""Terraform has nothing to do after an apply, whatever devices and operators did since.

``tests/examples`` destroys what it applied.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from localcloud import LocalCloud, eventually
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


RENAMED = {"failed_thing_group_name": "FirmwareQuarantine", "role_path": "/quarantine/"}
FLEET = "second-"


@dataclass(frozen=True)
class Change:
    """One apply of changes to a fleet that has failed devices."""

    device: str
    marked: dict[str, str]
    """Its attributes before the apply, and its group."""
    groups: set[str]
    roles: Sequence[frozenset[Permission]]
    """Permissions of each role before."""
    key: str
    """The key that the fleet has now."""


# After everything else: group, roles and key stay as they become here.
@pytest.fixture(scope="module")
def change(account: LocalCloud, deployment: Deployment) -> Change:
    fleet, device = deployment.second, "renamed-group"
    fleet.add_thing(device, model="gw:v3", FW="2.26")
    fleet.fail(device, [1], reason="signature invalid")
    assert eventually(lambda: fleet.alerts(device))
    assert eventually(lambda: not fleet.is_running("escalation"))
    key = account.client("kms").create_key()["KeyMetadata"]["Arn"]
    marked, roles = fleet.attributes(device), _roles(account, "/")
    deployment.terraform(account).apply("-refresh=false", kms_key_arn=key, **RENAMED)
    return Change(device, marked, fleet.groups(device), roles, key)


@pytest.mark.last
def test_an_apply_of_changes_is_the_only_one(
    account: LocalCloud, deployment: Deployment, change: Change
) -> None:
    would_change, printed = deployment.terraform(account).plan(kms_key_arn=change.key, **RENAMED)
    assert not would_change, printed


@pytest.mark.last
def test_roles_under_another_path_allow_what_the_former_ones_did(
    account: LocalCloud, change: Change
) -> None:
    assert _roles(account, "/quarantine/") == change.roles
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
    account: LocalCloud, deployment: Deployment, change: Change
) -> None:
    assert _keys(account, deployment) == {change.key}
    assert _key_users(account, "/quarantine/") == len(change.roles) - 2


def _keys(account: LocalCloud, deployment: Deployment) -> set[str | None]:
    """Return the keys of the fleet's tables."""
    names = [name for key, name in deployment.second.outputs.items() if key.endswith("_table_name")]
    tables = [account.client("dynamodb").describe_table(TableName=name)["Table"] for name in names]
    assert len(tables) == 4
    return {table.get("SSEDescription", {}).get("KMSMasterKeyArn") for table in tables}


@pytest.mark.last
def test_an_apply_that_renames_the_failed_group_releases_no_device(
    deployment: Deployment, change: Change
) -> None:
    fleet, device = deployment.second, change.device
    assert change.groups == set()
    fleet.settle_failed(device)
    fleet.invoke("ReconcileDevices", graceSeconds=0)
    assert fleet.groups(device) == {"second-FirmwareQuarantine"}
    assert fleet.attributes(device) == change.marked
    assert fleet.history(device)[-1][1] == "failed"
    assert "failed_group_refilled" in {alert["event"] for alert in fleet.all_alerts()}


# The last one: the key goes again.
@pytest.mark.last
def test_a_key_that_is_taken_away_leaves_tables_and_roles(
    account: LocalCloud, deployment: Deployment, change: Change
) -> None:
    deployment.terraform(account).apply("-refresh=false", **RENAMED)
    assert _keys(account, deployment) == {None}
    assert _key_users(account, "/quarantine/") == 0
    assert _roles(account, "/quarantine/") == change.roles
    would_change, printed = deployment.terraform(account).plan(**RENAMED)
    assert not would_change, printed
