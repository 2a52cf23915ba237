r"""Names of executions, and what a name that was used before leads to.

AWS: https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html : a
name has 1 to 80 characters, none of them white space, a bracket, a wildcard or one of
``" # % \ ^ | ~ ` $ & , ; : /``. For STANDARD, the same name with the same input while that
execution runs answers as the first time; anything else is ExecutionAlreadyExists. The optimized
integration names errors ``StepFunctions.<error>Exception``
(https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html).

MiniStack 1.5.33: takes any name and any text as input, refuses every name used before, and the
integration's error has neither prefix nor suffix.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import stepfunctions

from localcloud.patches.patch import around

_NAME = re.compile(r'[^\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ufffe\uffff]{1,80}')


def install() -> None:
    """Make StartExecution and the integration ``states:startExecution`` answer as AWS does."""

    @around(stepfunctions, "_start_execution")
    def start(original: Any, request: dict[str, Any]) -> Any:
        name = request.get("name")
        if name is not None and not _NAME.fullmatch(name):
            return error_response_json("InvalidName", f"Invalid Name: '{name}'", 400)
        if not _is_json(request.get("input", "{}")):
            message = "Invalid State Machine Execution Input: the input is not JSON"
            return error_response_json("InvalidExecutionInput", message, 400)
        running = _running_with_same_input(request)
        if running is None:
            return original(request)
        answer = {"executionArn": running["executionArn"], "startDate": running["startDate"]}
        return json_response(answer)

    @around(stepfunctions, "_invoke_nested_start_execution")
    def start_nested(original: Any, resource: str, arguments: Any) -> Any:
        try:
            return original(resource, arguments)
        except stepfunctions._ExecutionError as error:
            if "." not in error.error:
                error.error = f"StepFunctions.{error.error}Exception"
            raise


def _is_json(text: Any) -> bool:
    try:
        json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _running_with_same_input(request: dict[str, Any]) -> dict[str, Any] | None:
    arn = stepfunctions._resolve_state_machine_arn(request.get("stateMachineArn", ""))
    machine = stepfunctions._state_machines.get(arn) if arn else None
    if machine is None or machine["type"] != "STANDARD":
        return None
    prefix = f"arn:aws:states:{get_region()}:{get_account_id()}:execution:{machine['name']}"
    found: dict[str, Any] | None = stepfunctions._executions.get(f"{prefix}:{request.get('name')}")
    if found is None or found["status"] != "RUNNING":
        return None
    return found if found["input"] == request.get("input", "{}") else None
