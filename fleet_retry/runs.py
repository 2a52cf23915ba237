"""The runs of the recoveries: which of them go on, and how to stop one.

A run sleeps until the cool-down of its device is over, even if the device was released or updated
in the meantime: it finds that out when it wakes up. AWS deletes a state machine only after its last
run has ended, so a sleeping run keeps ``terraform destroy`` waiting:
https://docs.aws.amazon.com/step-functions/latest/apireference/API_DeleteStateMachine.html
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from firmware_retry.record import Record, State
from fleet_retry.deployment import Deployment, Machine, NotThereError

_RECOVERIES: tuple[Machine, ...] = ("cool_down", "escalation")
_CONCURRENT_CALLS = 8
_OVER = frozenset({"ExecutionDoesNotExist", "ValidationException"})
"""The errors for a run that has ended already, lately or months ago."""
_CAUSE = "fleet-retry: the run is not needed any more"


class StopOutcome(StrEnum):
    """The outcome of stopping a run."""

    STOPPED = "stopped"
    REFUSED = "refused"


def list_running(deployment: Deployment) -> list[str]:
    """List the ARNs of all runs of both recovery machines; a machine that is gone has none."""
    states = deployment.client("stepfunctions")
    return [arn for machine in _list_machines(deployment) for arn in list_of(states, machine)]


def list_of(states: Any, machine_arn: str) -> Iterator[str]:
    """List the ARNs of the running executions of a machine."""
    pages = states.get_paginator("list_executions").paginate(
        stateMachineArn=machine_arn, statusFilter="RUNNING"
    )
    yield from (run["executionArn"] for page in pages for run in page["executions"])


def _list_machines(deployment: Deployment) -> Iterator[str]:
    for machine in _RECOVERIES:
        try:
            yield deployment.state_machine_arn(machine)
        except NotThereError:
            continue


def stop_all(
    deployment: Deployment, arns: list[str]
) -> Generator[tuple[str, StopOutcome, str], None, None]:
    """Stop runs, several at the same time. Repeating is safe.

    Yields:
        The ARN of each run, the outcome, and why AWS refused it.
    """
    states = deployment.client("stepfunctions")
    pool = ThreadPoolExecutor(_CONCURRENT_CALLS)
    try:
        yield from pool.map(partial(_stop, states), arns)
    finally:
        pool.shutdown(cancel_futures=True)


def _stop(states: Any, arn: str) -> tuple[str, StopOutcome, str]:
    try:
        states.stop_execution(executionArn=arn, cause=_CAUSE)
    except ClientError as error:
        if error.response["Error"]["Code"] in _OVER:
            return arn, StopOutcome.STOPPED, ""
        return arn, StopOutcome.REFUSED, str(error)
    return arn, StopOutcome.STOPPED, ""


def stop_run_of(deployment: Deployment, record: Record) -> str:
    """Stop the run of a device whose episode has ended; return why it goes on, or ""."""
    if record.state is State.TRACKING:
        return ""
    machine: Machine = "cool_down" if record.state is State.COOLING_DOWN else "escalation"
    arn = deployment.state_machine_arn(machine).replace(":stateMachine:", ":execution:", 1)
    states = deployment.client("stepfunctions")
    return _stop(states, f"{arn}:{record.recovery_id}")[2]
