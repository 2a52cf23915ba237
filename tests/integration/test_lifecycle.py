"""Terraform has nothing to do after an apply, whatever devices and operators did since.

``tests/examples`` destroys what it applied.
"""

from __future__ import annotations

import re

import pytest

from localcloud import LocalCloud
from tests.integration.plugin import Deployment


@pytest.mark.last
def test_a_second_plan_is_empty(account: LocalCloud, deployment: Deployment) -> None:
    would_change, printed = deployment.terraform(account).plan()
    assert not would_change, printed
    warnings = set(re.findall("Warning: (.+)", printed))
    assert warnings <= {"Deprecated flag: -state"}, "more than that of how the tests keep the state"
