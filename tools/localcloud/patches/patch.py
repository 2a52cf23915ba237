"""The one way in which patches change MiniStack: a function put around another."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def around(owner: Any, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put the decorated function around ``owner.name``.

    The decorated function gets the original as its first argument, then what the caller passed.

    Args:
        owner: a module or class of MiniStack.
        name: the function to wrap; one that is missing raises AttributeError at once.
    """
    original = getattr(owner, name)

    def decorate(wrapper: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(*arguments: Any, **named: Any) -> Any:
            return wrapper(original, *arguments, **named)

        setattr(owner, name, call)
        return call

    return decorate
