"""What is given to a command, checked before it runs: for ``argparse``'s ``type``.

``simulation`` checks its own with these, too.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a parser of whole numbers within bounds, with or without separators."""

    def parse(text: str) -> int:
        plain = text.replace(",", "").replace("_", "")
        if not plain.isdecimal() or not least <= int(plain) <= most:
            raise ArgumentTypeError(f"{text!r} is no whole number from {least:,} to {most:,}")
        return int(plain)

    return parse


def new_file(*suffixes: str) -> Callable[[str], Path]:
    """Return a parser of the path of a file to write, in a folder that exists.

    Args:
        suffixes: what its name may end with, such as ``.svg``; any where there is none.
    """

    def parse(text: str) -> Path:
        path = Path(text)
        if not path.parent.is_dir():
            raise ArgumentTypeError(f"there is no folder {path.parent}: make it first")
        if not text or path.is_dir():
            raise ArgumentTypeError(f"{text!r} is no file: name one to write")
        if suffixes and path.suffix.lower() not in suffixes:
            raise ArgumentTypeError(f"{text!r} has to end with {' or '.join(suffixes)}")
        return path

    return parse
