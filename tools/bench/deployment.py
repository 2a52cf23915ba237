"""The module, deployed to a local cloud with one fleet to watch."""

import tempfile
from pathlib import Path
from typing import Any

from bench.journeys import GROUP
from localcloud import LocalCloud, Terraform
from localcloud.fleet import Fleet
from localcloud.project import copy_project

TIME_SCALE = 0.0001
"""A day of waiting takes 8.6 seconds."""
GROUP_LAG_SECONDS = 0.3


def deploy(cloud: LocalCloud) -> Fleet:
    """Apply ``tools/bench/terraform`` and create the dynamic thing group of the fleet.

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
        copy = copy_project(Path(scratch) / "module")
        terraform = Terraform(
            copy / "tools" / "bench" / "terraform", environment=cloud.environment()
        )
        terraform.init()
        terraform.apply()
        cloud.confirm_addresses()
        outputs: dict[str, Any] = terraform.outputs()["firmware_retry"]
        return outputs
