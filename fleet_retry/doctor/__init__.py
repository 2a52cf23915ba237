"""``fleet-retry doctor``: whether all that the module needs is switched on, and in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from botocore.exceptions import BotoCoreError, ClientError

from fleet_retry.deployment import DeploymentError, NotThereError
from fleet_retry.doctor import notifications, quotas, registry, resources
from fleet_retry.doctor.context import Patient
from fleet_retry.doctor.findings import Finding, Result, Status, fault, not_checked

Check = Callable[[Patient], Iterator[Finding]]

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "functions": resources.functions,
        "state machines": resources.state_machines,
        "tables": resources.tables,
        "rules": resources.rules,
        "schedules": resources.schedules,
        "fleet indexing": registry.indexing,
        "failed group": registry.failed_group,
        "group queries": registry.group_queries,
        "devices that stayed": registry.devices_that_stayed,
        "job events": registry.job_events,
        "membership events": registry.membership_events,
        "subscriptions": notifications.subscriptions,
        "alarms": notifications.alarms,
        "dead letters": notifications.dead_letters,
        "overdue devices": notifications.overdue,
        "paused campaigns": notifications.paused_campaigns,
        "quotas": quotas.quotas,
        "functions at once": quotas.concurrency,
    }
)


def examine(patient: Patient) -> Iterator[Result]:
    """Makes all checks; one that cannot be made stands in no other's way.

    Yields:
        What each check says; at least one result of each.

    Raises:
        DeploymentError: there is no such deployment at all.
    """
    _ = patient.settings
    for name, check in CHECKS.items():
        for finding in _made(check, patient):
            yield Result(name, finding)


def _made(check: Check, patient: Patient) -> list[Finding]:
    found: list[Finding] = []
    try:
        # One by one: what was found is told, even if AWS does not answer what is asked next.
        for finding in check(patient):
            found.append(finding)  # noqa: PERF402
    except ClientError as error:
        told = error.response["Error"]
        found.append(not_checked(f"{told['Code']}: {told['Message']}"))
    except NotThereError as error:
        found.append(fault(error.what, "what needs it does not work", "terraform apply"))
    except (BotoCoreError, DeploymentError) as error:
        found.append(not_checked(str(error)))
    return found or [Finding(Status.OK, check.__doc__ or "")]
