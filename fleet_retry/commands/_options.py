"""The options that commands share, and their errors."""

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

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
DeviceName = Annotated[str, typer.Argument(metavar="DEVICE", help="The thing's name.")]


def _refuse_empty(name: str) -> str:
    if not name:
        raise typer.BadParameter("the campaign is empty: devices that name none cannot be paused")
    return name


CampaignName = Annotated[
    str,
    typer.Argument(
        metavar="CAMPAIGN",
        help="A job id, or firmware where there is no job.",
        callback=_refuse_empty,
    ),
]


def _deployment_option(variable: str, description: str, metavar: str | None = None) -> Any:
    return typer.Option(
        envvar=f"FLEET_RETRY_{variable}",
        help=description,
        metavar=metavar,
        rich_help_panel="Which deployment",
    )


def find_deployment(
    prefix: Annotated[str | None, _deployment_option("PREFIX", "The module's name_prefix.")] = None,
    terraform_outputs: Annotated[
        str | None,
        _deployment_option(
            "TERRAFORM_OUTPUTS",
            "Output of `terraform output -json`, instead of prefix and region; - is stdin.",
            "FILE",
        ),
    ] = None,
    region: Annotated[
        str | None, _deployment_option("REGION", "The AWS region; default: the environment's.")
    ] = None,
    profile: Annotated[
        str | None, _deployment_option("PROFILE", "A profile of the AWS configuration.")
    ] = None,
    endpoint_url: Annotated[
        str | None,
        _deployment_option("ENDPOINT_URL", "An AWS-compatible endpoint, such as a local cloud."),
    ] = None,
) -> Deployment:
    """Find the deployment that the options name.

    Raises:
        DeploymentError: the outputs cannot be read, or do not identify a single module.
    """
    if terraform_outputs is None:
        return Deployment(prefix or "", endpoint_url, region, profile)
    found = outputs.read(read_text(terraform_outputs), prefix)
    return Deployment(found.prefix, endpoint_url, region or found.region, profile)


_OPTIONS = inspect.signature(find_deployment).parameters


def take_deployment_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give the options of ``find_deployment`` to a Typer function, which ignores them.

    For the options before a command's name: ``on_deployment`` reads them from the context.
    """

    @wraps(function)
    def run(**_: Any) -> None:
        function()

    signature = inspect.signature(function)
    run.__signature__ = signature.replace(parameters=list(_OPTIONS.values()))  # type: ignore[attr-defined]
    return run


def on_deployment(command: Callable[..., None]) -> Callable[..., None]:
    """Make a Typer command of a function whose first parameter is the deployment.

    The command has the options of ``find_deployment``, after its own, instead of that parameter.
    An error is printed as one line on stderr, and the command exits with 2.
    """
    signature = inspect.signature(command)
    _, *parameters = signature.parameters.values()

    @wraps(command)
    def run(context: typer.Context, **arguments: Any) -> None:
        own = {name: arguments.pop(name) for name in _OPTIONS}
        try:
            command(find_deployment(**_merge(context, own)), **arguments)
        except (DeploymentError, ClientError, BotoCoreError) as error:
            terminal.remark(str(error))
            raise typer.Exit(2) from error

    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[context, *parameters, *_OPTIONS.values()]
    )
    return run


def _merge(context: typer.Context, own: dict[str, str | None]) -> dict[str, str | None]:
    """Choose an option after the command's name, then one before it, then the environment."""
    before = context.parent.params if context.parent else own
    return {
        name: value if _is_typed(context, name) else before[name] for name, value in own.items()
    }


def _is_typed(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def read_text(file: str) -> str:
    """Read a file, without a byte order mark; ``-`` is stdin.

    Raises:
        DeploymentError: it cannot be read.
    """
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeploymentError(f"{file} cannot be read: {error}") from error
    return text.removeprefix("\ufeff")
