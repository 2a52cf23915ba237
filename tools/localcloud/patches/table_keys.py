"""Tables under DynamoDB's own key.

AWS: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_SSEDescription.html : such a
table has no description of its encryption.

MiniStack 1.5.33: describes it as DISABLED under the AWS-managed key.
"""

from __future__ import annotations

from typing import Any

from ministack.services import dynamodb

from localcloud.patches.patch import around


def install() -> None:
    """Describe no encryption of a table without a customer key."""

    @around(dynamodb, "_sse_description_from_spec")
    def describe(original: Any, spec: dict[str, Any] | None) -> Any:
        return original(spec) if spec and spec.get("Enabled") else None
