"""The checkout of the project, and copies of it in which Terraform may leave its files."""

import shutil
from pathlib import Path

from localcloud.process import LocalCloud

ROOT = Path(__file__).resolve().parents[2]
_BUCKET = "fleet-packages"
_IGNORED = shutil.ignore_patterns(
    ".*", "node_modules", "__pycache__", "*.tfstate*", "*.tfvars", "tf_resources.json"
)


def copy_project(target: Path) -> Path:
    """Copy the project, without environments and Terraform's own files, and return the copy.

    Args:
        target: a folder that does not exist yet.
    """
    return Path(shutil.copytree(ROOT, target, ignore=_IGNORED))


def take_code_from_a_bucket(cloud: LocalCloud, copy: Path, *roots: Path) -> None:
    """Let the module in a copy of the project make its functions of a bucket's file.

    The provider makes functions of a local file one after another, of a bucket many at a time.

    Args:
        cloud: where the bucket is made.
        copy: the copy of the project.
        roots: root modules that have the module's variable ``lambda_package_s3`` too.
    """
    package = copy / "lambda_src/dist/firmware_retry.zip"
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=_BUCKET)
    s3.put_object(Bucket=_BUCKET, Key=package.name, Body=package.read_bytes())
    default = f'{{ bucket = "{_BUCKET}", key = "{package.name}" }}'
    for root in (copy, *roots):
        (root / "bucket_override.tf").write_text(
            f'variable "lambda_package_s3" {{\n  default = {default}\n}}\n'
        )
