"""Progress of commands that read or change many devices."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from enum import StrEnum
from typing import Any, TypeVar

from firmware_retry.record import Record
from fleet_retry import records, terminal
from fleet_retry.deployment import Deployment

T = TypeVar("T")


def read_records(deployment: Deployment) -> Iterator[Record]:
    """Read the records of all devices, and show how many were read.

    Raises:
        DeploymentError: the module is not deployed.
    """
    return terminal.show_progress(records.read_all(deployment), "Reading records")


def report(  # noqa: PLR0913 -- options, by name
    results: Generator[T, None, None],
    describe: Callable[[T], tuple[StrEnum, str]],
    *,
    doing: str,
    none: str = "",
    total: int | None = None,
    dry_run: bool = False,
) -> Counter[Any]:
    """Print a line per result as it comes, and finally the number of results per outcome.

    The numbers are printed also after an interruption or an error.

    Args:
        results: closed in any case.
        describe: returns the outcome of a result, and its line; an empty line is not printed.
        doing: the label of the progress bar.
        none: printed when there are no results.
        total: the number of results; None when unknown.
        dry_run: whether nothing was changed.

    Returns:
        The number of results per outcome.
    """
    outcomes: Counter[StrEnum] = Counter()
    intent = " (dry run: nothing was changed)" if dry_run else ""
    try:
        with closing(results), closing(terminal.show_progress(results, doing, total)) as shown:
            for result in shown:
                outcome, line = describe(result)
                outcomes[outcome] += 1
                if line:
                    terminal.say(line)
    except BaseException:
        terminal.say(f"{_summarize(outcomes) or 'none'}, and then it ended early{intent}")
        terminal.remark("A few more may be done than are counted. Repeating is safe.")
        raise
    terminal.say(f"{_summarize(outcomes) or none}{intent}")
    return outcomes


def _summarize(outcomes: Counter[StrEnum]) -> str:
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))
