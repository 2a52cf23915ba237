"""``fleet-retry doctor``: checks that all that the module needs is enabled and in order.

The first line of a check's docstring is printed when it finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from botocore.exceptions import BotoCoreError, ClientError

from fleet_retry.deployment import DeploymentError, NotThereError
from fleet_retry.doctor import messages, notifications, quotas, registry, resources, strays
from fleet_retry.doctor.context import Context
from fleet_retry.doctor.findings import Finding, Result, Status, fault, not_checked

Check = Callable[[Context], Iterator[Finding]]

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "functions": resources.check_functions,
        "state machines": resources.check_state_machines,
        "tables": resources.check_tables,
        "rules": resources.check_rules,
        "schedules": resources.check_schedules,
        "fleet indexing": registry.check_indexing,
        "failed group": registry.check_failed_group,
        "group queries": registry.check_group_queries,
        "devices that stayed": registry.check_devices_that_stayed,
        "things with marks": strays.check_strays,
        "marks of other instances": strays.check_marks_of_others,
        "job events": registry.check_job_events,
        "membership events": registry.check_membership_events,
        "subscriptions": notifications.check_subscriptions,
        "alarms": notifications.check_alarms,
        "dead letters": notifications.check_dead_letters,
        "undelivered alerts": notifications.check_undelivered,
        "refused messages": messages.check_refused_messages,
        "stale messages": messages.check_stale_messages,
        "successes": messages.check_successes,
        "records": notifications.check_records,
        "overdue devices": notifications.check_overdue,
        "devices not away": notifications.check_devices_not_away,
        "paused campaigns": notifications.check_paused_campaigns,
        "quotas": quotas.check_quotas,
        "functions at once": quotas.check_concurrency,
    }
)


def run_checks(context: Context) -> Iterator[Result]:
    """Run all checks; a check that AWS refuses does not prevent others.

    Yields:
        The findings of each check, at least one per check.

    Raises:
        DeploymentError: the deployment does not exist.
    """
    _ = context.settings
    for name, check in CHECKS.items():
        for finding in _run(check, context):
            yield Result(name, finding)


def _run(check: Check, context: Context) -> list[Finding]:
    found: list[Finding] = []
    try:
        # One by one: a failed call must not lose what was found before it.
        for finding in check(context):
            found.append(finding)  # noqa: PERF402
    except ClientError as error:
        answer = error.response["Error"]
        found.append(not_checked(f"{answer['Code']}: {answer['Message']}"))
    except NotThereError as error:
        found.append(fault(error.what, "what needs it does not work", "terraform apply"))
    except (BotoCoreError, DeploymentError) as error:
        found.append(not_checked(str(error)))
    return found or [Finding(Status.OK, (check.__doc__ or "").partition("\n")[0])]
