"""One local cloud for all tests of this folder, and what most of them need of it."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from localcloud import LocalCloud
from localcloud.waiting import eventually
from tests.tools.localcloud.common import ROLE


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    """A running local cloud in which an hour takes 3.6 seconds."""
    with LocalCloud(time_scale=0.001, group_lag_seconds=0.3) as running:
        indexing = {"thingIndexingMode": "REGISTRY"}
        running.client("iot").update_indexing_configuration(thingIndexingConfiguration=indexing)
        yield running


@pytest.fixture(scope="module")
def empty() -> Iterator[LocalCloud]:
    """An account in which only this module's tests make anything."""
    with LocalCloud() as running:
        yield running


@pytest.fixture(scope="session")
def make_function(cloud: LocalCloud) -> Callable[..., str]:
    """Create a Lambda function of a name and source; returns its ARN."""

    def make(name: str, source: str, **settings: Any) -> str:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("app.py", source)
        made = cloud.client("lambda").create_function(
            FunctionName=name,
            Role=ROLE,
            Runtime="python3.13",
            Handler="app.handler",
            Code={"ZipFile": packed.getvalue()},
            **settings,
        )
        return str(made["FunctionArn"])

    return make


@pytest.fixture(scope="session")
def make_machine(cloud: LocalCloud) -> Callable[..., str]:
    """Create a state machine of a name and states, the first of them first; returns its ARN."""

    def make(name: str, states: dict[str, Any], kind: str = "STANDARD") -> str:
        definition = json.dumps({"StartAt": next(iter(states)), "States": states})
        made = cloud.client("stepfunctions").create_state_machine(
            name=name, definition=definition, roleArn=ROLE, type=kind
        )
        return str(made["stateMachineArn"])

    return make


@pytest.fixture(scope="session")
def outcome(cloud: LocalCloud) -> Callable[[str], dict[str, Any]]:
    """Wait for an execution's end; returns its description."""

    def wait(execution_arn: str) -> dict[str, Any]:
        states = cloud.client("stepfunctions")

        def find_end() -> dict[str, Any] | None:
            found: dict[str, Any] = states.describe_execution(executionArn=execution_arn)
            return None if found["status"] == "RUNNING" else found

        found = eventually(find_end)
        assert found is not None, "the execution did not end"
        return found

    return wait


@pytest.fixture(scope="session")
def make_thing(cloud: LocalCloud) -> Callable[..., str]:
    """Create a thing with the given attributes and a name of its own; returns the name."""

    def make(**attributes: str) -> str:
        name = f"thing-{uuid.uuid4().hex[:12]}"
        payload = {"attributes": attributes}
        cloud.client("iot").create_thing(thingName=name, attributePayload=payload)
        return name

    return make
