"""GetMetricData with expressions, and dimensions that are compared exactly.

AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html ;
expressions are metric math
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html), searches
(.../search-expression-syntax.html) or queries of Metrics Insights
(.../cloudwatch-metrics-insights-querylanguage.html).

MiniStack 1.5.33: answers no expression; a metric without dimensions includes those that have some;
what is recorded while it takes old values away is lost.

Here, of expressions, what this project's alarms and dashboard use: ``SUM(METRICS())`` and ``MAX``,
``SELECT SUM(…) FROM SCHEMA(…) WHERE … = '…'`` and ``SEARCH('{…} …', 'Sum', 300)``. Any other is
refused.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ministack.services import cloudwatch

from localcloud.patches import service_metrics
from localcloud.patches.patch import around

Series = dict[float, float]
"""The start of a period, epoch seconds, to the value in it."""

_COMBINED = re.compile(r"(?P<how>SUM|MAX)\(METRICS\(\)\)")
_HOW: dict[str, Callable[[list[float]], float]] = {"SUM": sum, "MAX": max}
_SELECT = re.compile(
    r"""SELECT\s+(?P<stat>SUM|MAX)\((?P<name>\w+)\)\s+FROM\s+SCHEMA\("(?P<namespace>[^"]+)",\s*
        (?P<dimensions>[\w,\s]+)\)\s+WHERE\s+(?P<dimension>\w+)\s*=\s*'(?P<value>[^']+)'""",
    re.VERBOSE,
)
_SEARCH = re.compile(
    r"""SEARCH\('\{"?(?P<namespace>[^,"]+)"?,(?P<dimensions>[^}]+)\}\s+(?P<terms>[^']*)',
        \s*'(?P<stat>\w+)',\s*(?P<period>\d+)\)""",
    re.VERBOSE,
)
_TERM = re.compile(r'(\w+)=(?:"([^"]+)"|\(([^)]+)\))')


class ExpressionError(Exception):
    """An expression that is not understood."""


class Span(NamedTuple):
    """A stretch of time, in epoch seconds."""

    start: float
    end: float
    is_aligned: bool = True
    """Whether periods begin at multiples of their length, or count from the start."""


@dataclass(frozen=True)
class Result:
    """What one metric query returns: a search returns several."""

    id: str
    label: str
    is_returned: bool
    series: Series = field(default_factory=dict)


def install() -> None:
    """Let GetMetricData answer every query."""
    # Nobody keeps a local cloud for the two weeks after which values go.
    cloudwatch._evict_old_metrics = lambda: None

    @around(cloudwatch, "_get_metric_data")
    def get(original: Any, query: Any, data: dict[str, Any], cbor: bool, is_json: bool) -> Any:
        if not (cbor or is_json):
            return original(query, data, cbor, is_json)
        service_metrics.sample_queues()
        span = Span(*(cloudwatch._parse_ts(data[at]) for at in ("StartTime", "EndTime")))
        try:
            found = evaluate(data["MetricDataQueries"], span)
        except ExpressionError as error:
            return cloudwatch._error(
                "ValidationError", str(error), 400, use_json=is_json, use_cbor=cbor
            )
        newest_first = data.get("ScanBy") != "TimestampAscending"
        results = [_document(result, newest_first) for result in found if result.is_returned]
        if cbor:
            encoded = [cloudwatch._cbor_metric_data_result(result) for result in results]
            return cloudwatch._cbor_ok({"MetricDataResults": encoded})
        return cloudwatch._json_ok({"MetricDataResults": results})


def evaluate(queries: list[dict[str, Any]], span: Span) -> list[Result]:
    """Return the series of each query; of a search, one per metric that it finds.

    Args:
        queries: as GetMetricData and PutMetricAlarm take them.
        span: which time is asked for.

    Raises:
        ExpressionError: an expression is not understood.
    """
    metrics = {
        query["Id"]: _of_metric(query["MetricStat"], span)
        for query in queries
        if "MetricStat" in query
    }
    found: list[Result] = []
    for query in queries:
        identity = query["Id"]
        is_returned = query.get("ReturnData", True)
        if identity in metrics:
            label = query.get("Label") or query["MetricStat"]["Metric"]["MetricName"]
            found.append(Result(identity, label, is_returned, metrics[identity]))
            continue
        for name, series in _of_expression(query, metrics, span):
            found.append(Result(identity, query.get("Label") or name, is_returned, series))
    return found


def _of_metric(stat: dict[str, Any], span: Span) -> Series:
    metric = stat["Metric"]
    dimensions = cloudwatch._dims_from_list(metric.get("Dimensions") or [])
    key = (metric["Namespace"], metric["MetricName"], cloudwatch._dims_key(dimensions))
    points = list(cloudwatch._metrics.get(key) or [])
    return _in_periods(points, stat["Stat"], int(stat["Period"]), span)


def _of_expression(
    query: dict[str, Any], metrics: dict[str, Series], span: Span
) -> Iterator[tuple[str, Series]]:
    expression = query["Expression"].strip()
    if combined := _COMBINED.fullmatch(expression):
        yield expression, _combine(_HOW[combined["how"]], metrics.values())
    elif select := _SELECT.fullmatch(expression):
        wanted = {select["dimension"]: {select["value"]}}
        matched = _matching(select["namespace"], {select["name"]}, select["dimensions"], wanted)
        points = [point for _, series in matched for point in series]
        stat = {"SUM": "Sum", "MAX": "Maximum"}[select["stat"]]
        yield select["name"], _in_periods(points, stat, int(query["Period"]), span)
    elif search := _SEARCH.fullmatch(expression):
        terms = {name: _values(*values) for name, *values in _TERM.findall(search["terms"])}
        names = terms.pop("MetricName")
        period = int(search["period"])
        for label, points in _matching(search["namespace"], names, search["dimensions"], terms):
            yield label, _in_periods(points, search["stat"], period, span)
    else:
        raise ExpressionError(f"Expressions like this are not supported here: {expression}")


def _values(single: str, several: str) -> set[str]:
    return {single} if single else {value.strip(' "') for value in several.split(" OR ")}


def _matching(
    namespace: str, names: set[str], schema: str, wanted: dict[str, set[str]]
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Label and values of each metric that has just these dimensions, with values of ``wanted``."""
    dimensions = {name.strip() for name in schema.split(",")}
    for (metric_namespace, name, _), points in cloudwatch._metrics.items():
        if metric_namespace != namespace or name not in names or not points:
            continue
        has = points[0]["Dimensions"]
        if set(has) == dimensions and all(has[at] in values for at, values in wanted.items()):
            yield " ".join([*sorted(has.values()), name]), list(points)


def _in_periods(points: list[dict[str, Any]], stat: str, period: int, span: Span) -> Series:
    start, end = span.start, span.end
    first = start // period * period if span.is_aligned else start
    periods: dict[float, list[dict[str, Any]]] = defaultdict(list)
    for point in points:
        at = point["Timestamp"]
        if first <= at < end:
            periods[first + (at - first) // period * period].append(point)
    values = {
        at: cloudwatch._stat_value(cloudwatch._calc_stats(inside), stat, inside)
        for at, inside in sorted(periods.items())
    }
    return {at: value for at, value in values.items() if value is not None}


def _combine(how: Callable[[list[float]], float], several: Iterable[Series]) -> Series:
    values: dict[float, list[float]] = defaultdict(list)
    for series in several:
        for at, value in series.items():
            values[at].append(value)
    return {at: how(values[at]) for at in sorted(values)}


def _document(result: Result, newest_first: bool) -> dict[str, Any]:
    points = sorted(result.series.items(), reverse=newest_first)
    return {
        "Id": result.id,
        "Label": result.label,
        "StatusCode": "Complete",
        "Timestamps": [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) for at, _ in points],
        "Values": [value for _, value in points],
    }
