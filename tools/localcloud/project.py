"""The checkout of the project, and copies of it in which Terraform may leave its files."""

import shutil
from pathlib import Path
from string import Template
from typing import Any

from localcloud.process import LocalCloud

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""
_BUCKET = "fleet-packages"
_IGNORED = shutil.ignore_patterns(
    ".*", "node_modules", "__pycache__", "*.tfstate*", "*.tfvars", "tf_resources.json"
)

_BACKEND = Template("""terraform {
  backend "s3" {
    bucket                      = "$bucket"
    key                         = "terraform.tfstate"
    region                      = "$region"
    endpoints                   = { s3 = "$endpoint" }
    use_path_style              = true
    skip_credentials_validation = true
    skip_metadata_api_check     = true
    skip_requesting_account_id  = true
  }
}
""")


def copy_project(target: Path) -> Path:
    """Copy the project, without environments and Terraform's own files, and return the copy.

    Args:
        target: a folder that does not exist yet.
    """
    return Path(shutil.copytree(ROOT, target, ignore=_IGNORED))


def take_code_from_a_bucket(cloud: LocalCloud, copy: Path, *roots: Path) -> None:
    """Let the module in a copy of the project create its functions from a file in a bucket.

    The provider creates functions from a local file one after another, from a bucket many at a
    time.

    Args:
        cloud: where the bucket is made.
        copy: the copy of the project.
        roots: root modules that have the module's variable ``lambda_package_s3`` too.
    """
    package = copy / "lambda_src/dist/firmware_retry.zip"
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=_BUCKET)
    s3.put_object(Bucket=_BUCKET, Key=package.name, Body=package.read_bytes())
    default = f'{{ bucket = "{_BUCKET}", key = "{package.name}", object_version = null }}'
    for root in (copy, *roots):
        (root / "bucket_override.tf").write_text(
            f'variable "lambda_package_s3" {{\n  default = {default}\n}}\n'
        )


def keep_state_in_a_bucket(s3: Any, root: Path) -> None:
    """Let a root module keep its state in the cloud's S3, as most callers do.

    Terraform writes a local state at each change of a resource, and a state in S3 every 20 seconds.
    Two fleets are applied and destroyed in 50 seconds of processor time with the first, and in 19
    with the second. https://github.com/hashicorp/terraform/blob/v1.9.8/internal/backend/local/hook_state.go

    Args:
        s3: the client that makes a bucket for the state.
        root: a copy of the root module; the bucket is named after it.
    """
    bucket = f"state-of-{root.name.replace('_', '-')}"
    s3.create_bucket(Bucket=bucket)
    backend = {"bucket": bucket, "region": s3.meta.region_name, "endpoint": s3.meta.endpoint_url}
    (root / "backend_override.tf").write_text(_BACKEND.substitute(backend))
