"""Who may subscribe to a FIFO topic.

AWS: https://docs.aws.amazon.com/sns/latest/dg/fifo-message-delivery.html : SQS queues only.

MiniStack 1.5.33: takes any protocol.
"""

from __future__ import annotations

from typing import Any

from ministack.services import sns

from localcloud.patches.patch import around


def install() -> None:
    """Make Subscribe refuse every protocol but sqs on a FIFO topic."""

    @around(sns, "_subscribe")
    def subscribe(original: Any, parameters: dict[str, Any]) -> Any:
        protocol = sns._p(parameters, "Protocol")
        if sns._p(parameters, "TopicArn").endswith(".fifo") and protocol not in ("", "sqs"):
            message = f"Invalid parameter: Invalid protocol type: {protocol}"
            return sns._error("InvalidParameter", message, 400)
        return original(parameters)
