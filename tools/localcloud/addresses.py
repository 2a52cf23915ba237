"""Whether e-mail addresses have confirmed their subscriptions: ``LocalCloud.confirm_addresses``."""

from collections.abc import Callable

_listeners: list[Callable[[bool], None]] = []


def listen(listener: Callable[[bool], None]) -> None:
    """Call a listener with what all addresses are set to."""
    _listeners.append(listener)


def set_all(is_confirmed: bool) -> None:
    """Confirm all addresses, or let all wait."""
    for listener in _listeners:
        listener(is_confirmed)
