"""Brings in the deployment that these tests share with those of ``tests/integration``."""

import pytest

from tests.integration import plugin


# Last: pytest-terraform has to be set up before.
@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    plugin.register(config)
