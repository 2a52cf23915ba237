"""The history of a device: its changes of state, when and why."""

from collections.abc import Iterator
from dataclasses import dataclass

from fleet_retry import tables
from fleet_retry.deployment import Deployment


@dataclass(frozen=True)
class Transition:
    """One change of a device's state, as the history shows it."""

    at: str
    """ISO 8601 in UTC, to the millisecond."""
    before: str
    """A ``State``, or ``history_table.FREE``; so is ``after``."""
    after: str
    reason: str
    campaign: str
    execution: str
    """The recovery run that made the change; empty where none did."""

    def as_dict(self) -> dict[str, str]:
        """Return JSON-ready values; the keys are those of the table."""
        return {
            "at": self.at,
            "from": self.before,
            "to": self.after,
            "reason": self.reason,
            "campaign": self.campaign,
            "execution": self.execution,
        }


def read_transitions(deployment: Deployment, device_id: str) -> Iterator[Transition]:
    """Read the history of a device with one query, oldest first.

    Raises:
        DeploymentError: the module is not deployed.
    """
    items = tables.query(
        deployment,
        deployment.settings.history_table,
        KeyConditionExpression="deviceId = :device",
        ExpressionAttributeValues={":device": {"S": device_id}},
    )
    for item in map(tables.to_plain, items):
        yield Transition(
            at=item["at"].partition("#")[0],
            before=item["from"],
            after=item["to"],
            reason=item["reason"],
            campaign=item["campaign"],
            execution=item["execution"],
        )
