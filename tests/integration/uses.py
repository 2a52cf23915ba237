"""The uses that functions, state machines, rules and schedules make of their roles."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from localcloud import Call
from localcloud.fleet import MACHINES, Fleet
from tests.integration.policies import Permission, find_needed

NO_SUCH_TABLE = ":table/no-such"
"""What test_failures has functions ask for; AWS would refuse that too."""

# https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
LOG_DELIVERY = {
    Permission(f"logs:{operation}", "*")
    for operation in (
        "CreateLogDelivery",
        "DeleteLogDelivery",
        "DescribeLogGroups",
        "DescribeResourcePolicies",
        "GetLogDelivery",
        "ListLogDeliveries",
        "PutResourcePolicy",
        "UpdateLogDelivery",
    )
}


Needs = dict[str, set[Permission]]
"""The permissions that are needed, by role."""


@dataclass(frozen=True)
class Use:
    """What one part of the module does with its role.

    Attributes:
        role: the role's name.
        source: the ARN by which the service says on whose behalf it takes the role.
        needs: the permissions.
    """

    role: str
    source: str
    needs: set[Permission]


def list_uses(fleet: Fleet, calls: list[Call]) -> Iterator[Use]:
    """Return all that a fleet does with a role, given the calls that were recorded."""
    yield from _functions(fleet, calls)
    yield from _machines(fleet)
    yield from _rules(fleet)
    yield from _schedules(fleet)


def add_up(uses: Iterable[Use]) -> Needs:
    """Return what is needed of each role."""
    found: Needs = {}
    for use in uses:
        found.setdefault(use.role, set()).update(use.needs)
    return found


def list_invoked(calls: Iterable[Call]) -> set[str]:
    """Return the functions that state machines invoked."""
    return {call.parameters["FunctionName"] for call in calls if call.caller == "states"}


def list_invocable(uses: Iterable[Use]) -> set[str]:
    """Return the functions that state machines are allowed to invoke."""
    return {
        need.resource.rpartition(":")[2]
        for use in uses
        if ":stateMachine:" in use.source
        for need in use.needs
        if need.action == "lambda:InvokeFunction"
    }


def _functions(fleet: Fleet, calls: list[Call]) -> Iterator[Use]:
    for name in fleet.outputs["handler_function_names"].values():
        function = fleet.client("lambda").get_function_configuration(FunctionName=name)
        # The service writes the log with the function's role, and no call shows it.
        log = {"logGroupName": function["LoggingConfig"]["LogGroup"]}
        needs = find_needed(fleet.cloud, "logs", "CreateLogStream", log)
        needs |= find_needed(fleet.cloud, "logs", "PutLogEvents", log)
        for call in calls:
            if call.caller == name:
                needs |= find_needed(fleet.cloud, call.service, call.operation, call.parameters)
        asked_in_vain = {need for need in needs if NO_SUCH_TABLE in need.resource}
        yield Use(_name(function["Role"]), function["FunctionArn"], needs - asked_in_vain)


def _machines(fleet: Fleet) -> Iterator[Use]:
    states = fleet.client("stepfunctions")
    for machine in MACHINES:
        found = states.describe_state_machine(stateMachineArn=fleet.machine(machine))
        needs = set(LOG_DELIVERY) if found["loggingConfiguration"]["level"] != "OFF" else set()
        for state in json.loads(found["definition"])["States"].values():
            if state["Type"] == "Task":
                needs |= _find_needed_by_task(fleet, state)
        yield Use(_name(found["roleArn"]), found["stateMachineArn"], needs)


def _find_needed_by_task(fleet: Fleet, state: dict[str, Any]) -> set[Permission]:
    resource = state["Resource"]
    if ":function:" in resource:
        return find_needed(fleet.cloud, "lambda", "Invoke", {"functionName": resource})
    # arn:aws:states:::sqs:sendMessage
    service, operation = resource.split(":")[5:7]
    operation = operation[:1].upper() + operation[1:]
    return find_needed(fleet.cloud, service, operation, state["Parameters"])


# https://docs.aws.amazon.com/iot/latest/developerguide/iot-rule-actions.html
RULE_ACTIONS = {
    "cloudwatchLogs": ("logs", ("CreateLogStream", "DescribeLogStreams", "PutLogEvents")),
    "sqs": ("sqs", ("SendMessage",)),
    "stepFunctions": ("states", ("StartExecution",)),
}


def _rules(fleet: Fleet) -> Iterator[Use]:
    for name in fleet.outputs["rule_names"]:
        found = fleet.client("iot").get_topic_rule(ruleName=name)
        for action in (*found["rule"]["actions"], found["rule"]["errorAction"]):
            ((kind, parameters),) = action.items()
            service, operations = RULE_ACTIONS[kind]
            needs = [
                find_needed(fleet.cloud, service, operation, parameters) for operation in operations
            ]
            yield Use(_name(parameters["roleArn"]), found["ruleArn"], set().union(*needs))


def _schedules(fleet: Fleet) -> Iterator[Use]:
    scheduler, functions = fleet.client("scheduler"), fleet.outputs["handler_function_names"]
    for listed in scheduler.list_schedules()["Schedules"]:
        found = scheduler.get_schedule(Name=listed["Name"], GroupName=listed["GroupName"])
        arn = found["Target"]["Arn"]
        if arn.rpartition(":")[2] not in functions.values():
            continue
        # EventBridge Scheduler names the group, not the schedule.
        group = found["Arn"].replace(":schedule/", ":schedule-group/").rpartition("/")[0]
        needs = find_needed(fleet.cloud, "lambda", "Invoke", {"functionName": arn})
        yield Use(_name(found["Target"]["RoleArn"]), group, needs)


def _name(role_arn: str) -> str:
    return role_arn.rpartition("/")[2]
