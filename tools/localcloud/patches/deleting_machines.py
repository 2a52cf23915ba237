"""State machines that are DELETING for as long as an execution of theirs runs.

AWS: https://docs.aws.amazon.com/step-functions/latest/apireference/API_DeleteStateMachine.html :
the call sets the status to DELETING and returns. A STANDARD machine is deleted when all its
executions have ended, each of which is terminated at its next state transition. Until then,
creating, updating and starting it is StateMachineDeleting
(.../step-functions/latest/apireference/API_StartExecution.html). An EXPRESS machine is deleted
within a minute, whatever runs.

MiniStack 1.5.33: deletes the machine and its executions immediately.

The status of an execution that is terminated is not documented; here it is ABORTED.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import error_response_json, json_response, now_iso
from ministack.services import stepfunctions

from localcloud.patches.patch import around

Record = dict[str, Any]

_DELETING = "DELETING"
_ERROR = {"error": "States.StateMachineDeleted", "cause": "The state machine is being deleted."}


def install() -> None:
    """Keep a machine that is deleted until its last execution has ended."""
    delete_now = stepfunctions._delete_state_machine

    @around(stepfunctions, "_delete_state_machine")
    def delete(original: Any, request: Record) -> Any:
        machine = stepfunctions._state_machines.get(request.get("stateMachineArn"))
        if machine is None or machine["type"] != "STANDARD" or not _is_running(machine):
            return original(request)
        machine["status"] = _DELETING
        return json_response({})

    for name in ("_start_execution", "_update_state_machine"):
        _reject_while_deleting(name, _arn_of_request)
    _reject_while_deleting("_create_state_machine", _arn_of_new)

    @around(stepfunctions, "_add_event")
    def add(original: Any, execution: Record, kind: str, details: Any = None) -> Any:
        event = original(execution, kind, details)
        if kind.endswith("StateExited") and _leads_on(execution, details):
            _terminate(execution)
        return event

    @around(stepfunctions, "_emit_execution_status_event")
    def emit(original: Any, execution: Record) -> None:
        original(execution)
        machine = _machine_of(execution)
        if machine is not None and machine["status"] == _DELETING and not _is_running(machine):
            delete_now({"stateMachineArn": machine["stateMachineArn"]})


def _reject_while_deleting(name: str, arn_of: Any) -> None:
    @around(stepfunctions, name)
    def call(original: Any, request: Record) -> Any:
        arn = arn_of(request)
        machine = stepfunctions._state_machines.get(arn) or {}
        if machine.get("status") != _DELETING:
            return original(request)
        message = f"State Machine Deleting: '{arn}'"
        return error_response_json("StateMachineDeleting", message, 400)


def _arn_of_request(request: Record) -> str | None:
    arn = request.get("stateMachineArn", "").partition("#")[0]
    found: str | None = stepfunctions._resolve_state_machine_arn(arn)
    return found


def _arn_of_new(request: Record) -> str | None:
    name = request.get("name")
    machines = stepfunctions._state_machines.values()
    return next((found["stateMachineArn"] for found in machines if found["name"] == name), None)


def _machine_of(execution: Record) -> Record | None:
    found: Record | None = stepfunctions._state_machines.get(execution["stateMachineArn"])
    return found


def _is_running(machine: Record) -> bool:
    return any(
        execution["stateMachineArn"] == machine["stateMachineArn"]
        and execution["status"] == "RUNNING"
        for execution in stepfunctions._executions.values()
    )


def _leads_on(execution: Record, details: Any) -> bool:
    """Whether the state that a machine's execution has left is followed by another one."""
    machine = _machine_of(execution)
    if machine is None or machine["status"] != _DELETING or execution["status"] != "RUNNING":
        return False
    states = json.loads(machine["definition"])["States"]
    state = states.get(details["stateExitedEventDetails"]["name"], {"End": True})
    return not state.get("End") and state["Type"] != "Succeed"


def _terminate(execution: Record) -> None:
    execution.update(status="ABORTED", stopDate=now_iso(), **_ERROR)
    stepfunctions._add_event(
        execution, "ExecutionAborted", {"executionAbortedEventDetails": _ERROR}
    )
    stepfunctions._emit_execution_status_event(execution)
