"""One local cloud and one apply per session, for all tests that look at the module deployed.

A pytest plugin rather than fixtures of a conftest, because several folders of tests share it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pytest_terraform import tf

from localcloud import Call, LocalCloud, Terraform
from localcloud.fleet import Fleet
from localcloud.project import (
    ROOT,
    copy_project,
    keep_state_in_a_bucket,
    take_code_from_a_bucket,
)
from localcloud.terraform import REATTACH, find_binary
from tests.integration.inventory import Inventory, take_inventory

ROOTS = Path("tests/integration/terraform")
NAME = "deployment"
TIME_SCALE = 0.00005
"""A day of waiting takes 4.3 seconds."""


def register(config: pytest.Config) -> None:
    """Makes this module a plugin of the session, and the roots fixtures; once, whoever asks."""
    plugins = config.pluginmanager
    if plugins.has_plugin(NAME):
        return
    if not plugins.has_plugin("terraform"):
        raise pytest.UsageError(
            "the tests of the deployed module need the plugin pytest-terraform: "
            "install it, and leave out -p no:terraform"
        )
    plugins.register(sys.modules[__name__], NAME)
    # Not before: its import is the registration, which needs pytest-terraform set up.
    from tests.integration import roots  # noqa: PLC0415

    plugins.register(roots, f"{NAME}-roots")
    config.addinivalue_line("markers", "last: run after all other tests of the session")


_FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> list[str]:
    """Lines that the session ends with: what was measured, and is quoted in README."""
    return pytestconfig.stash.setdefault(_FIGURES, [])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Prints the figures."""
    for line in config.stash.get(_FIGURES, []):
        terminalreporter.write_line(line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that judge the whole session run after the others."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@dataclass(frozen=True)
class Deployment:
    """The root ``two_fleets``, applied."""

    quickstart: Fleet
    second: Fleet
    before: Inventory
    """What the account held before the apply."""
    calls: list[Call]
    """Calls of the apply."""
    runner: Any
    """pytest-terraform's runner of the root."""

    def terraform(self, account: LocalCloud) -> Terraform:
        """Terraform on the same root and state, for what pytest-terraform's runner cannot do."""
        return Terraform(
            Path(self.runner.module_dir),
            environment=account.environment(),
            data_dir=Path(self.runner.work_dir),
        )


@pytest.fixture(scope="session")
def account() -> Iterator[LocalCloud]:
    """An empty AWS account on this machine; this process's environment points to it."""
    with (
        LocalCloud(time_scale=TIME_SCALE, group_lag_seconds=0.3, patience=20) as cloud,
        pytest.MonkeyPatch.context() as patch,
    ):
        # pytest-terraform gives Terraform the environment of this process.
        terraform = Terraform(ROOT, environment=cloud.environment())
        _take_over(patch, terraform.environment)
        yield cloud


def _take_over(patch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    for name in os.environ.keys() - environment.keys():
        patch.delenv(name)
    for name, value in environment.items():
        if os.environ.get(name) != value:
            patch.setenv(name, value)


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory, account: LocalCloud) -> Path:
    """The project: pytest-terraform and Terraform write files beside the root."""
    copied = copy_project(tmp_path_factory.mktemp("project") / "copy")
    take_code_from_a_bucket(account, copied)
    return copied


@pytest.fixture(scope="session")
def provider(
    account: LocalCloud, copy: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """One process of the provider for all that runs Terraform, pytest-terraform included."""
    root, data_dir = copy / ROOTS / "two_fleets", tmp_path_factory.mktemp("provider")
    terraform = Terraform(root, environment=account.environment(), data_dir=data_dir)
    terraform.init()
    with terraform.one_provider(), pytest.MonkeyPatch.context() as patch:
        patch.setenv(REATTACH, terraform.environment[REATTACH])
        yield


@pytest.fixture(scope="session")
def deployment(
    account: LocalCloud, copy: Path, provider: None, request: pytest.FixtureRequest
) -> Deployment:
    """The module, applied by the real Terraform: the quickstart, and a second fleet beside it."""
    before, mark = take_inventory(account), account.mark()
    applied = _apply("two_fleets", account, copy, request)
    calls = account.calls(mark)
    return Deployment(
        quickstart=_quickstart(account, applied.outputs["quickstart"]["value"]),
        second=_second(account, applied.outputs["second"]["value"]),
        before=before,
        calls=calls,
        runner=applied.terraform,
    )


@pytest.fixture(scope="session")
def quickstart(deployment: Deployment) -> Fleet:
    """``examples/quickstart``, with functions from a bucket."""
    return deployment.quickstart


@pytest.fixture(scope="session")
def second(
    account: LocalCloud, copy: Path, provider: None, request: pytest.FixtureRequest
) -> Fleet:
    """A fleet with a prefix and options of its own; alone where no test needs the other one."""
    tests = [item for item in request.session.items if isinstance(item, pytest.Function)]
    if any("deployment" in test.fixturenames for test in tests):
        deployed: Deployment = request.getfixturevalue("deployment")
        return deployed.second
    outputs = _apply("second_fleet", account, copy, request).outputs
    return _second(account, {name: output["value"] for name, output in outputs.items()})


def _apply(root: str, account: LocalCloud, copy: Path, request: pytest.FixtureRequest) -> Any:
    tf.LazyModuleDir.value = str(copy / ROOTS)
    tf.LazyTfBin.value = find_binary()
    keep_state_in_a_bucket(account.client("s3"), copy / ROOTS / root)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tf.TerraformState, "from_file", _pull_state)
            return request.getfixturevalue(root)
    except subprocess.CalledProcessError as error:
        # Said once and short, not with a traceback for each test.
        pytest.fail(f"terraform failed, see what it printed: {error}", pytrace=False)


def _pull_state(path: str, runner: tf.TerraformRunner) -> tf.TerraformState:
    """Read the state where Terraform keeps it; pytest-terraform looks for a file."""
    state = runner._run_cmd([runner.tf_bin, "state", "pull"], output=True)
    return tf.TerraformState.from_string(state.decode(), runner)


def _quickstart(account: LocalCloud, outputs: dict[str, Any]) -> Fleet:
    return Fleet(account, outputs["firmware_retry"], outputs["alert_queue_url"], "iot/device/data")


def _second(account: LocalCloud, outputs: dict[str, Any]) -> Fleet:
    account.confirm_addresses()
    return Fleet(
        account,
        outputs["firmware_retry"],
        outputs["alert_queue_url"],
        "second/{device}/data",
        "FAILED",
        "second-",
    )
