"""Whether messages of devices were refused or stale lately, and whether any device succeeds.

The metrics have the numbers, whatever the size of the logs. The logs have causes and devices, and
are read only for the latest five minutes with such a message.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from firmware_retry import clock
from fleet_retry.doctor.context import Context
from fleet_retry.doctor.findings import Finding, fault, note
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
    """A log group whose lines name refused or stale messages."""

    name: str
    """Without the prefix of the deployment."""
    folder: str
    field: str
    value: str
    """Lines count that have this value in the field; ``*`` for any."""
    says: str
    """The field with the cause, or with the device."""

    @property
    def pattern(self) -> str:
        return f'{{ $.{self.field} = "{self.value}" }}'

    def matches(self, line: dict[str, Any]) -> bool:
        return line.get(self.field) is not None and self.value in ("*", line[self.field])


# The same as the metrics MessagesRefused and MessagesStale, modules/monitoring/metrics.tf.
_REFUSALS = (
    *(
        _Log(step, "/aws/lambda/", "errorType", "InvalidMessageError", "errorMessage")
        for step in ("IncrementRetryCounter", "ClearDeviceRecord")
    ),
    _Log("CheckIfDeviceExists", "/aws/lambda/", "errorType", "ThingNotFoundError", "errorMessage"),
    _Log("iot_failed_updates", "", "refused", "*", "refused"),
)
_STALE = (
    _Log("IncrementRetryCounter", "/aws/lambda/", "outcome", "stale", "deviceId"),
    _Log("CheckIfDeviceExists", "/aws/lambda/", "errorType", "StaleMessageError", "errorMessage"),
    _Log("ClearDeviceRecord", "/aws/lambda/", "message", "success is stale", "deviceId"),
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


def check_stale_messages(context: Context) -> Iterator[Finding]:
    """No message of a device seemed older than the end of an update within a day."""
    stale = _read_metric(context, _of_module(context, "MessagesStale"), _DAY, _PERIOD)
    if not stale:
        return
    devices, _ = _count_causes(context, _STALE, max(stale))
    most = "".join(
        f", {number} of the latest {devices.total()} of {device}"
        for device, number in devices.most_common(1)
    )
    yield note(
        f"{sum(stale.values()):.0f} message(s) within 24 hours seemed older than the end of an"
        f" update{most}",
        "they count for nothing: devices that keep messages while offline send such, and so does"
        " one whose clock was set back",
        "compare the clock of the device with the time of its messages, and set the clock",
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
    causes, examples = _count_causes(context, _REFUSALS, start)
    if not causes:
        return ""
    ((cause, number),) = causes.most_common(1)
    return (
        f", {number} of the latest {causes.total()} because {cause}; the last of these:"
        f" {examples[cause]}"
    )


def _count_causes(
    context: Context, logs: Iterable[_Log], start: datetime
) -> tuple[Counter[str], dict[str, str]]:
    """Return how often logs name each cause or device in one period, and the last text of each."""
    causes: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for log in logs:
        for line in _read_lines(context, log, start):
            cause = _cause(log, line)
            causes[cause] += 1
            examples[cause] = json.dumps(line) if log.says == "refused" else str(line[log.says])
    return causes, examples


def _read_lines(context: Context, log: _Log, start: datetime) -> Iterator[dict[str, Any]]:
    """Yield the matching lines of a log in one period, as far as a few calls find them."""
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
    """Return the cause, without what differs from message to message, or the device."""
    if log.value == "ThingNotFoundError":
        return "the registry has no thing of that name"
    return str(line[log.says]).partition(":")[0]
