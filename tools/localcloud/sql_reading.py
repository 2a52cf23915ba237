"""Which of two readings of AWS IoT's SQL counts: ``LocalCloud.with_strict_sql``.

AWS documents no grammar, and leaves open what some expressions result in. The usual reading accepts
all that the documentation does not exclude, the strict one only what it shows.
"""

from __future__ import annotations

_is_strict = False


def set_strict(is_strict: bool) -> None:
    """Choose the reading."""
    global _is_strict  # noqa: PLW0603 -- one reading per server
    _is_strict = is_strict


def is_strict() -> bool:
    """Return whether SQL is read strictly."""
    return _is_strict
