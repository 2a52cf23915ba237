"""How the listings of the registry page and lag: ``LocalCloud.with_listings``.

AWS documents neither the size of a page where the caller names none, nor how soon a change appears.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

OPERATIONS = ("ListThings", "ListThingsInThingGroup", "ListThingGroupsForThing", "SearchIndex")
LARGEST_PAGE = 250
"""https://docs.aws.amazon.com/iot/latest/apireference/API_ListThings.html"""


@dataclass(frozen=True)
class Listing:
    """How a listing answers.

    Attributes:
        operation: one of ``OPERATIONS``; empty for each.
        page_size: the largest page, whatever the caller asks for.
        lag_seconds: how many real seconds pass before a change appears. A state from before the
            listings began to lag appears immediately.
    """

    operation: str = ""
    page_size: int = LARGEST_PAGE
    lag_seconds: float = 0.0


_listings: dict[str, Listing] = {}
_listeners: list[Callable[[bool], None]] = []


def listen(listener: Callable[[bool], None]) -> None:
    """Call a listener with whether any listing lags, whenever that is set."""
    _listeners.append(listener)


def set_all(listings: list[Listing]) -> None:
    """Let listings answer like this, and all others as usual; of two for one, the later counts.

    Raises:
        ValueError: one names an operation that is not in ``OPERATIONS``.
    """
    for listing in listings:
        if listing.operation not in ("", *OPERATIONS):
            raise ValueError(f"{listing.operation} is not one of {', '.join(OPERATIONS)}")
    _listings.clear()
    for listing in listings:
        for operation in [listing.operation] if listing.operation else OPERATIONS:
            _listings[operation] = listing
    is_lagging = any(listing.lag_seconds for listing in _listings.values())
    for listener in _listeners:
        listener(is_lagging)


def of(operation: str) -> Listing:
    """Return how a listing answers."""
    return _listings.get(operation, _USUAL)


_USUAL = Listing()
