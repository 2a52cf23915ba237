"""Alarms that go off, and are over, by themselves.

AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html : of the
last EvaluationPeriods at least DatapointsToAlarm have to breach the threshold; TreatMissingData
defines what one without a value is, except for metrics of AWS/DynamoDB, whose missing data is
always ignored (.../APIReference/API_PutMetricAlarm.html). A change of the state runs the actions
for the new one. A state from SetAlarmState lasts until the next evaluation
(.../APIReference/API_SetAlarmState.html).

MiniStack 1.5.33: looks at alarms when PutMetricData is called only, at no metric math, at all
dimensions of a metric together, at the whole time as one period, and at no missing value.

Here an alarm is looked at when somebody describes it, with periods that end at that moment, so a
test sees at once what it caused; a state that was set lasts a minute.
"""

from __future__ import annotations

import operator
import time
from typing import Any

from ministack.services import cloudwatch

from localcloud.patches import metric_queries, service_metrics
from localcloud.patches.metric_queries import Span
from localcloud.patches.patch import around

_SET_LASTS_SECONDS = 60
_BREACHES = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_set_until: dict[str, float] = {}


def install() -> None:
    """Look at the alarms before each DescribeAlarms, and only then."""
    cloudwatch._evaluate_all_alarms = lambda: None
    cloudwatch._evaluate_alarm = lambda alarm: None

    @around(cloudwatch, "_describe_alarms")
    def describe(original: Any, *arguments: Any) -> Any:
        service_metrics.sample_queues()
        for alarm in cloudwatch._alarms.values():
            if _set_until.get(alarm["AlarmArn"], 0) < time.time():
                _evaluate(alarm)
        return original(*arguments)

    @around(cloudwatch, "_set_alarm_state")
    def set_state(original: Any, query: Any, data: dict[str, Any], *rest: Any) -> Any:
        response = original(query, data, *rest)
        alarm = cloudwatch._alarms.get(data.get("AlarmName") or cloudwatch._p(query, "AlarmName"))
        if alarm and response[0] == 200:
            _set_until[alarm["AlarmArn"]] = time.time() + _SET_LASTS_SECONDS
        return response

    @around(cloudwatch, "_delete_alarms")
    def delete(original: Any, *arguments: Any) -> Any:
        response = original(*arguments)
        for arn in _set_until.keys() - {alarm["AlarmArn"] for alarm in cloudwatch._alarms.values()}:
            del _set_until[arn]
        return response


def _evaluate(alarm: dict[str, Any]) -> None:
    before = alarm["StateValue"]
    values = _values(alarm)
    after = _state(alarm, values)
    if after == before:
        return
    seen = ", ".join("none" if value is None else f"{value:g}" for value in values)
    reason = f"Threshold {alarm['Threshold']:g}: the last {len(values)} period(s) had {seen}"
    alarm.update(StateValue=after, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
    cloudwatch._record_history(alarm["AlarmName"], before, after, reason)
    cloudwatch._dispatch_alarm_actions(alarm, before, after, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def _values(alarm: dict[str, Any]) -> list[float | None]:
    """Return the values of the last periods, oldest first."""
    queries = _queries(alarm)
    period = next(
        int(query.get("Period") or query["MetricStat"]["Period"])
        for query in queries
        if query.get("Period") or "MetricStat" in query
    )
    count = int(alarm["EvaluationPeriods"])
    end = time.time()
    start = end - period * count
    results = metric_queries.evaluate(queries, Span(start, end, is_aligned=False))
    returned = next(result.series for result in results if result.is_returned)
    return [returned.get(start + period * number) for number in range(count)]


def _queries(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    return alarm.get("Metrics") or [_of_one_metric(alarm)]


def _of_one_metric(alarm: dict[str, Any]) -> dict[str, Any]:
    metric = {name: alarm.get(name) for name in ("Namespace", "MetricName", "Dimensions")}
    stat = alarm.get("ExtendedStatistic") or alarm["Statistic"]
    return {"Id": "it", "MetricStat": {"Metric": metric, "Period": alarm["Period"], "Stat": stat}}


def _state(alarm: dict[str, Any], values: list[float | None]) -> str:
    missing = "ignore" if _is_of_dynamodb(alarm) else alarm.get("TreatMissingData", "missing")
    if all(value is None for value in values):
        without = {"breaching": "ALARM", "notBreaching": "OK", "ignore": str(alarm["StateValue"])}
        return without.get(missing, "INSUFFICIENT_DATA")
    breaches = _BREACHES[alarm["ComparisonOperator"]]
    breaching = sum(
        missing == "breaching" if value is None else breaches(value, alarm["Threshold"])
        for value in values
    )
    needed = int(alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"])
    return "ALARM" if breaching >= needed else "OK"


def _is_of_dynamodb(alarm: dict[str, Any]) -> bool:
    metrics = [query["MetricStat"]["Metric"] for query in _queries(alarm) if "MetricStat" in query]
    return any(metric["Namespace"] == "AWS/DynamoDB" for metric in metrics)
