"""What a simulated deployment is configured with."""

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from simulator.definitions import machine_arn

RETRIES = "DeviceFirmwareRetries"
BACKUP = "DeviceAttributeBackup"
HISTORY = "DeviceFirmwareHistory"
CAMPAIGNS = "FirmwareCampaigns"
FAILED_GROUP = "FailedToUpdate"
ALERTS = "arn:aws:sns:eu-west-1:123456789012:FailedFirmwareUpdate.fifo"
OPERATORS = "arn:aws:sns:eu-west-1:123456789012:operators"
OPERATORS_QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/operators.fifo"

IGNORED = frozenset({"Battery low", "update server busy: 503"})
"""Reasons that are not counted: the patterns below say so."""
FATAL = frozenset({"Wrong hardware revision"})
"""Reasons after which no further try is worth it."""


@dataclass(frozen=True)
class Breaker:
    """The module's variable of this name. Few devices are enough: a world has no more."""

    share: float = 0.1
    window_seconds: int = 86400
    min_devices: int = 1
    pauses: bool = True

    @classmethod
    def draw(cls, chance: random.Random) -> "Breaker | None":
        """Draw one, or none."""
        if chance.random() < 0.5:
            return None
        return cls(
            share=chance.choice((0.1, 0.2, 0.5)),
            window_seconds=chance.choice((3600, 86400, 10 * 86400)),
            min_devices=chance.choice((1, 1, 2)),
            pauses=chance.random() < 0.7,
        )


@dataclass(frozen=True)
class Options:
    """The module's variables that the handlers see. Seconds."""

    retry_limit: int = 3
    cool_down_seconds: tuple[int, ...] = (86400,)
    cool_down_jitter: float = 0.1
    settle_seconds: int = 900
    move_out_attributes: Mapping[str, str] | None = None
    """None for the original's: model and FW are "moveOut"."""
    failed_attributes: Mapping[str, str] | None = None
    has_operators: bool = False
    """Whether people are told on a topic of their own, too."""
    indexing_seconds: float = 30.0
    """How far the dynamic groups lag behind the registry."""
    is_never_left: bool = False
    """Whether there is a dynamic group, too, that keeps a device whatever its attributes are."""
    has_membership_events: bool = False
    """Whether AWS IoT tells who was taken out of the group of the failed."""
    job_events_enabled: bool = True
    """Whether the events of AWS IoT Jobs are taken notice of; late ones come all the same."""
    breaker: Breaker | None = None
    """When a campaign is to blame; None when nobody looks."""
    page: int = 25
    """How much the registry lists at once."""

    @classmethod
    def draw(cls, chance: random.Random) -> "Options":
        """Draw a configuration."""
        moved, failed = chance.choice(_ATTRIBUTES)
        return cls(
            retry_limit=chance.choice((1, 2, 3, 3, 5, 10)),
            cool_down_seconds=chance.choice(
                ((86400,), (86400,), (3600,), (), (3600, 86400), (600, 600, 600))
            ),
            cool_down_jitter=chance.choice((0.0, 0.1, 1.0)),
            settle_seconds=chance.choice((60, 900)),
            move_out_attributes=moved,
            failed_attributes=failed,
            has_operators=chance.random() < 0.3,
            indexing_seconds=chance.choice((1.0, 30.0, 600.0)),
            is_never_left=chance.random() < 0.15,
            has_membership_events=chance.random() < 0.5,
            job_events_enabled=chance.random() < 0.85,
            breaker=Breaker.draw(chance),
            page=chance.choice((1, 25)),
        )

    @property
    def moved_out(self) -> Mapping[str, str]:
        """The attributes of a device that cools down."""
        return self.move_out_attributes or _MOVED_OUT

    @property
    def failed(self) -> Mapping[str, str]:
        """The attributes of a device that failed."""
        return self.failed_attributes or _FAILED

    def is_overwritten(self, name: str, value: str | None) -> bool:
        """Return whether an attribute has a value that only the workflow writes."""
        return value is not None and value in (self.moved_out.get(name), self.failed.get(name))

    def environment(self) -> dict[str, str]:
        """Return the environment variables of the functions, as the module sets them."""
        return {
            "RETRIES_TABLE": RETRIES,
            "BACKUP_TABLE": BACKUP,
            "HISTORY_TABLE": HISTORY,
            "HISTORY_DAYS": "90",
            "CAMPAIGNS_TABLE": CAMPAIGNS,
            "BREAKER": json.dumps(self.breaker and asdict(self.breaker)),
            "RETRY_LIMIT": str(self.retry_limit),
            "COOL_DOWN_SECONDS": json.dumps(self.cool_down_seconds),
            "COOL_DOWN_JITTER": str(self.cool_down_jitter),
            "SETTLE_SECONDS": str(self.settle_seconds),
            "MOVE_OUT_ATTRIBUTES": json.dumps(self.moved_out),
            "FAILED_ATTRIBUTES": json.dumps(self.failed),
            "FOREIGN_MARKS": "[]",
            "FAILED_THING_GROUP_NAME": FAILED_GROUP,
            "IGNORED_REASONS": json.dumps(["battery*", "*server busy*"]),
            "FATAL_REASONS": json.dumps(["wrong hardware*"]),
            "JOB_EVENTS_ENABLED": json.dumps(self.job_events_enabled),
            "ALERTS_TOPIC_ARN": ALERTS,
            "OPERATOR_TOPIC_ARN": OPERATORS if self.has_operators else "",
            "OPERATOR_QUEUE_URL": OPERATORS_QUEUE if self.has_operators else "",
            "ALERT_DIGEST_THRESHOLD": "1",
            "NAME_PREFIX": "",
            "COOL_DOWN_STATE_MACHINE_ARN": machine_arn("cool_down"),
            "ESCALATION_STATE_MACHINE_ARN": machine_arn("escalation"),
        }


_MOVED_OUT = {"model": "moveOut", "FW": "moveOut"}
_FAILED = {"model": "failedtoupdate", "FW": "failedtoupdate"}
_ATTRIBUTES = (
    (_MOVED_OUT, _FAILED),
    (_MOVED_OUT, _FAILED),
    ({"firmwareRetry": "coolingDown"}, {"firmwareRetry": "failed"}),
    ({"model": "moveOut"}, {"FW": "failedtoupdate"}),
)
