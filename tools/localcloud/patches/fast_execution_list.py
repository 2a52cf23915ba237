"""Reads all executions of an account without asking for each of them whose it is.

MiniStack 1.5.33: each list of what an account has asks for the present account and region once for
every item there is, of which there are thousands of executions.
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import AccountRegionScopedDict

from localcloud.patches.patch import around


def install() -> None:
    """Ask once a list."""

    @around(AccountRegionScopedDict, "values")
    def values(_: Any, scoped: Any) -> list[Any]:
        account, region = scoped._prefix()
        return [
            value
            for key, value in list(scoped._data.items())
            if key[0] == account and key[1] == region
        ]
