"""The options that say which devices are meant."""

from typing import Annotated

import typer

from fleet_retry import times
from fleet_retry.records import State

_PANEL = "Which devices"


def _seconds(age: str) -> float:
    try:
        return times.seconds(age)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


ByState = Annotated[
    State | None, typer.Option("--state", help="Those in this state.", rich_help_panel=_PANEL)
]
ByCampaign = Annotated[
    str | None,
    typer.Option(
        "--campaign", help="Those of this campaign: a job id or firmware.", rich_help_panel=_PANEL
    ),
]
ByAge = Annotated[
    float | None,
    typer.Option(
        "--older-than",
        parser=_seconds,
        metavar="AGE",
        help="Those that have been where they are for longer: 90m, 2h, 3d.",
        rich_help_panel=_PANEL,
    ),
]
ByReason = Annotated[
    str | None,
    typer.Option(
        "--reason",
        metavar="PATTERN",
        help="Those whose last failure had such a reason: '*battery*'.",
        rich_help_panel=_PANEL,
    ),
]
