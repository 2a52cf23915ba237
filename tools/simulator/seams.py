"""The seams at which the package runs in a world: its clients, clock, chance and environment."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from firmware_retry import aws, clock, reconcile, retries_table
from firmware_retry.settings import settings
from simulator.functions import Client, Functions

INTENTS = (
    "count",
    "take_over",
    "create",
    "claim",
    "postpone",
    "mark_away",
    "check_again",
    "release",
    "mark_joined",
    "mark_notified",
    "ask_to_end",
    "end",
)
"""The functions of ``firmware_retry.retries_table`` that write."""


@contextmanager
def install(
    functions: Functions,
    *,
    share: Callable[[], float],
    unique_id: Callable[[], str],
    environment: Mapping[str, str],
) -> Iterator[None]:
    """Run the package on these functions for the length of the block; one world at a time.

    Args:
        functions: they make the package's AWS calls and have its clock.
        share: a random number, 0 <= x < 1.
        unique_id: an identifier.
        environment: the environment variables of the functions.
    """
    clients = {
        service: Client(functions, service)
        for service in ("dynamodb", "iot", "sns", "sqs", "stepfunctions")
    }
    with ExitStack() as stack:
        for module, name, value in (
            (aws, "client", clients.__getitem__),
            (clock, "now", functions.now),
            (clock, "share", share),
            (clock, "unique_id", unique_id),
            (reconcile, "map_concurrently", _run_in_turn),
            *((retries_table, name, _declare_intent(functions, name)) for name in INTENTS),
        ):
            stack.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, value)
        former = {name: os.environ.get(name) for name in environment}
        stack.callback(_set_environment, former)
        _set_environment(environment)
        stack.callback(logging.disable, logging.root.manager.disable)
        logging.disable(logging.CRITICAL)
        yield


def _declare_intent(functions: Functions, name: str) -> Callable[..., Any]:
    function = getattr(retries_table, name)

    def wrapper(*arguments: Any, **named: Any) -> Any:
        with functions.intend((name, arguments)):
            return function(*arguments, **named)

    return wrapper


def _run_in_turn(act: Callable[[str], str], devices: list[str]) -> list[str]:
    """Stand in for ``reconcile.map_concurrently``: a simulated function has no threads."""
    return [act(device) for device in devices]


def _set_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    settings.cache_clear()
