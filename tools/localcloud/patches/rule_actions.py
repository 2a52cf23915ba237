"""Rule actions ``stepFunctions``, ``cloudwatchLogs``, ``lambda``; rules that survive any payload.

AWS: https://docs.aws.amazon.com/iot/latest/developerguide/stepfunctions-rule-action.html
starts the named state machine, standard or express, as ``executionNamePrefix`` + UUID with the
rule's result as input; .../cloudwatch-logs-rule-action.html writes the result as one event;
.../lambda-rule-action.html invokes the function asynchronously, so that Lambda itself tries again
twice what the function raises (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html).
What fails goes to the rule's error action (.../rule-error-handling.html); of the function, only
that it could not be invoked.

MiniStack 1.5.33: ``_dispatch_rule_action`` skips the first two without an error; it invokes a
function once, and one that does not exist is no failure; an exception while a rule's SQL is
evaluated (deeply nested JSON) ends the publisher's MQTT session.
"""

from __future__ import annotations

import json
import time
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import cloudwatch_logs, iot, lambda_svc, stepfunctions

from localcloud.patches.patch import around


class RuleActionError(Exception):
    """A rule action that failed; its text goes to the error action."""


def install() -> None:
    """Add the actions to MiniStack's rules engine."""
    iot._RULE_ACTION_RESOURCE_KEYS["stepFunctions"] = ("stateMachineName",)
    iot._RULE_ACTION_RESOURCE_KEYS["cloudwatchLogs"] = ("logGroupName",)

    @around(iot, "_dispatch_rule_action")
    async def dispatch(original: Any, account: str, region: str, rule: str, *rest: Any) -> None:
        action, event = rest
        with request_scope(account, region):
            if "stepFunctions" in action:
                _start_execution(account, region, action["stepFunctions"], event)
                return
            if "cloudwatchLogs" in action:
                _write_log_event(rule, action["cloudwatchLogs"], event)
                return
            if "lambda" in action:
                _invoke_function(action["lambda"]["functionArn"], event)
                return
        await original(account, region, rule, *rest)

    @around(iot, "_rule_message")
    def decode(original: Any, payload: bytes) -> Any:
        try:
            return original(payload)
        except RecursionError:
            # Too deep to read as JSON: no attributes, but still a payload for encode(*, 'base64').
            return payload.decode("utf-8")

    @around(iot, "_run_rule_actions")
    async def run(
        original: Any, account: str, region: str, rule: dict[str, Any], *arguments: Any
    ) -> None:
        try:
            await original(account, region, rule, *arguments)
        except Exception:  # noqa: BLE001 -- logged; other rules must still run
            iot._broker_logger.exception("IoT rule %s failed", (rule or {}).get("ruleName"))


def _start_execution(account: str, region: str, spec: dict[str, Any], event: Any) -> None:
    name = spec["stateMachineName"]
    request = {
        "stateMachineArn": f"arn:aws:states:{region}:{account}:stateMachine:{name}",
        "name": spec.get("executionNamePrefix", "") + iot.new_uuid(),
        "input": _text(event),
    }
    _raise_if_refused(stepfunctions._start_execution(request))


def _write_log_event(rule: str, spec: dict[str, Any], event: Any) -> None:
    target = {"logGroupName": spec["logGroupName"], "logStreamName": rule}
    group = cloudwatch_logs._log_groups.get(spec["logGroupName"]) or {}
    if rule not in group.get("streams", {}):
        _raise_if_refused(cloudwatch_logs._create_log_stream(target))
    entry = {"timestamp": int(time.time() * 1000), "message": _text(event)}
    _raise_if_refused(cloudwatch_logs._put_log_events({**target, "logEvents": [entry]}))


def _invoke_function(arn: str, event: Any) -> None:
    function, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if function is None or config is None:
        raise RuleActionError(f"ResourceNotFoundException: Function not found: {arn}")
    record = lambda_svc._execution_record_for_config(function, config)
    lambda_svc.invoke_async_with_retry(record, event)


def _text(event: Any) -> str:
    return event if isinstance(event, str) else json.dumps(event)


def _raise_if_refused(response: tuple[int, dict[str, str], bytes]) -> None:
    status, _, body = response
    if status < 400:
        return
    refusal = json.loads(body)
    raise RuleActionError(f"{refusal['__type']}: {refusal['message']}")
