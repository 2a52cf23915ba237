"""The options that select devices."""

from typing import Annotated

import typer

from firmware_retry.record import State
from fleet_retry import times

_PANEL = "Which devices"


def parse_age_option(age: str) -> float:
    """Parse an age, or raise Typer's error."""
    try:
        return times.parse_age(age)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


ByState = Annotated[
    State | None, typer.Option("--state", help="Devices in this state.", rich_help_panel=_PANEL)
]
ByCampaign = Annotated[
    str | None,
    typer.Option(
        "--campaign",
        help="Devices of this campaign: a job id or firmware.",
        rich_help_panel=_PANEL,
    ),
]
ByAge = Annotated[
    float | None,
    typer.Option(
        "--older-than",
        parser=parse_age_option,
        metavar="AGE",
        help="Devices that entered their state longer ago: 90m, 2h, 3d.",
        rich_help_panel=_PANEL,
    ),
]
ByReason = Annotated[
    str | None,
    typer.Option(
        "--reason",
        metavar="PATTERN",
        help="Devices whose last failure had a matching reason: `'*battery*'`.",
        rich_help_panel=_PANEL,
    ),
]
