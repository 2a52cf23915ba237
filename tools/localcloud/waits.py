"""Wait states that tests hold: ``LocalCloud.hold_waits``.

A scaled day lasts seconds, and on a busy machine it is over before a test has looked. A wait that
is held ends when it is released, however long that takes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from threading import Condition


@dataclass(frozen=True)
class Hold:
    """A Wait state that a test holds.

    Attributes:
        about: a text that is, whole, one of the values in the state's input, such as a device.
        state: the name of the Wait state; empty for each.
    """

    about: str
    state: str = ""


_held: Counter[Hold] = Counter()
_changed = Condition()


def hold(holds: list[Hold]) -> None:
    """Let no wait end that one of these is about."""
    with _changed:
        _held.update(holds)


def release(holds: list[Hold]) -> None:
    """Take back a ``hold``: waits that nothing else holds end when their time is up."""
    with _changed:
        _held.subtract(holds)
        _changed.notify_all()


def stay_while_held(about: frozenset[str], state: str) -> None:
    """Return when nothing holds a Wait state.

    Args:
        about: the short texts in the state's input.
        state: its name.
    """
    holds = [Hold(word, name) for word in about for name in (state, "")]
    with _changed:
        _changed.wait_for(lambda: not any(_held[known] > 0 for known in holds))
