"""Rows whose place in a tree is anywhere: kept in memory, logged with their commit, put into the tree later, sorted.

A look-up has its place by a hash, so each new one would touch a page of its own, which is 8 KiB for the log and for the
disk. Collected and put in by the hundred thousand, in the order of the tree, they share the pages. A tail of them is
always not there yet: the engine finds those in memory, and everybody else in the log (`lookup_log`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

__all__ = ["Late", "generation", "packed", "unpacked"]

RUN: Final = 8192
"""Rows that are sorted at once: some milliseconds."""

LEAST: Final = 256
"""Rows that a commit puts into the tree at least, while there are any."""

OFTEN: Final = 1 << 32
"""Keys below are asked for with nearly every message, mostly in vain: those of cases."""

Row = tuple[int, int]
"""Key and position."""


def generation(messages: int) -> int:
    """How many rows are best collected beside a log of so many messages.

    The larger the tree, the fewer of them share a page. They take 16 bytes each while they wait, and there are twice as
    many at most: those that are collected, and those that are put in.
    """
    return max(8 * RUN, min(100 * RUN, messages // 4))


def packed(rows: Iterable[Row]) -> bytes:
    """Rows as a row of the log."""
    return array("q", [number for row in rows for number in row]).tobytes()


def unpacked(data: bytes) -> Iterator[Row]:
    """From a row of the log."""
    numbers = array("q", data)
    return zip(numbers[::2], numbers[1::2], strict=True)


class _Run:
    """Rows in order."""

    def __init__(self, young: Mapping[int, list[int]]) -> None:
        ordered = [(key, position) for key in sorted(young) for position in sorted(young[key])]
        self.keys = array("q", [key for key, _ in ordered])
        self.positions = array("q", [position for _, position in ordered])

    def of(self, key: int) -> Sequence[int]:
        first = bisect_left(self.keys, key)
        return self.positions[first : bisect_left(self.keys, key + 1, first)]

    def __iter__(self) -> Iterator[Row]:
        return zip(self.keys, self.positions, strict=True)


class _Generation:
    """Rows that go into the tree together."""

    def __init__(self) -> None:
        self.last = 0
        """The newest row of the log that it has rows of."""
        self.size = 0
        self._runs: list[_Run] = []
        self._young: dict[int, list[int]] = {}
        self._unsorted = 0
        self._often: set[int] = set()

    def add(self, rows: Collection[Row], last: int) -> None:
        young, often = self._young, self._often
        for key, position in rows:
            if key in young:
                young[key].append(position)
            else:
                young[key] = [position]
                if key < OFTEN:
                    often.add(key)
        self.size += len(rows)
        self._unsorted += len(rows)
        self.last = last
        if self._unsorted >= RUN:
            self._runs.append(_Run(young))
            self._young, self._unsorted = {}, 0

    def of(self, key: int) -> list[int]:
        if key < OFTEN and key not in self._often:
            return []
        found = list(self._young.get(key, ()))
        for run in self._runs:
            found += run.of(key)
        return found

    def __iter__(self) -> Iterator[Row]:
        return merge(*self._runs, _Run(self._young))


class Late:
    """The tail. What is asked for is only as of the last `committed`.

    Args:
        log: the rows of the log, oldest first: (number, rows).
    """

    def __init__(self, log: Iterable[tuple[int, bytes]]) -> None:
        self._new = _Generation()
        for number, data in log:
            self._new.add(list(unpacked(data)), number)
        self.number = self._new.last
        """Of the newest row of the log."""
        self._old = _Generation()
        self._moving = iter(self._old)
        self._slice: list[Row] = []
        if self._new.size:
            self._turn()

    def positions(self, key: int) -> list[int]:
        """Where the tail has a key."""
        return self._new.of(key) + self._old.of(key)

    def due(self, added: int) -> tuple[list[Row], int]:
        """What is to be put into the tree with a commit that adds so many rows.

        Returns:
            The rows, in order; and the row of the log up to which all are in the tree then, or 0.
        """
        if not self._slice and self._old.size:
            self._slice = list(islice(self._moving, max(LEAST, 2 * added)))
        return self._slice, self._old.last if self._old.size and not self._slice else 0

    def committed(self, rows: Collection[Row], generation: int) -> None:
        """The commit was made, with these new rows under the next number of the log, and what was due.

        Args:
            rows: that are new.
            generation: how many rows are collected before they are put into the tree.
        """
        if self._old.size and not self._slice:
            self._old = _Generation()
        self._slice = []
        if rows:
            self.number += 1
            self._new.add(rows, self.number)
            if self._new.size >= generation and not self._old.size:
                self._turn()

    def _turn(self) -> None:
        self._old, self._new = self._new, _Generation()
        self._moving = iter(self._old)
