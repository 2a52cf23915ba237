"""Every example but the quickstart is applied, and does what its README says.

Each is a root of its own, all at the same time: one root of all four takes Terraform much longer.
``tests/integration`` and ``test_by_hand`` have the quickstart. A session beside theirs, since it
waits most of its time: the provider waits half a minute for each queue and each queue policy.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from localcloud import LocalCloud, Terraform, eventually
from localcloud.fleet import Fleet, stop_runs, subscribe_queue
from localcloud.project import ROOT, copy_project, keep_state_in_a_bucket, take_code_from_a_bucket
from tests.integration.deployer import list_called, read_allowed
from tests.integration.inventory import take_inventory
from tests.integration.job_device import JobDevice, updating

T = TypeVar("T")

TIME_SCALE = 0.0001
"""A day of waiting takes 8.6 seconds."""
EXAMPLES = ("complete", "landing-zone", "job-events", "marker-attribute")


OF_EXAMPLES = {
    "cloudformation:DeleteStack",
    "cloudformation:DescribeStacks",
    "iam:DeletePolicy",
    "iam:ListPolicyVersions",
    "kms:ScheduleKeyDeletion",
}
"""Calls of a destroy of resources that the examples add."""


@dataclass(frozen=True)
class Applied:
    """The examples, side by side in one account."""

    cloud: LocalCloud
    roots: dict[str, Terraform]
    outputs: dict[str, dict[str, Any]]
    before: Any
    """What the account held before the apply."""

    def fleet(self, example: str, topic: str, prefix: str) -> Fleet:
        """An example that has one instance of the module."""
        outputs = self.outputs[example]["firmware_retry"]
        return Fleet(self.cloud, outputs, alert_queue_url="", topic=topic, prefix=prefix)

    def fleet_of_zone(self, name: str) -> Fleet:
        """One of the fleets of the landing zone."""
        zone = self.outputs["landing-zone"]
        queue = self._listen(zone["incidents_topic_arn"])
        outputs = zone["firmware_retry"][name]
        return Fleet(self.cloud, outputs, queue, f"{name}/{{device}}/data", prefix=f"{name}-")

    def _listen(self, topic_arn: str) -> str:
        """Subscribe a queue to a FIFO topic."""
        number = len(self.cloud.client("sns").list_subscriptions()["Subscriptions"])
        return subscribe_queue(self.cloud, topic_arn, f"listener-{number}.fifo")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    copy = copy_project(tmp_path_factory.mktemp("examples") / "copy")
    with LocalCloud(time_scale=TIME_SCALE, group_lag_seconds=0.3, patience=20) as cloud:
        take_code_from_a_bucket(cloud, copy, copy / "examples" / "complete")
        for name in EXAMPLES:
            keep_state_in_a_bucket(cloud.client("s3"), copy / "examples" / name)
        before = take_inventory(cloud)
        environment = cloud.environment()
        roots = {
            name: Terraform(copy / "examples" / name, environment=environment) for name in EXAMPLES
        }
        in_each(roots, lambda root: root.init())
        with ExitStack() as providers:
            for root in roots.values():
                providers.enter_context(root.one_provider())
            in_each(roots, lambda root: root.apply())
            outputs = in_each(roots, lambda root: root.outputs())
            yield Applied(cloud, roots, outputs, before)


def in_each(roots: dict[str, Terraform], work: Callable[[Terraform], T]) -> dict[str, T]:
    """Does the same in the roots of all examples, at the same time."""
    with ThreadPoolExecutor(len(roots)) as pool:
        return dict(zip(roots, pool.map(work, roots.values()), strict=True))


def test_afterwards_there_is_nothing_to_do(examples: Applied) -> None:
    plans = in_each(examples.roots, lambda root: root.plan())
    assert {name: printed for name, (would_change, printed) in plans.items() if would_change} == {}
    assert [name for name, (_, printed) in plans.items() if "Warning" in printed] == []


# security

_BY_VARIABLE = (
    "kms_key_arn: without it, keys of AWS; logs, queues and functions are encrypted anyway"
)
ANSWERS = {
    "quickstart": {
        "CKV_AWS_26": _BY_VARIABLE,
        "CKV_AWS_158": _BY_VARIABLE,
        "CKV_AWS_297": _BY_VARIABLE,
        "CKV_AWS_285": "the intake's log has no data of devices: modules/workflow/main.tf",
    },
    "landing-zone": {
        "CKV_AWS_285": "as above",
        "CKV_AWS_289": "a permissions boundary allows nothing: it limits what policies allow",
        "CKV_AWS_290": "as above",
        "CKV_AWS_355": "as above",
    },
}
"""By root: what checkov asks for and does not get in a plan, besides the list in .checkov.yaml."""


@pytest.mark.parametrize("name", ANSWERS)
def test_plan_has_no_security_finding_without_an_answer(
    examples: Applied, tmp_path: Path, name: str
) -> None:
    """A plan has the values that the variables of a root get; ``make lint`` looks at the source."""
    root = examples.roots.get(name) or _make_quickstart(examples)
    root.run("plan", "-input=false", "-refresh=false", f"-out={tmp_path / 'plan'}")
    plan = tmp_path / "plan.json"
    plan.write_text(root.run("show", "-json", str(tmp_path / "plan")))
    assert _find_faults(plan) == ANSWERS[name].keys()


def _make_quickstart(examples: Applied) -> Terraform:
    folder = examples.roots["complete"].root.parent / "quickstart"
    root = Terraform(folder, environment=examples.cloud.environment())
    root.init()
    return root


def _find_faults(plan: Path) -> set[str]:
    """Return the ids of checkov's checks that fail in a plan."""
    answered = re.findall(r"^ *- (CKV\w+)", (ROOT / ".checkov.yaml").read_text(), re.MULTILINE)
    done = subprocess.run(
        [
            str(ROOT / ".venv-checkov/bin/checkov"),
            *("--framework", "terraform_plan", "--file", str(plan), "--output", "json"),
            *("--skip-download", "--compact", "--quiet", "--skip-check", ",".join(answered)),
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=False,  # it ends with 1 after a finding
    )
    return {found["check_id"] for found in json.loads(done.stdout)["results"]["failed_checks"]}


# complete


@pytest.fixture(scope="module")
def complete(examples: Applied) -> Fleet:
    return examples.fleet("complete", "complete-washers/{device}/data", "complete-")


def test_complete_brings_a_firmware_to_its_group_and_takes_a_device_out(
    examples: Applied, complete: Fleet, request: pytest.FixtureRequest
) -> None:
    device, attributes = "washer-1", {"model": "wo:v8", "FW": "2.27"}
    group = examples.outputs["complete"]["thing_group_name"]
    template = examples.outputs["complete"]["job_template_id"]
    iot = complete.client("iot")
    complete.add_thing(device, **attributes)
    assert eventually(lambda: group in complete.groups(device))
    iot.create_job(
        jobId="complete-firmware-1",
        jobTemplateArn=iot.describe_job_template(jobTemplateId=template)["jobTemplateArn"],
        targets=[iot.describe_thing_group(thingGroupName=group)["thingGroupArn"]],
        targetSelection="CONTINUOUS",
    )
    request.addfinalizer(partial(iot.delete_job, jobId="complete-firmware-1", force=True))
    with complete.away(device), complete.connect(device) as connection:
        updated = JobDevice(connection)
        for _ in range(3):
            assert eventually(lambda: updated.attempt(reason="flash error"))
        moved = {**attributes, "model": "moveOut", "FW": "moveOut"}
        assert eventually(lambda: complete.attributes(device) == moved)
        assert eventually(lambda: group not in complete.groups(device))
    # Back after a day: 8.6 seconds and a fifth more at most.
    assert eventually(lambda: complete.attributes(device) == attributes)
    assert eventually(lambda: group in complete.groups(device))


def test_complete_believes_a_device_about_itself(complete: Fleet) -> None:
    complete.add_thing("washer-2", model="gw:v3", FW="2.27")
    complete.fail("washer-2", [1], _id_="somebody-else", status="timed_out")
    complete.fail("washer-2", [2], reason="battery low")
    assert complete.retry_counter("washer-2") == 1


# landing-zone


@pytest.fixture(scope="module")
def zone(examples: Applied) -> list[Fleet]:
    """Both fleets, of each of which one device has failed for good."""
    fleets = [examples.fleet_of_zone(name) for name in ("washers", "gateways")]
    for fleet in fleets:
        fleet.add_thing(_only(fleet), model="wo:v8", FW="2.27")
        fleet.fail(_only(fleet), [1], reason="signature invalid")
    for fleet in fleets:
        assert eventually(partial(fleet.alerts, _only(fleet)))
    return fleets


def _only(fleet: Fleet) -> str:
    return f"of-{fleet.prefix}"


def test_landing_zone_keeps_two_fleets_apart_on_one_topic(zone: list[Fleet]) -> None:
    for fleet, other in (zone, zone[::-1]):
        (told,) = fleet.alerts(_only(fleet))
        assert told["fleet"] == fleet.prefix
        assert other.record(_only(fleet)) is None


def test_landing_zone_keeps_two_fleets_apart_in_one_group(zone: list[Fleet]) -> None:
    """None takes a member that it does not know for one that an operator has released."""
    for fleet in zone:
        fleet.reconcile(grace_seconds=0)
    for fleet in zone:
        assert fleet.groups(_only(fleet)) == {"to-be-looked-at"}


def test_landing_zone_takes_tables_and_group_that_are_there(examples: Applied) -> None:
    of_fleets = examples.roots["landing-zone"].run("state", "list", "module.firmware_retry")
    made = [line for line in of_fleets.splitlines() if ".data." not in line]
    assert len(made) > 200
    assert [line for line in made if "aws_dynamodb_table." in line or "aws_iot_thing" in line] == []


def test_landing_zone_mails_each_fleet_of_its_own_devices(zone: list[Fleet]) -> None:
    """Both queues of what people are to be mailed are subscribed to the one topic."""
    for fleet in zone:
        sqs, name = fleet.client("sqs"), f"{fleet.prefix}FailedFirmwareUpdateOperators.fifo"
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        waiting = [json.loads(message["Body"])["deviceId"] for message in got["Messages"]]
        assert waiting == [_only(fleet)]


def test_landing_zone_bounds_every_role(examples: Applied) -> None:
    roles = examples.cloud.client("iam").list_roles(PathPrefix="/fleets/")["Roles"]
    of_fleets = [role for role in roles if role["RoleName"].startswith(("washers-", "gateways-"))]
    assert len(of_fleets) == len(roles) > 30
    for role in of_fleets:
        found = examples.cloud.client("iam").get_role(RoleName=role["RoleName"])["Role"]
        boundary = found["PermissionsBoundary"]["PermissionsBoundaryArn"]
        assert boundary.endswith(":policy/fleets-boundary")


# job-events


def test_job_events_counts_what_jobs_say_and_no_device(examples: Applied) -> None:
    fleet = examples.fleet("job-events", "iot/device/data", "jobs-")
    fleet.add_thing("silent", model="gw:v3", FW="2.27")
    fleet.fail("silent", [1])
    assert fleet.retry_counter("silent") is None
    with updating(fleet, "silent", "firmware-9", "attributes.FW:2.27") as device:
        for failures in (1, 2):
            assert eventually(device.attempt)
            fleet.settle()
            assert fleet.retry_counter("silent") == failures


# marker-attribute


def test_marker_attribute_overwrites_nothing(examples: Applied) -> None:
    fleet = examples.fleet("marker-attribute", "marker-washers/data", "marker-")
    device, attributes = "marked", {"model": "wo:v8", "FW": "2.27"}
    group = examples.outputs["marker-attribute"]["thing_group_name"]
    fleet.add_thing(device, **attributes)
    assert eventually(lambda: group in fleet.groups(device))
    marked = {**attributes, "firmwareRetry": "coolingDown"}
    with fleet.away(device):
        fleet.fail(device, range(1, 11))
        assert eventually(lambda: fleet.attributes(device) == marked)
        assert eventually(lambda: group not in fleet.groups(device))
    assert eventually(lambda: fleet.attributes(device) == attributes)


# At last


def test_a_destroy_leaves_nothing_but_a_key_that_waits_for_its_deletion(examples: Applied) -> None:
    sqs, kms = examples.cloud.client("sqs"), examples.cloud.client("kms")
    for url in sqs.list_queues(QueueNamePrefix="listener-").get("QueueUrls", []):
        sqs.delete_queue(QueueUrl=url)
    present = take_inventory(examples.cloud)
    made = {kind for kind, names in present.items() if names - examples.before[kind]}
    assert made >= {
        "cloudwatch.describe_alarms",
        "cloudwatch.list_dashboards",
        "dynamodb.list_tables",
        "iam.list_roles",
        "iot.list_thing_groups",
        "iot.list_topic_rules",
        "lambda.list_functions",
        "logs.describe_log_groups",
        "scheduler.list_schedule_groups",
        "scheduler.list_schedules",
        "sns.list_subscriptions",
        "sns.list_topics",
        "sqs.list_queues",
        "stepfunctions.list_state_machines",
    }
    stop_runs(examples.cloud)
    mark = examples.cloud.mark()
    in_each(examples.roots, lambda root: root.destroy("-refresh=false"))
    _check_policy_of_deployer(list_called(examples.cloud.calls(mark)))
    after = dict(take_inventory(examples.cloud))
    keys = after.pop("kms.list_keys")
    states = [kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] for key in keys]
    assert states == ["PendingDeletion"]
    assert after == {kind: names for kind, names in examples.before.items() if kind in after}


def _check_policy_of_deployer(called: set[str]) -> None:
    """Check that the policy allows the destroy of the module, and no other deletion.

    ``tests/integration`` does so for an apply.
    """
    allowed = read_allowed()
    assert called - allowed == OF_EXAMPLES
    deletions = {action for action in allowed if ":Delete" in action}
    assert deletions - called == {"iam:DeleteRolePermissionsBoundary"}
