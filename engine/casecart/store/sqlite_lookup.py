"""Look-ups in SQLite: kept in memory and logged with their commit, and written as a sorted run when there are many.

A look-up has its place in a tree by a hash: each new one would touch a page of its own, 8 KiB for the log and for the
disk, and more so the larger the tree. A run is only ever added at the end, so that a look-up costs the same in a store
of any size. Who looks something up asks every run; the engine, which asks with each message and mostly in vain, first
asks a filter in memory.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, Final

from casecart.store.lookup import OFTEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["Lookups", "packed", "unpacked"]

RUN: Final = 65_536
"""Rows of a run. To sort and write them takes some ten milliseconds, once in some thousand messages."""

CHUNK: Final = 512
"""Rows that are kept and read together: a page."""

KEPT: Final = 16
"""Runs after which the filter is kept anew, so that an engine that starts has to read no more than these into it."""

Row = tuple[int, int]
"""Key and position."""

Select = "Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]"

INSERT_LOG = "insert into lookup_log (number, data) values (?, ?)"
READ_LOG = "select number, data from lookup_log order by number"
EMPTY_LOG = "delete from lookup_log where number <= ?"
INSERT_CHUNK = "insert into lookup_run (run, first, chunk, data) values (?, ?, ?, ?)"
NEWEST_RUN = "select coalesce(max(run), 0) from lookup_run"
# The chunks that begin with a key, and the one before them, which may end with it.
IN_RUN = """
select data from lookup_run where run = ?1 and first <= ?2
and first >= (select coalesce(max(first), ?2) from lookup_run where run = ?1 and first < ?2)
"""
OFTEN_IN_RUNS = "select data from lookup_run where run > ? and first < ?"
READ_FILTER = "select run, data from lookup_filter"
EMPTY_FILTER = "delete from lookup_filter"
INSERT_FILTER = "insert into lookup_filter (run, data) values (?, ?)"


def packed(rows: Sequence[Row]) -> bytes:
    """Rows as they are kept: all keys, then all positions."""
    return array("q", [*[key for key, _ in rows], *[position for _, position in rows]]).tobytes()


def unpacked(data: bytes) -> list[Row]:
    """From what is kept."""
    numbers = array("q", data)
    half = len(numbers) // 2
    return list(zip(numbers[:half], numbers[half:], strict=True))


def _in_chunk(data: bytes, key: int) -> Sequence[int]:
    numbers = array("q", data)
    half = len(numbers) // 2
    return numbers[half + bisect_left(numbers, key, 0, half) : half + bisect_right(numbers, key, 0, half)]


def _in_log(data: bytes, key: int) -> Iterator[int]:
    """The same of rows that are in no order; it takes no more than a look at each byte."""
    wanted, half, place = array("q", [key]).tobytes(), len(data) // 2, -1
    while (place := data.find(wanted, place + 1, half)) >= 0:
        if not place % 8:
            (position,) = array("q", data[half + place : half + place + 8])
            yield position


class _Filter:
    """Tells of a key that it surely was never put in; of one among some dozens that was not, that it may have been."""

    BITS: Final = 27

    def __init__(self, bits: bytes = b"") -> None:
        self.bits = bytearray(bits or 1 << self.BITS - 3)

    def add(self, keys: Iterable[int]) -> None:
        bits, shift = self.bits, 64 - self.BITS
        for key in keys:
            place = (key * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF) >> shift
            bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, key: int) -> bool:
        place = (key * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF) >> 64 - self.BITS
        return bool(self.bits[place >> 3] >> (place & 7) & 1)


class Lookups:
    """All look-ups of a store.

    Args:
        select: runs a query with its values.
        often: whether the same keys will be asked for again and again, and rows be added: as an engine does.
    """

    def __init__(self, select: Callable[[str, Sequence[Any]], list[tuple[Any, ...]]], *, often: bool) -> None:
        self._select = select
        # What waits is read first: meanwhile it may go into a run, and is then found in both.
        log = select(READ_LOG, ())
        self._number: int = log[-1][0] if log else 0
        self._newest: int = select(NEWEST_RUN, ())[0][0]
        self._tail: dict[int, list[int]] = {}
        self._size = 0
        self._log = [] if often else [data for _, data in log]
        self._filter: _Filter | None = None
        if often:
            self._filter = self._read_filter()
            for _, data in log:
                self._keep(unpacked(data))
        self._added: list[Row] = []
        self._whole = False

    def _keep(self, rows: Sequence[Row]) -> None:
        tail = self._tail
        for key, position in rows:
            if key in tail:
                tail[key].append(position)
            else:
                tail[key] = [position]
        self._size += len(rows)

    # --- what is found
    def positions(self, key: int, limit: int) -> Sequence[int]:
        """Where a key stands, at most so many, and not the oldest; each once, in order."""
        waiting = self._tail.get(key, ())
        surely_not = self._filter is not None and key < OFTEN and key not in self._filter
        runs = range(0) if surely_not else range(1, self._newest + 1)
        if not (waiting or runs or self._log):
            return ()
        found = {*waiting, *(position for data in self._log for position in _in_log(data, key))}
        for run in reversed(runs):
            if len(found) >= limit:
                break
            for (data,) in self._select(IN_RUN, (run, key)):
                found.update(_in_chunk(data, key))
        return sorted(found)[-limit:]

    # --- what is added
    def add(self, rows: Iterable[Row], execute: Callable[[str, Sequence[Any]], object]) -> None:
        """Within a transaction: write rows. `committed` says that it was made; else nothing has happened.

        Args:
            rows: that are new.
            execute: runs a statement.
        """
        self._added, self._whole = list(rows), self._size >= RUN
        if self._whole:
            tail = self._tail
            ordered = [(key, position) for key in sorted(tail) for position in sorted({*tail[key]})]
            for number, first in enumerate(range(0, len(ordered), CHUNK)):
                chunk = ordered[first : first + CHUNK]
                execute(INSERT_CHUNK, (self._newest + 1, chunk[0][0], number, packed(chunk)))
            execute(EMPTY_LOG, (self._number,))
            self._keep_filter(execute)
        if self._added:
            execute(INSERT_LOG, (self._number + 1, packed(self._added)))

    def committed(self) -> None:
        """What was added last is durable."""
        if self._whole:
            self._newest += 1
            self._tail, self._size, self._whole = {}, 0, False
        if self._added:
            self._number += 1
            self._keep(self._added)
            self._added = []

    def _keep_filter(self, execute: Callable[[str, Sequence[Any]], object]) -> None:
        """Puts what goes into a run into the filter; that the run may not be made after all does no harm."""
        if self._filter is None:
            return
        self._filter.add([key for key in self._tail if key < OFTEN])
        if not (self._newest + 1) % KEPT:
            execute(EMPTY_FILTER, ())
            execute(INSERT_FILTER, (self._newest + 1, bytes(self._filter.bits)))

    def _read_filter(self) -> _Filter:
        kept = self._select(READ_FILTER, ())
        known, made = (kept[0][0], _Filter(kept[0][1])) if kept else (0, _Filter())
        for (data,) in self._select(OFTEN_IN_RUNS, (known, OFTEN)):
            numbers = array("q", data)
            made.add(numbers[: bisect_left(numbers, OFTEN, 0, len(numbers) // 2)])
        return made
