"""Metric filters that make metrics of log lines.

AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/MonitoringLogData.html : a metric
filter publishes a value for each log event that its pattern matches. Patterns
(.../AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html) on JSON
events compare fields with text (``*`` stands for anything) and numbers; the value is a number or a
field.

MiniStack 1.5.33: keeps metric filters and never looks at them.

Here: JSON patterns of comparisons, ``&&``, ``||`` and parentheses. A pattern, dimension or default
value that is not understood is refused by PutMetricFilter, so that no metric is missing silently.
"""

from __future__ import annotations

import fnmatch
import json
import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cloudwatch, cloudwatch_logs

from localcloud.patches.patch import around

Predicate = Callable[[dict[str, Any]], bool]

_TOKEN = re.compile(r'\s*(\{|\}|\(|\)|&&|\|\||!=|>=|<=|=|>|<|"[^"]*"|[^\s(){}&|=!<>"]+)')
_ORDER = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}
_FIELD = re.compile(r"\$(\.\w+)+")


class PatternError(Exception):
    """A filter pattern that is not understood."""


def install() -> None:
    """Have each log event pass the metric filters of its group."""

    @around(cloudwatch_logs, "_put_metric_filter")
    def put(original: Any, request: dict[str, Any]) -> Any:
        why = _why_not(request)
        if why:
            return error_response_json("InvalidParameterException", why, 400)
        return original(request)

    @around(cloudwatch_logs, "_put_log_events")
    def take(original: Any, request: dict[str, Any]) -> Any:
        response = original(request)
        if response[0] == 200:
            _publish(request["logGroupName"], request.get("logEvents", []))
        return response


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Predicate:
    """Whether a log event, read as JSON, matches a pattern.

    Raises:
        PatternError: the pattern is not one of JSON events, or is not understood.
    """
    tokens = [token[1] for token in _TOKEN.finditer(pattern)]
    if "".join(tokens) != re.sub(r'\s+(?=(?:[^"]*"[^"]*")*[^"]*$)', "", pattern):
        raise PatternError(f"not understood: {pattern}")
    parser = _Parser(tokens)
    parser.take("{")
    predicate = parser.alternatives()
    parser.take("}")
    parser.take("")
    return predicate


class _Parser:
    """Reads tokens from left to right; ``""`` is the end."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = [*tokens, ""]

    def take(self, wanted: str | None = None) -> str:
        token = self._tokens[0]
        if wanted is not None and token != wanted:
            raise PatternError(f"{wanted or 'the end'} expected where {token or 'the end'} is")
        self._tokens = self._tokens[1:] or [""]
        return token

    def alternatives(self) -> Predicate:
        parts = [self._conditions()]
        while self._tokens[0] == "||":
            self.take()
            parts.append(self._conditions())
        return lambda event: any(part(event) for part in parts)

    def _conditions(self) -> Predicate:
        parts = [self._condition()]
        while self._tokens[0] == "&&":
            self.take()
            parts.append(self._condition())
        return lambda event: all(part(event) for part in parts)

    def _condition(self) -> Predicate:
        if self._tokens[0] == "(":
            self.take()
            inner = self.alternatives()
            self.take(")")
            return inner
        field, comparison, wanted = self.take(), self.take(), self.take()
        if not _FIELD.fullmatch(field):
            raise PatternError(f"{field} is no field such as $.message")
        if comparison in _ORDER:
            compare, limit = _ORDER[comparison], _number(wanted)
            return lambda event: _is_number(at(event, field)) and compare(at(event, field), limit)
        if comparison not in {"=", "!="}:
            raise PatternError(f"{comparison} is no comparison")
        # A field that is missing is neither equal nor unequal.
        return lambda event: (
            at(event, field) is not None
            and _equals(at(event, field), wanted) is (comparison == "=")
        )


def at(event: dict[str, Any], field: str) -> Any:
    """Return the value of a field such as ``$.recovery.cycle``; None if there is none."""
    value: Any = event
    for name in field.split(".")[1:]:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _equals(value: Any, wanted: str) -> bool:
    if _is_number(value) and not wanted.startswith('"'):
        return bool(value == _number(wanted))
    # ``[`` would be a set of characters in fnmatch, and is itself in a pattern.
    text = wanted.strip('"').replace("[", "[[]").replace("?", "[?]")
    return isinstance(value, str) and fnmatch.fnmatchcase(value, text)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise PatternError(f"{text} is no number") from None


def _why_not(request: dict[str, Any]) -> str:
    try:
        compile_pattern(request.get("filterPattern", ""))
    except PatternError as error:
        return f"filterPattern: {error}"
    for transformation in request.get("metricTransformations", []):
        if transformation.get("dimensions") or "defaultValue" in transformation:
            return "dimensions and defaultValue of metric filters are not supported here"
    return ""


def _publish(group: str, events: list[dict[str, Any]]) -> None:
    filters = [found for (name, _), found in _all_filters() if name == group]
    if not filters:
        return
    for line in events:
        event = _read(line.get("message", ""))
        for found in filters:
            if event is not None and compile_pattern(found["filterPattern"])(event):
                _publish_one(found, event)


def _all_filters() -> list[tuple[tuple[str, str], dict[str, Any]]]:
    # A copy: Terraform may be adding filters meanwhile.
    return list(cloudwatch_logs._metric_filters.items())


def _publish_one(found: dict[str, Any], event: dict[str, Any]) -> None:
    for transformation in found["metricTransformations"]:
        text = transformation["metricValue"]
        value = at(event, text) if text.startswith("$") else float(text)
        if _is_number(value):
            cloudwatch.record_metric(
                transformation["metricNamespace"],
                transformation["metricName"],
                value,
                transformation.get("unit", "None"),
            )


def _read(message: str) -> dict[str, Any] | None:
    try:
        event = json.loads(message)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
