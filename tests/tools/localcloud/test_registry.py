"""The thing registry: things, search, dynamic groups, retries of jobs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import Device, LocalCloud, eventually
from tests.tools.localcloud.common import report, start_next, subscribe_to_answers


def update(cloud: LocalCloud, name: str, merge: bool, **rest: Any) -> None:
    attributes = rest.pop("attributes")
    payload = {"attributes": attributes, "merge": merge}
    cloud.client("iot").update_thing(thingName=name, attributePayload=payload, **rest)


def test_expected_version(cloud: LocalCloud, make_thing: Callable[..., str]) -> None:
    iot = cloud.client("iot")
    name = make_thing(model="v8")
    update(cloud, name, merge=True, attributes={"model": "v9"}, expectedVersion=1)
    with pytest.raises(iot.exceptions.VersionConflictException) as caught:
        update(cloud, name, merge=True, attributes={"model": "v7"}, expectedVersion=1)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    thing = iot.describe_thing(thingName=name)
    assert (thing["version"], thing["attributes"]) == (2, {"model": "v9"})
    assert thing["thingId"]


def test_merge_and_replace(cloud: LocalCloud, make_thing: Callable[..., str]) -> None:
    iot = cloud.client("iot")
    name = make_thing(model="v8", FW="1")
    update(cloud, name, merge=True, attributes={"FW": "", "site": "s"})
    assert iot.describe_thing(thingName=name)["attributes"] == {"model": "v8", "site": "s"}
    update(cloud, name, merge=False, attributes={"only": "o", "none": ""})
    assert iot.describe_thing(thingName=name)["attributes"] == {"only": "o"}


@pytest.mark.parametrize(
    "attributes",
    [
        {"a": "space here"},
        {"a": "x" * 801},
        {"a b": "x"},
        {"a": "1", "b": "2", "c": "3", "d": "4"},
    ],
)
def test_attributes_that_aws_refuses(
    cloud: LocalCloud, make_thing: Callable[..., str], attributes: dict[str, str]
) -> None:
    with pytest.raises(ClientError, match="InvalidRequestException"):
        make_thing(**attributes)
    name = make_thing()
    with pytest.raises(ClientError, match="InvalidRequestException"):
        update(cloud, name, merge=True, attributes=attributes)


def test_a_thing_with_a_type_has_room_for_fifty(cloud: LocalCloud) -> None:
    iot = cloud.client("iot")
    iot.create_thing_type(thingTypeName="gateway")
    attributes = {f"a{number}": "[v=1]" for number in range(50)}
    iot.create_thing(
        thingName="typed", thingTypeName="gateway", attributePayload={"attributes": attributes}
    )
    with pytest.raises(ClientError, match="InvalidRequestException"):
        update(cloud, "typed", merge=True, attributes={"b": "1"})
    with pytest.raises(ClientError, match="InvalidRequestException"):
        iot.update_thing(thingName="typed", removeThingType=True)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("attributes.site:{s}", "abc"),
        ("attributes.site:{s} AND NOT attributes.marker:*", "ac"),
        ("attributes.site:{s} NOT attributes.marker:x", "ac"),
        ("attributes.site:{s} AND (attributes.model:v8 OR attributes.model:v9)", "ab"),
        ('attributes.site:{s} AND NOT (attributes.model:v8 OR attributes.model:"v9")', "c"),
        ("attributes.site:{s} AND attributes.model:v?", "abc"),
        ("attributes.site:{s} AND thingName:{a}", "a"),
    ],
)
def test_search(cloud: LocalCloud, make_thing: Callable[..., str], query: str, found: str) -> None:
    site = uuid.uuid4().hex
    names = {
        "a": make_thing(site=site, model="v8"),
        "b": make_thing(site=site, model="v9", marker="x"),
        "c": make_thing(site=site, model="v7"),
    }
    text = query.format(s=site, a=names["a"])
    things = cloud.client("iot").search_index(queryString=text)["things"]
    assert {thing["thingName"] for thing in things} == {names[key] for key in found}


@pytest.mark.parametrize("query", ["NOT", "(attributes.a:b", "attributes.a:b OR", "nofield:x", "x"])
def test_queries_that_are_none(cloud: LocalCloud, query: str) -> None:
    iot = cloud.client("iot")
    with pytest.raises(ClientError, match="InvalidQueryException"):
        iot.search_index(queryString=query)
    with pytest.raises(ClientError, match="InvalidQueryException"):
        iot.create_dynamic_thing_group(thingGroupName="none", queryString=query)


def members(cloud: LocalCloud, group: str) -> list[str]:
    return list(cloud.client("iot").list_things_in_thing_group(thingGroupName=group)["things"])


def test_membership_follows_the_query(cloud: LocalCloud, make_thing: Callable[..., str]) -> None:
    iot = cloud.client("iot")
    model = uuid.uuid4().hex
    name = make_thing(model=model)
    group = f"g-{model}"
    made = iot.create_dynamic_thing_group(
        thingGroupName=group, queryString=f"attributes.model:{model}"
    )
    assert (made["indexName"], made["queryVersion"]) == ("AWS_Things", "2017-09-30")
    assert eventually(lambda: members(cloud, group)) == [name]
    described = iot.describe_thing_group(thingGroupName=group)
    assert described["queryString"] == f"attributes.model:{model}"
    assert described["status"] == "ACTIVE"
    groups = iot.list_thing_groups_for_thing(thingName=name)["thingGroups"]
    assert [entry["groupName"] for entry in groups] == [group]

    update(cloud, name, merge=True, attributes={"model": "moveOut"})
    assert eventually(lambda: members(cloud, group) == [])
    changed = f"attributes.model:{model} OR attributes.model:moveOut AND thingName:{name}"
    iot.update_dynamic_thing_group(
        thingGroupName=group, queryString=changed, thingGroupProperties={}
    )
    assert eventually(lambda: members(cloud, group) == [name])
    for call in (iot.add_thing_to_thing_group, iot.remove_thing_from_thing_group):
        with pytest.raises(ClientError, match="InvalidRequestException"):
            call(thingGroupName=group, thingName=name)
    iot.delete_dynamic_thing_group(thingGroupName=group)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        iot.describe_thing_group(thingGroupName=group)


def groups_of(cloud: LocalCloud, thing: str) -> list[str]:
    groups = cloud.client("iot").list_thing_groups_for_thing(thingName=thing)["thingGroups"]
    return [group["groupName"] for group in groups]


def test_static_groups(cloud: LocalCloud, make_thing: Callable[..., str]) -> None:
    iot = cloud.client("iot")
    name = make_thing()
    first, second = f"1-{name}", f"2-{name}"
    for group in (first, second):
        iot.create_thing_group(thingGroupName=group)
    for _ in range(2):
        iot.add_thing_to_thing_group(thingGroupName=first, thingName=name)
    assert (members(cloud, first), groups_of(cloud, name)) == ([name], [first])
    iot.update_thing_groups_for_thing(
        thingName=name, thingGroupsToAdd=[second], thingGroupsToRemove=[first]
    )
    assert (members(cloud, first), groups_of(cloud, name)) == ([], [second])
    for _ in range(2):  # one that is no member may be removed, too
        iot.remove_thing_from_thing_group(thingGroupName=second, thingName=name)
    assert groups_of(cloud, name) == []


def test_groups_and_things_that_are_not_there(
    cloud: LocalCloud, make_thing: Callable[..., str]
) -> None:
    iot = cloud.client("iot")
    name = make_thing()
    iot.create_thing_group(thingGroupName=name)
    for call, request in (
        (iot.add_thing_to_thing_group, {"thingGroupName": name, "thingName": "gone"}),
        (iot.add_thing_to_thing_group, {"thingGroupName": "gone", "thingName": name}),
        (iot.remove_thing_from_thing_group, {"thingGroupName": name, "thingName": "gone"}),
        (iot.update_thing_groups_for_thing, {"thingGroupsToAdd": ["gone"], "thingName": name}),
        (iot.list_things_in_thing_group, {"thingGroupName": "gone"}),
        (iot.list_thing_groups_for_thing, {"thingName": "gone"}),
    ):
        with pytest.raises(iot.exceptions.ResourceNotFoundException):
            call(**request)


def test_a_thing_made_again_is_another(cloud: LocalCloud, make_thing: Callable[..., str]) -> None:
    iot = cloud.client("iot")
    name = make_thing(model="v8")
    iot.create_thing_group(thingGroupName=name)
    iot.add_thing_to_thing_group(thingGroupName=name, thingName=name)
    before = iot.describe_thing(thingName=name)
    iot.delete_thing(thingName=name)
    assert members(cloud, name) == []
    iot.create_thing(thingName=name)
    after = iot.describe_thing(thingName=name)
    assert after["thingId"] != before["thingId"]
    assert (after["version"], after["attributes"], groups_of(cloud, name)) == (1, {}, [])


def test_cloudformation_makes_a_dynamic_group(
    cloud: LocalCloud, make_thing: Callable[..., str]
) -> None:
    name = make_thing(model="cfn")
    properties = {"ThingGroupName": "cfn", "QueryString": "attributes.model:cfn"}
    resources = {"Group": {"Type": "AWS::IoT::ThingGroup", "Properties": properties}}
    cloudformation = cloud.client("cloudformation")
    body = json.dumps({"Resources": resources})
    cloudformation.create_stack(StackName="dynamic", TemplateBody=body)
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="dynamic", WaiterConfig={"Delay": 1}
    )
    assert eventually(lambda: members(cloud, "cfn")) == [name]


@pytest.mark.parametrize(("kind", "retries"), [("FAILED", 2), ("ALL", 10)])
def test_retries_of_a_job_over_mqtt(
    cloud: LocalCloud, make_thing: Callable[..., str], kind: str, retries: int
) -> None:
    iot = cloud.client("iot")
    model = uuid.uuid4().hex
    thing, job = make_thing(model=model), f"job-{model}"
    group = iot.create_dynamic_thing_group(
        thingGroupName=model, queryString=f"attributes.model:{model}"
    )
    assert eventually(lambda: members(cloud, model))
    criteria = {"failureType": kind, "numberOfRetries": retries}
    iot.create_job(
        jobId=job,
        targets=[group["thingGroupArn"]],
        targetSelection="CONTINUOUS",
        document="{}",
        jobExecutionsRetryConfig={"criteriaList": [criteria]},
    )
    most = retries + 1
    with Device.of(cloud, thing) as device:
        subscribe_to_answers(device, thing, job)
        for attempt in range(1, most + 1):
            assert start_next(device, thing)["executionNumber"] == attempt
            report(device, thing, job, "FAILED")
        assert start_next(device, thing) is None
        stuck = iot.describe_job_execution(jobId=job, thingName=thing)["execution"]
        assert (stuck["status"], stuck["executionNumber"]) == ("FAILED", most)

        update(cloud, thing, merge=True, attributes={"model": "moveOut"})
        assert eventually(lambda: members(cloud, model) == [])
        assert start_next(device, thing) is None
        update(cloud, thing, merge=True, attributes={"model": model})
        assert eventually(lambda: members(cloud, model))
        for attempt in range(most + 1, 2 * most + 1):
            assert start_next(device, thing)["executionNumber"] == attempt
            report(device, thing, job, "FAILED")
        assert start_next(device, thing) is None


def test_a_device_is_told_of_the_next_try(
    cloud: LocalCloud, make_thing: Callable[..., str]
) -> None:
    iot = cloud.client("iot")
    thing = make_thing()
    arn = iot.describe_thing(thingName=thing)["thingArn"]
    retry = {"criteriaList": [{"failureType": "FAILED", "numberOfRetries": 1}]}
    iot.create_job(jobId=thing, targets=[arn], document="{}", jobExecutionsRetryConfig=retry)
    with Device.of(cloud, thing) as device:
        device.subscribe(f"$aws/things/{thing}/jobs/notify-next")
        device.publish(f"$aws/things/{thing}/jobs/start-next", {})
        device.publish(f"$aws/things/{thing}/jobs/{thing}/update", {"status": "FAILED"})
        assert device.receive()[1]["execution"]["executionNumber"] == 2
        device.publish(f"$aws/things/{thing}/jobs/{thing}/update", {"status": "FAILED"})
        assert "execution" not in device.receive()[1]


def test_a_rejected_job_is_not_retried(cloud: LocalCloud, make_thing: Callable[..., str]) -> None:
    iot = cloud.client("iot")
    thing = make_thing()
    arn = iot.describe_thing(thingName=thing)["thingArn"]
    iot.create_job(
        jobId=thing,
        targets=[arn],
        document="{}",
        jobExecutionsRetryConfig={"criteriaList": [{"failureType": "ALL", "numberOfRetries": 10}]},
    )
    with Device.of(cloud, thing) as device:
        subscribe_to_answers(device, thing, thing)
        assert start_next(device, thing)["executionNumber"] == 1
        report(device, thing, thing, "REJECTED")
        assert start_next(device, thing) is None
