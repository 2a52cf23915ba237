"""Terraform has nothing to do after an apply, whatever devices and operators did since.

``tests/examples`` destroys what it applied.
"""

from __future__ import annotations

import re

import pytest

from localcloud import LocalCloud, eventually
from tests.integration.plugin import Deployment


@pytest.mark.last
def test_a_second_plan_is_empty(account: LocalCloud, deployment: Deployment) -> None:
    would_change, printed = deployment.terraform(account).plan()
    assert not would_change, printed
    warnings = set(re.findall("Warning: (.+)", printed))
    assert warnings <= {"Deprecated flag: -state"}, "more than that of how the tests keep the state"


# After everything else: the group keeps its new name.
@pytest.mark.last
def test_an_apply_that_renames_the_failed_group_releases_no_device(
    account: LocalCloud, deployment: Deployment
) -> None:
    fleet, device = deployment.second, "renamed-group"
    fleet.add_thing(device, model="gw:v3", FW="2.26")
    fleet.fail(device, [1], reason="signature invalid")
    assert eventually(lambda: fleet.alerts(device))
    assert eventually(lambda: not fleet.is_running("escalation"))
    marked = fleet.attributes(device)
    renamed = {"failed_thing_group_name": "FirmwareQuarantine"}
    deployment.terraform(account).apply("-refresh=false", **renamed)
    assert fleet.groups(device) == set()
    fleet.settle_failed(device)
    fleet.invoke("ReconcileDevices", graceSeconds=0)
    assert fleet.groups(device) == {"second-FirmwareQuarantine"}
    assert fleet.attributes(device) == marked
    assert fleet.history(device)[-1][1] == "failed"
    assert "failed_group_refilled" in {alert["event"] for alert in fleet.all_alerts()}
