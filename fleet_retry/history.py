"""What happened to a device, when and why."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from fleet_retry import tables
from fleet_retry.deployment import HISTORY, Deployment


@dataclass(frozen=True)
class Transition:
    """One change of a device's state."""

    at: str
    """ISO 8601 in UTC, to the millisecond."""
    before: str
    """``free``, ``tracking``, ``cooling_down`` or ``failed``; so is ``after``."""
    after: str
    reason: str
    campaign: str
    execution: str
    """The recovery run that did it; empty where none did."""

    def as_dict(self) -> dict[str, str]:
        """JSON-ready; the keys are those of the table."""
        fields = asdict(self)
        return {_NAMES.get(name, name): value for name, value in fields.items()}


_NAMES = {"before": "from", "after": "to"}


def transitions(deployment: Deployment, device_id: str) -> Iterator[Transition]:
    """Reads the history of a device with one query, oldest first.

    Raises:
        DeploymentError: the module is not there.
    """
    items = tables.query(
        deployment,
        HISTORY,
        KeyConditionExpression="deviceId = :device",
        ExpressionAttributeValues={":device": {"S": device_id}},
    )
    for item in items:
        yield Transition(
            at=item["at"].partition("#")[0],
            before=item["from"],
            after=item["to"],
            reason=item["reason"],
            campaign=item["campaign"],
            execution=item["execution"],
        )
