"""Whether the account's quotas would let all devices through if they all failed at once.

Those of Step Functions are not looked at: docs/runbook.md says how to ask for them.

https://docs.aws.amazon.com/general/latest/gr/iot-core.html#thing-limits
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet_retry import times
from fleet_retry.doctor.context import Patient
from fleet_retry.doctor.findings import Finding, fault, not_checked

CALLS = {
    "UpdateThing": 1,
    "DescribeThing": 2,
    "ListThingGroupsForThing": 1,
    "AddThingToThingGroup": 1,
}
"""How often a recovery makes them for a device, on its way out or back."""
_FEWEST_AT_ONCE = 100
"""Functions that run at the same time: AWS gives an account 1,000, and a new one may have 10."""
_MOST_SECONDS = 3600
"""Recoveries try a throttled call again for hours; a quarter of that is taken for as much."""


def quotas(patient: Patient) -> Iterator[Finding]:
    """Every device that has a record could be moved within an hour."""
    client = patient.deployment.client("service-quotas")
    rates = _told(client, "list_service_quotas")
    if any(f"{call} API TPS" not in rates for call in CALLS):
        # What was never raised or used may be among the defaults only.
        rates = _told(client, "list_aws_default_service_quotas") | rates
    devices = patient.census.devices
    for call, times_called in CALLS.items():
        rate = rates.get(f"{call} API TPS")
        if not rate:
            yield not_checked(f"{call}: Service Quotas does not tell how often it may be called")
        elif devices * times_called > rate * _MOST_SECONDS:
            takes = times.age(devices * times_called / rate)
            yield fault(
                f"AWS IoT lets {call} be called {rate:g} times a second: to move all"
                f" {devices} devices that have a record takes {takes}",
                "recoveries are throttled, and devices are away, or in the way, for longer",
                f"ask for more in the console of Service Quotas: AWS IoT Core, {call} API TPS",
            )


def _told(client: Any, operation: str) -> dict[str, float]:
    """The quotas of AWS IoT by name, a second."""
    pages = client.get_paginator(operation).paginate(ServiceCode="iotcore")
    return {of["QuotaName"]: of["Value"] for page in pages for of in page["Quotas"]}


def concurrency(patient: Patient) -> Iterator[Finding]:
    """Lambda runs enough functions at once for many messages in the same moment.

    https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
    """
    limits = patient.deployment.client("lambda").get_account_settings()["AccountLimit"]
    at_once = limits["UnreservedConcurrentExecutions"]
    if at_once < _FEWEST_AT_ONCE:
        yield fault(
            f"Lambda runs {at_once} functions of this account at once, all of them together",
            "many messages in the same moment are throttled; what waits too long becomes a dead"
            " letter",
            "ask for more in the console of Service Quotas: AWS Lambda, Concurrent executions",
        )
