"""Whether messages of devices were refused lately, and the commonest cause."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from firmware_retry import clock
from fleet_retry.doctor.context import Context
from fleet_retry.doctor.findings import Finding, fault

_HOURS = 24
_MOST_PAGES = 5
"""Calls per log group: each page has up to 10,000 lines.

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
    causes: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for log in _LOGS:
        for line in _read_lines(context, log):
            cause = _cause(log, line)
            causes[cause] += 1
            examples[cause] = json.dumps(line) if log.says == "refused" else str(line[log.says])
    if not causes:
        return
    ((cause, number),) = causes.most_common(1)
    yield fault(
        f"{causes.total()} message(s) were refused within {_HOURS} hours, {number} of them because"
        f" {cause}; the last of these: {examples[cause]}",
        "the failures and successes in them count for nothing, so that such a device reaches no"
        " retry limit",
        "docs/operations/runbook.md#messages-refused has the causes",
    )


def _read_lines(context: Context, log: _Log) -> Iterator[dict[str, Any]]:
    """Yield the lines about refused messages, as far as a few calls find them."""
    group = f"{log.folder}{context.deployment.name(log.name)}"
    pages = context.deployment.client("logs").get_paginator("filter_log_events")
    with context.deployment.report_missing(f"log group {group}"):
        for page in islice(
            pages.paginate(
                logGroupName=group,
                startTime=int((clock.now() - _HOURS * 3600) * 1000),
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
