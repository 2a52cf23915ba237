"""Asking first, or only saying what would be done."""

from typing import Annotated

import typer

from fleet_retry import terminal

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Does not ask first.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only says what would be done.")]


def ask(question: str) -> None:
    """Goes on when the answer is yes; otherwise ends the command with 1."""
    if not typer.confirm(question, err=True):
        terminal.remark("Nothing was changed.")
        raise typer.Exit(1)
