"""Keys of log groups: AssociateKmsKey and DisassociateKmsKey.

AWS: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_AssociateKmsKey.html
and .../API_DisassociateKmsKey.html change the key of an existing log group, which
DescribeLogGroups then shows. A key that does not exist or is disabled is an
InvalidParameterException, also in CreateLogGroup.

MiniStack 1.5.33: both are unknown actions, so that Terraform cannot change ``kms_key_id``;
CreateLogGroup accepts any key.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import cloudwatch_logs, kms

from localcloud.patches.patch import around

_GROUP = "logGroupName"
_KEY = "kmsKeyId"


def install() -> None:
    """Add both calls, and let CreateLogGroup reject a key that cannot encrypt."""

    @around(cloudwatch_logs, "handle_request")
    async def handle(original: Any, method: str, path: str, headers: Any, *rest: Any) -> Any:
        change = _CHANGES.get(headers.get("x-amz-target", "").rpartition(".")[2])
        if change is None:
            return await original(method, path, headers, *rest)
        return change(json.loads(rest[0]))

    @around(cloudwatch_logs, "_create_log_group")
    def create(original: Any, request: dict[str, Any]) -> Any:
        return _reject_key(request.get(_KEY)) or original(request)


def _associate(request: dict[str, Any]) -> Any:
    return _reject_key(request[_KEY]) or _set_key(request, request[_KEY])


def _disassociate(request: dict[str, Any]) -> Any:
    return _set_key(request, None)


def _set_key(request: dict[str, Any], key: str | None) -> Any:
    group = cloudwatch_logs._log_groups.get(request.get(_GROUP))
    if group is None:
        message = f"The specified log group does not exist: {request.get(_GROUP)}"
        return error_response_json("ResourceNotFoundException", message, 400)
    group[_KEY] = key
    return json_response({})


def _reject_key(key: str | None) -> Any:
    """Return the error response for a key that cannot encrypt, None for any other."""
    if not key or (kms._resolve_key(key) or {}).get("KeyState") == "Enabled":
        return None
    message = f"The specified KMS key does not exist or is not enabled: {key}"
    return error_response_json("InvalidParameterException", message, 400)


_CHANGES = {"AssociateKmsKey": _associate, "DisassociateKmsKey": _disassociate}
