"""E-mail addresses that wait until whoever reads the mailbox confirms the subscription.

AWS: https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html : an address is pending until
its link is followed, and gets nothing. Until then Subscribe returns ``pending confirmation``,
unless the caller asks for the ARN, and lists have ``PendingConfirmation`` in place of the ARN
(.../sns/latest/dg/sns-create-subscribe-endpoint-to-topic.html).

MiniStack 1.5.33: confirms each address by itself.

Here ``LocalCloud.confirm_addresses`` follows all links.
"""

from __future__ import annotations

from typing import Any

from ministack.services import sns

from localcloud import addresses
from localcloud.patches.patch import around

_PROTOCOLS = frozenset({"email", "email-json"})
_PENDING = b"PendingConfirmation"


def install() -> None:
    """Let addresses wait, also in lists."""
    addresses.listen(_set_all)

    @around(sns, "_subscribe")
    def subscribe(original: Any, parameters: dict[str, Any]) -> Any:
        known = {subscription["arn"] for subscription in _of_addresses()}
        status, headers, body = original(parameters)
        new = next((found for found in _of_addresses() if found["arn"] not in known), None)
        if new is not None:
            _set_confirmed(new, is_confirmed=False)
            if sns._p(parameters, "ReturnSubscriptionArn") != "true":
                body = body.replace(new["arn"].encode(), b"pending confirmation")
        return status, headers, body

    for name in ("_list_subscriptions", "_list_subscriptions_by_topic"):
        _hide_pending(name)


def _hide_pending(name: str) -> None:
    @around(sns, name)
    def list_subscriptions(original: Any, parameters: dict[str, Any]) -> Any:
        status, headers, body = original(parameters)
        for subscription in _of_addresses():
            if not subscription["confirmed"]:
                body = body.replace(subscription["arn"].encode(), _PENDING)
        return status, headers, body


def _set_all(is_confirmed: bool) -> None:
    for subscription in _of_addresses():
        _set_confirmed(subscription, is_confirmed=is_confirmed)


def _of_addresses() -> list[dict[str, Any]]:
    topics = list(sns._topics.all_values())
    subscriptions = [subscription for topic in topics for subscription in topic["subscriptions"]]
    return [found for found in subscriptions if found["protocol"] in _PROTOCOLS]


def _set_confirmed(subscription: dict[str, Any], *, is_confirmed: bool) -> None:
    # Topics count their subscriptions when somebody asks for the number.
    subscription["confirmed"] = is_confirmed
    subscription["attributes"]["PendingConfirmation"] = str(not is_confirmed).lower()
