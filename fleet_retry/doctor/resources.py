"""Whether all parts of the module exist and are enabled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from fleet_retry.deployment import MACHINES, DeploymentError, is_missing
from fleet_retry.doctor.context import Context
from fleet_retry.doctor.findings import Finding, fault

STEPS = (
    "CheckIfDeviceExists",
    "ClearDeviceRecord",
    "CreateDeviceRecord",
    "IncrementRetryCounter",
    "MailOperators",
    "MoveDeviceToFailedGroup",
    "ReconcileDevices",
    "ReleaseDevice",
    "ResetRetryCountToFailedUpdate",
    "ResetRetryCounterAndMoveOut",
    "RestoreDeviceAttributes",
    "SendSNSNotification",
    "StoreDeviceAttributes",
)
RULE_OF_DEVICES = "FailedFirmwareUpdateRule"
"""Deployed unless messages come only from AWS IoT Jobs."""
UNREADABLE_RULE = "FailedFirmwareUnreadableRule"
"""Deployed where it was asked for."""
RULES_OF_JOBS = (
    "FirmwareJobFailedRule",
    "FirmwareJobRejectedRule",
    "FirmwareJobSucceededRule",
    "FirmwareJobTimedOutRule",
)
REMOVED_RULE = "FailedFirmwareRemovedRule"
RECONCILING = "ReconcileDevices"
MAILING = "MailOperators"
SCHEDULE_GROUP = "FirmwareRetry"
"""Holds both schedules."""
_APPLY = "terraform apply"


def check_functions(context: Context) -> Iterator[Finding]:
    """All functions exist and can run."""
    client = context.deployment.client("lambda")
    for step in STEPS:
        name = context.deployment.name(step)
        function = _find(partial(client.get_function_configuration, FunctionName=name))
        why = "the step of a recovery that it does fails, and devices stay where they are"
        if function is None:
            yield fault(f"there is no function {name}", why, _APPLY)
        elif function.get("State", "Active") == "Failed":
            yield fault(f"{name} cannot run: {function.get('StateReason', '')}", why, _APPLY)


def check_state_machines(context: Context) -> Iterator[Finding]:
    """All state machines exist."""
    for machine in MACHINES:
        try:
            context.deployment.state_machine_arn(machine)
        except DeploymentError:
            name = context.deployment.name(MACHINES[machine])
            yield fault(f"there is no state machine {name}", "no device gets past it", _APPLY)


def check_tables(context: Context) -> Iterator[Finding]:
    """All tables exist."""
    client = context.deployment.client("dynamodb")
    settings = context.settings
    for name in (
        settings.retries_table,
        settings.backup_table,
        settings.history_table,
        settings.campaigns_table,
    ):
        if _find(partial(client.describe_table, TableName=name)) is None:
            why = "what is known of the devices is kept there"
            yield fault(f"there is no table {name}", why, _APPLY)


def check_rules(context: Context) -> Iterator[Finding]:
    """All rules exist and are enabled."""
    has_job_events = context.settings.job_events_enabled
    # For the names see modules/ingestion. With job events, devices need not report.
    needed = {REMOVED_RULE, *(RULES_OF_JOBS if has_job_events else [RULE_OF_DEVICES])}
    prefix = context.deployment.prefix.replace("-", "_")
    pages = context.deployment.client("iot").get_paginator("list_topic_rules").paginate()
    found = {rule["ruleName"]: rule for page in pages for rule in page["rules"]}
    why = "what it takes notice of is not noticed, and cannot be made up for later"
    for rule in (REMOVED_RULE, RULE_OF_DEVICES, UNREADABLE_RULE, *RULES_OF_JOBS):
        name = prefix + rule
        if name not in found and rule in needed:
            yield fault(f"there is no rule {name}", why, _APPLY)
        elif name in found and found[name]["ruleDisabled"]:
            do = f"aws iot enable-topic-rule --rule-name {name}"
            yield fault(f"the rule {name} is disabled", why, do)


def check_schedules(context: Context) -> Iterator[Finding]:
    """All schedules are enabled."""
    needed = {RECONCILING: "nobody finishes what a lost, stopped or failed recovery left behind"}
    if context.settings.operator_topic_arn:
        needed[MAILING] = "nobody is mailed of failed devices"
    client = context.deployment.client("scheduler")
    group = context.deployment.name(SCHEDULE_GROUP)
    for schedule, why in needed.items():
        name = context.deployment.name(schedule)
        found = _find(partial(client.get_schedule, Name=name, GroupName=group))
        if found is None:
            yield fault(f"there is no schedule {name}", why, _APPLY)
        elif found["State"] != "ENABLED":
            do = f"enable it in the console of EventBridge Scheduler, or {_APPLY}"
            yield fault(f"the schedule {name} is disabled", why, do)


def _find(ask: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """Return the answer of a call; None when the resource does not exist."""
    try:
        return ask()
    except ClientError as error:
        if not is_missing(error):
            raise
        return None
