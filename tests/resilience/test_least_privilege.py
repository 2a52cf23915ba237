"""Roles allow every call that the module makes under faults.

``tests/integration`` shows the rest: that every permission is used.
"""

from __future__ import annotations

import pytest

from localcloud.fleet import Fleet
from tests.integration.policies import read_role
from tests.integration.uses import add_up, list_invocable, list_invoked, list_uses


@pytest.mark.last
def test_every_call_is_allowed(second: Fleet, figures: list[str]) -> None:
    calls = second.cloud.calls()
    uses = list(list_uses(second, calls))
    refused = {
        role: read_role(second.cloud, role).refuses(needed) for role, needed in add_up(uses).items()
    }
    assert {role: found for role, found in refused.items() if found} == {}
    assert list_invoked(calls) <= list_invocable(uses)

    of_functions = sum(call.caller not in ("", "states") for call in calls)
    assert of_functions > 0, "run it with the other tests of this folder: it judges their calls"
    figures.append(f"least privilege: {of_functions:,} calls of functions under faults, allowed")
