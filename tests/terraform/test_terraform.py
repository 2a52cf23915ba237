"""Terraform's own checks of the module, without any server."""

import json
import re
import shutil
import subprocess
from pathlib import Path

from localcloud.project import ROOT
from localcloud.terraform import Terraform

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
