"""The options that all commands have, and how what goes wrong is told."""

import inspect
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from fleet_retry import outputs, terminal
from fleet_retry.deployment import Deployment, DeploymentError

_PANEL = "Which deployment"


def find_deployment(
    prefix: Annotated[
        str | None,
        typer.Option(
            envvar="FLEET_RETRY_PREFIX",
            help="The module's name_prefix.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    terraform_outputs: Annotated[
        str | None,
        typer.Option(
            envvar="FLEET_RETRY_TERRAFORM_OUTPUTS",
            metavar="FILE",
            help="What `terraform output -json` prints, instead of prefix and region; - is stdin.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            envvar="FLEET_RETRY_REGION",
            help="The AWS region; without it that of the environment.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            envvar="FLEET_RETRY_PROFILE",
            help="A profile of the AWS configuration.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    endpoint_url: Annotated[
        str | None,
        typer.Option(
            envvar="FLEET_RETRY_ENDPOINT_URL",
            help="Another AWS than the real one, such as a local cloud.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
) -> Deployment:
    """Finds the deployment that is meant.

    Raises:
        DeploymentError: the outputs cannot be read, or do not say which.
    """
    if terraform_outputs is None:
        return Deployment(prefix or "", endpoint_url, region, profile)
    found = outputs.read(text_of(terraform_outputs), prefix)
    return Deployment(found.prefix, endpoint_url, region or found.region, profile)


def on_a_deployment(command: Callable[..., None]) -> Callable[..., None]:
    """Makes a command of a function whose first parameter is the deployment.

    In its place the command has the options of ``find_deployment``, after its own. What goes wrong
    is told in one line on stderr, and ends it with 2.
    """
    options = inspect.signature(find_deployment).parameters
    own = inspect.signature(command)
    _, *others = own.parameters.values()

    @wraps(command)
    def run(**given: Any) -> None:
        which = {name: given.pop(name) for name in options}
        try:
            command(find_deployment(**which), **given)
        except (DeploymentError, ClientError, BotoCoreError) as error:
            terminal.remark(str(error))
            raise typer.Exit(2) from error

    run.__signature__ = own.replace(parameters=[*others, *options.values()])  # type: ignore[attr-defined]
    return run


def text_of(file: str) -> str:
    """The content of a file; ``-`` is stdin.

    Raises:
        DeploymentError: it cannot be read.
    """
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeploymentError(f"{file} cannot be read: {error}") from error
