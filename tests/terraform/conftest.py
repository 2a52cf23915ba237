from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.project import copy_project
from localcloud.terraform import Terraform

TESTS = "tests/terraform"


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module without what Terraform may have left beside it; takes what it leaves now."""
    return copy_project(tmp_path_factory.mktemp("terraform") / "module")


@pytest.fixture(scope="session")
def module(copy: Path) -> Iterator[Terraform]:
    """The module, ready for ``terraform test``."""
    terraform = Terraform(copy)
    terraform.init(f"-test-directory={TESTS}")
    with terraform.one_provider():
        yield terraform
