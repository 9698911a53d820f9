"""Members and leases in PostgreSQL, and the reads of those who share the work."""

# ruff: noqa: D102 - what a caller may rely on stands in `SharedStore`

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from casecart.store.queries import Queries
from casecart.store.records import Entry, Message
from casecart.store.seal import checked
from casecart.store.shared import Lease, Member

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

__all__ = ["MembersOfPostgreSQL"]

# A member's lock lasts as long as its session: that it is gone tells at once that the member is, or its connection.
LOCK = "hashtextextended('casecart member ' || encode({id}, 'hex') || current_schema(), 0)"
CONNECT = f"select pg_advisory_lock({LOCK.format(id='%b')})"

# What is lost of it in a crash is only when somebody was alive.
LAZY = "set local synchronous_commit = off"
BEAT = """
insert into member (id, roles, place, started_at, beat) values (%b, %s, %s, %s, 1)
on conflict (id) do update set beat = member.beat + 1, roles = excluded.roles
"""
MEMBERS = f"""
select id, roles, place, started_at, beat, exists (
  select from pg_locks join pg_database on pg_database.oid = pg_locks.database
  where locktype = 'advisory' and objsubid = 1 and granted and datname = current_database()
  and (classid::bigint << 32) | objid::bigint = {LOCK.format(id="member.id")}
)
from member order by id
"""  # noqa: S608 - the constant above
LEASES = "select name, partition, holder, epoch from lease order by name, partition"
TAKE = """
insert into lease (name, partition, holder, epoch) values (%s, %s, %b, 1)
on conflict (name, partition) do update set holder = excluded.holder, epoch = lease.epoch + 1
where lease.epoch = %s and lease.holder is not distinct from %b
returning name, partition, holder, epoch
"""
GIVE_BACK = "update lease set holder = null where name = %s and partition = %s and holder = %b and epoch = %s"
PART = "update lease set holder = null where holder = %b"
FORGET = "delete from member where id = %b"
FORGET_RUNNING = "delete from running where member = %b"
FORGET_MARKS = "delete from cursor where name = any(%b::text[])"

COLUMNS = ", ".join(f"message.{name}" for name in Message._fields[:-1])
WAITING_IN = f"""
select {COLUMNS}, coalesce(body.data, ''::bytea)
from (
  select first.position from unnest(%b::int4[]) as wanted (partition)
  cross join lateral (
    select position from message where outcome = 'waiting' and partition = wanted.partition order by position limit %s
  ) as first
  order by first.position limit %s
) as found
join message using (position)
left join body using (position)
order by message.position
"""  # noqa: S608 - names of columns
BUSY = """
select partition from unnest(%b::int4[]) as wanted (partition)
where exists (select from message where outcome = 'waiting' and partition = wanted.partition)
"""
STILL_WAITING = "select position from message where position = any(%b::int8[]) and outcome = 'waiting'"
OPEN_SEQUENCES = "select sequence, open from ledger where open > 0 and destination = %s order by sequence limit %s"
ENTRIES_AT = f"""
select {", ".join(Entry._fields)} from ledger where sequence = any(%b::int8[]) and open > 0 order by sequence
"""  # noqa: S608 - names of columns


class MembersOfPostgreSQL(Queries, ABC):
    """What `SharedStore` has beyond `Store`."""

    _known_member: bytes

    @abstractmethod
    def _select(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]: ...

    @abstractmethod
    def _do(self, statement: str, values: Sequence[Any] = ()) -> None:
        """Within `_transaction`: a statement without rows."""

    @abstractmethod
    def _must_be_connected(self) -> None: ...

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[None]: ...

    def meet(self, member: Member) -> tuple[list[Member], list[Lease]]:
        self._must_be_connected()
        if self._known_member != member.id:
            self._select(CONNECT, (member.id,))
            self._known_member = member.id
        with self._transaction():
            self._do(LAZY)
            self._do(BEAT, (member.id, member.roles, member.place, member.started_at))
        members = [Member._make(row) for row in self._select(MEMBERS)]
        return members, [Lease._make(row) for row in self._select(LEASES)]

    def members(self) -> list[Member]:
        return [Member._make(row) for row in self._select(MEMBERS)]

    def take(self, leases: Iterable[Lease], holder: bytes) -> list[Lease]:
        taken: list[Lease] = []
        self._must_be_connected()
        with self._transaction():
            for lease in leases:
                values = (lease.name, lease.partition, holder, lease.epoch, lease.holder)
                taken += [Lease._make(row) for row in self._select(TAKE, values)]
        return taken

    def give_back(self, leases: Iterable[Lease]) -> None:
        self._must_be_connected()
        with self._transaction():
            for lease in leases:
                self._do(GIVE_BACK, (lease.name, lease.partition, lease.holder, lease.epoch))

    def part(self, member: bytes, marks: Collection[str] = ()) -> None:
        self._must_be_connected()
        with self._transaction():
            self._do(PART, (member,))
            self._do(FORGET_MARKS, (list(marks),))
            self._do(FORGET_RUNNING, (member,))
            self._do(FORGET, (member,))

    def waiting_in(self, partitions: Collection[int], limit: int) -> list[Message]:
        if not partitions:
            return []
        rows = self._select(WAITING_IN, (sorted(partitions), limit, limit))
        return [checked(Message._make(row)) for row in rows]

    def busy(self, partitions: Collection[int]) -> set[int]:
        return {partition for (partition,) in self._select(BUSY, (sorted(partitions),))}

    def still_waiting(self, positions: Collection[int]) -> set[int]:
        return {position for (position,) in self._select(STILL_WAITING, (sorted(positions),))}

    def open_sequences(self, destination: str, limit: int) -> list[tuple[int, int]]:
        return [(sequence, count) for sequence, count in self._select(OPEN_SEQUENCES, (destination, limit))]

    def entries_at(self, sequences: Collection[int]) -> list[Entry]:
        return [Entry._make(row) for row in self._select(ENTRIES_AT, (sorted(sequences),))]
