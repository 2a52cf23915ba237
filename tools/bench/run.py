"""All journeys on one deployed fleet: first a small fleet, then the same beside a thousand."""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

from bench import background_load, journeys
from bench.journeys import BenchError, Journey
from bench.meter import Meter, Reading
from localcloud.fleet import Fleet
from pricing import bill
from pricing.recorded_usage import Figures, Measured

AT_REST = (0, 100, 1000)
"""Records at rest that ReconcileDevices looks through."""
OVERDUE = 10
"""Devices that a pass of ReconcileDevices finds overdue."""
BESIDE = "_beside_1000"
"""What the names of journeys end with that were made beside a thousand other devices."""


def measure(fleet: Fleet, tell: Callable[[str], None]) -> tuple[Measured, dict[str, Reading]]:
    """Run all journeys and count the fixed monthly units.

    Args:
        fleet: as it was deployed, without any device.
        tell: called with what is going on.

    Returns:
        The figures, and the readings that they are of, by the same names.

    Raises:
        BenchError: a device did not do what it should.
    """
    readings: dict[str, Reading] = {}
    tell("schedules that find nothing to do")
    readings["reconcile_0"] = _measure_pass(fleet, "ReconcileDevices")
    readings["mail_0"] = _measure_pass(fleet, "MailOperators")
    for journey in (*journeys.MESSAGES, journeys.RECOVERED):
        tell(journey.title)
        readings[journey.name] = journey.run(fleet, f"bench-1-{journey.name}")
    tell(f"ReconcileDevices, {OVERDUE} devices overdue")
    readings["reconcile_overdue"] = _overdue(fleet)
    tell("escalated")
    readings |= _by_failures(fleet)
    readings["mail_1"] = _measure_pass(fleet, "MailOperators")
    for fewer, more in pairwise(AT_REST):
        tell(f"ReconcileDevices, {more} records")
        if not fewer:
            background_load.forget_all(fleet)
            fleet.invoke("ReconcileDevices")  # restores the things whose records are deleted
            journeys.begin(fleet, "bench-like", 3)
        background_load.add_records(
            fleet, "bench-like", [f"bench-rest-{n:04}" for n in range(1, more)]
        )
        readings[f"reconcile_{more}"] = _measure_pass(fleet, "ReconcileDevices")
    tell("1,000 devices")
    background_load.add_things(fleet, [f"bench-rest-{n:04}" for n in range(1, AT_REST[-1])])
    for journey in (journeys.COUNTED, journeys.ESCALATED):
        tell(f"{journey.title}, beside 1,000 devices")
        readings[journey.name + BESIDE] = _run_with_second_device(fleet, journey)
    measured = {name: reading.figures() for name, reading in readings.items()}
    return measured | {"monitoring": _monitoring(fleet)}, readings


def is_scheduled(name: str) -> bool:
    """Whether figures are those of a pass of a function that runs by the clock."""
    return name.startswith(("reconcile_", "mail_"))


def _by_failures(fleet: Fleet) -> dict[str, Reading]:
    steps = journeys.escalate_by_steps(fleet, "bench-1-escalated")
    by_failures = {f"failures_{failures}": reading for failures, reading in steps.items()}
    return {**by_failures, "escalated": steps[journeys.STEPS[-1]]}


def _run_with_second_device(fleet: Fleet, journey: Journey) -> Reading:
    # As long a name as before: it is in every line of the log.
    return journey.run(fleet, f"bench-2-{journey.name}")


def _measure_pass(fleet: Fleet, step: str, **event: Any) -> Reading:
    """One pass of a handler that runs by the clock."""
    meter, began = Meter(fleet), time.perf_counter()
    fleet.invoke(step, **event)
    seconds = time.perf_counter() - began
    reading = meter.read()
    megabytes = meter.megabytes(fleet.outputs["handler_function_names"][step])
    calls = sum(reading.operations.values()) - 1  # one is its own invocation
    usage = (
        reading.usage - bill.invocations(1, megabytes=megabytes) + bill.price_pass(calls, megabytes)
    )
    return replace(reading, usage=usage, lambda_seconds=(seconds,))


def _overdue(fleet: Fleet) -> Reading:
    """Measure a pass that restores devices whose run was stopped."""
    devices = [f"bench-overdue-{number}" for number in range(OVERDUE)]
    for device in devices:
        journeys.strand(fleet, device)
    # As if it were two days later.
    reading = _measure_pass(fleet, "ReconcileDevices", graceSeconds=-2 * 86_400)
    if reading.operations["iot.UpdateThing"] != OVERDUE:
        raise BenchError(f"a pass did not restore {OVERDUE} devices: {reading.operations}")
    for device in devices:
        fleet.succeed(device, journeys.CYCLE + 1)
    return reading


def _monitoring(fleet: Fleet) -> Figures:
    """Count the monitoring resources that are paid by the month.

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
        metric_filter
        for page in logs.get_paginator("describe_metric_filters").paginate()
        for metric_filter in page["metricFilters"]
    ]
    return {
        "alarm_months": sum(map(_metrics_of, alarms)),
        "metric_months": len(
            {metric_filter["metricTransformations"][0]["metricName"] for metric_filter in filters}
        ),
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
