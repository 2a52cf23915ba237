"""Every role allows what is done with it, and nothing else.

IAM is not enforced in the local cloud. So what was called in the whole session, and what the
deployed state machines, rules and schedules are made to call, is held against the policies that
were deployed, in both directions.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fleet_retry.deployment import Machine
from localcloud import Call, LocalCloud, eventually
from localcloud.fleet import Fleet
from tests.integration.inventory import take_inventory
from tests.integration.plugin import Deployment
from tests.integration.policies import LISTS, Permission, Role, find_needed, list_allowed, read_role
from tests.integration.uses import (
    LOG_DELIVERY,
    Needs,
    Use,
    add_up,
    list_invocable,
    list_invoked,
    list_uses,
)

# After all others, so that their calls count too.
pytestmark = pytest.mark.last

SETTLED = -5
"""A grace with which what is due now is overdue."""
COOLED_DOWN = -36_005
"""A grace with which the second fleet's cool-down is over: the functions' clock is not scaled."""

WILDCARDS = {
    r"arn:aws:iot:[^*]+:thing/\*": "only the message says which device it is",
    r"arn:aws:iot:[^*]+:thinggroup/\*": "only the registry says which groups it is in",
    r"arn:aws:states:[^*]+:execution:[^*]+:\*": "a run has its name from the device's episode",
    r"arn:aws:logs:[^*]+:log-group:[^*]+:\*": "a stream has its name from who writes it",
    r"arn:aws:dynamodb:[^*]+:table/\*DeviceFirmwareRetries": "an instance knows no other's prefix",
    r"\*": "log delivery and lists have no resources to name",
}
"""The forms of resources that may hold a wildcard, and why."""

# What is called


@pytest.fixture(scope="module")
def calls(account: LocalCloud, second: Fleet) -> list[Call]:
    """All calls of the session, among them each that the second fleet's handlers can make."""
    with _dynamic_group(second, "least-privileged"):
        _journey_without_intake(second, "least-started")
        _journey_without_runs(second, "least-reconciled")
        _vanish_while_nobody_runs(second, "least-gone")
        _vanish_late(second, "least-reconciled")
        _ends_while_it_is_moved(second, "least-moved")
        _heals_in_two_attempts(second, "least-healed")
        _healing_is_reconciled(second, "least-healed-late")
        _fails_by_a_clock_that_is_behind(second, "least-behind")
        _campaign_trips(second, "least-tripped")
    return account.calls()


@contextmanager
def _dynamic_group(fleet: Fleet, name: str) -> Iterator[None]:
    """A group that the scenario's devices are in, as long as they are not marked."""
    iot = fleet.client("iot")
    iot.update_indexing_configuration(thingIndexingConfiguration={"thingIndexingMode": "REGISTRY"})
    query = "thingName:least-* AND NOT attributes.firmwareRetry:*"
    iot.create_dynamic_thing_group(thingGroupName=name, queryString=query)
    yield
    iot.delete_dynamic_thing_group(thingGroupName=name)


def _journey_without_intake(fleet: Fleet, device: str) -> None:
    """The scheduled pass starts each recovery, which then runs as it should."""
    _register(fleet, device)
    _use_up(fleet, device, 2)
    fleet.invoke("ReconcileDevices", graceSeconds=SETTLED)
    assert eventually(lambda: _state(fleet, device) == ("tracking", 1))
    _use_up(fleet, device, 3, 4)
    fleet.invoke("ReconcileDevices", graceSeconds=SETTLED)
    assert eventually(lambda: fleet.alerts(device))


def _journey_without_runs(fleet: Fleet, device: str) -> None:
    """The scheduled pass does what each recovery run should have done."""
    _register(fleet, device)
    _lose_run(fleet, "cool_down", _use_up(fleet, device, 2))
    fleet.invoke("ReconcileDevices", graceSeconds=SETTLED)
    assert _state(fleet, device) == ("cooling_down", 1)
    assert eventually(lambda: fleet.groups(device) == set())
    fleet.invoke("ReconcileDevices", graceSeconds=COOLED_DOWN)
    assert _state(fleet, device) == ("tracking", 1)
    _lose_run(fleet, "escalation", _use_up(fleet, device, 3, 4))
    fleet.invoke("ReconcileDevices", graceSeconds=SETTLED)
    assert _state(fleet, device) == ("failed", 2)
    fleet.invoke("ReconcileDevices", graceSeconds=SETTLED)
    assert eventually(lambda: fleet.alerts(device))


def _vanish_while_nobody_runs(fleet: Fleet, device: str) -> None:
    """The scheduled pass finds that a thing is gone."""
    _register(fleet, device)
    _lose_run(fleet, "cool_down", _use_up(fleet, device, 2))
    fleet.client("iot").delete_thing(thingName=device)
    fleet.invoke("ReconcileDevices", graceSeconds=SETTLED)
    assert fleet.record(device) is None


def _vanish_late(fleet: Fleet, device: str) -> None:
    """The later steps of both recoveries find that a thing is gone; the first did in _lose_run."""
    away = f"{device}-away"
    _register(fleet, away)
    run = _use_up(fleet, away, 2)["recovery"]
    fleet.invoke("ResetRetryCounterAndMoveOut", **run)
    fleet.client("iot").delete_thing(thingName=away)
    fleet.invoke("RestoreDeviceAttributes", **run)
    assert fleet.record(away) is None
    for step in ("ClearDeviceRecord", "ReleaseDevice"):
        name = f"{device}-{step}"
        _register(fleet, name)
        fleet.invoke("ResetRetryCounterAndMoveOut", **_use_up(fleet, name, 2)["recovery"])
        fleet.client("iot").delete_thing(thingName=name)
        fleet.invoke(step, **_success(fleet, name))
        assert fleet.record(name) is None
    fleet.invoke("MoveDeviceToFailedGroup", **_run("nobody", "none", 1))
    tracking_id = (fleet.record(device) or {})["trackingId"]
    fleet.client("iot").delete_thing(thingName=device)
    # It was told of, so that it is taken for one that never got into the group.
    fleet.client("dynamodb").update_item(
        TableName=fleet.outputs["retries_table_name"],
        Key={"deviceId": {"S": device}},
        UpdateExpression="REMOVE notifiedAt",
    )
    fleet.invoke("MoveDeviceToFailedGroup", **_run(device, tracking_id, 2))
    assert fleet.record(device) is None


def _run(device: str, tracking_id: str, cycle: int) -> dict[str, Any]:
    return {
        "deviceId": device,
        "trackingId": tracking_id,
        "cycle": cycle,
        "campaign": "2.27",
        "reason": "",
    }


def _ends_while_it_is_moved(fleet: Fleet, device: str) -> None:
    """A step that claimed a device and died, an operator who releases it, and the step again."""
    for step in ("ResetRetryCounterAndMoveOut", "ResetRetryCountToFailedUpdate"):
        name = f"{device}-{step}"
        _register(fleet, name)
        run = _use_up(fleet, name, 2)["recovery"]
        with fleet.with_environment(step, BACKUP_TABLE="no-such"):
            fleet.invoke(step, **run)
        assert fleet.invoke("ReleaseDevice", deviceId=name) == {"releasing": [name]}
        fleet.invoke(step, **run)
        assert fleet.record(name) is None


def _heals_in_two_attempts(fleet: Fleet, device: str) -> None:
    """A failed device succeeds; what ends its episode dies, and an operator releases it."""
    _heal_halfway(fleet, device)
    fleet.invoke("ReleaseDevice", deviceId=device)
    assert fleet.record(device) is None


def _healing_is_reconciled(fleet: Fleet, device: str) -> None:
    """A failed device succeeds; what ends its episode dies. And one that succeeds as it should."""
    _heal_halfway(fleet, device)
    fleet.invoke("ReconcileDevices", graceSeconds=SETTLED)
    assert fleet.record(device) is None
    _fail_for_good(fleet, f"{device}-2")
    fleet.invoke("ClearDeviceRecord", **_success(fleet, f"{device}-2"))
    assert fleet.record(f"{device}-2") is None


def _fails_by_a_clock_that_is_behind(fleet: Fleet, device: str) -> None:
    """The history decides whether a failure that seems old is the first of another campaign."""
    _register(fleet, device)
    fleet.succeed(device, 2, "SUCCEEDED")
    for number, campaign in enumerate(["9.1", "9.2"]):
        days_behind = int(time.time() * 1000) - (5 + number) * 86_400_000
        fleet.fail(device, [number], FW=campaign, timestamp=str(days_behind))
    assert (fleet.record(device) or {})["campaign"] == "9.2"


def _campaign_trips(fleet: Fleet, device: str) -> None:
    """The breaker tells of a campaign, and pauses it. Last: it may pause others, too."""
    fleet.add_thing(device)
    fleet.fail(device, [1, 2], FW=device)
    assert eventually(lambda: "usedUpAt" in (fleet.record(device) or {}))
    rule = {"share": 0.0001, "window_seconds": 300, "min_devices": 1, "pauses": True}
    with fleet.with_environment("ReconcileDevices", BREAKER=json.dumps(rule)):
        fleet.invoke("ReconcileDevices", graceSeconds=300)
    assert fleet.campaign(device)["pausedBy"] == "breaker"


def _heal_halfway(fleet: Fleet, device: str) -> None:
    """A failed device succeeds, and what ends its episode dies before it has."""
    _fail_for_good(fleet, device)
    with fleet.with_environment("ClearDeviceRecord", BACKUP_TABLE="no-such"):
        fleet.invoke("ClearDeviceRecord", **_success(fleet, device))


def _success(fleet: Fleet, device: str) -> dict[str, Any]:
    return {**fleet.message(device, 9, deviceId=device), "kind": "succeeded"}


def _fail_for_good(fleet: Fleet, device: str) -> None:
    fleet.add_thing(device)
    fleet.fail(device, [1], reason="signature invalid")
    assert eventually(lambda: fleet.alerts(device))
    assert eventually(lambda: not fleet.is_running("escalation"))


def _register(fleet: Fleet, device: str) -> None:
    """A device with its first failure counted, by way of the intake."""
    fleet.add_thing(device)
    fleet.fail(device, [1])


def _use_up(fleet: Fleet, device: str, *numbers: int) -> dict[str, Any]:
    """Counts further failures up to the limit, and starts no recovery; gives what would be due."""
    for number in numbers:
        message = fleet.message(device, number, deviceId=device, kind="failed")
        counted = fleet.invoke("IncrementRetryCounter", **message)
    return dict(counted)


def _lose_run(fleet: Fleet, machine: Machine, due: dict[str, Any]) -> None:
    """A recovery run ends without having done anything: it was given a thing that is not there."""
    fleet.client("stepfunctions").start_execution(
        stateMachineArn=fleet.machine(machine),
        name=due["recoveryId"],
        input=json.dumps({**due["recovery"], "deviceId": "nobody"}),
    )
    assert eventually(lambda: not fleet.is_running(machine))


def _state(fleet: Fleet, device: str) -> tuple[str, int]:
    record = fleet.record(device) or {}
    return record["state"], record["ResetRetryCount"]


# What roles are used for


@pytest.fixture(scope="module")
def roles(account: LocalCloud, deployment: Deployment) -> dict[str, Role]:
    """All roles that the apply made."""
    kind = "iam.list_roles"
    made = take_inventory(account)[kind] - deployment.before[kind]
    return {name: read_role(account, name) for name in made}


@pytest.fixture(scope="module")
def uses(deployment: Deployment, calls: list[Call]) -> list[Use]:
    """All that both fleets do with a role."""
    fleets = (deployment.quickstart, deployment.second)
    return [use for fleet in fleets for use in list_uses(fleet, calls)]


@pytest.fixture(scope="module")
def needs(uses: list[Use]) -> Needs:
    """What is needed of each role."""
    return add_up(uses)


# What has to hold


def test_every_role_is_used(roles: dict[str, Role], needs: Needs) -> None:
    assert needs.keys() == roles.keys()


def test_every_call_is_allowed(roles: dict[str, Role], needs: Needs) -> None:
    refused = {name: roles[name].refuses(needed) for name, needed in needs.items()}
    assert {name: found for name, found in refused.items() if found} == {}


def test_everything_that_is_allowed_is_called(
    second: Fleet, roles: dict[str, Role], needs: Needs, calls: list[Call], figures: list[str]
) -> None:
    in_vain = {
        name: role.gives_in_vain(needs[name])
        for name, role in roles.items()
        if name.startswith(second.prefix)
    }
    assert {name: found for name, found in in_vain.items() if found} == {}

    callers = {call.caller for call in calls} - {"", "states"}
    policies = [policy for role in roles.values() for policy in role.policies]
    figures.append(
        f"least privilege: {sum(call.caller in callers for call in calls):,} calls by"
        f" {len(callers)} functions checked against {len(policies)} policies with"
        f" {sum(map(len, policies))} statements, and these against the calls"
    )


def test_the_other_fleet_is_allowed_the_same_but_for_people(
    second: Fleet, roles: dict[str, Role]
) -> None:
    def list_permissions(fleet_is_second: bool) -> set[tuple[str, str, str]]:
        return {
            (name.removeprefix(second.prefix), action, resource.replace(second.prefix, ""))
            for name, role in roles.items()
            if name.startswith(second.prefix) == fleet_is_second
            for action, resource in role.gives
        }

    topic = second.outputs["operator_topic_arn"].replace(second.prefix, "")
    people = {topic, topic.replace(":sns:", ":sqs:") + ".fifo"}
    people.add(topic.replace(":sns:", ":lambda:").rpartition(":")[0] + ":function:MailOperators")
    assert list_permissions(False) == {
        given for given in list_permissions(True) if given[2] not in people
    }


def test_the_machines_invoke_what_they_may(uses: list[Use], calls: list[Call]) -> None:
    assert list_invoked(calls) <= list_invocable(uses)


def test_no_wildcard_stands_where_a_name_could(roles: dict[str, Role]) -> None:
    given = {permission for role in roles.values() for permission in role.gives}
    assert [action for action, _ in given if re.search(r"[*?]", action)] == []
    assert [
        permission
        for permission in given
        if re.search(r"[*?]", permission.resource)
        and not any(re.fullmatch(form, permission.resource) for form in WILDCARDS)
    ] == []
    assert {permission for permission in given if permission.resource == "*"} == (
        LOG_DELIVERY | LISTS
    )


def test_a_service_may_take_a_role_only_for_what_the_module_made(
    account: LocalCloud, roles: dict[str, Role], uses: list[Use]
) -> None:
    for name, role in roles.items():
        (statement,) = role.trust
        conditions = dict(statement["Condition"])
        (suffix,) = {"IfExists" if test.endswith("IfExists") else "" for test in conditions}
        of_account = conditions.pop(f"StringEquals{suffix}")
        assert of_account == {"aws:SourceAccount": account.account_id}, name
        assert bool(suffix) is (statement["Principal"]["Service"] == "lambda.amazonaws.com"), name
        ((_, arns),) = conditions.items()
        named = arns["aws:SourceArn"]
        sources = {use.source for use in uses if use.role == name}
        assert set(named if isinstance(named, list) else [named]) == sources, name


# The judge itself


TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/"


@pytest.mark.parametrize(
    ("action", "resource", "is_allowed"),
    [
        ("dynamodb:GetItem", f"{TABLE}fleet", True),
        ("dynamodb:getitem", f"{TABLE}fleet", True),
        ("dynamodb:PutItem", f"{TABLE}fleet", False),
        ("dynamodb:GetItem", f"{TABLE}fleet-b", False),
        ("dynamodb:GetItem", f"{TABLE}Fleet", False),
        ("iot:UpdateThing", "arn:aws:iot:us-east-1:123456789012:thing/a", True),
        ("iot:UpdateThing", "arn:aws:iot:us-east-1:123456789012:thinggroup/a", False),
        ("iot:UpdateThing", "arn:aws:iot:eu-west-1:123456789012:thing/a", False),
        ("sns:Publish", "arn:aws:sns:us-east-1:123456789012:[ab]", True),
        ("sns:Publish", "arn:aws:sns:us-east-1:123456789012:a", False),
    ],
)
def test_the_judge_can_say_no(action: str, resource: str, is_allowed: bool) -> None:
    statements = (
        {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": f"{TABLE}fleet"},
        {
            "Effect": "Allow",
            "Action": ["iot:UpdateThing"],
            "Resource": ["arn:aws:iot:us-east-1:123456789012:thing/*"],
        },
        {
            "Effect": "Allow",
            "Action": "sns:Publish",
            "Resource": "arn:aws:sns:us-east-1:123456789012:[ab]",
        },
    )
    role = Role("any", (), (statements,))
    need = Permission(action, resource)
    assert role.refuses([need]) == (set() if is_allowed else {need})
    assert len(role.gives_in_vain([need])) == (2 if is_allowed else 3)


@pytest.mark.parametrize(
    "more",
    [
        {"Effect": "Deny"},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        {"NotAction": "iot:DeleteThing"},
    ],
)
def test_the_judge_does_not_pass_over_what_it_cannot_read(more: dict[str, Any]) -> None:
    statement = {"Effect": "Allow", "Action": "iot:UpdateThing", "Resource": "*", **more}
    with pytest.raises(ValueError, match="not understood"):
        list(list_allowed(statement))


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "needs"),
    [
        (
            "iot",
            "AddThingToThingGroup",
            {"thingName": "a", "thingGroupName": "b"},
            {
                ("iot:AddThingToThingGroup", "iot:us-east-1:123456789012:thing/a"),
                ("iot:AddThingToThingGroup", "iot:us-east-1:123456789012:thinggroup/b"),
            },
        ),
        (
            "dynamodb",
            "TransactWriteItems",
            {"TransactItems": [{"Delete": {"TableName": "a"}}, {"Put": {"TableName": "b"}}]},
            {
                ("dynamodb:DeleteItem", "dynamodb:us-east-1:123456789012:table/a"),
                ("dynamodb:PutItem", "dynamodb:us-east-1:123456789012:table/b"),
            },
        ),
        (
            "sqs",
            "SendMessage",
            {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/a"},
            {("sqs:SendMessage", "sqs:us-east-1:123456789012:a")},
        ),
    ],
)
def test_a_call_needs_a_permission_on_each_thing_it_acts_on(
    account: LocalCloud,
    service: str,
    operation: str,
    parameters: dict[str, Any],
    needs: set[tuple[str, str]],
) -> None:
    assert find_needed(account, service, operation, parameters) == {
        (action, f"arn:aws:{resource}") for action, resource in needs
    }


def test_a_call_of_which_nobody_knows_what_it_acts_on_is_an_error(account: LocalCloud) -> None:
    with pytest.raises(ValueError, match="has to be told"):
        find_needed(account, "dynamodb", "ListBackups", {})
