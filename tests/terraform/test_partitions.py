"""In GovCloud and in China every ARN is one of that partition."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.terraform import Terraform

TESTS = "tests/terraform"
ARN = re.compile(r"arn:([a-z-]+):[a-z0-9-]+:([a-z0-9-]*):")
REGIONS = {"aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"}


@pytest.fixture(scope="module")
def planned(module: Terraform) -> dict[str, list[str]]:
    """All texts of what the module makes and reads, by partition."""
    files = [_write_test(module.root / TESTS, partition) for partition in REGIONS]
    filters = [f"-filter={TESTS}/{file.name}" for file in files]
    printed = module.run("test", f"-test-directory={TESTS}", *filters, "-json", "-verbose")
    for file in files:
        file.unlink()  # the copy is shared
    states = [json.loads(line) for line in printed.splitlines() if '"type":"test_state"' in line]
    return {
        Path(state["@testfile"]).name.partition(".")[0]: list(
            texts(state["test_state"]["root_module"])
        )
        for state in states
    }


def _write_test(tests: Path, partition: str) -> Path:
    # All that there can be, in another partition than the one it is written for.
    mocks, file = tests / f"mocks-{partition}", tests / f"{partition}.tftest.hcl"
    mocks.mkdir()
    (mocks / "aws.tfmock.hcl").write_text(
        _move((tests / "mocks/aws.tfmock.hcl").read_text(), partition)
    )
    everything = _move((tests / "customer_key.tftest.hcl").read_text(), partition)
    everything = everything.replace(f"{TESTS}/mocks", f"{TESTS}/{mocks.name}")
    file.write_text(
        everything.replace("variables {", "variables {\n  job_events_enabled = true", 1)
    )
    return file


def _move(text: str, partition: str) -> str:
    moved = text.replace("arn:aws:", f"arn:{partition}:").replace("eu-west-1", REGIONS[partition])
    return moved.replace('partition = "aws"', f'partition = "{partition}"')


def texts(value: Any) -> Iterator[str]:
    """All strings in a JSON document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for element in value.values():
            yield from texts(element)
    elif isinstance(value, list):
        for element in value:
            yield from texts(element)


@pytest.mark.parametrize("partition", REGIONS)
def test_every_arn_is_of_the_partition_and_the_region(
    planned: dict[str, list[str]], partition: str
) -> None:
    arns = [arn for text in planned[partition] for arn in ARN.findall(text)]
    assert len(arns) > 200
    assert {name for name, _ in arns} == {partition}
    assert {region for _, region in arns} <= {REGIONS[partition], ""}
