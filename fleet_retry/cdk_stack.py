"""The CDK stack that preceded this module: the data it leaves, and how to stop it.

``iot-firmware-update``, https://github.com/RebeccaLSmith/iot-failed-job-updates (its stack, its
functions under ``lib/lambda`` and ``resources/statemachine-definition.json``):

- ``DeviceFirmwareRetries``, an item a device that ever failed: ``deviceId`` (S, the key),
  ``RetryCounter`` (N, failures since the last reset), ``ResetRetryCount`` (N: 0, after the move out
  1, after the last cycle 2), ``timestamp`` (S, ISO 8601 in UTC: when the item was made). Nothing
  ends an episode: an item stays when the update succeeds.
- ``DeviceAttributeBackup``: ``deviceId`` (S, the key), ``FW`` and ``model`` (S), as the device's
  first failure message ever had them. Never written again, so they may be years old.
- A thing that is moved out has ``FW`` and ``model`` = ``moveOut``; one that failed twice has
  ``failedtoupdate``, and is a member of ``FailedToUpdate`` a quarter of an hour later.
- The rule ``FailedFirmwareUpdateRule`` starts ``FirmwareUpdateStateMachine``, Standard, once a
  message, with the message as its input (``_id_``, ``FW``, ``model``). That very run sleeps until
  the device is restored: how long is nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from fleet_retry import runs
from fleet_retry.deployment import Deployment, DeploymentError

_RETRIES = "DeviceFirmwareRetries"
_BACKUP = "DeviceAttributeBackup"
RULE = "FailedFirmwareUpdateRule"
MACHINE = "FirmwareUpdateStateMachine"
ATTRIBUTES = ("FW", "model")
"""What it keeps, overwrites and restores."""
MOVED_OUT = "moveOut"
FAILED = "failedtoupdate"


class StopOutcome(StrEnum):
    """The outcome of stopping a run."""

    STOPPED = "stopped"
    BUSY = "busy"
    """It does not sleep, and ends within seconds."""


@dataclass(frozen=True)
class Rule:
    """A rule that starts its runs."""

    name: str
    is_on: bool


def list_rules(deployment: Deployment) -> list[Rule]:
    """List the rules that start its runs, also renamed ones; there should be one."""
    iot = deployment.client("iot")
    pages = iot.get_paginator("list_topic_rules").paginate()
    names = [rule["ruleName"] for page in pages for rule in page["rules"]]
    read = (iot.get_topic_rule(ruleName=name)["rule"] for name in names)
    return [Rule(rule["ruleName"], not rule["ruleDisabled"]) for rule in read if _starts_runs(rule)]


def _starts_runs(rule: dict[str, Any]) -> bool:
    started = [
        action.get("stepFunctions", {}).get("stateMachineName") for action in rule["actions"]
    ]
    return rule["ruleName"] == RULE or MACHINE in started


def disable(deployment: Deployment, rule: Rule) -> None:
    """Disable a rule, so that it starts no more runs."""
    deployment.client("iot").disable_topic_rule(ruleName=rule.name)


def count_running(deployment: Deployment) -> int:
    """Count its runs in progress.

    Raises:
        DeploymentError: the stack does not exist.
    """
    return sum(
        1 for _ in runs.list_of(deployment.client("stepfunctions"), _find_machine(deployment))
    )


def stop(
    deployment: Deployment, dry_run: bool = False
) -> Generator[tuple[str, StopOutcome], None, None]:
    """Stop the sleeping runs, after recording how long they would have slept.

    The record gets two attributes, ``waitsSince`` and ``waitsUntil`` (N, epoch seconds). The backup
    gets the attributes that the device had when it was moved out, from the run's message. The stack
    reads only the latter, so nothing is lost if it is enabled again. Repeating is safe.

    Args:
        deployment: the account; its prefix is ignored, since the stack has none.
        dry_run: change nothing.

    Yields:
        The device of each run, and the outcome of the run.

    Raises:
        DeploymentError: the stack does not exist.
    """
    states = deployment.client("stepfunctions")
    machine = _find_machine(deployment)
    definition = json.loads(states.describe_state_machine(stateMachineArn=machine)["definition"])
    # Listed before the first stop: stopping runs between pages may hide others.
    for arn in list(runs.list_of(states, machine)):
        message = json.loads(states.describe_execution(executionArn=arn)["input"])
        sleep = _read_sleep(states, arn, definition)
        if sleep and not dry_run:
            _record_sleep(deployment.client("dynamodb"), message, *sleep)
            states.stop_execution(
                executionArn=arn, cause="fleet-retry adopt: the module restores the device"
            )
        yield str(message["_id_"]), StopOutcome.STOPPED if sleep else StopOutcome.BUSY


def _find_machine(deployment: Deployment) -> str:
    pages = deployment.client("stepfunctions").get_paginator("list_state_machines").paginate()
    for page in pages:
        for machine in page["stateMachines"]:
            # The module's own of this name is Express.
            if (machine["name"], machine["type"]) == (MACHINE, "STANDARD"):
                return str(machine["stateMachineArn"])
    raise DeploymentError(
        f"there is no Standard state machine {MACHINE}, so the CDK stack is not there (any more):"
        " adopt its devices without --stop-original"
    )


def _read_sleep(states: Any, arn: str, definition: dict[str, Any]) -> tuple[int, int] | None:
    """Return since and until when a run sleeps, epoch seconds; None when it does not."""
    (last,) = states.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=1)[
        "events"
    ]
    if last["type"] != "WaitStateEntered":
        return None
    since = int(last["timestamp"].timestamp())
    # Not a constant: owners of the stack may have changed it.
    state = definition["States"][last["stateEnteredEventDetails"]["name"]]
    return since, since + int(state.get("Seconds", 0))


def _record_sleep(dynamodb: Any, message: dict[str, Any], since: int, until: int) -> None:
    key = {"deviceId": {"S": message["_id_"]}}
    values = {":since": {"N": str(since)}, ":until": {"N": str(until)}}
    originals = {f":{name}": {"S": str(message[name])} for name in ATTRIBUTES}
    _update(
        dynamodb,
        TableName=_RETRIES,
        Key=key,
        UpdateExpression="SET waitsSince = :since, waitsUntil = :until",
        ConditionExpression="attribute_exists(deviceId) AND attribute_not_exists(#state)",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues=values,
    )
    _update(
        dynamodb,
        TableName=_BACKUP,
        Key=key,
        UpdateExpression=f"SET {', '.join(f'{name} = :{name}' for name in ATTRIBUTES)}",
        ConditionExpression="attribute_not_exists(#attributes)",
        ExpressionAttributeNames={"#attributes": "attributes"},
        ExpressionAttributeValues=originals,
    )


def _update(dynamodb: Any, **change: Any) -> None:
    """Update an item that still belongs to the stack; leave any other alone."""
    try:
        dynamodb.update_item(**change)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
