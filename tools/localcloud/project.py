"""The checkout of the project, and copies of it in which Terraform may leave its files."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_IGNORED = shutil.ignore_patterns(
    ".*", "node_modules", "__pycache__", "*.tfstate*", "*.tfvars", "tf_resources.json"
)


def copy_project(target: Path) -> Path:
    """Copy the project, without environments and Terraform's own files, and return the copy.

    Args:
        target: a folder that does not exist yet.
    """
    return Path(shutil.copytree(ROOT, target, ignore=_IGNORED))
