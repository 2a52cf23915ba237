"""Whether messages of devices were refused lately, the commonest cause, and whether any succeed.

The metrics have the numbers, whatever the size of the logs. The logs have the cause, and are read
only for the latest five minutes with a refusal.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from firmware_retry import clock
from fleet_retry.doctor.context import Context
from fleet_retry.doctor.findings import Finding, fault
from fleet_retry.doctor.resources import RULE_OF_DEVICES

_DAY = 86_400
"""Seconds."""
_PERIOD = 300
"""Seconds."""
_MANY = 10
"""Failures of which one device is expected to succeed afterwards."""
_UNCOUNTED = (
    "the failures and successes in them count for nothing, so that such a device reaches no retry"
    " limit"
)
_DO = "docs/operations/runbook.md#messages-refused has the causes"
_MOST_PAGES = 5
"""Calls per log group: each page has up to 10,000 lines, and may have none before the last one.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""


@dataclass(frozen=True)
class _Log:
    """A log group whose lines name refused messages."""

    name: str
    """Without the prefix of the deployment."""
    folder: str
    field: str
    value: str
    """Lines count that have this value in the field; ``*`` for any."""
    says: str
    """The field with the cause."""

    @property
    def pattern(self) -> str:
        return f'{{ $.{self.field} = "{self.value}" }}'

    def matches(self, line: dict[str, Any]) -> bool:
        return line.get(self.field) is not None and self.value in ("*", line[self.field])


# The same as the metric MessagesRefused, modules/monitoring/metrics.tf.
_LOGS = (
    *(
        _Log(step, "/aws/lambda/", "errorType", "InvalidMessageError", "errorMessage")
        for step in ("IncrementRetryCounter", "ClearDeviceRecord")
    ),
    _Log("CheckIfDeviceExists", "/aws/lambda/", "errorType", "ThingNotFoundError", "errorMessage"),
    _Log("iot_failed_updates", "", "refused", "*", "refused"),
)


def check_refused_messages(context: Context) -> Iterator[Finding]:
    """No message of a device was refused within a day."""
    refused = _read_metric(context, _of_module(context, "MessagesRefused"), _DAY, _PERIOD)
    if refused:
        yield fault(
            f"{sum(refused.values()):.0f} message(s) were refused within 24 hours"
            f"{_find_cause(context, max(refused))}",
            _UNCOUNTED,
            _DO,
        )
    # Nothing but this metric notices JSON with a fault inside its braces.
    rule = context.deployment.prefix.replace("-", "_") + RULE_OF_DEVICES
    dimensions = [{"Name": "RuleName", "Value": rule}]
    metric = {"Namespace": "AWS/IoT", "MetricName": "ParseError", "Dimensions": dimensions}
    if unread := sum(_read_metric(context, metric, _DAY, _DAY).values()):
        yield fault(
            f"AWS IoT could not read {unread:.0f} message(s) of the rule {rule} as JSON within 24"
            " hours",
            _UNCOUNTED,
            _DO,
        )


def check_successes(context: Context) -> Iterator[Finding]:
    """Devices that failed have succeeded within a week, or few have failed."""
    failures, successes = (
        sum(_read_metric(context, _of_module(context, name), 7 * _DAY, _DAY).values())
        for name in ("FailuresCounted", "UpdatesSucceeded")
    )
    if failures >= _MANY and not successes:
        yield fault(
            f"{failures:.0f} failure(s) were counted within 7 days, and no device that had failed"
            " succeeded",
            "if devices do succeed, their word for it is unknown: those that are up to date keep"
            " their counters, are moved out and end as failed",
            "compare the status that a device sends after an update with success_statuses, or set"
            " job_events_enabled; otherwise the campaign is bad",
        )


def _of_module(context: Context, name: str) -> dict[str, Any]:
    return {"Namespace": context.deployment.name("FirmwareRetry"), "MetricName": name}


def _read_metric(
    context: Context, metric: dict[str, Any], last_seconds: int, period: int
) -> dict[datetime, float]:
    """Return the sums of a metric that are not zero, by the start of their period."""
    stat = {"Metric": metric, "Period": period, "Stat": "Sum"}
    now = clock.now()
    answer = context.deployment.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "sum", "MetricStat": stat}],
        StartTime=now - last_seconds,
        EndTime=now + period,
    )
    (result,) = answer["MetricDataResults"]
    pairs = zip(result["Timestamps"], result["Values"], strict=True)
    return {start: value for start, value in pairs if value}


def _find_cause(context: Context, start: datetime) -> str:
    """Name the commonest cause of the refusals in one period; empty when no log has it."""
    causes: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for log in _LOGS:
        for line in _read_lines(context, log, start):
            cause = _cause(log, line)
            causes[cause] += 1
            examples[cause] = json.dumps(line) if log.says == "refused" else str(line[log.says])
    if not causes:
        return ""
    ((cause, number),) = causes.most_common(1)
    return (
        f", {number} of the latest {causes.total()} because {cause}; the last of these:"
        f" {examples[cause]}"
    )


def _read_lines(context: Context, log: _Log, start: datetime) -> Iterator[dict[str, Any]]:
    """Yield the lines about messages refused in one period, as far as a few calls find them."""
    group = f"{log.folder}{context.deployment.name(log.name)}"
    pages = context.deployment.client("logs").get_paginator("filter_log_events")
    first = int(start.timestamp())
    with context.deployment.report_missing(f"log group {group}"):
        for page in islice(
            pages.paginate(
                logGroupName=group,
                startTime=first * 1000,
                endTime=(first + _PERIOD) * 1000,
                filterPattern=log.pattern,
            ),
            _MOST_PAGES,
        ):
            lines = (_read(event["message"]) for event in page["events"])
            yield from (line for line in lines if log.matches(line))


def _read(message: str) -> dict[str, Any]:
    try:
        line = json.loads(message)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}


def _cause(log: _Log, line: dict[str, Any]) -> str:
    """Return the cause without what differs from message to message."""
    if log.value == "ThingNotFoundError":
        return "the registry has no thing of that name"
    return str(line[log.says]).partition(":")[0]
