"""Commands of AWS's own that the docs have people type, and that no other test comes by."""

from __future__ import annotations

import shlex
from contextlib import suppress
from typing import Any

import pytest

from localcloud import LocalCloud
from tests.tools.docs import pages
from tests.tools.docs.pages import Command

OPERATIONS = (
    "aws dynamodb create-backup",
    "aws iot enable-topic-rule",
    "aws logs delete-log-group",
    "aws logs filter-log-events",
)
COMMANDS = [
    command for command in sorted(set(pages.commands())) if command.text.startswith(OPERATIONS)
]


def parameters(command: Command) -> dict[str, str]:
    """The options of a command line as the API has them; all of these are texts."""
    known, options = pages.aws_options(command), shlex.split(command.text)[3:]
    pairs = zip(options[::2], options[1::2], strict=True)
    return {known[option.removeprefix("--")]: text for option, text in pairs}


def prepare(cloud: LocalCloud, given: dict[str, str]) -> None:
    """What a command is about."""
    if table := given.get("TableName"):
        key = {"AttributeName": "deviceId"}
        cloud.client("dynamodb").create_table(
            TableName=table,
            KeySchema=[{**key, "KeyType": "HASH"}],
            AttributeDefinitions=[{**key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    if rule := given.get("ruleName"):
        payload: Any = {"sql": "SELECT * FROM 'any'", "actions": [], "ruleDisabled": True}
        cloud.client("iot").create_topic_rule(ruleName=rule, topicRulePayload=payload)
    if group := given.get("logGroupName"):
        logs = cloud.client("logs")
        with suppress(logs.exceptions.ResourceAlreadyExistsException):  # of another command
            logs.create_log_group(logGroupName=group)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.page}: {command.text}")
def test_it_is_answered(empty: LocalCloud, command: Command) -> None:
    _, service, name = shlex.split(command.text)[:3]
    given = parameters(command)
    prepare(empty, given)
    getattr(empty.client(service), name.replace("-", "_"))(**given)
    if service == "iot":
        assert not empty.client("iot").get_topic_rule(**given)["rule"]["ruleDisabled"]
    if name == "delete-log-group":
        groups = empty.client("logs").describe_log_groups(logGroupNamePrefix=given["logGroupName"])[
            "logGroups"
        ]
        assert groups == []


def test_they_are_all_there() -> None:
    assert {" ".join(command.text.split()[:3]) for command in COMMANDS} == set(OPERATIONS)
