"""What a deployed module is configured with, as the environment of its functions has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

TABLES: Mapping[str, str] = MappingProxyType(
    {
        "DeviceFirmwareRetries": "RETRIES_TABLE",
        "DeviceAttributeBackup": "BACKUP_TABLE",
        "DeviceFirmwareHistory": "HISTORY_TABLE",
        "FirmwareCampaigns": "CAMPAIGNS_TABLE",
    }
)
"""What the tables are called, where they are not ``existing_tables``; which variable names each."""


@dataclass(frozen=True)
class Settings:
    """The part of it that operators' commands need; the names are those of the variables."""

    retry_limit: int
    move_out_attributes: Mapping[str, str]
    failed_attributes: Mapping[str, str]
    failed_thing_group_name: str
    history_retention_days: int
    job_events_enabled: bool
    alerts_topic_arn: str
    operator_topic_arn: str
    """Empty when nobody is mailed."""
    table_names: Mapping[str, str]
    """The names here, by those in ``TABLES``."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        """Reads a function's environment; KeyError, ValueError when it is not of this module."""
        return cls(
            retry_limit=int(environment["RETRY_LIMIT"]),
            move_out_attributes=json.loads(environment["MOVE_OUT_ATTRIBUTES"]),
            failed_attributes=json.loads(environment["FAILED_ATTRIBUTES"]),
            failed_thing_group_name=environment["FAILED_THING_GROUP_NAME"],
            history_retention_days=int(environment["HISTORY_DAYS"]),
            job_events_enabled=json.loads(environment["JOB_EVENTS_ENABLED"]),
            alerts_topic_arn=environment["ALERTS_TOPIC_ARN"],
            operator_topic_arn=environment["OPERATOR_TOPIC_ARN"],
            table_names={table: environment[variable] for table, variable in TABLES.items()},
        )
