"""What is to be done in which second: millions of rows, taken out in the order of time."""

from __future__ import annotations

import heapq
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]
"""Rows of whole numbers; what the columns are is its user's affair."""

_CHUNK = 64
"""Seconds that are put in order together, when the first of them has come."""


class EventQueue:
    """Rows by the second in which they are due."""

    def __init__(self, columns: int) -> None:
        """``columns``: of each row."""
        self._nothing = np.empty((0, columns), np.int32)
        self._chunks: defaultdict[int, list[tuple[NDArray[np.int32], Rows]]] = defaultdict(list)
        """By seconds / _CHUNK: in which second, and what; not in order yet."""
        self._order: list[int] = []
        """A heap of the chunks."""
        self._open: defaultdict[int, list[Rows]] = defaultdict(list)
        """The seconds of the chunk that has begun."""
        self._seconds: list[int] = []
        """A heap of them."""
        self._begun = -1

    def add(self, seconds: NDArray[np.int32], rows: Rows) -> None:
        """Add rows; none in the past."""
        if not len(rows):
            return
        chunks = seconds // _CHUNK
        order = np.argsort(chunks, kind="stable")
        edges = np.flatnonzero(np.diff(chunks[order])) + 1
        for part in np.split(order, edges):
            self._put(int(chunks[part[0]]), seconds[part], rows[part])

    def _put(self, chunk: int, seconds: NDArray[np.int32], rows: Rows) -> None:
        if chunk <= self._begun:
            self._spread(seconds, rows)
            return
        if chunk not in self._chunks:
            heapq.heappush(self._order, chunk)
        self._chunks[chunk].append((seconds, rows))

    def _spread(self, seconds: NDArray[np.int32], rows: Rows) -> None:
        order = np.argsort(seconds, kind="stable")
        edges = np.flatnonzero(np.diff(seconds[order])) + 1
        for part in np.split(order, edges):
            second = int(seconds[part[0]])
            if second not in self._open:
                heapq.heappush(self._seconds, second)
            self._open[second].append(rows[part])

    def next(self) -> int | None:
        """Return the next second in which something is due; None when nothing is left."""
        if not self._seconds and self._order:
            self._begun = heapq.heappop(self._order)
            parts = self._chunks.pop(self._begun)
            self._spread(
                np.concatenate([seconds for seconds, _ in parts]),
                np.concatenate([rows for _, rows in parts]),
            )
        return self._seconds[0] if self._seconds else None

    def take(self, second: int) -> Rows:
        """Take out what is due in a second."""
        if not self._seconds or self._seconds[0] != second:
            return self._nothing
        heapq.heappop(self._seconds)
        return np.concatenate(self._open.pop(second))
