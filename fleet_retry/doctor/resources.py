"""Whether the module is there, whole and switched on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from fleet_retry.deployment import (
    BACKUP,
    CAMPAIGNS,
    HISTORY,
    MACHINES,
    RETRIES,
    DeploymentError,
    is_missing,
)
from fleet_retry.doctor.context import Patient
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
RULES_OF_DEVICES = ("FailedFirmwareUpdateRule", "FailedFirmwareUnreadableRule")
"""There unless failures are only taken from AWS IoT Jobs."""
RULES_OF_JOBS = (
    "FirmwareJobFailedRule",
    "FirmwareJobRejectedRule",
    "FirmwareJobSucceededRule",
    "FirmwareJobTimedOutRule",
)
RULES_OF_SUCCESS = ("SucceededFirmwareUpdateRule",)
"""There unless nobody reports successes."""
REMOVED_RULE = "FailedFirmwareRemovedRule"
RECONCILING = "ReconcileDevices"
MAILING = "MailOperators"
_APPLY = "terraform apply"


def functions(patient: Patient) -> Iterator[Finding]:
    """All functions are there, and can run."""
    client = patient.deployment.client("lambda")
    for step in STEPS:
        name = patient.deployment.name(step)
        function = _found(partial(client.get_function_configuration, FunctionName=name))
        why = "the step of a recovery that it does fails, and devices stay where they are"
        if function is None:
            yield fault(f"there is no function {name}", why, _APPLY)
        elif function.get("State", "Active") == "Failed":
            yield fault(f"{name} cannot run: {function.get('StateReason', '')}", why, _APPLY)


def state_machines(patient: Patient) -> Iterator[Finding]:
    """All three are there."""
    for machine in MACHINES:
        try:
            patient.deployment.state_machine_arn(machine)
        except DeploymentError:
            name = patient.deployment.name(MACHINES[machine])
            yield fault(f"there is no state machine {name}", "no device gets past it", _APPLY)


def tables(patient: Patient) -> Iterator[Finding]:
    """All tables are there."""
    client = patient.deployment.client("dynamodb")
    for table in (RETRIES, BACKUP, HISTORY, CAMPAIGNS):
        name = patient.deployment.table(table)
        if _found(partial(client.describe_table, TableName=name)) is None:
            why = "what is known of the devices is kept there"
            yield fault(f"there is no table {name}", why, _APPLY)


def rules(patient: Patient) -> Iterator[Finding]:
    """All rules are there, and enabled."""
    has_job_events = patient.settings.job_events_enabled
    # What a rule is named: modules/ingestion. With job events, devices need not report.
    needed = {REMOVED_RULE, *(RULES_OF_JOBS if has_job_events else RULES_OF_DEVICES)}
    prefix = patient.deployment.prefix.replace("-", "_")
    pages = patient.deployment.client("iot").get_paginator("list_topic_rules").paginate()
    found = {rule["ruleName"]: rule for page in pages for rule in page["rules"]}
    why = "what it takes notice of is not noticed, and cannot be made up for later"
    for rule in (REMOVED_RULE, *RULES_OF_DEVICES, *RULES_OF_SUCCESS, *RULES_OF_JOBS):
        name = prefix + rule
        if name not in found and rule in needed:
            yield fault(f"there is no rule {name}", why, _APPLY)
        elif name in found and found[name]["ruleDisabled"]:
            do = f"aws iot enable-topic-rule --rule-name {name}"
            yield fault(f"the rule {name} is disabled", why, do)


def schedules(patient: Patient) -> Iterator[Finding]:
    """What runs by the clock does."""
    needed = {RECONCILING: "nobody finishes what a lost, stopped or failed recovery left behind"}
    if patient.settings.operator_topic_arn:
        needed[MAILING] = "nobody is mailed of failed devices"
    client = patient.deployment.client("scheduler")
    for schedule, why in needed.items():
        name = patient.deployment.name(schedule)
        found = _found(partial(client.get_schedule, Name=name))
        if found is None:
            yield fault(f"there is no schedule {name}", why, _APPLY)
        elif found["State"] != "ENABLED":
            do = f"enable it in the console of EventBridge Scheduler, or {_APPLY}"
            yield fault(f"the schedule {name} is disabled", why, do)


def _found(ask: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    try:
        return ask()
    except ClientError as error:
        if not is_missing(error):
            raise
        return None
