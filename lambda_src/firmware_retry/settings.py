"""The configuration of the functions, which the Terraform module sets as environment variables."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Breaker:
    """The rule by which one campaign has too large a share of the devices that used up a cycle."""

    share: float
    """Above 0, at most 1."""
    window_seconds: int
    """How long a device counts after it used up a cycle."""
    min_devices: int
    """Fewer devices of one campaign are never too many."""
    pauses: bool
    """Whether such a campaign is paused."""


@dataclass(frozen=True)
class Settings:
    """The configuration of the module; the names are those of the Terraform variables."""

    retries_table: str
    backup_table: str
    history_table: str
    campaigns_table: str
    history_days: int
    """How long a device's history is kept."""
    retry_limit: int
    """Failures of one cycle after which the device is moved out."""
    cool_down_seconds: tuple[int, ...]
    """The ladder: one wait per cycle that is followed by another try."""
    cool_down_jitter: float
    """Largest share by which a wait is lengthened at random, 0 to 1."""
    settle_seconds: int
    """Seconds between the overwriting of a failed device's attributes and its move to the group."""
    move_out_attributes: Mapping[str, str]
    failed_attributes: Mapping[str, str]
    foreign_marks: tuple[Mapping[str, str], ...]
    """Sets of attributes that other instances of the module write over originals."""
    failed_thing_group_name: str
    ignored_reasons: tuple[str, ...]
    """Patterns: failures for such a reason are not counted."""
    fatal_reasons: tuple[str, ...]
    """Patterns: after a failure for such a reason no further try is worth it."""
    job_events_enabled: bool
    breaker: Breaker | None
    """None when the breaker is off."""
    alerts_topic_arn: str
    operator_topic_arn: str
    """Empty when no operator subscribed by e-mail."""
    operator_queue_url: str
    """The queue of MailOperators; empty when no operator subscribed by e-mail."""
    alert_digest_threshold: int
    """The most devices that get an e-mail each; more share a digest."""
    name_prefix: str
    cool_down_state_machine_arn: str
    escalation_state_machine_arn: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Settings":
        """Parse the environment of a function.

        Args:
            environment: name to value, as the module's Terraform sets them.

        Raises:
            KeyError: a variable is missing.
            ValueError: a value cannot be parsed. Either error means that the module did not deploy
                the function in this version.
        """
        breaker = json.loads(environment["BREAKER"])
        return cls(
            retries_table=environment["RETRIES_TABLE"],
            backup_table=environment["BACKUP_TABLE"],
            history_table=environment["HISTORY_TABLE"],
            campaigns_table=environment["CAMPAIGNS_TABLE"],
            history_days=int(environment["HISTORY_DAYS"]),
            retry_limit=int(environment["RETRY_LIMIT"]),
            cool_down_seconds=tuple(json.loads(environment["COOL_DOWN_SECONDS"])),
            cool_down_jitter=float(environment["COOL_DOWN_JITTER"]),
            settle_seconds=int(environment["SETTLE_SECONDS"]),
            move_out_attributes=json.loads(environment["MOVE_OUT_ATTRIBUTES"]),
            failed_attributes=json.loads(environment["FAILED_ATTRIBUTES"]),
            foreign_marks=tuple(json.loads(environment["FOREIGN_MARKS"])),
            failed_thing_group_name=environment["FAILED_THING_GROUP_NAME"],
            ignored_reasons=tuple(json.loads(environment["IGNORED_REASONS"])),
            fatal_reasons=tuple(json.loads(environment["FATAL_REASONS"])),
            job_events_enabled=json.loads(environment["JOB_EVENTS_ENABLED"]),
            breaker=Breaker(**breaker) if breaker else None,
            alerts_topic_arn=environment["ALERTS_TOPIC_ARN"],
            operator_topic_arn=environment["OPERATOR_TOPIC_ARN"],
            operator_queue_url=environment["OPERATOR_QUEUE_URL"],
            alert_digest_threshold=int(environment["ALERT_DIGEST_THRESHOLD"]),
            name_prefix=environment["NAME_PREFIX"],
            cool_down_state_machine_arn=environment["COOL_DOWN_STATE_MACHINE_ARN"],
            escalation_state_machine_arn=environment["ESCALATION_STATE_MACHINE_ARN"],
        )

    @property
    def marks(self) -> tuple[Mapping[str, str], ...]:
        """Return the sets of attributes that the workflow writes over the originals."""
        return self.move_out_attributes, self.failed_attributes

    @property
    def known_marks(self) -> tuple[Mapping[str, str], ...]:
        """Return ``marks`` and those that were, or are, written by others or earlier."""
        return (*self.marks, *self.foreign_marks)

    @property
    def names_to_overwrite(self) -> tuple[str, ...]:
        """Return the names of all attributes that the workflow may overwrite, sorted."""
        return tuple(sorted({*self.move_out_attributes, *self.failed_attributes}))

    def is_last_cycle(self, cycle: int) -> bool:
        """Return whether no further try follows the cycle (1 is the first)."""
        return cycle > len(self.cool_down_seconds)

    def cool_down_of(self, cycle: int) -> int:
        """Return the seconds to wait after the cycle (1 is the first).

        If the ladder was shortened while a recovery was under way, its last step counts.
        """
        if not self.cool_down_seconds:
            return 0
        return self.cool_down_seconds[min(cycle, len(self.cool_down_seconds)) - 1]


@cache
def settings() -> Settings:
    """Return the settings of this function, parsed from its environment at the first call.

    Raises:
        KeyError, ValueError: see ``Settings.of``.
    """
    return Settings.of(os.environ)
