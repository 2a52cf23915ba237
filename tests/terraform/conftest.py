import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module without what Terraform may have left beside it; takes what it leaves now."""
    target = tmp_path_factory.mktemp("terraform") / "module"
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(".*", "node_modules"))
    return target
