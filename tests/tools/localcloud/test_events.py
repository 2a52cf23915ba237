"""AWS IoT's own events: job executions, members of thing groups; what is on and what is off."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import Device, LocalCloud
from tests.tools.localcloud.common import (
    make_rule,
    report,
    sqs_action,
    start_next,
    subscribe_to_answers,
    take,
)


@contextmanager
def enable_events(cloud: LocalCloud, *kinds: str) -> Iterator[None]:
    """Enable kinds of events within the block."""
    iot = cloud.client("iot")
    for value in (True, False):
        configured = {kind: {"Enabled": value} for kind in kinds}
        iot.update_event_configurations(eventConfigurations=configured)
        if value:
            yield


@pytest.fixture
def events(cloud: LocalCloud) -> Iterator[Device]:
    """A client that hears all events of jobs' executions and of groups' members, which are on."""
    with (
        enable_events(cloud, "JOB_EXECUTION", "THING_GROUP_MEMBERSHIP"),
        Device.of(cloud, "e") as client,
    ):
        client.subscribe("$aws/events/jobExecution/#")
        client.subscribe("$aws/events/thingGroupMembership/#")
        yield client


@pytest.fixture(scope="module")
def queue_url(cloud: LocalCloud) -> str:
    return str(cloud.client("sqs").create_queue(QueueName="events")["QueueUrl"])


@pytest.fixture
def make_job(cloud: LocalCloud, make_thing: Callable[..., str]) -> Callable[..., tuple[str, str]]:
    """Create a thing and a job for the static group that it alone is in; returns both names."""

    def make(**settings: Any) -> tuple[str, str]:
        iot = cloud.client("iot")
        thing = make_thing()
        job = f"job-{thing}"
        group = iot.create_thing_group(thingGroupName=job)
        iot.add_thing_to_thing_group(thingGroupName=job, thingName=thing)
        iot.create_job(
            jobId=job,
            targets=[group["thingGroupArn"]],
            targetSelection="CONTINUOUS",
            document="{}",
            **settings,
        )
        return thing, job

    return make


def retries(number: int, kind: str = "FAILED") -> dict[str, Any]:
    criteria = {"failureType": kind, "numberOfRetries": number}
    return {"jobExecutionsRetryConfig": {"criteriaList": [criteria]}}


def of_jobs(events: Device) -> Iterator[tuple[str, Any]]:
    """Topic and payload of the events of jobs' executions, as they come."""
    while True:
        topic, payload = events.receive()
        if topic.startswith("$aws/events/jobExecution/"):
            yield topic, payload


def silent(client: Device) -> bool:
    """Whether a client that must hear nothing more hears nothing for a while."""
    try:
        client.receive(timeout=0.5)
    except TimeoutError:
        return True
    return False


def test_a_configuration_changes_what_it_names(cloud: LocalCloud) -> None:
    iot = cloud.client("iot")

    def on() -> set[str]:
        found = iot.describe_event_configurations()["eventConfigurations"]
        assert len(found) == 11
        return {kind for kind, setting in found.items() if setting["Enabled"]}

    with enable_events(cloud, "JOB_EXECUTION"):
        assert on() == {"JOB_EXECUTION"}
        with enable_events(cloud, "THING_GROUP_MEMBERSHIP"):
            assert on() == {"JOB_EXECUTION", "THING_GROUP_MEMBERSHIP"}
    assert on() == set()
    with pytest.raises(ClientError, match="InvalidRequestException"):
        iot.update_event_configurations(eventConfigurations={"NONE": {"Enabled": True}})


def test_a_failed_execution(
    cloud: LocalCloud, events: Device, make_job: Callable[..., tuple[str, str]]
) -> None:
    thing, job = make_job()
    before = int(time.time())
    with Device.of(cloud, thing) as device:
        subscribe_to_answers(device, thing, job)
        start_next(device, thing)
        report(device, thing, job, "FAILED", reason="no space")
    topic, event = next(of_jobs(events))
    assert topic == f"$aws/events/jobExecution/{job}/failed"
    assert len(event.pop("eventId")) == 36
    assert before <= event.pop("timestamp") <= time.time()
    assert event == {
        "eventType": "JOB_EXECUTION",
        "operation": "failed",
        "jobId": job,
        "thingArn": f"arn:aws:iot:us-east-1:{cloud.account_id}:thing/{thing}",
        "status": "FAILED",
        "statusDetails": {"reason": "no space"},
    }


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "REJECTED"])
def test_what_a_device_reports(
    cloud: LocalCloud, events: Device, make_job: Callable[..., tuple[str, str]], status: str
) -> None:
    thing, job = make_job()
    with Device.of(cloud, thing) as device:
        subscribe_to_answers(device, thing, job)
        start_next(device, thing)
        report(device, thing, job, "IN_PROGRESS")
        report(device, thing, job, status)
    topic, event = next(of_jobs(events))
    assert topic == f"$aws/events/jobExecution/{job}/{status.lower()}"
    assert (event["operation"], event["status"]) == (status.lower(), status)
    assert "statusDetails" not in event


def test_what_happens_without_the_device(
    cloud: LocalCloud, events: Device, make_job: Callable[..., tuple[str, str]]
) -> None:
    iot = cloud.client("iot")
    thing, job = make_job()
    iot.remove_thing_from_thing_group(thingGroupName=job, thingName=thing)
    iot.add_thing_to_thing_group(thingGroupName=job, thingName=thing)
    iot.cancel_job_execution(jobId=job, thingName=thing)
    number = iot.describe_job_execution(jobId=job, thingName=thing)["execution"]["executionNumber"]
    iot.delete_job_execution(jobId=job, thingName=thing, executionNumber=number, force=True)
    heard = of_jobs(events)
    for status in ("removed", "canceled", "deleted"):
        assert next(heard)[0] == f"$aws/events/jobExecution/{job}/{status}"


def test_each_failure_that_is_retried_is_told(
    cloud: LocalCloud, events: Device, make_job: Callable[..., tuple[str, str]]
) -> None:
    thing, job = make_job(**retries(2))
    with Device.of(cloud, thing) as device:
        subscribe_to_answers(device, thing, job)
        while start_next(device, thing):
            report(device, thing, job, "FAILED")
    heard = of_jobs(events)
    told = [next(heard) for _ in range(3)]
    assert {topic for topic, _ in told} == {f"$aws/events/jobExecution/{job}/failed"}
    assert len({event["eventId"] for _, event in told}) == 3
    assert silent(events)


def test_rejoining_in_the_middle_of_an_attempt_starts_from_zero(
    cloud: LocalCloud, make_job: Callable[..., tuple[str, str]]
) -> None:
    iot = cloud.client("iot")
    thing, job = make_job(**retries(1))
    with Device.of(cloud, thing) as device:
        subscribe_to_answers(device, thing, job)
        start_next(device, thing)
        report(device, thing, job, "FAILED")
        assert start_next(device, thing)["executionNumber"] == 2
        iot.remove_thing_from_thing_group(thingGroupName=job, thingName=thing)
        iot.add_thing_to_thing_group(thingGroupName=job, thingName=thing)
        report(device, thing, job, "FAILED")
        assert start_next(device, thing)["executionNumber"] == 3
        report(device, thing, job, "FAILED")
        assert start_next(device, thing) is None


def test_an_execution_times_out_and_is_retried(
    cloud: LocalCloud, events: Device, make_job: Callable[..., tuple[str, str]]
) -> None:
    timeout = {"inProgressTimeoutInMinutes": 1}  # 60 ms here
    thing, job = make_job(timeoutConfig=timeout, **retries(1, "TIMED_OUT"))
    with Device.of(cloud, thing) as device:
        device.subscribe(f"$aws/things/{thing}/jobs/notify-next")
        device.publish(f"$aws/things/{thing}/jobs/start-next", {})
        assert device.receive()[1]["execution"]["executionNumber"] == 2
        device.publish(f"$aws/things/{thing}/jobs/start-next", {})
        assert "execution" not in device.receive()[1]
    heard = of_jobs(events)
    for topic, event in (next(heard), next(heard)):
        assert topic == f"$aws/events/jobExecution/{job}/timed_out"
        assert event["status"] == "TIMED_OUT"


def test_a_thing_joins_and_leaves_a_static_group(
    cloud: LocalCloud, events: Device, make_thing: Callable[..., str]
) -> None:
    iot = cloud.client("iot")
    thing = make_thing()
    group = iot.create_thing_group(thingGroupName=f"g-{thing}")
    pair = {"thingGroupName": group["thingGroupName"], "thingName": thing}
    before = int(time.time() * 1000)
    iot.add_thing_to_thing_group(**pair)
    iot.add_thing_to_thing_group(**pair)
    topic, event = events.receive()
    assert topic == f"$aws/events/thingGroupMembership/thingGroup/g-{thing}/thing/{thing}/added"
    assert event.pop("eventId")
    assert event.pop("membershipId")
    assert before <= event.pop("timestamp") <= time.time() * 1000
    described = iot.describe_thing(thingName=thing)
    assert event == {
        "eventType": "THING_GROUP_MEMBERSHIP_EVENT",
        "operation": "ADDED",
        "accountId": cloud.account_id,
        "groupArn": group["thingGroupArn"],
        "groupId": group["thingGroupId"],
        "thingArn": described["thingArn"],
        "thingId": described["thingId"],
    }

    iot.remove_thing_from_thing_group(**pair)
    iot.remove_thing_from_thing_group(**pair)
    topic, event = events.receive()
    assert (topic.rpartition("/")[2], event["operation"]) == ("removed", "REMOVED")
    assert silent(events), "membership has not changed"


def test_a_thing_changes_groups_and_is_deleted(
    cloud: LocalCloud, events: Device, make_thing: Callable[..., str]
) -> None:
    iot = cloud.client("iot")
    thing = make_thing()
    for number in (1, 2):
        iot.create_thing_group(thingGroupName=f"{number}-{thing}")
    change = iot.update_thing_groups_for_thing
    change(thingName=thing, thingGroupsToAdd=[f"1-{thing}"])
    change(thingName=thing, thingGroupsToAdd=[f"2-{thing}"], thingGroupsToRemove=[f"1-{thing}"])
    iot.delete_thing(thingName=thing)
    for number, change_made in ((1, "added"), (2, "added"), (1, "removed"), (2, "removed")):
        path = f"thingGroup/{number}-{thing}/thing/{thing}/{change_made}"
        assert events.receive()[0] == f"$aws/events/thingGroupMembership/{path}"


def test_a_thing_follows_the_query_of_a_dynamic_group(
    cloud: LocalCloud, events: Device, make_thing: Callable[..., str]
) -> None:
    iot = cloud.client("iot")
    model = uuid.uuid4().hex
    thing = make_thing(model=model)
    topic = f"$aws/events/thingGroupMembership/thingGroup/{model}/thing/{thing}"
    iot.create_dynamic_thing_group(thingGroupName=model, queryString=f"attributes.model:{model}")
    assert events.receive()[0] == f"{topic}/added"
    gone = {"attributes": {"model": ""}, "merge": True}
    iot.update_thing(thingName=thing, attributePayload=gone)
    assert events.receive()[0] == f"{topic}/removed"


def test_what_is_off_is_not_told(
    cloud: LocalCloud, make_job: Callable[..., tuple[str, str]]
) -> None:
    with Device.of(cloud, "listener") as listener:
        listener.subscribe("$aws/events/jobExecution/#")
        listener.subscribe("$aws/events/thingGroupMembership/#")
        thing, job = make_job()
        with Device.of(cloud, thing) as device:
            subscribe_to_answers(device, thing, job)
            start_next(device, thing)
            report(device, thing, job, "FAILED")
        assert silent(listener)


def test_rules_act_on_events(
    cloud: LocalCloud,
    events: Device,
    queue_url: str,
    make_job: Callable[..., tuple[str, str]],
) -> None:
    member = "$aws/events/thingGroupMembership/thingGroup/+/thing/+/removed"
    make_rule(
        cloud,
        "job_failed",
        "SELECT regexp_substr(thingArn, '[^/]+$') AS deviceId, topic(4) AS job, eventId AS id, "
        "statusDetails.reason AS reason, cast(timestamp * 1000 AS String) AS ms, clientid() AS c "
        "FROM '$aws/events/jobExecution/+/failed'",
        sqs_action(queue_url),
    )
    sql = f"SELECT topic(5) AS left, topic(7) AS deviceId, operation FROM '{member}'"
    make_rule(cloud, "left_group", sql, sqs_action(queue_url))

    thing, job = make_job()
    with Device.of(cloud, thing) as device:
        subscribe_to_answers(device, thing, job)
        start_next(device, thing)
        report(device, thing, job, "FAILED", reason="no space")
    event = next(of_jobs(events))[1]
    assert take(cloud, queue_url) == {
        "deviceId": thing,
        "job": job,
        "id": event["eventId"],
        "reason": "no space",
        "ms": str(event["timestamp"] * 1000),
        "c": "n/a",
    }
    cloud.client("iot").remove_thing_from_thing_group(thingGroupName=job, thingName=thing)
    assert take(cloud, queue_url) == {"left": job, "deviceId": thing, "operation": "REMOVED"}


def test_no_client_can_forge_an_event(cloud: LocalCloud, queue_url: str) -> None:
    topic = "$aws/events/jobExecution/forged/failed"
    make_rule(cloud, "forged", f"SELECT * FROM '{topic}'", sqs_action(queue_url))
    with Device.of(cloud, "forger") as device, pytest.raises(TimeoutError):
        device.publish(topic, {"jobId": "forged"}, timeout=1.0)
    with pytest.raises(ClientError, match="InvalidRequestException"):
        cloud.client("iot-data").publish(topic=topic, payload=b"{}")
    assert take(cloud, queue_url, 0.3) is None


def test_the_device_side_of_a_job(
    cloud: LocalCloud, make_job: Callable[..., tuple[str, str]]
) -> None:
    thing, job = make_job()
    jobs = f"$aws/things/{thing}/jobs"
    with Device.of(cloud, thing) as device:
        for answer in ("accepted", "rejected"):
            device.subscribe(f"{jobs}/+/get/{answer}")
            device.subscribe(f"{jobs}/{job}/update/{answer}")
        device.publish(f"{jobs}/$next/get", {"clientToken": "one"})
        topic, answer = device.receive()
        assert topic == f"{jobs}/$next/get/accepted"
        assert (answer["clientToken"], answer["execution"]["status"]) == ("one", "QUEUED")
        wrong = {"status": "IN_PROGRESS", "expectedVersion": 7, "includeJobExecutionState": True}
        device.publish(f"{jobs}/{job}/update", wrong)
        topic, answer = device.receive()
        assert topic == f"{jobs}/{job}/update/rejected"
        assert answer["code"] == "VersionMismatch"
        assert answer["executionState"]["versionNumber"] == 1
        report(device, thing, job, "SUCCEEDED")
        device.publish(f"{jobs}/{job}/update", {"status": "FAILED"})
        assert device.receive()[1]["code"] == "InvalidStateTransition"
