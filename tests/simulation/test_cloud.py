"""The other stand-ins answer as the local cloud does.

moto is not asked: it ignores ``expectedVersion``, and its executions do not run.
"""

import json
import random
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localcloud import LocalCloud
from simulator import asl
from simulator.aws.iot import DynamicGroup, IoT
from simulator.aws.sns import DEDUPLICATION_SECONDS, SNS
from simulator.aws.sqs import VISIBILITY_SECONDS, FifoQueue
from simulator.faults import Faults
from simulator.functions import Functions
from simulator.machines import NAME_SECONDS, StateMachine, StepFunctions
from simulator.scheduler import Scheduler
from simulator.trace import Trace
from tests.tools.localcloud.common import ROLE

ATTRIBUTES = st.dictionaries(
    st.sampled_from(["model", "FW", "site", "a b", "d"]),
    st.sampled_from(["", "x", "y", "sp ace"]),
    max_size=4,
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), ATTRIBUTES.filter(lambda given: "" not in given.values())),
        st.tuples(
            st.just("update"), ATTRIBUTES, st.booleans(), st.sampled_from([None, 0, 1, 2, 3])
        ),
        st.tuples(st.just("delete"), st.sampled_from([None, 1, 2])),
        st.tuples(st.sampled_from(["add", "remove"]), st.sampled_from(["static", "nowhere"])),
    ),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(time_scale=0.001) as running:
        running.client("iot").create_thing_group(thingGroupName="static")
        yield running


def registry() -> IoT:
    return IoT(thing_id=lambda: "id", later=lambda action: action(), groups={"static": {}})


def request(name: str, step: tuple[Any, ...]) -> tuple[str, dict[str, Any]]:
    """An operation and its parameters, of a drawn step."""
    what, *details = step
    parameters: dict[str, Any] = {"thingName": name}
    if what == "create":
        return "create_thing", {**parameters, "attributePayload": {"attributes": details[0]}}
    if what == "update":
        payload = {"attributes": details[0], "merge": details[1]}
        version = {} if details[2] is None else {"expectedVersion": details[2]}
        return "update_thing", {**parameters, "attributePayload": payload, **version}
    if what == "delete":
        version = {} if details[0] is None else {"expectedVersion": details[0]}
        return "delete_thing", {**parameters, **version}
    operation = {"add": "add_thing_to_thing_group", "remove": "remove_thing_from_thing_group"}
    return operation[what], {**parameters, "thingGroupName": details[0]}


def code_of(call: Any) -> str:
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "ok"


def state_of(describe: Any, groups: Any) -> Any:
    try:
        thing = describe()
    except ClientError as error:
        return error.response["Error"]["Code"]
    names = sorted(group["groupName"] for group in groups()["thingGroups"])
    return thing["version"], dict(thing.get("attributes", {})), names


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_things(cloud: LocalCloud, steps: list[tuple[Any, ...]]) -> None:
    here, there = registry(), cloud.client("iot")
    name = f"thing-{uuid.uuid4().hex}"
    key = {"thingName": name}
    for step in steps:
        operation, parameters = request(name, step)
        mine = code_of(lambda o=operation, p=parameters: getattr(here, o)(p))
        theirs = code_of(lambda o=operation, p=parameters: getattr(there, o)(**p))
        assert mine == theirs, (operation, parameters)
        assert state_of(
            lambda: here.describe_thing(key), lambda: here.list_thing_groups_for_thing(key)
        ) == state_of(
            lambda: there.describe_thing(**key), lambda: there.list_thing_groups_for_thing(**key)
        )


def test_groups_in_pages(cloud: LocalCloud) -> None:
    here, there = registry(), cloud.client("iot")
    name = f"thing-{uuid.uuid4().hex}"
    groups = [f"group-{uuid.uuid4().hex}" for _ in range(3)]
    here.groups |= {group: {} for group in groups}
    thing = {"thingName": name}
    here.create_thing({**thing, "attributePayload": {}})
    there.create_thing(**thing, attributePayload={})
    for group in groups:
        there.create_thing_group(thingGroupName=group)
        here.add_thing_to_thing_group({**thing, "thingGroupName": group})
        there.add_thing_to_thing_group(**thing, thingGroupName=group)
    mine = pages(lambda **more: here.list_thing_groups_for_thing({**thing, **more}))
    theirs = pages(lambda **more: there.list_thing_groups_for_thing(**thing, **more))
    assert [len(page["thingGroups"]) for page in mine] == [2, 1]
    assert [
        sorted(group["groupName"] for page in answer for group in page["thingGroups"])
        for answer in (mine, theirs)
    ] == [sorted(groups)] * 2
    first = {"thingGroupName": groups[0]}
    assert here.list_things_in_thing_group(first) == {"things": [name]}
    assert there.list_things_in_thing_group(**first)["things"] == [name]
    assert "queryString" not in here.describe_thing_group(first)
    assert "queryString" not in there.describe_thing_group(**first)
    unknown = {"thingGroupName": "nowhere"}
    for operation in ("describe_thing_group", "list_things_in_thing_group"):
        mine_code = code_of(lambda o=operation: getattr(here, o)(unknown))
        assert mine_code == code_of(lambda o=operation: getattr(there, o)(**unknown))


def pages(call: Any) -> list[Any]:
    """All pages of a list, two entries each."""
    found = [call(maxResults=2)]
    while found[-1].get("nextToken"):
        found.append(call(maxResults=2, nextToken=found[-1]["nextToken"]))
    return found


def test_thing_that_leaves_a_static_group_is_reported_once() -> None:
    left: list[tuple[str, str]] = []
    iot = IoT(
        thing_id=lambda: "id",
        later=lambda action: action(),
        on_leave=lambda *who: left.append(who),
        groups={"static": {}},
    )
    member = {"thingName": "t", "thingGroupName": "static"}
    iot.create_thing({"thingName": "t", "attributePayload": {}})
    iot.remove_thing_from_thing_group(member)
    assert left == []
    iot.add_thing_to_thing_group(member)
    iot.remove_thing_from_thing_group(member)
    iot.add_thing_to_thing_group(member)
    iot.delete_thing({"thingName": "t"})
    assert left == [("static", "t")] * 2


def test_dynamic_group_lags_and_rejects_edits() -> None:
    waiting: list[Any] = []
    joined: list[str] = []
    iot = IoT(
        thing_id=lambda: "id",
        later=waiting.append,
        on_join=joined.append,
        dynamic_groups={"trying": DynamicGroup(lambda attributes: attributes.get("a") == "x")},
    )
    iot.create_thing({"thingName": "t", "attributePayload": {"attributes": {"a": "x"}}})
    group = {"thingGroupName": "trying"}
    assert iot.list_things_in_thing_group(group) == {"things": []}
    waiting.pop()()
    assert iot.list_things_in_thing_group(group) == {"things": ["t"]}
    assert joined == ["t"]
    assert iot.describe_thing_group(group)["queryString"]
    assert iot.list_thing_groups_for_thing({"thingName": "t"}) == {
        "thingGroups": [{"groupName": "trying"}]
    }
    with pytest.raises(ClientError, match="dynamic group"):
        iot.remove_thing_from_thing_group({"thingName": "t", **group})


def test_a_fifo_topic_delivers_once(cloud: LocalCloud) -> None:
    topics, queues = cloud.client("sns"), cloud.client("sqs")
    fifo = {"FifoTopic": "true"}
    topic = topics.create_topic(Name="alerts.fifo", Attributes=fifo)["TopicArn"]
    queue = queues.create_queue(QueueName="seen.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    topics.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:{cloud.region}:{cloud.account_id}:seen.fifo",
        Attributes={"RawMessageDelivery": "true"},
    )
    here = SNS(now=lambda: 0.0, topics={topic})
    sent = [("one", "g", "1"), ("two", "g", "1"), ("three", "h", "1"), ("four", "g", "2")]
    for message, group, deduplication_id in sent:
        parameters = {
            "TopicArn": topic,
            "Message": message,
            "MessageGroupId": group,
            "MessageDeduplicationId": deduplication_id,
        }
        here.publish(parameters)
        topics.publish(**parameters)
    got = queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert [published.message for published in here.published] == [
        message["Body"] for message in got
    ]
    bare = {"TopicArn": topic, "Message": "m"}
    # The local cloud gives the name of the exception for its code.
    theirs = code_of(lambda: topics.publish(**bare)).removesuffix("Exception")
    assert code_of(lambda: here.publish(bare)) == theirs


def test_a_fifo_topic_forgets_after_five_minutes() -> None:
    clock = [0.0]
    here = SNS(now=lambda: clock[0], topics={"t.fifo"})
    message = {
        "TopicArn": "t.fifo",
        "Message": "m",
        "MessageGroupId": "g",
        "MessageDeduplicationId": "d",
    }
    for moment in (0.0, DEDUPLICATION_SECONDS - 1.0, DEDUPLICATION_SECONDS + 1.0):
        clock[0] = moment
        here.publish(message)
    assert [message.at for message in here.published] == [0.0, DEDUPLICATION_SECONDS + 1.0]


def test_a_fifo_queue_holds_a_group_back_while_one_is_busy_with_it(cloud: LocalCloud) -> None:
    queues = cloud.client("sqs")
    url = queues.create_queue(QueueName="held.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    here = FifoQueue(now=lambda: 1.0)
    for number, group in enumerate("ggghgi"):
        here.send(str(number), group)
        queues.send_message(
            QueueUrl=url,
            MessageBody=str(number),
            MessageGroupId=group,
            MessageDeduplicationId=str(number),
        )

    def received(most: int) -> list[str]:
        """What both give; deleted in both, where it is of the group g."""
        parameters = {"QueueUrl": url, "MaxNumberOfMessages": most}
        ours = here.receive_message(parameters).get("Messages", [])
        theirs = queues.receive_message(**parameters).get("Messages", [])
        bodies = [message["Body"] for message in ours]
        assert bodies == [message["Body"] for message in theirs]
        if ours:
            here.delete_message_batch({"QueueUrl": url, "Entries": _of_group_g(ours)})
            queues.delete_message_batch(QueueUrl=url, Entries=_of_group_g(theirs))
        return bodies

    assert [received(2), received(2), received(9), received(9)] == [
        ["0", "1"],
        ["2", "3"],
        ["4", "5"],
        [],
    ]


def _of_group_g(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"Id": message["Body"], "ReceiptHandle": message["ReceiptHandle"]}
        for message in messages
        if message["Body"] not in "35"
    ]


def test_a_fifo_queue_gives_what_was_not_deleted_again_and_forgets_the_handle() -> None:
    clock = [1.0]
    here = FifoQueue(now=lambda: clock[0])
    here.send("a", "g")
    ask = {"QueueUrl": "q", "MaxNumberOfMessages": 10}
    first = here.receive_message(ask)["Messages"][0]["ReceiptHandle"]
    clock[0] += VISIBILITY_SECONDS
    (again,) = here.receive_message(ask)["Messages"]
    here.delete_message_batch({"QueueUrl": "q", "Entries": [{"Id": "0", "ReceiptHandle": first}]})
    assert [message.body for message in here.messages] == ["a"]
    entry = {"Id": "0", "ReceiptHandle": again["ReceiptHandle"]}
    here.delete_message_batch({"QueueUrl": "q", "Entries": [entry]})
    assert here.messages == []


def step_functions(scheduler: Scheduler) -> StepFunctions:
    trace = Trace()
    faults = Faults(random.Random(1))
    functions = Functions(scheduler, faults, trace, lambda call: {})
    return StepFunctions(
        scheduler=scheduler,
        faults=faults,
        trace=trace,
        functions=functions,
        steps={},
        queues={},
    )


def test_names_of_executions(cloud: LocalCloud) -> None:
    there = cloud.client("stepfunctions")
    definition = {
        "StartAt": "Sleep",
        "States": {"Sleep": {"Type": "Wait", "Seconds": 900, "End": True}},
    }
    arn = there.create_state_machine(
        name="sleeper", definition=json.dumps(definition), roleArn=ROLE, type="STANDARD"
    )["stateMachineArn"]
    scheduler = Scheduler(0.0)
    here = step_functions(scheduler)
    here.machines[arn] = StateMachine(
        "sleeper", arn, asl.compile_machine(definition), is_express=False
    )
    for name, text in [
        ("one", '{"a": 1}'),
        ("one", '{"a": 1}'),
        ("one", '{"a": 2}'),
        ("two", "{}"),
        ("thr ee", "{}"),
        ("x" * 80, "{}"),
        ("x" * 81, "{}"),
        ("a:b", "{}"),
        ("four", "no JSON"),
    ]:
        parameters = {"stateMachineArn": arn, "name": name, "input": text}
        mine = code_of(lambda p=parameters: here.start_execution(p))
        assert mine == code_of(lambda p=parameters: there.start_execution(**p)), parameters
    execution = f"{arn.replace(':stateMachine:', ':execution:')}:one"
    unknown = {"executionArn": f"{execution}-unknown"}
    assert code_of(lambda: here.describe_execution(unknown)) == code_of(
        lambda: there.describe_execution(**unknown)
    )
    key = {"executionArn": execution}
    assert here.describe_execution(key)["status"] == "RUNNING"
    here.stop_execution(key)
    there.stop_execution(**key)
    again = {"stateMachineArn": arn, "name": "one", "input": '{"a": 1}'}
    assert here.describe_execution(key)["status"] == there.describe_execution(**key)["status"]
    assert code_of(lambda: here.start_execution(again)) == code_of(
        lambda: there.start_execution(**again)
    )
    here.redrive_execution(key)
    assert here.describe_execution(key)["status"] == "RUNNING"
    scheduler.run()
    assert here.describe_execution(key)["status"] == "SUCCEEDED"
    assert code_of(lambda: here.redrive_execution(key)) == "ExecutionNotRedrivable"
    scheduler.run(until=scheduler.now + NAME_SECONDS + 1)
    assert code_of(lambda: here.start_execution(again)) == "ok"
