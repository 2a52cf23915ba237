"""The module, deployed to a local cloud with one fleet to watch."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from bench.journeys import GROUP
from localcloud import LocalCloud, Terraform
from tests.deployed.fleet import Fleet

TIME_SCALE = 0.0001
"""A day of waiting takes 8.6 seconds."""
GROUP_LAG_SECONDS = 0.3

_PROJECT = Path(__file__).resolve().parent.parent


def deploy(cloud: LocalCloud) -> Fleet:
    """Applies ``bench/terraform``, and makes the dynamic thing group that a fleet has before.

    Args:
        cloud: an empty account.

    Returns:
        The deployed module, as its owner sees it.

    Raises:
        TerraformError: Terraform is missing or failed.
    """
    outputs = _apply(cloud)
    iot = cloud.client("iot")
    # Dynamic groups are queries of the fleet index.
    iot.update_indexing_configuration(thingIndexingConfiguration={"thingIndexingMode": "REGISTRY"})
    iot.create_dynamic_thing_group(thingGroupName=GROUP, queryString="attributes.FW:2.27")
    return Fleet(cloud, outputs, alert_queue_url="", topic="iot/device/data")


def _apply(cloud: LocalCloud) -> dict[str, Any]:
    # A copy, since Terraform writes its files beside the root.
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        copy = Path(scratch) / "module"
        ignored = shutil.ignore_patterns(".*", "tests", "*.tfstate*", "*.tfvars")
        shutil.copytree(_PROJECT, copy, ignore=ignored)
        terraform = Terraform(copy / "bench" / "terraform", environment=cloud.environment())
        terraform.init()
        terraform.apply()
        outputs: dict[str, Any] = terraform.outputs()["firmware_retry"]
        return outputs
