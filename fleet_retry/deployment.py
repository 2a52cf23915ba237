"""Where a deployed module is: its parts, found by the prefix of their names."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError


class DeploymentError(Exception):
    """The module is not there, or AWS cannot be asked; says what to do."""


@dataclass
class Deployment:
    """One instance of the module in one account and region.

    The account, the region and, for a local cloud, the endpoint come from the environment, as for
    any AWS tool.
    """

    prefix: str = ""
    """The module's ``name_prefix``."""
    endpoint_url: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """The client of a service, made once."""
        if service not in self._clients:
            try:
                self._clients[service] = boto3.client(service, endpoint_url=self.endpoint_url)  # type: ignore[call-overload]
            except BotoCoreError as error:
                raise DeploymentError(f"AWS cannot be asked: {error}") from error
        return self._clients[service]

    @cached_property
    def dead_letter_queue_url(self) -> str:
        """URL of the dead-letter queue.

        Raises:
            DeploymentError: there is none under this prefix.
        """
        name = f"{self.prefix}FailedFirmwareUpdateDeadLetters"
        try:
            answer = self.client("sqs").get_queue_url(QueueName=name)
        except ClientError as error:
            raise self.missing(f"queue {name}", error) from error
        except BotoCoreError as error:
            raise DeploymentError(f"AWS cannot be asked: {error}") from error
        return str(answer["QueueUrl"])

    @cached_property
    def intake_state_machine_arn(self) -> str:
        """ARN of the intake.

        Raises:
            DeploymentError: there is none under this prefix.
        """
        name = f"{self.prefix}FirmwareUpdateStateMachine"
        pages = self.client("stepfunctions").get_paginator("list_state_machines").paginate()
        for page in pages:
            for machine in page["stateMachines"]:
                if machine["name"] == name:
                    return str(machine["stateMachineArn"])
        raise self.missing(f"state machine {name}", None)

    def missing(self, what: str, error: Exception | None) -> DeploymentError:
        """The error that says that a part of the module is not there, and what to do."""
        region = self.client("sqs").meta.region_name
        reason = f" ({error})" if error else ""
        return DeploymentError(
            f"there is no {what} in {region}{reason}: give the module's name_prefix with --prefix,"
            " and its region with AWS_REGION"
        )
