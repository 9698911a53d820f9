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

from casecart.store.lookup import KIND, OFTEN

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
READ_FILTERS = "select kind, run, data from lookup_filter"
KEEP_FILTER = "insert or replace into lookup_filter (kind, run, data) values (?, ?, ?)"


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
    """Tells of a key that it surely was never put in; of hardly one that was not, that it may have been.

    One kind of keys has one: with five million keys it is wrong about one in two hundred.
    """

    BITS: Final = 27

    def __init__(self, bits: bytes = b"") -> None:
        self.bits = bytearray(bits or 1 << self.BITS - 3)

    def add(self, keys: Iterable[int]) -> None:
        bits, mask = self.bits, (1 << self.BITS) - 1
        for key in keys:
            mixed = key * _MIX & _ALL_BITS
            for place in (mixed >> 37 & mask, mixed >> 10 & mask):
                bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, key: int) -> bool:
        bits, mask, mixed = self.bits, (1 << self.BITS) - 1, key * _MIX & _ALL_BITS
        one, other = mixed >> 37 & mask, mixed >> 10 & mask
        return bool(bits[one >> 3] >> (one & 7) & 1 and bits[other >> 3] >> (other & 7) & 1)


_MIX: Final = 0x9E3779B97F4A7C15  # Knuth's multiplicative hash, for 64 bits
_ALL_BITS: Final = 0xFFFFFFFFFFFFFFFF


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
        self._filters: dict[int, _Filter] = {}
        """By the kind of key."""
        if often:
            self._filters = self._read_filters()
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
        kept = self._filters.get(key >> KIND)
        surely_not = kept is not None and key not in kept
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
            self._keep_filters(execute)
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

    def _keep_filters(self, execute: Callable[[str, Sequence[Any]], object]) -> None:
        """Puts what goes into a run into the filters; that the run may not be made after all does no harm."""
        run = self._newest + 1
        for kind, kept in self._filters.items():
            kept.add([key for key in self._tail if key >> KIND == kind])
            if not run % KEPT:
                execute(KEEP_FILTER, (kind, run, bytes(kept.bits)))

    def _read_filters(self) -> dict[int, _Filter]:
        kept = {kind: (run, bits) for kind, run, bits in self._select(READ_FILTERS, ())}
        known = min((run for run, _ in kept.values()), default=0)
        filters = {kind: _Filter(kept[kind][1] if kind in kept else b"") for kind in range(OFTEN >> KIND)}
        for (data,) in self._select(OFTEN_IN_RUNS, (known, OFTEN)):
            numbers = array("q", data)
            half = len(numbers) // 2
            for kind, made in filters.items():
                first = bisect_left(numbers, kind << KIND, 0, half)
                made.add(numbers[first : bisect_left(numbers, kind + 1 << KIND, first, half)])
        return filters
