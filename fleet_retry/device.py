"""One device: its record, its thing, its history and its recovery run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from firmware_retry.emails import console_host
from firmware_retry.history_table import Transition
from firmware_retry.record import State
from fleet_retry import backups, history, registry, tables
from fleet_retry.deployment import Deployment, Machine, is_missing

_MACHINES: dict[str, Machine] = {State.COOLING_DOWN: "cool_down", State.FAILED: "escalation"}


@dataclass(frozen=True)
class Run:
    """The recovery run that owns a device."""

    arn: str
    status: str
    """As Step Functions reports it; ``NOT_FOUND`` when the run does not exist (any longer)."""
    last_state: str
    """The state that it entered last."""
    console_url: str
    """Its page in the console."""

    def as_dict(self) -> dict[str, str]:
        """Return JSON-ready values."""
        return {
            "arn": self.arn,
            "status": self.status,
            "state": self.last_state,
            "consoleUrl": self.console_url,
        }


@dataclass(frozen=True)
class Device:
    """All that is known of a device; None where something does not exist."""

    name: str
    record: dict[str, Any] | None
    attributes: dict[str, str] | None
    """Of the thing, at present."""
    originals: dict[str, str | None]
    """Values before they were overwritten; None where there was no such attribute."""
    groups: list[str]
    history: list[Transition]
    run: Run | None

    @property
    def is_known(self) -> bool:
        """Return whether there is a thing, a record or a history of this name."""
        return self.attributes is not None or self.record is not None or bool(self.history)

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "deviceId": self.name,
            "record": self.record,
            "attributes": self.attributes,
            "originals": self.originals,
            "groups": self.groups,
            "history": [history.to_json(transition) for transition in self.history],
            "execution": self.run and self.run.as_dict(),
        }


def read_device(deployment: Deployment, name: str) -> Device:
    """Read all that is known of a device.

    Raises:
        DeploymentError: the module is not deployed.
    """
    item = tables.get(deployment, deployment.settings.retries_table, name)
    record = tables.to_plain(item) if item else None
    thing = registry.read_thing(deployment, name)
    backup = backups.read(deployment, name)
    return Device(
        name=name,
        record=record,
        attributes=dict(thing.attributes) if thing else None,
        originals=dict(backup.attributes) if backup else {},
        groups=registry.list_groups(deployment, name) if thing else [],
        history=list(history.read_transitions(deployment, name)),
        run=_find_run(deployment, record) if record else None,
    )


def _find_run(deployment: Deployment, record: dict[str, Any]) -> Run | None:
    machine = _MACHINES.get(record.get("state", ""))
    if machine is None or not record.get("recoveryId"):
        return None
    executions = deployment.state_machine_arn(machine).replace(":stateMachine:", ":execution:")
    arn = f"{executions}:{record['recoveryId']}"
    try:
        answer = deployment.client("stepfunctions").describe_execution(executionArn=arn)
    except ClientError as error:
        if not is_missing(error):
            raise
        return Run(arn, "NOT_FOUND", "", "")
    return Run(
        arn, answer["status"], _find_last_state(deployment, arn), _console_url(deployment, arn)
    )


def _find_last_state(deployment: Deployment, arn: str) -> str:
    events = deployment.client("stepfunctions").get_execution_history(
        executionArn=arn, reverseOrder=True, maxResults=100
    )["events"]
    entered = (
        event["stateEnteredEventDetails"]["name"]
        for event in events
        if "stateEnteredEventDetails" in event
    )
    return str(next(entered, ""))


def _console_url(deployment: Deployment, arn: str) -> str:
    if deployment.endpoint_url:
        return ""
    _, partition, _, region, _ = arn.split(":", 4)
    host = console_host(partition, region)
    return f"https://{host}/states/home?region={region}#/v2/executions/details/{arn}"
