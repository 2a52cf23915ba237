"""Terraform's own checks of the module, without any server."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from localcloud.project import ROOT
from localcloud.terraform import Terraform, TerraformError

TESTS = "tests/terraform"


def test_every_file_is_formatted() -> None:
    Terraform(ROOT).run("fmt", "-check", "-recursive", "-diff")


def test_the_module_is_valid_and_free_of_warnings(module: Terraform) -> None:
    """The examples are applied, in ``tests/examples``."""
    assert "Warning" not in module.run("validate")


def test_logic(module: Terraform) -> None:
    """``tests/terraform/*.tftest.hcl``, with a mock provider; ``test_state`` has the others."""
    files = sorted(path.name for path in (ROOT / TESTS).glob("*.tftest.hcl"))
    files.remove("everything.tftest.hcl")
    filters = [f"-filter={TESTS}/{file}" for file in files]
    print(module.run("test", f"-test-directory={TESTS}", *filters))


def test_validations(tmp_path: Path) -> None:
    """``tests/terraform/validations/``, on the variables alone."""
    shutil.copy(ROOT / "variables.tf", tmp_path)
    shutil.copytree(ROOT / "tests/terraform/validations", tmp_path / "tests")
    terraform = Terraform(tmp_path)
    terraform.init()
    print(terraform.run("test"))


WRONG: dict[str, Any] = {
    "tags": {"fleet": "b", "model": "wrong ✓"},
    "failure_statuses": ["failed", "wrong'"],
    "job_id_patterns": ["firmware-*", "wrong?"],
    "cool_down_seconds": [86400, 0.25],
    "reason_keys": ["reason", "wrong key"],
    "ignored_reasons": ["battery", "wrong[]"],
    "move_out_attributes": {"model": "moveOut", "FW": "wrong one"},
    "failed_attributes": {"model": "failed", "FW": "wrong two"},
    "foreign_marks": [{"FW": "moveOut"}, {"wrongMark": ""}],
    "alert_emails": ["fleet@example.com", "wrong@example"],
    "alarm_actions": ["arn:aws:sns:eu-west-1:123456789012:pager", "wrong action"],
    "ok_actions": ["arn:aws:sns:eu-west-1:123456789012:pager", "wrong end"],
    "existing_tables": {"wrongTable": {"arn": "arn:aws:dynamodb:eu-west-1:123456789012:table/any"}},
}
"""For each input of several elements one that is right, and one that is wrong."""
AND_ITS_PAIR = {
    "success_statuses": ["succeeded", "wrong'"],
    "fatal_reasons": ["signature", "wrong[]"],
}
"""Inputs that Terraform does not look at before the ones that they are compared with are right."""


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Lines that Terraform prints about wrong elements and about fields that no object has."""
    root = tmp_path_factory.mktemp("variables")
    shutil.copy(ROOT / "variables.tf", root)
    terraform = Terraform(root)
    terraform.init()
    printed = []
    for values in (WRONG, AND_ITS_PAIR, MISSPELT):
        (root / "terraform.tfvars.json").write_text(json.dumps(values, indent=1))
        with pytest.raises(TerraformError) as refused:
            terraform.plan()
        printed += re.sub(r"\n\W*", " ", str(refused.value)).split("Error:")
    return printed


@pytest.mark.parametrize("name", [*WRONG, *AND_ITS_PAIR])
def test_a_wrong_element_is_named(refusals: list[str], name: str) -> None:
    (refusal,) = [line for line in refusals if f'"{name}": ' in line]
    named = refusal.partition("Not so: ")[2]
    assert "wrong" in named or "0.25" in named
    assert not any(right in named for right in ("86400", "battery", "moveOut", "pager", "fleet"))


MISSPELT: dict[str, Any] = {
    "breaker": {"share": 0.5, "window_seconds": 3600, "min_devices": 20, "pause": True},
    "lambda_package_s3": {"bucket": "code", "key": "firmware_retry.zip", "version": "1"},
    "existing_alerts_topic": {"topic": "arn:aws:sns:eu-west-1:123456789012:incidents.fifo"},
}


NEEDED = {
    "breaker": 'Not so: ["pause"]',
    "lambda_package_s3": '"version":"1"',
    "existing_alerts_topic": '"arn" is required',
}


@pytest.mark.parametrize(("name", "right"), NEEDED.items())
def test_a_misspelt_field_is_refused_by_the_right_one(
    refusals: list[str], name: str, right: str
) -> None:
    """Terraform drops a field that an object does not have, and keeps those of a map."""
    refusal = next(line for line in refusals if f"var.{name}" in line or f'"{name}"' in line)
    assert right in refusal


def test_nothing_of_terraforms_is_checked_in() -> None:
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    left = [name for name in files if re.search(r"\.terraform(/|\.lock)|\.tfstate", name)]
    assert left == []


USAGES = [path for path in sorted(ROOT.glob("modules/*/README.md")) if "```hcl" in path.read_text()]
SOURCE = "github.com/OWNER/terraform-aws-iot-firmware-retry"


def test_the_usages_that_submodules_show_are_valid(copy: Path) -> None:
    """Side by side in one root, which is much faster than each alone."""
    root = copy / "examples" / "usages"
    calls = ['variable "any" {}\n']
    for readme in USAGES:
        (usage,) = re.findall(r"^```hcl\n(.*?)^```", readme.read_text(), re.MULTILINE | re.DOTALL)
        unpinned = re.sub(r"\?ref=[^\"]+", "", usage)
        local = unpinned.replace(f"{SOURCE}//", "../../../").replace(SOURCE, "../../..")
        name = readme.parent.name
        (root / name).mkdir(parents=True)
        (root / name / "main.tf").write_text(local)
        inputs = re.findall(r'^variable "(\w+)"', local, re.MULTILINE)
        given = "".join(f"  {key} = var.any\n" for key in inputs)
        calls.append(f'module "{name}" {{\n  source = "./{name}"\n{given}}}\n')
    assert len(calls) > 5
    (root / "main.tf").write_text("".join(calls))
    terraform = Terraform(root)
    terraform.init()
    warnings = json.loads(terraform.run("validate", "-json"))["diagnostics"]
    shutil.rmtree(root)  # the copy is shared
    assert warnings == []
