"""One device, as everything that knows of it shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from fleet_retry import tables
from fleet_retry.deployment import BACKUP, RETRIES, Deployment, Machine, is_missing
from fleet_retry.history import Transition, transitions

_CONSOLES = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}
_MACHINES: dict[str, Machine] = {"cooling_down": "cool_down", "failed": "escalation"}


@dataclass(frozen=True)
class Run:
    """The recovery run that holds a device."""

    arn: str
    status: str
    """As Step Functions has it; ``NOT_FOUND`` where there is no such run (any more)."""
    at: str
    """The state that it came to last."""
    console_url: str
    """Where to look at it."""

    def as_dict(self) -> dict[str, str]:
        """JSON-ready."""
        return {
            "arn": self.arn,
            "status": self.status,
            "state": self.at,
            "consoleUrl": self.console_url,
        }


@dataclass(frozen=True)
class Device:
    """What is known of a device; what is None is not there."""

    name: str
    record: dict[str, Any] | None
    attributes: dict[str, str] | None
    """Of the thing, as they are now."""
    originals: dict[str, str | None]
    """What was there before it was overwritten; None where there was no such attribute."""
    groups: list[str]
    history: list[Transition]
    run: Run | None

    @property
    def is_known(self) -> bool:
        """Whether there is a thing, or anything else that tells of it."""
        return self.attributes is not None or self.record is not None or bool(self.history)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "deviceId": self.name,
            "record": self.record,
            "attributes": self.attributes,
            "originals": self.originals,
            "groups": self.groups,
            "history": [transition.as_dict() for transition in self.history],
            "execution": self.run and self.run.as_dict(),
        }


def look_at(deployment: Deployment, name: str) -> Device:
    """Gathers what is known of a device.

    Raises:
        DeploymentError: the module is not there.
    """
    record = tables.get(deployment, RETRIES, name)
    stored = tables.get(deployment, BACKUP, name)
    attributes = _attributes(deployment, name)
    return Device(
        name=name,
        record=record,
        attributes=attributes,
        originals=stored["attributes"] if stored else {},
        groups=[] if attributes is None else groups_of(deployment, name),
        history=list(transitions(deployment, name)),
        run=_run(deployment, record) if record else None,
    )


def groups_of(deployment: Deployment, name: str) -> list[str]:
    """The thing groups that a thing is in, dynamic ones too; none when the thing is gone."""
    pages = deployment.client("iot").get_paginator("list_thing_groups_for_thing")
    try:
        return sorted(
            group["groupName"]
            for page in pages.paginate(thingName=name)
            for group in page["thingGroups"]
        )
    except ClientError as error:
        if not is_missing(error):
            raise
        return []


def _attributes(deployment: Deployment, name: str) -> dict[str, str] | None:
    try:
        return dict(deployment.client("iot").describe_thing(thingName=name).get("attributes", {}))
    except ClientError as error:
        if not is_missing(error):
            raise
        return None


def _run(deployment: Deployment, record: dict[str, Any]) -> Run | None:
    machine = _MACHINES.get(record.get("state", ""))
    if machine is None or not record.get("recoveryId"):
        return None
    of_machine = deployment.state_machine_arn(machine).replace(":stateMachine:", ":execution:")
    arn = f"{of_machine}:{record['recoveryId']}"
    try:
        answer = deployment.client("stepfunctions").describe_execution(executionArn=arn)
    except ClientError as error:
        if not is_missing(error):
            raise
        return Run(arn, "NOT_FOUND", "", "")
    return Run(arn, answer["status"], _last_state(deployment, arn), _console_url(deployment, arn))


def _last_state(deployment: Deployment, arn: str) -> str:
    events = deployment.client("stepfunctions").get_execution_history(
        executionArn=arn, reverseOrder=True, maxResults=100
    )["events"]
    entered = (of["stateEnteredEventDetails"] for of in events if "stateEnteredEventDetails" in of)
    return str(next((of["name"] for of in entered), ""))


def _console_url(deployment: Deployment, arn: str) -> str:
    if deployment.endpoint_url:
        return ""
    _, partition, _, region, _ = arn.split(":", 4)
    console = _CONSOLES.get(partition, "console.aws.amazon.com")
    return f"https://{region}.{console}/states/home?region={region}#/v2/executions/details/{arn}"
