"""Alarms that come back as they were put.

AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
returns every member that PutMetricAlarm set, and none of those that it did not set.

MiniStack 1.5.33: over the Query protocol, which Terraform's provider speaks up to 6.49, it returns
a few members only; metric math (``Metrics``) is dropped, and an alarm on it gets a period and a
statistic of its own.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from ministack.services import cloudwatch

from localcloud.patches.patch import around

_OF_ONE_METRIC = ("MetricName", "Namespace", "Statistic", "Period", "Dimensions", "Unit")


def install() -> None:
    """Let MiniStack handle both calls as JSON, and translate the Query protocol around it."""

    @around(cloudwatch, "_put_metric_alarm")
    def put(original: Any, query: Any, data: dict[str, Any], cbor: bool, is_json: bool) -> Any:
        if cbor or is_json:
            response = original(query, data, cbor, is_json)
        else:
            data = _from_query(query)
            data["ActionsEnabled"] = data.get("ActionsEnabled") != "false"
            response = original(query, data, False, True)
            if response[0] == 200:
                response = cloudwatch._xml(200, "PutMetricAlarmResponse", "")
        if response[0] == 200:
            _complete(cloudwatch._alarms[data["AlarmName"]], data)
        return response

    @around(cloudwatch, "_describe_alarms")
    def describe(original: Any, query: Any, data: dict[str, Any], cbor: bool, is_json: bool) -> Any:
        if cbor or is_json:
            return original(query, data, cbor, is_json)
        status, _, body = original(query, _from_query(query), False, True)
        if status != 200:
            return original(query, data, cbor, is_json)
        result = f"<DescribeAlarmsResult>{_to_xml(json.loads(body))}</DescribeAlarmsResult>"
        return cloudwatch._xml(200, "DescribeAlarmsResponse", result)


def _complete(alarm: dict[str, Any], request: dict[str, Any]) -> None:
    """Add to MiniStack's record what it left out, and take away what it made up."""
    if "Metrics" in request:
        alarm["Metrics"] = [_with_types(metric) for metric in request["Metrics"]]
    for member in _OF_ONE_METRIC:
        if member not in request:
            alarm.pop(member, None)


def _with_types(metric: dict[str, Any]) -> dict[str, Any]:
    """Return a metric query with typed values; the Query protocol carries only text."""
    typed = dict(metric)
    if isinstance(typed.get("ReturnData"), str):
        typed["ReturnData"] = typed["ReturnData"] == "true"
    stat = typed.get("MetricStat")
    if stat is not None:
        typed["MetricStat"] = {**stat, "Period": int(stat["Period"])}
    return typed


def _from_query(query: dict[str, Any]) -> dict[str, Any]:
    """``{"A.member.1.B": ["x"]}`` as ``{"A": [{"B": "x"}]}``."""
    tree: dict[str, Any] = {}
    for name, values in query.items():
        *path, last = name.split(".")
        node = tree
        for step in path:
            node = node.setdefault(step, {})
        node[last] = values[0] if isinstance(values, list) else values
    plain: dict[str, Any] = _without_members(tree)
    return plain


def _without_members(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    members = node.get("member")
    if members is None:
        return {name: _without_members(child) for name, child in node.items()}
    return [_without_members(members[number]) for number in sorted(members, key=int)]


def _to_xml(value: Any, name: str = "") -> str:
    if isinstance(value, dict):
        children = value.items()
        return "".join(f"<{k}>{_to_xml(v, k)}</{k}>" for k, v in children if v is not None)
    if isinstance(value, list):
        return "".join(f"<member>{_to_xml(element)}</member>" for element in value)
    if isinstance(value, bool):
        return str(value).lower()
    if re.search("Timestamp$", name):
        return datetime.fromtimestamp(value, UTC).isoformat()
    return escape(str(value))
