"""What IAM would say: which permissions a call needs, and which a role gives.

As much of IAM as the module's policies use: statements that allow, with wildcards. Whatever else
stands in a policy is an error here, so that nothing is taken for less than it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from localcloud import LocalCloud

Statement = Mapping[str, Any]

_RESOURCES = {
    "dynamodb": {"tableName": "table/{}"},
    "iot": {"thingName": "thing/{}", "thingGroupName": "thinggroup/{}"},
    "lambda": {"functionName": "function:{}"},
    "logs": {"logGroupName": "log-group:{}:log-stream:any"},
    "sns": {"topicArn": "{}"},
    "sqs": {"queueUrl": "{}"},
    "states": {
        "executionArn": "{}",
        "stateMachineArn": "{}",
        "stateMachineName": "stateMachine:{}",
    },
}
"""Which parameters of a service's calls name what they act on, and the end of the ARN that IAM
makes of each. A call with two of them needs its action on both.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

_ACTIONS = {"Invoke": "InvokeFunction", "DeleteMessageBatch": "DeleteMessage"}
"""The actions of IAM that are not called as the operations that need them."""


class Permission(NamedTuple):
    """An action on a resource: as a call needs it, or as a role gives it.

    Attributes:
        action: such as ``iot:UpdateThing``.
        resource: an ARN. Where a role gives the permission, both may hold wildcards.
    """

    action: str
    resource: str

    def covers(self, needed: Permission) -> bool:
        """Whether this, given by a role, allows what a call needs."""
        return _matches(self.action.lower(), needed.action.lower()) and _matches(
            self.resource, needed.resource
        )


LISTS = {Permission("iot:ListThings", "*"), Permission("dynamodb:ListTables", "*")}
"""Actions that AWS lets nobody narrow to a resource."""


def _matches(pattern: str, text: str) -> bool:
    # IAM knows * and ?, but no sets in brackets.
    return fnmatchcase(text, pattern.replace("[", "[[]"))


@dataclass(frozen=True)
class Role:
    """A role as IAM has it.

    Attributes:
        name: the role's.
        trust: the statements of its trust policy.
        policies: the statements of each of its policies.
    """

    name: str
    trust: tuple[Statement, ...]
    policies: tuple[tuple[Statement, ...], ...]

    @property
    def gives(self) -> frozenset[Permission]:
        """All that the role allows."""
        return frozenset(
            permission
            for policy in self.policies
            for statement in policy
            for permission in list_allowed(statement)
        )

    def refuses(self, needed: Iterable[Permission]) -> set[Permission]:
        """What of the needed the role does not allow."""
        gives = self.gives
        return {need for need in needed if not any(given.covers(need) for given in gives)}

    def gives_in_vain(self, needed: Iterable[Permission]) -> set[Permission]:
        """What the role allows and nothing needs."""
        needed = set(needed)
        return {given for given in self.gives if not any(map(given.covers, needed))}


def read_role(cloud: LocalCloud, name: str) -> Role:
    """Reads a role with all its policies; ValueError for one that is not its own."""
    iam = cloud.client("iam")
    if iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        raise ValueError(f"{name} has a managed policy, which is nobody's least")
    trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    policies = [
        iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    ]
    return Role(name, _statements(trust), tuple(map(_statements, policies)))


def _statements(document: Mapping[str, Any]) -> tuple[Statement, ...]:
    return tuple(_as_list(document["Statement"]))


def list_allowed(statement: Statement) -> Iterator[Permission]:
    """Return what a statement allows; ValueError when it says more than that."""
    unknown = statement.keys() - {"Sid", "Effect", "Action", "Resource"}
    if unknown or statement["Effect"] != "Allow":
        raise ValueError(f"a statement that is not understood here: {statement}")
    for action in _as_list(statement["Action"]):
        for resource in _as_list(statement["Resource"]):
            yield Permission(action, resource)


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def find_needed(
    cloud: LocalCloud, service: str, operation: str, parameters: Mapping[str, Any]
) -> set[Permission]:
    """Return the permissions that a call needs.

    Args:
        cloud: the account that it is made in.
        service: IAM's name of the service, such as ``dynamodb``.
        operation: the API operation, such as ``UpdateItem``.
        parameters: what is sent, as the API names it; the case of the first letter is all the same.

    Raises:
        ValueError: what the call acts on is not known here.
    """
    if operation == "TransactWriteItems":
        return {
            permission
            for item in parameters["TransactItems"]
            for kind, write in item.items()
            for permission in find_needed(cloud, service, f"{kind}Item", write)
        }
    if operation == "BatchGetItem":
        return {
            Permission("dynamodb:BatchGetItem", _arn(cloud, service, "table/{}", table))
            for table in parameters["RequestItems"]
        }
    operation = _ACTIONS.get(operation, operation)
    if (permission := Permission(f"{service}:{operation}", "*")) in LISTS:
        return {permission}
    found = {
        Permission(f"{service}:{operation}", _arn(cloud, service, _RESOURCES[service][key], value))
        for name, value in parameters.items()
        if (key := name[:1].lower() + name[1:]) in _RESOURCES[service]
    }
    if not found:
        raise ValueError(f"what {service}:{operation} acts on has to be told in _RESOURCES")
    return found


def _arn(cloud: LocalCloud, service: str, form: str, value: str) -> str:
    if value.startswith("arn:"):
        return value
    # A queue's URL ends with its name.
    name = re.sub(r"^https?://.*/", "", value)
    return f"arn:aws:{service}:{cloud.region}:{cloud.account_id}:{form.format(name)}"
