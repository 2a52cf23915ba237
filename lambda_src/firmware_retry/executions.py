"""The recovery runs as executions of Step Functions, seen from outside."""

import json

from firmware_retry import aws, clock
from firmware_retry.errors import RequestRefusedError
from firmware_retry.record import Run

_LIVE = frozenset({"RUNNING", "PENDING_REDRIVE"})
_CLOCK_SKEW_SECONDS = 60
"""The largest difference expected between the function's clock and that of Step Functions."""


def is_live(state_machine_arn: str, run: Run) -> bool:
    """Return whether a run is still under way.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
    """
    arn = state_machine_arn.replace(":stateMachine:", ":execution:", 1)
    try:
        answer = aws.call(
            "stepfunctions", "describe_execution", executionArn=f"{arn}:{run.recovery_id}"
        )
    except RequestRefusedError as error:
        if error.code != "ExecutionDoesNotExist":
            raise
        return False
    return answer["status"] in _LIVE


def start(state_machine_arn: str, run: Run) -> str | None:
    """Start a run, under the name that makes Step Functions start it only once.

    Returns:
        ``started``; ``live`` when it was under way already; None when the execution of this name is
        over, or has another input.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.

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
    except RequestRefusedError as error:
        if error.code != "ExecutionAlreadyExists":
            raise
        return None
    began_before = answer["startDate"].timestamp() < asked_at - _CLOCK_SKEW_SECONDS
    return "live" if began_before else "started"
