"""Bodies and runs in PostgreSQL: in partitions by position, about a day's each, dropped when their time is over.

A partition is made when the first position of it is written, so that no clock decides where a row goes. One that is
past its time and holds nothing that must stay is dropped. If a little of it must stay, that is copied and takes its
place.
"""

# ruff: noqa: D102, S608 - what a caller may rely on stands in `Store`; names in statements are our own

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from casecart.store.due import DAY, Freed, StoreSize
from casecart.store.failure import StoreUnavailable
from casecart.store.retention import END, RetentionQueries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    import psycopg

    from casecart.store.change import Change
    from casecart.store.due import Aged, Due, Held
    from casecart.store.retention import Kind

__all__ = ["PostgreSQLPartitions"]

SMALLEST: Final = 16_384
LARGEST: Final = 1_048_576
"""Positions in a partition; between these, as many as came in the last day."""

TABLES: Final[dict[Kind, str]] = {"bodies": "body", "documents": "run"}
KEPT: Final = "kept"

# Who waits for the lock of a whole table keeps others waiting behind it: not for longer than this.
BRIEFLY: Final = "set local lock_timeout = '100ms'"
LOCK: Final = "select pg_advisory_xact_lock(hashtextextended('casecart partitions ' || current_schema(), 0))"
# A hold that somebody is just setting is waited for; one that comes later finds what is left.
LOCK_HOLDS: Final = "lock table legal_hold in share mode"
PARTITIONS: Final = (
    "select relname from pg_inherits join pg_class on pg_class.oid = inhrelid where inhparent = %s::regclass"
)
NEWEST: Final = "select position, id from message order by position desc limit 1"
LAST_BEFORE: Final = "select position from message where id < %s order by id desc limit 1"
RECENT: Final = """
select recorded_at from (
  (select recorded_at from message where position < %(upper)s order by position desc limit 100)
  union all (select recorded_at from message where position < %(lower)s order by position desc limit 1)
) as found where recorded_at <= %(now)s
"""
ASKED_FOR: Final = """
select position from exception where position >= %(lower)s and position < %(upper)s
  and state in ('new', 'assigned', 'parked')
union select position from replay where position >= %(lower)s and position < %(upper)s
"""

SIZE: Final = """
select coalesce(sum(pg_total_relation_size(oid)), 0) from pg_class
where relkind in ('r', 'm') and relnamespace = current_schema()::regnamespace
"""


class Partition(NamedTuple):
    """A table that has the rows with these positions."""

    lower: int
    upper: int
    kept: bool
    """It is what had to stay of a partition."""
    name: str


class PostgreSQLPartitions(RetentionQueries, ABC):
    """The part of the store that makes partitions and deletes."""

    _cursor: psycopg.Cursor[tuple[Any, ...]]
    _room = 0
    """Positions below it have their partition."""
    _not_worth: frozenset[tuple[str, int]] = frozenset()
    """Partitions of which more than half must stay longer than a span."""

    @abstractmethod
    def _select(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]: ...

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[None]: ...

    def size(self) -> StoreSize:
        return StoreSize(int(self._select(SIZE)[0][0]), 0)

    _put_off: frozenset[str] = frozenset()
    """Partitions that go the next time, because somebody was in the way."""

    # --- making room
    def _have_room(self, position: int) -> None:
        """Before anything is locked: a partition for a position."""
        if position >= self._room:
            self._make_room_for({"body": [position], "run": [position]})

    def _make_room(self, change: Change) -> None:
        """Has partitions for the positions of a change, in a transaction of its own.

        There is no partition for the rest: to add one beside it would wait for whoever reads it, such as a backup.
        """
        wanted = {
            "body": [message.position for message in change.messages],
            "run": [message.position for message in change.messages] + [run.position for run in change.runs],
        }
        self._make_room_for(wanted)

    def _make_room_for(self, wanted: Mapping[str, list[int]]) -> None:
        with self._transaction():
            self._select(LOCK)
            self._room = min(self._extended(table, sorted(positions)) for table, positions in wanted.items())

    def _extended(self, table: str, positions: Sequence[int]) -> int:
        """Where the last partition ends."""
        partitions = self._partitions(table)
        for position in positions:
            if not any(each.lower <= position < each.upper for each in partitions):
                lower = max((each.upper for each in partitions if each.upper <= position), default=0)
                # Between two of them, where one was dropped: a number that was given long ago comes late.
                upper = min((each.lower for each in partitions if each.lower > position), default=0)
                upper = upper or max(lower + self._size_of_next(), positions[-1] + 1)
                made = Partition(lower, upper, kept=False, name=f"{table}_{lower}_{upper}")
                self._attach(table, made, make=True)
                partitions.append(made)
        return max((each.upper for each in partitions), default=0)

    def _attach(self, table: str, partition: Partition, *, make: bool) -> None:
        lower, upper, _, name = partition
        if make:
            # Told beforehand, so that to attach it needs no look at its rows.
            check = f"check (position < {upper} and position >= {lower})" if lower else f"check (position < {upper})"
            self._cursor.execute(f"create table {name} (like {table} including all, {check})")
        first = f"({lower})" if lower else "(minvalue)"
        # Unlike a `create ... partition of`, this lets others write meanwhile.
        self._cursor.execute(f"alter table {table} attach partition {name} for values from {first} to ({upper})")

    def _size_of_next(self) -> int:
        newest = self._select(NEWEST)
        if not newest:
            return SMALLEST
        position, identifier = newest[0]
        yesterday = max(0, int.from_bytes(bytes(identifier)[:6], "big") - DAY // 1000)
        before = self._select(LAST_BEFORE, (yesterday.to_bytes(6, "big") + bytes(10),))
        return min(LARGEST, max(SMALLEST, int(position) - (int(before[0][0]) if before else 0)))

    def _partitions(self, table: str) -> list[Partition]:
        found = []
        for (name,) in self._select(PARTITIONS, (table,)):
            _, lower, upper, *more = str(name).split("_")
            found.append(Partition(int(lower), int(upper), KEPT in more, str(name)))
        return sorted(found)

    # --- deleting
    def _remove_bodies(self, positions: Sequence[int]) -> None:
        self._cursor.execute("delete from body where position = any(%b::int8[])", [list(positions)])

    def _remove_documents(self, positions: Sequence[int]) -> None:
        self._cursor.execute("delete from run where position = any(%b::int8[])", [list(positions)])

    def _open_end(self, kind: Kind, due: Due) -> int:
        """Rows are deleted one by one where a partition can't go soon: part of it stays, or it was long in filling."""
        span = self._spans(kind, due)[0]
        for partition in self._partitions(TABLES[kind]):
            if partition.kept or any(name == partition.name for name, _ in self._not_worth):
                continue
            head = self._select(
                f"select message.recorded_at from {partition.name} as part join message using (position) "
                "order by part.position limit 1"
            )
            if partition.name in self._put_off or (head and not due.now - span - DAY > head[0][0]):
                return partition.lower
        return END

    def _whole(self, due: Due, limit: Callable[[], int]) -> Iterator[list[Freed]]:
        self._put_off = frozenset()
        for kind, table in TABLES.items():
            for partition in self._partitions(table):
                if not self._closed(partition):
                    break
                if not self._select(f"select 1 from {partition.name} order by position limit 1"):
                    self._drop(table, partition)
                    yield []
                elif not partition.kept:
                    youngest = max(at for (at,) in self._select(RECENT, self._bounds(partition, due)) or [(due.now,)])
                    past = [span for span in self._spans(kind, due) if youngest < due.now - span]
                    if not past:
                        break
                    if (partition.name, past[-1]) not in self._not_worth:
                        yield from self._finish(kind, partition, past[-1], due, limit)

    def _spans(self, kind: Kind, due: Due) -> list[int]:
        return due.spans if kind == "bodies" else [due.documents_span]

    def _bounds(self, partition: Partition, due: Due) -> dict[str, int]:
        return {"lower": partition.lower, "upper": partition.upper, "now": due.now}

    def _closed(self, partition: Partition) -> bool:
        return bool(self._select("select 1 from message where position >= %s limit 1", (partition.upper,)))

    def _finish(
        self, kind: Kind, partition: Partition, span: int, due: Due, limit: Callable[[], int]
    ) -> Iterator[list[Freed]]:
        """Looks at all of a partition in steps, copies what must stay, and drops it; or leaves it as it was."""
        table, held = TABLES[kind], self._held()
        going: dict[str, list[int]] = {}
        staying: list[int] = []
        after, seen = partition.lower - 1, 0
        while found := self._aged(kind, after, partition.upper, limit()):
            kept = self._sorted_out(kind, found, due, held, going)
            staying += kept
            after, seen = found[-1].position, seen + len(found)
            yield []
        if 2 * len(staying) > seen:
            self._not_worth |= {(partition.name, span)}
            return
        remainder: Partition | None = None
        if staying:
            remainder = partition._replace(kept=True, name=f"{table}_{partition.lower}_{partition.upper}_{KEPT}")
            yield from self._copied(table, partition, remainder, staying, limit)
        freed = [
            Freed(kind, rule, amount, size, first, last) for rule, (amount, size, first, last) in sorted(going.items())
        ]
        try:
            with self._step():
                self._cursor.execute(BRIEFLY)
                asked = {position for (position,) in self._select(ASKED_FOR, self._bounds(partition, due))}
                if self._held(held) is not held or not asked.issubset(staying):
                    self._put_off |= {partition.name}
                    return  # somebody came in between: all of it is looked at again the next time
                self._replace(table, partition, remainder)
                self._record(freed, due.now)
        except StoreUnavailable:
            self._put_off |= {partition.name}  # somebody reads from it, or the server is away: the next time
            return
        yield freed

    def _sorted_out(
        self, kind: Kind, found: Sequence[Aged], due: Due, held: Held, going: dict[str, list[int]]
    ) -> list[int]:
        """Adds what may go to the sums by rule (how many, bytes, first, last); gives the positions that stay."""
        decided, _ = self._decided(kind, found, due, held, None)
        gone: set[int] = set()
        for rule, messages in decided.items():
            sums = going.setdefault(rule, [0, 0, messages[0].position, 0])
            sums[0] += len(messages)
            sums[1] += sum(message.size for message in messages)
            sums[3] = messages[-1].position
            gone.update(message.position for message in messages)
        return [message.position for message in found if message.position not in gone]

    def _copied(
        self, table: str, partition: Partition, remainder: Partition, staying: list[int], limit: Callable[[], int]
    ) -> Iterator[list[Freed]]:
        with self._step():
            self._cursor.execute(f"drop table if exists {remainder.name}")  # of a time when it did not come to the end
            check = f"check (position >= {partition.lower} and position < {partition.upper})"
            self._cursor.execute(f"create table {remainder.name} (like {table} including all, {check})")
        first = 0
        while first < len(staying):
            some = staying[first : first + limit()]
            with self._step():
                self._cursor.execute(
                    f"insert into {remainder.name} select * from {partition.name} where position = any(%b::int8[])",
                    [some],
                )
            first += len(some)
            yield []

    def _replace(self, table: str, partition: Partition, remainder: Partition | None) -> None:
        self._cursor.execute(f"alter table {table} detach partition {partition.name}")
        self._cursor.execute(f"drop table {partition.name}")
        if remainder is not None:
            self._attach(table, remainder, make=False)

    def _drop(self, table: str, partition: Partition) -> None:
        try:
            with self._step():
                self._cursor.execute(BRIEFLY)
                self._replace(table, partition, None)
        except StoreUnavailable:
            return
