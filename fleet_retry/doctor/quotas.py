"""Whether the account's quotas suffice if all devices fail at the same time.

The quotas of Step Functions are not checked: see docs/operations/runbook.md.

https://docs.aws.amazon.com/general/latest/gr/iot-core.html#thing-limits
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet_retry import times
from fleet_retry.doctor.context import Context
from fleet_retry.doctor.findings import Finding, fault, not_checked

CALLS = {
    "UpdateThing": 1,
    "DescribeThing": 2,
    "ListThingGroupsForThing": 1,
    "AddThingToThingGroup": 1,
}
"""Calls per device that a recovery makes, on the way out or back."""
_FEWEST_CONCURRENT = 100
"""Concurrent functions: the default of an account is 1,000, of a new account possibly 10."""
_MOST_SECONDS = 3600
"""Recoveries retry a throttled call for hours; this leaves a margin of a factor of four."""


def check_quotas(context: Context) -> Iterator[Finding]:
    """All devices that have a record can be moved within an hour."""
    client = context.deployment.client("service-quotas")
    rates = _read_rates(client, "list_service_quotas")
    if any(f"{call} API TPS" not in rates for call in CALLS):
        # A quota that was never raised or used may be listed among the defaults only.
        rates = _read_rates(client, "list_aws_default_service_quotas") | rates
    devices = context.census.devices
    for call, times_called in CALLS.items():
        rate = rates.get(f"{call} API TPS")
        if not rate:
            yield not_checked(f"{call}: Service Quotas does not tell how often it may be called")
        elif devices * times_called > rate * _MOST_SECONDS:
            takes = times.format_age(devices * times_called / rate)
            yield fault(
                f"AWS IoT lets {call} be called {rate:g} times a second: to move all"
                f" {devices} devices that have a record takes {takes}",
                "recoveries are throttled, and devices are away, or in the way, for longer",
                f"ask for more in the console of Service Quotas: AWS IoT Core, {call} API TPS",
            )


def _read_rates(client: Any, operation: str) -> dict[str, float]:
    """Read the quotas of AWS IoT, calls per second by name."""
    pages = client.get_paginator(operation).paginate(ServiceCode="iotcore")
    return {quota["QuotaName"]: quota["Value"] for page in pages for quota in page["Quotas"]}


def check_concurrency(context: Context) -> Iterator[Finding]:
    """Lambda runs enough concurrent functions for many messages in the same moment.

    https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
    """
    limits = context.deployment.client("lambda").get_account_settings()["AccountLimit"]
    concurrent = limits["UnreservedConcurrentExecutions"]
    if concurrent < _FEWEST_CONCURRENT:
        yield fault(
            f"Lambda runs {concurrent} functions of this account at once, all of them together",
            "many messages in the same moment are throttled; what waits too long becomes a dead"
            " letter",
            "ask for more in the console of Service Quotas: AWS Lambda, Concurrent executions",
        )
