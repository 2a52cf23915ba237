"""The account before this module comes: things, a dynamic thing group, a continuous job."""

import json
from collections.abc import Iterable

from demo.fleet_plan import MODEL, NEW_FIRMWARE, OLD_FIRMWARE, DevicePlan
from localcloud.process import LocalCloud

GROUP = "NeedsUpdate"
JOB = "update-to-2_28"
HARD_LIMIT = 10
"""Most retries that AWS IoT Jobs gives a device.
https://docs.aws.amazon.com/iot/latest/developerguide/jobs-configurations-details.html
"""


def create_fleet(cloud: LocalCloud, plans: Iterable[DevicePlan]) -> None:
    """Create the things, the dynamic group of those on the old firmware, and the job for it."""
    iot = cloud.client("iot")
    attributes = {"model": MODEL, "FW": OLD_FIRMWARE, "site": "plant-7"}
    for plan in plans:
        iot.create_thing(thingName=plan.name, attributePayload={"attributes": attributes})
    # Dynamic groups are queries of the fleet index.
    iot.update_indexing_configuration(thingIndexingConfiguration={"thingIndexingMode": "REGISTRY"})
    group = iot.create_dynamic_thing_group(
        thingGroupName=GROUP, queryString=f"attributes.FW:{OLD_FIRMWARE}"
    )
    iot.create_job(
        jobId=JOB,
        targets=[group["thingGroupArn"]],
        targetSelection="CONTINUOUS",
        document=json.dumps({"firmware": NEW_FIRMWARE}),
        jobExecutionsRetryConfig={
            "criteriaList": [{"failureType": "FAILED", "numberOfRetries": HARD_LIMIT}]
        },
    )


def register_new_firmware(cloud: LocalCloud, name: str) -> None:
    """Do what the fleet's backend does when a device has the new firmware."""
    cloud.client("iot").update_thing(
        thingName=name,
        attributePayload={"attributes": {"FW": NEW_FIRMWARE}, "merge": True},
    )
