"""The recovery runs as Step Functions knows them, for who looks after them from outside."""

import json

from firmware_retry import aws, clock
from firmware_retry.errors import RequestRefusedError
from firmware_retry.record import Run

_LIVE = frozenset({"RUNNING", "PENDING_REDRIVE"})
_CLOCKS_DIFFER_SECONDS = 60
"""By so much at most."""


def is_live(state_machine_arn: str, run: Run) -> bool:
    """Whether a run is still under way.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
    """
    arn = state_machine_arn.replace(":stateMachine:", ":execution:", 1)
    try:
        answer = aws.call(
            "stepfunctions", "describe_execution", executionArn=f"{arn}:{run.recovery_id}"
        )
    except RequestRefusedError as refused:
        if refused.code != "ExecutionDoesNotExist":
            raise
        return False
    return answer["status"] in _LIVE


def start(state_machine_arn: str, run: Run) -> str | None:
    """Starts a run, under the name that everybody gives it: it is started once.

    Returns:
        ``started``; ``live`` where it was under way already; None where what began under its name
        is over, or was given another input.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    asked_at = clock.now()
    try:
        answer = aws.call(
            "stepfunctions",
            "start_execution",
            stateMachineArn=state_machine_arn,
            name=run.recovery_id,
            input=json.dumps(run.state_input),
        )
    except RequestRefusedError as refused:
        if refused.code != "ExecutionAlreadyExists":
            raise
        return None
    began_before = answer["startDate"].timestamp() < asked_at - _CLOCKS_DIFFER_SECONDS
    return "live" if began_before else "started"
