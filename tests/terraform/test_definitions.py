"""The module renders the definitions that the simulator follows."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from localcloud.terraform import Terraform
from simulator import definitions

TESTS = "tests/terraform"


@pytest.fixture(scope="module")
def rendered(module: Terraform) -> dict[str, str]:
    """The definition of each machine, rendered by Terraform with the simulator's ARNs."""
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
    file = module.root / TESTS / "definitions.tftest.hcl"
    file.write_text(
        f'mock_provider "aws" {{\n  source = "./{TESTS}/mocks"\n}}\n{blocks}run "everything" {{}}\n'
    )
    options = (f"-filter={TESTS}/{file.name}", "-json", "-verbose")
    printed = module.run("test", f"-test-directory={TESTS}", *options)
    file.unlink()  # the copy is shared
    line = next(line for line in printed.splitlines() if '"type":"test_state"' in line)
    return dict(_definitions(json.loads(line)["test_state"]["root_module"]))


def _definitions(module: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for resource in module.get("resources", ()):
        if resource["type"] == "aws_sfn_state_machine":
            yield resource.get("index", resource["name"]), resource["values"]["definition"]
    for child in module.get("child_modules", ()):
        yield from _definitions(child)


@pytest.mark.parametrize("machine", definitions.MACHINES)
def test_terraform_and_the_simulator_render_the_same(
    rendered: dict[str, str], machine: str
) -> None:
    assert json.loads(rendered[machine]) == definitions.definition(machine)
