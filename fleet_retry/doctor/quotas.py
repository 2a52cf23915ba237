"""Whether the account's quotas would let all devices through if they all failed at once.

https://docs.aws.amazon.com/general/latest/gr/iot-core.html#thing-limits
"""

from __future__ import annotations

from collections.abc import Iterator

from fleet_retry import times
from fleet_retry.doctor.findings import Finding, fault, not_checked
from fleet_retry.doctor.patient import Patient

CALLS = {
    "UpdateThing": 1,
    "DescribeThing": 2,
    "ListThingGroupsForThing": 1,
    "AddThingToThingGroup": 1,
}
"""How often a recovery makes them for a device, on its way out or back."""
_MOST_SECONDS = 3600
"""Recoveries try a throttled call again for hours; a quarter of that is taken for as much."""


def quotas(patient: Patient) -> Iterator[Finding]:
    """Every device that has a record could be moved within an hour."""
    client = patient.deployment.client("service-quotas")
    pages = client.get_paginator("list_service_quotas").paginate(ServiceCode="iotcore")
    rates = {of["QuotaName"]: of["Value"] for page in pages for of in page["Quotas"]}
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
