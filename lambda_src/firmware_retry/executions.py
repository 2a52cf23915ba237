"""The recovery runs as Step Functions knows them, for who looks after them from outside."""

import json

from firmware_retry import aws
from firmware_retry.device import Run
from firmware_retry.errors import RequestRefusedError

_LIVE = frozenset({"RUNNING", "PENDING_REDRIVE"})


def is_live(state_machine_arn: str, run: Run) -> bool | None:
    """Whether a run is still under way; None when it was never started.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
    """
    arn = state_machine_arn.replace(":stateMachine:", ":execution:", 1)
    try:
        answer = aws.call(
            "stepfunctions", "describe_execution", executionArn=f"{arn}:{run.recovery_id}"
        )
    except RequestRefusedError as refused:
        if refused.code == "ExecutionDoesNotExist":
            return None
        raise
    return answer["status"] in _LIVE


def start(state_machine_arn: str, run: Run) -> None:
    """Starts a run, under the name that everybody gives it: it is started once.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    try:
        aws.call(
            "stepfunctions",
            "start_execution",
            stateMachineArn=state_machine_arn,
            name=run.recovery_id,
            input=json.dumps(run.state_input),
        )
    except RequestRefusedError as refused:
        if refused.code != "ExecutionAlreadyExists":
            raise
