"""What Terraform calls, against ``docs/deployer-policy.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable

from localcloud import Call
from localcloud.project import ROOT

POLICY = ROOT / "docs" / "deployer-policy.json"
NOT_CALLED = {
    "iam:PassRole",
    *(f"kms:{action}" for action in ("CreateGrant", "Decrypt", "DescribeKey", "Encrypt")),
    *(f"kms:{action}" for action in ("GenerateDataKey", "GenerateDataKeyWithoutPlaintext")),
    *(f"kms:{action}" for action in ("ReEncryptFrom", "ReEncryptTo")),
    *(f"s3:{action}" for action in ("GetObject", "GetObjectVersion")),
}
"""What AWS asks of the caller for the sake of another call, with no call of its own.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
"""
_SERVICES = {"monitoring": "cloudwatch"}
"""Services that IAM calls otherwise than the local cloud."""
_OTHERS = {"sts:GetCallerIdentity"}
"""Allowed to everybody."""
_OF_TAGS = {"GET": "ListTagsForResource", "POST": "TagResource", "DELETE": "UntagResource"}
"""Actions on tags, of a service whose operations have no names of their own in the record."""
_STATE = "s3"
"""The state of the tests' roots, which is not the module's."""


def read_allowed() -> set[str]:
    """Return the actions that the policy allows."""
    statements = json.loads(POLICY.read_text("utf-8"))["Statement"]
    return {action for statement in statements for action in statement["Action"]}


def list_called(calls: Iterable[Call]) -> set[str]:
    """Return the actions that Terraform's calls need, without those about its state."""
    return {_action(call) for call in calls if not call.caller and call.service != _STATE} - _OTHERS


def _action(call: Call) -> str:
    method, _, path = call.operation.partition(" ")
    operation = _OF_TAGS[method] if path.startswith("/tags/") else call.operation
    return f"{_SERVICES.get(call.service, call.service)}:{operation}"
