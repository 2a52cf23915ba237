import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.terraform import Terraform

ROOT = Path(__file__).resolve().parents[2]
TESTS = "tests/terraform"


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module without what Terraform may have left beside it; takes what it leaves now."""
    target = tmp_path_factory.mktemp("terraform") / "module"
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(".*", "node_modules"))
    return target


@pytest.fixture(scope="session")
def module(copy: Path) -> Iterator[Terraform]:
    """The module, ready for ``terraform test``, with one process of the provider for all runs.

    Terraform would start the provider three times a run, which takes longer than all else in it.
    How to have it use one that runs: https://developer.hashicorp.com/terraform/plugin/debugging
    """
    terraform = Terraform(copy)
    terraform.init(f"-test-directory={TESTS}")
    (provider,) = (copy / ".terraform/providers").glob("*/*/*/*/*/terraform-provider-aws*")
    with subprocess.Popen([provider, "-debug"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines = (re.search(r"(TF_REATTACH_PROVIDERS)='(.+)'", line) for line in process.stdout)
        name, address = next(found.groups() for found in lines if found)
        terraform.environment[name] = address
        yield terraform
        process.terminate()
