"""All journeys on one deployed fleet: first a small fleet, then the same beside a thousand."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

from bench import crowd, journeys
from bench.figures import Figures, Measured
from bench.journeys import Journey
from bench.meter import Meter, Reading
from costs.bill import Usage
from tests.deployed.fleet import Fleet

AT_REST = (0, 100, 1000)
"""Records at rest that ReconcileDevices looks through."""
BESIDE = "_beside_1000"
"""What the names of journeys end with that were made beside a thousand other devices."""


def measure(fleet: Fleet, tell: Callable[[str], None]) -> tuple[Measured, list[Reading]]:
    """Runs all journeys, and counts what is there without any.

    Args:
        fleet: as it was deployed, without any device.
        tell: called with what is going on.

    Returns:
        The figures, and the readings that they are of.

    Raises:
        BenchError: a device did not do what it should.
    """
    readings: dict[str, Reading] = {}
    tell("schedules that find nothing to do")
    readings["reconcile_0"] = _scheduled(fleet, "ReconcileDevices")
    readings["mail_0"] = _scheduled(fleet, "MailOperators")
    for journey in (*journeys.MESSAGES, journeys.RECOVERED):
        tell(journey.title)
        readings[journey.name] = journey.run(fleet, f"bench-1-{journey.name}")
    tell("escalated")
    readings |= _by_failures(fleet)
    readings["mail_1"] = _scheduled(fleet, "MailOperators")
    for fewer, more in pairwise(AT_REST):
        tell(f"ReconcileDevices, {more} records")
        if not fewer:
            crowd.forget_all(fleet)
            journeys.begin(fleet, "bench-like", 3)
        crowd.add_records(fleet, "bench-like", [f"bench-rest-{n:04}" for n in range(1, more)])
        readings[f"reconcile_{more}"] = _scheduled(fleet, "ReconcileDevices")
    tell("1,000 devices")
    crowd.add_things(fleet, [f"bench-rest-{n:04}" for n in range(1, AT_REST[-1])])
    for journey in (journeys.COUNTED, journeys.ESCALATED):
        tell(f"{journey.title}, beside 1,000 devices")
        readings[journey.name + BESIDE] = _of_another(fleet, journey)
    measured = {name: reading.figures() for name, reading in readings.items()}
    return measured | {"monitoring": _monitoring(fleet)}, list(readings.values())


def _by_failures(fleet: Fleet) -> dict[str, Reading]:
    steps = journeys.escalated_by_steps(fleet, "bench-1-escalated")
    by_failures = {f"failures_{failures}": reading for failures, reading in steps.items()}
    return {**by_failures, "escalated": steps[journeys.STEPS[-1]]}


def _of_another(fleet: Fleet, journey: Journey) -> Reading:
    # As long a name as before: it is in every line of the log.
    return journey.run(fleet, f"bench-2-{journey.name}")


def _scheduled(fleet: Fleet, step: str) -> Reading:
    """One pass of a handler that runs by the clock."""
    meter = Meter(fleet)
    fleet.invoke(step)
    reading = meter.read()
    return replace(reading, usage=reading.usage + Usage(schedule_invocations=1))


def _monitoring(fleet: Fleet) -> Figures:
    """What watches the fleet, and is paid by the month.

    An alarm is paid for each metric that it looks at; a custom metric only for the hours in which
    it has data, so that there are this many at most.
    """
    watch, logs = fleet.client("cloudwatch"), fleet.client("logs")
    alarms = [
        alarm
        for page in watch.get_paginator("describe_alarms").paginate()
        for alarm in page["MetricAlarms"]
    ]
    filters = [
        each
        for page in logs.get_paginator("describe_metric_filters").paginate()
        for each in page["metricFilters"]
    ]
    return {
        "alarm_months": sum(map(_metrics_of, alarms)),
        "metric_months": len({each["metricTransformations"][0]["metricName"] for each in filters}),
        "dashboard_months": len(watch.list_dashboards()["DashboardEntries"]),
    }


def _metrics_of(alarm: dict[str, Any]) -> int:
    return sum("MetricStat" in query for query in alarm.get("Metrics", ())) or 1


def grew_with_fleet(measured: Measured) -> list[str]:
    """Figures that are not the same beside a thousand other devices, a line each."""
    return [
        f"{name} of {journey} is {measured[journey].get(name, 0):g}, "
        f"beside 1,000 other devices {measured[journey + BESIDE].get(name, 0):g}"
        for journey in (journeys.COUNTED.name, journeys.ESCALATED.name)
        for name in measured[journey].keys() | measured[journey + BESIDE].keys()
        if measured[journey].get(name, 0) != measured[journey + BESIDE].get(name, 0)
    ]
