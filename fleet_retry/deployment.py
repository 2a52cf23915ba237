"""A deployed module: its parts, found by the prefix of their names."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from firmware_retry.settings import Settings

Machine = Literal["intake", "cool_down", "escalation"]
MACHINES: dict[Machine, str] = {
    "intake": "FirmwareUpdateStateMachine",
    "cool_down": "FirmwareCoolDownStateMachine",
    "escalation": "FirmwareEscalationStateMachine",
}
_MISSING_CODES = frozenset(
    {
        "ResourceNotFoundException",
        "NotFoundException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "NotFound",
        "ExecutionDoesNotExist",
    }
)
# A function may take five minutes; a client that times out earlier invokes it again.
_CONFIGS = {"lambda": Config(read_timeout=330)}


class DeploymentError(Exception):
    """The module is not deployed, or AWS cannot be called; the message names the remedy."""


class NotThereError(DeploymentError):
    """A part of the module does not exist.

    Attributes:
        what: the part, and the region where it was looked up.
    """

    def __init__(self, what: str, region: str, reason: Exception | None) -> None:
        """``reason``: what AWS answered."""
        self.what = f"there is no {what} in {region}"
        answer = f" ({reason})" if reason else ""
        super().__init__(
            f"{self.what}{answer}: give the module's name_prefix with --prefix,"
            " its region with --region, or both with --terraform-outputs"
        )


def is_missing(error: ClientError) -> bool:
    """Return whether AWS answers that a resource does not exist."""
    return error.response["Error"]["Code"] in _MISSING_CODES


@dataclass
class Deployment:
    """One instance of the module in one account and region.

    The account, and the options that are not given, come from the environment, as for any AWS tool.
    """

    prefix: str = ""
    """The module's ``name_prefix``."""
    endpoint_url: str | None = None
    """For an AWS-compatible endpoint."""
    region: str | None = None
    profile: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """Return the client of a service, made once.

        Raises:
            DeploymentError: there is no region, or the profile does not exist.
        """
        if service not in self._clients:
            try:
                self._clients[service] = self._session.client(
                    service, endpoint_url=self.endpoint_url, config=_CONFIGS.get(service)
                )
            except (BotoCoreError, ValueError) as error:
                raise DeploymentError(f"AWS cannot be asked: {error}") from error
        return self._clients[service]

    @cached_property
    def _session(self) -> Any:
        # Of the two variables for the region, boto3 knows only AWS_DEFAULT_REGION.
        region = self.region or os.environ.get("AWS_REGION")
        return boto3.Session(profile_name=self.profile, region_name=region)

    def name(self, part: str) -> str:
        """Return the full name of a part: a function, a queue, an alarm."""
        return f"{self.prefix}{part}"

    def command(self, name: str, *words: str) -> str:
        """Return a command for this deployment: ``fleet-retry show --prefix a- -- pump-17``.

        Args:
            name: of the command.
            words: its options, then ``--`` and its arguments, since thing names may begin with -.
        """
        given = {
            "--prefix": self.prefix,
            "--region": self.region,
            "--profile": self.profile,
            "--endpoint-url": self.endpoint_url,
        }
        options = [word for option, value in given.items() if value for word in (option, value)]
        return shlex.join(("fleet-retry", name, *options, *words))

    @cached_property
    def settings(self) -> Settings:
        """The module's configuration, as the environment of one of its functions has it.

        Raises:
            DeploymentError: the function does not exist, belongs to something else, or its
                environment cannot be decrypted.
        """
        name = self.name("ReconcileDevices")
        with self.report_missing(f"function {name}"):
            answer = self.client("lambda").get_function_configuration(FunctionName=name)
        environment = answer.get("Environment", {})
        if refused := environment.get("Error"):
            raise DeploymentError(f"the environment of {name} cannot be read: {refused['Message']}")
        try:
            return Settings.of(environment.get("Variables", {}))
        except (KeyError, ValueError) as error:
            raise DeploymentError(
                f"the function {name} is not of this version of the module ({error!r} in its"
                " environment): give the module's name_prefix with --prefix, or apply the module"
            ) from error

    @cached_property
    def dead_letter_queue_url(self) -> str:
        """URL of the dead-letter queue.

        Raises:
            DeploymentError: there is none under this prefix.
        """
        return self.queue_url("FailedFirmwareUpdateDeadLetters")

    def queue_url(self, queue: str) -> str:
        """Return the URL of a queue by its name without the prefix.

        Raises:
            NotThereError: there is none under this prefix.
        """
        name = self.name(queue)
        with self.report_missing(f"queue {name}"):
            return str(self.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])

    @property
    def intake_state_machine_arn(self) -> str:
        """ARN of the intake; DeploymentError when there is none under this prefix."""
        return self.state_machine_arn("intake")

    def state_machine_arn(self, machine: Machine) -> str:
        """ARN of a state machine.

        Raises:
            DeploymentError: there is none under this prefix.
        """
        name = self.name(MACHINES[machine])
        if name not in self._state_machine_arns:
            raise self.not_there(f"state machine {name}", None)
        return self._state_machine_arns[name]

    @cached_property
    def _state_machine_arns(self) -> dict[str, str]:
        pages = self.client("stepfunctions").get_paginator("list_state_machines").paginate()
        return {
            machine["name"]: machine["stateMachineArn"]
            for page in pages
            for machine in page["stateMachines"]
        }

    @contextmanager
    def report_missing(self, what: str) -> Iterator[None]:
        """Raise NotThereError for a part that does not exist, whatever AWS calls that."""
        try:
            yield
        except ClientError as error:
            if not is_missing(error):
                raise
            raise self.not_there(what, error) from error

    def not_there(self, what: str, error: Exception | None) -> NotThereError:
        """Return the error for a part that does not exist."""
        return NotThereError(what, self.client("sqs").meta.region_name, error)
