"""All that the module can make, in another partition than it is written in, with a customer's key.

Terraform and the simulator render the same definitions; each ARN is of the partition; whatever can
have the key has it. One file, since workers of pytest take whole files and the state takes seconds.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from localcloud.project import ROOT
from localcloud.terraform import Terraform
from simulator import definitions

TESTS = "tests/terraform"
PARTITION, REGION = "aws-cn", "cn-north-1"
ARN = re.compile(r"arn:([a-z-]+):[a-z0-9-]+:([a-z0-9-]*):")

KEY_ARGUMENT = re.compile(r"kms_(master_)?key_(arn|id)")
KEYLESS = {
    # Whoever starts or describes a run would need the key as well; docs/security.md says what is in
    # a run.
    "aws_sfn_state_machine",
}
"""Types that could have the key, and do without."""
ENCRYPTED_BY_SQS = {"module.alerts.aws_sqs_queue.undelivered"}
"""Queues that must keep what SNS cannot put into another queue because of the key's policy."""


@pytest.fixture(scope="module")
def state(module: Terraform) -> dict[str, Any]:
    """What ``everything.tftest.hcl`` makes in China, and the provider's schemas.

    The ARNs of functions and machines are the simulator's, moved there.
    """
    overrides = {
        "module.ingestion.aws_sqs_queue.dead_letters": {"url": definitions.QUEUE_URL},
        **{
            f'module.handlers.aws_lambda_function.step["{step}"]': {
                "arn": definitions.function_arn(step)
            }
            for step in definitions.steps()
        },
        **{
            f'module.workflow.aws_sfn_state_machine.recovery["{recovery}"]': {
                "arn": definitions.machine_arn(recovery)
            }
            for recovery in definitions.RECOVERIES
        },
    }
    blocks = "".join(
        f"override_resource {{\n  target = {target}\n  values = {json.dumps(values)}\n}}\n"
        for target, values in overrides.items()
    )
    tests = module.root / TESTS
    mocks, file = tests / "mocks-elsewhere", tests / "elsewhere.tftest.hcl"
    mocks.mkdir()
    (mocks / "aws.tfmock.hcl").write_text(move((tests / "mocks/aws.tfmock.hcl").read_text()))
    text = (tests / "everything.tftest.hcl").read_text().replace("/mocks", f"/{mocks.name}")
    file.write_text(move(text + blocks))
    options = (f"-filter={TESTS}/{file.name}", "-json", "-verbose")
    printed = module.run("test", f"-test-directory={TESTS}", *options)
    file.unlink()  # the copy is shared
    line = next(line for line in printed.splitlines() if '"type":"test_state"' in line)
    found: dict[str, Any] = json.loads(line)["test_state"]
    return found


def move(text: str) -> str:
    """Move what is in the partition ``aws`` to the other one."""
    moved = text.replace("arn:aws:", f"arn:{PARTITION}:").replace("eu-west-1", REGION)
    return moved.replace('partition = "aws"', f'partition = "{PARTITION}"')


@pytest.fixture(scope="module")
def resources(state: dict[str, Any]) -> list[dict[str, Any]]:
    found = list(_resources(state["root_module"]))
    assert len(found) > 50
    return found


def _resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (
        resource for resource in module.get("resources", ()) if resource["mode"] == "managed"
    )
    for child in module.get("child_modules", ()):
        yield from _resources(child)


def _keys(values: Any) -> Iterator[str | None]:
    """The values of all arguments that take a key, however deep."""
    if isinstance(values, list):
        for element in values:
            yield from _keys(element)
    if isinstance(values, dict):
        for name, value in values.items():
            if KEY_ARGUMENT.fullmatch(name):
                yield value
            yield from _keys(value)


def _takes_a_key(block: dict[str, Any]) -> bool:
    if any(KEY_ARGUMENT.fullmatch(name) for name in block.get("attributes", ())):
        return True
    return any(_takes_a_key(nested["block"]) for nested in block.get("block_types", {}).values())


def test_whatever_can_have_the_customer_key_has_it(
    state: dict[str, Any], resources: list[dict[str, Any]]
) -> None:
    """The provider's schema says what can: nothing that is added later is overlooked."""
    provider = state["provider_schemas"]["registry.terraform.io/hashicorp/aws"]
    can = {
        name
        for name, schema in provider["resource_schemas"].items()
        if _takes_a_key(schema["block"])
    }
    have = {
        resource["address"]: list(_keys(resource["values"]))
        for resource in resources
        if resource["type"] in can - KEYLESS and resource["address"] not in ENCRYPTED_BY_SQS
    }
    assert {address for address, keys in have.items() if not any(keys)} == set()
    assert len({key for keys in have.values() for key in keys}) == 1
    assert Counter(resource["type"] for resource in resources if resource["address"] in have) == {
        "aws_dynamodb_table": 4,
        "aws_sns_topic": 2,
        "aws_sqs_queue": 2,
        "aws_lambda_function": 13,
        "aws_cloudwatch_log_group": 17,
        "aws_scheduler_schedule": 2,
    }


def test_whatever_is_exempt_is_made(resources: list[dict[str, Any]]) -> None:
    assert {resource["type"] for resource in resources} >= KEYLESS
    assert {resource["address"] for resource in resources} >= ENCRYPTED_BY_SQS


@pytest.mark.parametrize("kind", ["aws_sns_topic", "aws_sqs_queue"])
def test_every_topic_and_queue_has_its_policy(resources: list[dict[str, Any]], kind: str) -> None:
    """What the policies say is in ``encryption.tftest.hcl``."""
    types = Counter(resource["type"] for resource in resources)
    assert types[kind] == types[f"{kind}_policy"] > 0


@pytest.mark.parametrize("machine", definitions.MACHINES)
def test_terraform_and_the_simulator_render_the_same(
    resources: list[dict[str, Any]], machine: str
) -> None:
    rendered = {
        resource.get("index", resource["name"]): resource["values"]["definition"]
        for resource in resources
        if resource["type"] == "aws_sfn_state_machine"
    }
    simulated = move(json.dumps(definitions.definition(machine)))
    assert json.loads(rendered[machine]) == json.loads(simulated)


def test_every_arn_is_of_the_partition_and_the_region(state: dict[str, Any]) -> None:
    """Nothing in the module depends on which partition it is, so any other one shows it."""
    arns = [arn for text in texts(state["root_module"]) for arn in ARN.findall(text)]
    assert len(arns) > 200
    assert {name for name, _ in arns} == {PARTITION}
    assert {region for _, region in arns} <= {REGION, ""}


def texts(value: Any) -> Iterator[str]:
    """All strings in a JSON document."""
    if isinstance(value, str):
        yield value
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for element in value:
            yield from texts(element)


CHECK = re.compile(r"CKV2?_AWS_\d+")


def test_every_skipped_check_has_its_reason_beside_it_and_on_the_page() -> None:
    config = (ROOT / ".checkov.yaml").read_text().partition("skip-check:")[2].splitlines()
    skipped = {
        check[0]: before.strip().startswith("#")
        for before, line in pairwise(config)
        if (check := CHECK.search(line)) and line.lstrip().startswith("-")
    }
    beside_a_resource = re.compile(r"checkov:skip=(\w+):(.*)")
    for path in ROOT.glob("**/*.tf"):
        for check, reason in beside_a_resource.findall(path.read_text()):
            skipped[check] = bool(reason.strip())
    assert [check for check, is_answered in skipped.items() if not is_answered] == []

    page = (ROOT / "docs/security.md").read_text()
    assert set(re.findall(rf"^\| ({CHECK.pattern}) \|", page, re.MULTILINE)) == set(skipped)
