import shutil
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
    """The module, ready for ``terraform test``."""
    terraform = Terraform(copy)
    terraform.init(f"-test-directory={TESTS}")
    with terraform.one_provider():
        yield terraform
