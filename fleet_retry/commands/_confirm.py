"""The options of commands that change something, and their question."""

from typing import Annotated

import typer

from fleet_retry import terminal

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done.")]


def confirm(question: str) -> None:
    """Continue after the answer yes; otherwise exit with 1."""
    if not typer.confirm(question, err=True):
        terminal.remark("Nothing was changed.")
        raise typer.Exit(1)
