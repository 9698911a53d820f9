"""The store in one SQLite file, for one engine, and any number of persons and readers beside it."""

# ruff: noqa: D102 - what a caller may rely on stands in `Store`

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from casecart.store import schema
from casecart.store.failure import DuplicateIdentity, RevisionTaken, StoreBroken, StoreInUse, StoreUnavailable
from casecart.store.interface import KnownIdentity
from casecart.store.lock import FileLock, is_held
from casecart.store.lookup import case_lookup, keys_of
from casecart.store.master import TIDIED
from casecart.store.queries import Queries, compiled, must_be_allowed
from casecart.store.records import CaseRow, KnownCase, Message
from casecart.store.revision import check
from casecart.store.sqlite_file import connect, explained
from casecart.store.sqlite_lookup import Lookups
from casecart.store.sqlite_retention import SQLiteRetention
from casecart.store.tail import Tail, added_up

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Table
    from sqlalchemy.sql.elements import TextClause

    from casecart.store.change import Change
    from casecart.store.interface import Identity, Role
    from casecart.store.queries import Statement
    from casecart.store.records import MasterVersion

__all__ = ["SQLiteStore"]

DIALECT = SQLiteDialect(paramstyle="named")
IDENTITY_TAKEN = "UNIQUE constraint failed: message.facility"
REVISION_TAKEN = "UNIQUE constraint failed: revision.number"


def insertion(table: Table, columns: Sequence[str] = ()) -> str:
    """The statement that takes a record of this table as it is."""
    names = columns or table.c.keys()
    marks = ", ".join("?" * len(names))
    return f"insert into {table.name} ({', '.join(names)}) values ({marks})"  # noqa: S608 - our own names


def replacement(table: Table) -> str:
    """The same; a record of the same key gives way to it."""
    keys = table.primary_key.columns.keys()
    news = ", ".join(f"{name} = excluded.{name}" for name in table.c.keys() if name not in keys)  # noqa: SIM118 - no dict
    return f"{insertion(table)} on conflict ({', '.join(keys)}) do update set {news}"


def must_be_new(error: sqlite3.Error) -> None:
    """Raises what it means when a change was refused because of what is there already; else does nothing."""
    if isinstance(error, sqlite3.IntegrityError):
        if str(error).startswith(IDENTITY_TAKEN):
            raise DuplicateIdentity("A message of the change is in the log already") from None
        if str(error) == REVISION_TAKEN:
            raise RevisionTaken("Somebody wrote a revision at the same time") from None


# A None costs as much to bind as a number to store: a column that is None in all rows of a group is better left out.
# And a plain tuple binds faster than a named one, by more than it costs to make.
ENVELOPE = Message._fields[:-1]
RARE = ("correlation_id", "causation_id", "traceparent", "notes", "charset")
USUAL = tuple(name for name in ENVELOPE if name not in RARE)
ABSENT = (None,) * len(RARE)
rare = itemgetter(*map(Message._fields.index, RARE))
usual = itemgetter(*map(Message._fields.index, USUAL))

INSERT_MESSAGE = insertion(schema.message, ENVELOPE)
INSERT_BODY = insertion(schema.body)
INSERT_USUAL_MESSAGE = insertion(schema.message, USUAL)
INSERT_RUN = insertion(schema.run)
INSERT_ENTRY = insertion(schema.ledger)
INSERT_HOLD = insertion(schema.exception)
INSERT_EVENTS = insertion(schema.event)
INSERT_AUDIT = insertion(schema.audit)
INSERT_REPLAY = f"{insertion(schema.replay)} on conflict do nothing"
DELETE_REPLAY = "delete from replay where hold = ?"
INSERT_LEGAL_HOLD = insertion(schema.legal_hold)
NOTE_CASE = f"""{replacement(schema.known_case)}
where (excluded.told_at, excluded.position) >= (known_case.told_at, known_case.position)"""
KNOWN_CASE = f"select {', '.join(KnownCase._fields)} from known_case where case_key = ? order by channel, field"  # noqa: S608 - our own names
DELETE_LEGAL_HOLD = "delete from legal_hold where id = ?"
INSERT_VERSION = insertion(schema.master)
INSERT_REVISION = insertion(schema.revision)
CANCEL_REVISION = "update revision set cancelled_at = ? where number = ? and cancelled_at is null"
SET_RUNNING = replacement(schema.running)
ADD_COUNT = (
    "insert into balance (facility, scope, name, shard, amount) values (?, ?, ?, 0, ?) "
    "on conflict (facility, scope, name, shard) do update set amount = amount + excluded.amount"
)
SET_OUTCOME = "update message set outcome = ?, notes = ? where position = ?"
CHANGE_HOLD = "update exception set state = ?, assignee = ?, reason = ?, changed_at = ? where id = ?"
SETTLE = "update ledger set open = ?, postings = ? where sequence = ?"
SET_TIMER = replacement(schema.timer)
DELETE_TIMER = "delete from timer where owner = ? and key = ?"
SET_CURSOR = replacement(schema.cursor)
SET_SWITCH = replacement(schema.switch)
KNOWN = (
    "select reuse, digest, position from message "
    "where facility = ? and sender = ? and control_id = ? and reuse is not null order by reuse"
)
CASE = (
    "select facility, case_key, sequence, position, channel, destination, postings, statements from ledger "
    "where position = ?"
)
# By the name of the change's field, in the order they are run.
INSERTS = (
    ("runs", INSERT_RUN),
    ("entries", INSERT_ENTRY),
    ("holds", INSERT_HOLD),
    ("timers_done", DELETE_TIMER),
    ("timers", SET_TIMER),
    ("cursors", SET_CURSOR),
    ("switches", SET_SWITCH),
    ("replays", INSERT_REPLAY),
    ("replays_done", DELETE_REPLAY),
    ("legal_holds", INSERT_LEGAL_HOLD),
    ("releases", DELETE_LEGAL_HOLD),
    ("known_cases", NOTE_CASE),
    ("revisions", INSERT_REVISION),
    ("cancellations", CANCEL_REVISION),
    ("running", SET_RUNNING),
)
UPDATES = (("outcomes", SET_OUTCOME), ("settlements", SETTLE), ("hold_changes", CHANGE_HOLD))
ALL = 1_000_000
"""More messages than a case can have."""

NEWEST_VERSION = "select coalesce(max(position), 0) from master"
DELETE_UNPUBLISHED = "delete from master where position > ?"
SUPERSEDE = """
update master set superseded = 1 where superseded = 0 and position in (
  select old.position from master new
  join master old on old.kind = new.kind and old.key = new.key and old.facility = new.facility
    and old.position < new.position
  where new.position > ? and new.position <= ?)
"""

NEXT = {
    "message": "select coalesce(max(position), 0) + 1 from message",
    "entry": "select coalesce(max(sequence), 0) + 1 from ledger",
}


PATIENCE = 0.25
"""Seconds that an engine waits for the lock: a look at it (`engine_at_work`) takes it for an instant."""


class SQLiteStore(SQLiteRetention, Queries):
    """A store in a file; see `Store` for what it promises.

    A commit is one fsync of the write-ahead log. The role ``engine`` holds the file's lock. A reader sees the last
    commit and never holds the engine up; a person holds it up for the length of a commit.
    """

    def __init__(self, path: Path, role: Role) -> None:
        self.path = path
        self._role = role
        self._tail = Tail()
        self._broken: StoreBroken | None = None
        self._lookups: Lookups | None = None
        self._lock = FileLock(path, patience=PATIENCE) if role == "engine" and path.is_file() else None
        try:
            self._connection = connect(path, read_only=role == "reader")
            try:
                self._cursor = self._connection.cursor()
                check(str(path), self._revision())
                if self._lock:
                    self._tail = self._read_tail()
                    # No other engine gives numbers, and rows are not deleted: the highest one tells the next.
                    self._next = {kind: self._select(query)[0][0] for kind, query in NEXT.items()}
                    self._lookups = Lookups(self._select, often=True)
            except BaseException:
                self._connection.close()
                raise
        except BaseException:
            if self._lock:
                self._lock.release()
            raise

    def close(self) -> None:
        try:
            self._connection.close()
        except sqlite3.Error as error:
            # It tidies the log up when it goes; what was committed is safe either way.
            raise explained(error, self.path) from error
        finally:
            self._lookups = None  # its filters are 32 MB, and an engine that has ended may stay in memory for a while
            if self._lock:
                self._lock.release()

    @property
    def shared(self) -> bool:
        return False

    def reserve(self, kind: Literal["message", "entry"], count: int) -> range:
        self._must_be_engine()
        first: int = self._next[kind]
        self._next[kind] = first + count
        return range(first, first + count)

    def lock(self, keys: Collection[int]) -> None:
        """One engine is at work."""

    def let_go(self) -> None:
        """As above."""

    def write(self, change: Change) -> None:
        must_be_allowed(self._role, change)
        if self._broken:
            raise StoreBroken(f"It broke earlier: {self._broken}") from self._broken
        if not change:
            return
        try:
            self._cursor.execute("begin immediate")
            before = self._with_newest_audit(self._tail) if change.audit else self._tail
            tail, events, audit = before.extended(change.events, change.audit)
            self._write(change)
            self._write_lookups(change)
            if events:
                self._cursor.execute(INSERT_EVENTS, events)
            if audit:
                self._cursor.executemany(INSERT_AUDIT, audit)
                self._cursor.execute(SET_CURSOR, tail.head)
            self._cursor.execute("commit")
        except sqlite3.Error as error:
            self._roll_back()
            must_be_new(error)
            raise self._explained(error) from error
        except BaseException:
            self._roll_back()
            raise
        self._tail = tail
        if self._lookups is not None:
            self._lookups.committed()

    def engine_at_work(self) -> bool:
        return is_held(self.path)

    def unsound(self) -> list[str]:
        return [str(words) for (words,) in self._select("pragma quick_check(100)") if words != "ok"]

    def identities(self, identities: Iterable[Identity]) -> list[KnownIdentity]:
        return [
            KnownIdentity(identity, *row)
            for identity in dict.fromkeys(identities)
            for row in self._select(KNOWN, identity)
        ]

    def case_rows(self, cases: Iterable[tuple[str, bytes]]) -> list[CaseRow]:
        wanted, lookups = set(cases), self._lookups or Lookups(self._select, often=False)
        positions: set[int] = set()
        for _, case_key in wanted:
            positions.update(lookups.positions(case_lookup(case_key), ALL))
        found = [row for position in positions for row in self._select(CASE, (position,))]
        return sorted((CaseRow._make(row) for row in found if row[:2] in wanted), key=lambda row: row.sequence)

    def known_cases(self, case_keys: Collection[bytes]) -> list[KnownCase]:
        return [KnownCase._make(row) for key in sorted(set(case_keys)) for row in self._select(KNOWN_CASE, (key,))]

    def looked_up(self, keys: Iterable[int], *, limit: int) -> list[int]:
        lookups = self._lookups or Lookups(self._select, often=False)
        return sorted({position for key in set(keys) for position in lookups.positions(key, limit)})

    @contextmanager
    def master_lock(self) -> Iterator[None]:
        try:
            lock = FileLock(self.path.with_name(f"{self.path.name}.master"))
        except StoreInUse:
            words = f"{self.path}: somebody else is changing the master data; try again when they are done"
            raise StoreInUse(words) from None
        try:
            with self._transaction():
                self._cursor.execute(DELETE_UNPUBLISHED, (self.published_master(),))
            yield
        finally:
            lock.release()

    def append_master(self, versions: Sequence[MasterVersion]) -> int:
        with self._transaction():
            last: int = self._select(NEWEST_VERSION)[0][0]
            rows = ((position, *version[1:], 0) for position, version in enumerate(versions, last + 1))
            self._cursor.executemany(INSERT_VERSION, rows)
        return last + len(versions)

    def tidy_master(self, limit: int) -> int:
        with self._transaction():
            tidied, published = self._master_cursor(TIDIED), self.published_master()
            up_to = min(tidied + limit, published)
            self._cursor.execute(SUPERSEDE, (tidied, up_to))
            self._cursor.execute(SET_CURSOR, (TIDIED, 0, up_to, 0))
        return up_to - tidied

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One that is not a change."""
        if self._broken:
            raise StoreBroken(f"It broke earlier: {self._broken}") from self._broken
        try:
            self._cursor.execute("begin immediate")
            yield
            self._cursor.execute("commit")
        except sqlite3.Error as error:
            self._roll_back()
            raise self._explained(error) from error
        except BaseException:
            self._roll_back()
            raise

    def _run(self, statement: TextClause, rows: Sequence[Mapping[str, object]]) -> None:
        query, given = compiled(statement, DIALECT)
        self._cursor.executemany(query, [{**given, **row} for row in rows])

    @contextmanager
    def _step(self) -> Iterator[None]:
        self._must_be_engine()
        with self._transaction():
            yield

    def _write(self, change: Change) -> None:
        many = self._cursor.executemany
        if messages := change.messages:
            if all(rare(message) == ABSENT for message in messages):
                many(INSERT_USUAL_MESSAGE, map(usual, messages))
            else:
                many(INSERT_MESSAGE, [message[:-1] for message in messages])
            many(INSERT_BODY, [(message[0], message[-1]) for message in messages])
        for field, statement in INSERTS:
            if rows := getattr(change, field):
                many(statement, map(tuple, rows))
        for field, statement in UPDATES:
            if rows := getattr(change, field):
                missing = len(rows) - many(statement, rows).rowcount
                if missing:
                    raise self._break(f"{self.path}: {missing} rows that {field} are for are not there")
        if change.counts:
            many(ADD_COUNT, added_up(change.counts))

    def _write_lookups(self, change: Change) -> None:
        rows = keys_of(change)
        if self._lookups is not None:
            self._lookups.add(rows, self._cursor.execute)
        elif rows:
            raise RuntimeError("look-ups are written by an engine")

    def _must_be_engine(self) -> None:
        if not self._lock:
            raise RuntimeError("this store was opened to read")

    def _roll_back(self) -> None:
        # On a full disk SQLite may have rolled back by itself.
        if self._connection.in_transaction:
            try:
                self._connection.rollback()
            except sqlite3.Error as error:
                self._break(f"{self.path}: can't roll back: {error}")

    def _explained(self, error: sqlite3.Error) -> StoreUnavailable | StoreBroken:
        meaning = explained(error, self.path)
        return self._break(str(meaning)) if isinstance(meaning, StoreBroken) else meaning

    def _break(self, words: str) -> StoreBroken:
        """From here on nothing is written: a sync that failed must not be tried again, it would seem to succeed."""
        self._broken = StoreBroken(words)
        return self._broken

    def _select(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._cursor.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _rows(self, statement: Statement, **values: object) -> list[tuple[Any, ...]]:
        query, given = compiled(statement, DIALECT)
        return self._select(query, {**given, **values})

    def _revision(self) -> str | None:
        if not self._select("select 1 from sqlite_master where name = 'alembic_version'"):
            return None
        rows = self._select("select version_num from alembic_version")
        return str(rows[0][0]) if rows else None
