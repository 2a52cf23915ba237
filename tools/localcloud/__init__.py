"""AWS on a laptop: MiniStack plus the few things that this project needs and it lacks.

``LocalCloud`` runs the server, ``Terraform`` applies a root to it, ``Device`` speaks MQTT to it.
Nothing in the Terraform module knows of this package.
"""

from localcloud.device import Device
from localcloud.faults import Fault, Kind, Origin, Target
from localcloud.listings import Listing
from localcloud.process import LocalCloud, LocalCloudError
from localcloud.recorder import Call
from localcloud.terraform import Terraform, TerraformError
from localcloud.waiting import eventually
from localcloud.waits import Hold

__all__ = [
    "Call",
    "Device",
    "Fault",
    "Hold",
    "Kind",
    "Listing",
    "LocalCloud",
    "LocalCloudError",
    "Origin",
    "Target",
    "Terraform",
    "TerraformError",
    "eventually",
]
