"""What the module does under faults, its roles allow; ``tests/integration`` has the rest."""

from __future__ import annotations

import pytest

from localcloud.fleet import Fleet
from tests.integration.policies import read_role
from tests.integration.uses import add_up, list_uses


@pytest.mark.last
def test_every_call_is_allowed(second: Fleet, figures: list[str]) -> None:
    calls = second.cloud.calls()
    needs = add_up(list_uses(second, calls))
    refused = {name: read_role(second.cloud, name).refuses(need) for name, need in needs.items()}
    assert {name: found for name, found in refused.items() if found} == {}
    of_functions = sum(call.caller not in ("", "states") for call in calls)
    figures.append(f"least privilege: {of_functions:,} calls of functions under faults, allowed")
