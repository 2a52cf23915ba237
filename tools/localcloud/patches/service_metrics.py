"""The metrics that services publish about themselves, of those that this project watches.

AWS: Lambda https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html ,
Step Functions https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html ,
SQS .../AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html ,
SNS .../sns/latest/dg/sns-monitoring-using-cloudwatch.html (of deliveries to queues),
DynamoDB .../amazondynamodb/latest/developerguide/metrics-dimensions.html ,
rules of AWS IoT https://docs.aws.amazon.com/iot/latest/developerguide/metrics_dimensions.html .

MiniStack 1.5.33: has metrics of Lambda only, and of those only for calls of Invoke.

Here they are there at once, not after minutes. Queues are looked at every second, and whenever
somebody asks for a metric or an alarm. A refused conditional write counts as one unit.
"""

from __future__ import annotations

import json
import re
import threading
import time
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import cloudwatch, dynamodb, iot, lambda_svc, sns, sqs, stepfunctions

from localcloud.patches import failed_deliveries
from localcloud.patches.patch import around

_ENDS = {
    "RUNNING": "ExecutionsStarted",
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}
_CONSUMED = re.compile(rb'(?:, )?"ConsumedCapacity": (\{[^{}]*\}|\[[^\[\]]*\])')
"""Where an answer says it, which as a whole may have a megabyte; in a value quotes are escaped."""
_READS = ("_get_item", "_query", "_scan")
_WRITES = ("_put_item", "_update_item", "_delete_item", "_transact_write_items")

_is_error_action: ContextVar[bool] = ContextVar("is_error_action", default=False)


def install() -> None:
    """Record each metric where the thing that it counts happens."""
    _watch_functions()
    _watch_executions()
    _watch_tables()
    _watch_topics()
    _watch_rules()
    threading.Thread(target=_watch_queues, daemon=True).start()


def sample_queues() -> None:
    """Record how many messages wait in each queue of the account, and for how long."""
    now = time.time()
    for queue in list(sqs._queues.values()):
        sqs._refresh_counts(queue)
        # One that was received three times and is still there is not part of the age.
        waiting = [
            message["sent_at"]
            for message in queue["messages"]
            if message.get("receive_count", 0) < 3
        ]
        dimensions = {"QueueName": queue["name"]}
        visible = float(queue["attributes"]["ApproximateNumberOfMessages"])
        age = now - min(waiting) if waiting else 0.0
        record = cloudwatch.record_metric
        record("AWS/SQS", "ApproximateNumberOfMessagesVisible", visible, "Count", dimensions)
        record("AWS/SQS", "ApproximateAgeOfOldestMessage", age, "Seconds", dimensions)


def _watch_queues() -> None:
    while True:
        time.sleep(1)
        sample_queues()


def _watch_functions() -> None:
    @around(lambda_svc, "_emit_lambda_metrics")
    def emit(original: Any, name: str, **parameters: Any) -> None:
        # What it says of invocations is only half of them; an invocation that found no place has
        # no duration, and is told again with one by Invoke.
        if parameters["throttle"] and not parameters["duration_ms"]:
            _count("AWS/Lambda", "Throttles", {"FunctionName": name})

    @around(lambda_svc, "_execute_function_dispatch")
    def execute(original: Any, function: Any, config: dict[str, Any], *rest: Any) -> Any:
        began = time.time()
        result = original(function, config, *rest)
        dimensions = {"FunctionName": config["FunctionName"]}
        duration_ms = (time.time() - began) * 1000
        _count("AWS/Lambda", "Invocations", dimensions)
        _count("AWS/Lambda", "Errors", dimensions, 1 if result.get("error") else 0)
        cloudwatch.record_metric("AWS/Lambda", "Duration", duration_ms, "Milliseconds", dimensions)
        return result


def _watch_executions() -> None:
    @around(stepfunctions, "_emit_execution_status_event")
    def change(original: Any, execution: dict[str, Any]) -> None:
        original(execution)
        dimensions = {"StateMachineArn": execution["stateMachineArn"]}
        _count("AWS/States", _ENDS[execution["status"]], dimensions)
        if execution.get("stopDate"):
            cloudwatch.record_metric(
                "AWS/States", "ExecutionTime", _took_ms(execution), "Milliseconds", dimensions
            )


def _took_ms(execution: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(execution[at]) for at in ("startDate", "stopDate"))
    return (ended - began).total_seconds() * 1000


def _watch_tables() -> None:
    for name in _READS:
        _watch_operation(name, "ConsumedReadCapacityUnits")
    for name in _WRITES:
        _watch_operation(name, "ConsumedWriteCapacityUnits")


def _watch_operation(name: str, metric: str) -> None:
    @around(dynamodb, name)
    def operate(original: Any, request: dict[str, Any]) -> Any:
        wanted = request.get("ReturnConsumedCapacity", "NONE")
        asked = wanted if wanted != "NONE" else "TOTAL"
        status, headers, body = original({**request, "ReturnConsumedCapacity": asked})
        if status != 200:
            if b"ConditionalCheckFailedException" in body:
                _count("AWS/DynamoDB", metric, _table(request))
            return status, headers, body
        if wanted != "NONE":
            consumed = json.loads(body).get("ConsumedCapacity", [])
        elif found := _CONSUMED.search(body):
            consumed = json.loads(found[1])
            body = body[: found.start()] + body[found.end() :]
            body = b"{" + body.removeprefix(b"{").removeprefix(b", ")
        else:
            return status, headers, body
        for entry in consumed if isinstance(consumed, list) else [consumed]:
            _count("AWS/DynamoDB", metric, _table(entry), entry["CapacityUnits"])
        return status, headers, body


def _table(parameters: dict[str, Any]) -> dict[str, str]:
    # A table may be named by its ARN.
    return {"TableName": parameters["TableName"].rpartition("/")[2]}


def _watch_topics() -> None:
    @around(sns, "_deliver_to_sqs")
    def deliver(original: Any, queue: str, *rest: Any, topic_arn: str, **parameters: Any) -> None:
        outcome = "Delivered" if failed_deliveries.takes(queue, topic_arn) else "Failed"
        topic = {"TopicName": topic_arn.rpartition(":")[2]}
        _count("AWS/SNS", f"NumberOfNotifications{outcome}", topic)
        original(queue, *rest, topic_arn=topic_arn, **parameters)


def _watch_rules() -> None:
    @around(iot, "_dispatch_rule_error_action")
    async def run_error_action(original: Any, *arguments: Any) -> None:
        token = _is_error_action.set(True)
        try:
            await original(*arguments)
        finally:
            _is_error_action.reset(token)

    @around(iot, "_dispatch_rule_action")
    async def run_action(
        original: Any, account: str, region: str, rule: str, action: dict[str, Any], *rest: Any
    ) -> None:
        kind = "ErrorAction" if _is_error_action.get() else ""
        # The page does not say how types are spelt: nothing may depend on it.
        dimensions = {"RuleName": rule, "ActionType": next(iter(action))}
        with request_scope(account, region):
            try:
                await original(account, region, rule, action, *rest)
            except Exception:
                _count("AWS/IoT", f"{kind}Failure", dimensions)
                raise
            _count("AWS/IoT", f"{kind}Success", dimensions)

    @around(iot, "_run_rule_actions")
    async def run(
        original: Any, account: str, region: str, rule: Any, payload: bytes, *rest: Any
    ) -> None:
        if rule and not rule.get("ruleDisabled"):
            with request_scope(account, region):
                _count("AWS/IoT", "TopicMatch", {"RuleName": rule["ruleName"]})
                if not is_json(payload):
                    _count("AWS/IoT", "ParseError", {"RuleName": rule["ruleName"]})
        await original(account, region, rule, payload, *rest)


def is_json(payload: bytes) -> bool:
    """Return whether a payload can be read as JSON."""
    try:
        json.loads(payload)
    except (ValueError, RecursionError):
        return False
    return True


def _count(namespace: str, name: str, dimensions: dict[str, str], value: float = 1) -> None:
    cloudwatch.record_metric(namespace, name, value, "Count", dimensions)
