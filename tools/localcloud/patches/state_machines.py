"""A state machine's tracing configuration.

AWS: https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeStateMachine.html
returns the ``tracingConfiguration`` that Create or UpdateStateMachine set.

MiniStack 1.5.33: drops it, so that every Terraform plan wants to set it again.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import stepfunctions

from localcloud.patches.patch import around


def install() -> None:
    """Keep the tracing configuration in MiniStack's record, from which Describe answers."""

    @around(stepfunctions, "_create_state_machine")
    def create(original: Any, request: dict[str, Any]) -> Any:
        response = original(request)
        if response[0] == 200:
            _keep(json.loads(response[2])["stateMachineArn"], request)
        return response

    @around(stepfunctions, "_update_state_machine")
    def update(original: Any, request: dict[str, Any]) -> Any:
        response = original(request)
        if response[0] == 200:
            _keep(request["stateMachineArn"], request)
        return response


def _keep(arn: str, request: dict[str, Any]) -> None:
    if "tracingConfiguration" in request:
        record = stepfunctions._state_machines[arn]
        record["tracingConfiguration"] = request["tracingConfiguration"]
