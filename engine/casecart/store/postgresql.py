"""The store in a PostgreSQL database, for any number of engines, persons and readers."""

# ruff: noqa: D102 - what a caller may rely on stands in `Store`

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from casecart.store import postgresql_statements as statements
from casecart.store.failure import (
    DuplicateIdentity,
    LeaseLost,
    OutcomeUnknown,
    RevisionTaken,
    StoreBroken,
    StoreInUse,
    StoreMisconfigured,
    StoreUnavailable,
)
from casecart.store.interface import Identity, KnownIdentity
from casecart.store.location import PostgresqlServer
from casecart.store.lookup import case_lookup, keys_of
from casecart.store.master import TIDIED
from casecart.store.postgresql_members import MembersOfPostgreSQL
from casecart.store.postgresql_partitions import LOCK_HOLDS, PostgreSQLPartitions
from casecart.store.postgresql_session import ENGINE_LOCKS, UNLOCK_ALONE, connect, explained, hold, let_go, take_slot
from casecart.store.queries import compiled, must_be_allowed
from casecart.store.records import CaseRow, Fence, KnownCase
from casecart.store.revision import check
from casecart.store.tail import Tail, added_up

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from psycopg.errors import Diagnostic
    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import TextClause

    from casecart.store.change import Change
    from casecart.store.interface import Role
    from casecart.store.postgresql_statements import Copy
    from casecart.store.queries import Statement
    from casecart.store.records import MasterVersion

__all__ = ["PostgreSQLStore"]

DIALECT: Dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]  # SQLAlchemy left its arguments untyped

PATIENCE = 0.25
"""Seconds that a call waits for a migration to end; then it raises, and the next call waits again."""

IDLE = TransactionStatus.IDLE

Kind = Literal["message", "entry"]


class PostgreSQLStore(PostgreSQLPartitions, MembersOfPostgreSQL):
    """A store in a database; see `Store` and `SharedStore` for what it promises.

    A commit is one flush of the server's write-ahead log. When the session is lost, the call that met it raises and the
    next one connects anew. An engine keeps nothing in memory that another one could make untrue: what it reads to
    change it, it reads under a lock (`lock`), which is the server's, and ends with the transaction.
    """

    def __init__(self, url: str, role: Role) -> None:
        self._url = url
        self._place = PostgresqlServer(url).place
        self._role = role
        self._broken: StoreBroken | None = None
        self._tail = Tail()
        self._slot = 0
        self._known_member = b""
        self._entries: list[int] = []  # numbers for ledger rows, the next one last
        self._warnings: list[str] = []
        self._connect()

    @property
    def shared(self) -> bool:
        return True

    def close(self) -> None:
        if self._role == "engine" and not self._connection.closed and not self._broken:
            with suppress(psycopg.Error):
                let_go(self._connection)
        self._connection.close()

    def reserve(self, kind: Kind, count: int) -> list[int]:
        self._must_be_engine()
        if kind == "message":
            given = self._numbers(kind, count)
            self._have_room(given[-1])  # before anything is locked
            return given
        if len(self._entries) < count:
            self._entries = self._numbers(kind, max(count, statements.BLOCK))[::-1]
        given = self._entries[-count:][::-1]
        del self._entries[-count:]
        return given

    def _numbers(self, kind: Kind, count: int) -> list[int]:
        return sorted(number for (number,) in self._select(statements.TAKE, (statements.SEQUENCES[kind], count)))

    def lock(self, keys: Collection[int]) -> None:
        if self._role != "engine" or not keys:
            return
        self._must_be_connected()
        try:
            self._begin()
            self._cursor.execute(statements.LOCK, (sorted(set(keys)),))
        except psycopg.Error as error:
            self._roll_back()
            raise self._explained(error) from error
        self._entries = []  # they may be lower than those of somebody who had the lock before

    def let_go(self) -> None:
        if self._begun:
            self._roll_back()

    def _begin(self) -> None:
        if not self._begun:
            self._cursor.execute("begin isolation level read committed")

    @property
    def _begun(self) -> bool:
        return self._connection.info.transaction_status != IDLE and not self._connection.closed

    def write(self, change: Change) -> None:
        must_be_allowed(self._role, change)
        if not change:
            self.let_go()
            return
        self._must_be_connected()
        if not self._begun:
            self._have_room(
                max([row.position for rows in (change.messages, change.runs) for row in rows[-1:]], default=0)
            )
        try:
            tail = self._change(change)
        except psycopg.DataError as error:
            self._roll_back()
            raise ValueError(f"PostgreSQL can't keep a value of the change ({error.sqlstate})") from error
        except psycopg.Error as error:
            self._roll_back()
            if isinstance(error, errors.UniqueViolation):
                if error.diag.constraint_name == "message_identity":
                    raise DuplicateIdentity("A message of the change is in the log already") from None
                if error.diag.constraint_name == "revision_pkey":
                    raise RevisionTaken("Somebody wrote a revision at the same time") from None
            raise self._not_written(error, change) from error
        except BaseException:
            self._roll_back()
            raise
        self._commit()
        self._tail = tail
        self._entries = []

    def _change(self, change: Change) -> Tail:
        """Everything of it, not committed yet; gives the tail behind it."""
        before = self._tail
        self._begin()
        if change.fences:
            self._must_hold(change.fences)
        if change.audit:
            self._cursor.execute(statements.LOCK_AUDIT)
            before = self._with_newest_audit(before)
        tail, events, audit = before.extended(change.events, change.audit)
        self._write(change)
        if events:
            self._cursor.execute(statements.INSERT_EVENTS, events)
        if audit:
            self._cursor.executemany(statements.INSERT_AUDIT, audit)
            self._cursor.execute(statements.SET_CURSOR, tail.head)
        return tail

    def _must_hold(self, fences: Iterable[Fence]) -> None:
        wanted = set(fences)
        rows = self._cursor.execute(statements.FENCED, transposed(sorted(wanted))).fetchall()
        if lost := wanted.difference(map(Fence._make, rows)):
            raise LeaseLost(lost)

    def engine_at_work(self) -> bool:
        return bool(self._select(ENGINE_LOCKS))

    def unsound(self) -> list[str]:
        return []  # the server verifies its pages when it reads them, if it was made with checksums

    def identities(self, identities: Iterable[Identity]) -> list[KnownIdentity]:
        wanted = list(dict.fromkeys(identities))
        if not wanted:
            return []
        rows = self._select(statements.KNOWN, transposed(wanted))
        return [KnownIdentity(Identity(*row[:3]), *row[3:]) for row in rows]

    def case_rows(self, cases: Iterable[tuple[str, bytes]]) -> list[CaseRow]:
        wanted = list(dict.fromkeys(cases))
        if not wanted:
            return []
        keys = [case_lookup(case_key) for _, case_key in wanted]
        return [CaseRow._make(row) for row in self._select(statements.CASES, [keys, *transposed(wanted)])]

    def known_cases(self, case_keys: Collection[bytes]) -> list[KnownCase]:
        keys = list(set(case_keys))
        return [KnownCase._make(row) for row in self._select(statements.KNOWN_CASES, [keys])] if keys else []

    def looked_up(self, keys: Iterable[int], *, limit: int) -> list[int]:
        asked = list(set(keys))
        return [position for (position,) in self._select(statements.LOOK_UP, [asked, limit])] if asked else []

    @contextmanager
    def master_lock(self) -> Iterator[None]:
        if self._select(statements.LOCK_MASTER) != [(True,)]:
            raise StoreInUse(f"{self._place}: somebody else is changing the master data; try again when they are done")
        try:
            with self._transaction():
                self._cursor.execute(statements.DELETE_UNPUBLISHED, (self.published_master(),))
            yield
        finally:
            if not self._connection.closed:  # the lock goes with the session
                self._select(statements.UNLOCK_MASTER)

    def append_master(self, versions: Sequence[MasterVersion]) -> int:
        with self._transaction():
            last = int(self._select(statements.NEWEST_VERSION)[0][0])
            self._copy(
                statements.COPY_VERSION,
                [(position, *version[1:], 0) for position, version in enumerate(versions, last + 1)],
            )
        return last + len(versions)

    def tidy_master(self, limit: int) -> int:
        with self._transaction():
            tidied, published = self._master_cursor(TIDIED), self.published_master()
            up_to = min(tidied + limit, published)
            self._cursor.execute(statements.SUPERSEDE, (tidied, up_to))
            self._cursor.execute(statements.SET_CURSOR, (TIDIED, 0, up_to, 0))
        return up_to - tidied

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One that is not a change, in the session that holds the lock."""
        if self._connection.closed:
            raise StoreUnavailable("The connection was lost, and the lock on the master data with it: begin again")
        try:
            self._cursor.execute("begin isolation level read committed")
            yield
        except psycopg.Error as error:
            self._roll_back()
            raise self._explained(error) from error
        except BaseException:
            self._roll_back()
            raise
        self._commit()

    def _do(self, statement: str, values: Sequence[Any] = ()) -> None:
        self._cursor.execute(statement, values)

    def _run(self, statement: TextClause, rows: Sequence[Mapping[str, object]]) -> None:
        query, given = compiled(statement, DIALECT)
        self._cursor.executemany(query, [{**given, **row} for row in rows])

    @contextmanager
    def _step(self) -> Iterator[None]:
        self._must_be_engine()
        self._must_be_connected()
        with self._transaction():
            self._cursor.execute(LOCK_HOLDS)
            yield

    def _not_written(self, error: psycopg.Error, change: Change) -> StoreUnavailable | StoreBroken:
        if isinstance(error, errors.CheckViolation):  # a position whose partition is gone
            self._make_room(change)
            return StoreUnavailable("PostgreSQL: room was made for the change; try again")
        return self._explained(error)

    def _write(self, change: Change) -> None:
        if messages := change.messages:
            self._copy(statements.COPY_MESSAGE, [message[:-1] for message in messages])
            self._copy(statements.COPY_BODY, [(message[0], message[-1]) for message in messages])
        for field, copy in statements.COPIES:
            if rows := getattr(change, field):
                self._copy(copy, rows)
        for field, statement in statements.UPDATES:
            if rows := getattr(change, field):
                self._update(field, statement, rows)
        if rows := keys_of(change):
            self._cursor.execute(statements.INSERT_LOOKUPS, transposed(sorted(rows)))
        if change.counts:
            self._cursor.execute(statements.ADD_COUNTS, (self._slot, *transposed(added_up(change.counts))))
        self._write_few(change)

    def _write_few(self, change: Change) -> None:
        for field, statement in statements.FEW:
            if rows := getattr(change, field):
                self._cursor.executemany(statement, rows)
        if change.known_cases:  # in the order of the keys, so that two engines never wait for each other
            self._cursor.executemany(statements.NOTE_CASE, sorted(change.known_cases))

    def _update(self, field: str, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        # Of two for one row the later counts; one statement would take either.
        rows = list({row[-1]: row for row in rows}.values())
        missing = len(rows) - self._cursor.execute(statement, transposed(rows)).rowcount
        if missing:
            raise self._break(f"{self._place}: {missing} rows that {field} are for are not there")

    def _copy(self, copy: Copy, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._cursor.copy(copy.statement) as stream:
            stream.set_types(copy.types)
            for row in rows:
                stream.write_row(row)

    def _commit(self) -> None:
        self._warnings.clear()
        try:
            self._connection.commit()
        except psycopg.Error as error:
            if self._connection.closed:
                raise OutcomeUnknown(f"{explained(error)}: it is not known whether the change was kept") from error
            self._roll_back()
            raise self._explained(error) from error
        if self._warnings:
            # The wait for a synchronous standby was cut short: the change is here and perhaps not there. The next call
            # connects anew and reads again what this one may have changed.
            self._connection.close()
            raise OutcomeUnknown(f"PostgreSQL: {'; '.join(self._warnings)}")

    def _roll_back(self) -> None:
        if not self._connection.closed:
            try:
                self._connection.rollback()
            except psycopg.Error:
                self._connection.close()  # the server ends the transaction with the session

    def _connect(self) -> None:
        connection = connect(self._url, self._role)
        try:
            connection.add_notice_handler(self._noticed)
            self._connection = connection
            self._cursor = connection.cursor(binary=True)
            check(self._place, self._revision())
            if self._role == "engine":
                self._take_up()
        except psycopg.Error as error:
            connection.close()
            raise self._explained(error) from error
        except BaseException:
            connection.close()
            raise

    def _take_up(self) -> None:
        """An engine's session. The first of all looks at the numbers; each has events and counters of its own."""
        session = self._connection
        try:
            hold(session, alone=True)
        except StoreInUse:
            hold(session, patience=PATIENCE)
        else:
            self._cursor.execute(statements.NOT_BELOW)
            hold(session)
            session.execute(UNLOCK_ALONE)
        self._slot, self._known_member, self._entries = take_slot(session), b"", []
        self._tail = self._read_tail(self._slot)

    def _must_be_connected(self) -> None:
        if self._broken:
            raise StoreBroken(f"It broke earlier: {self._broken}") from self._broken
        if not self._connection.closed:
            return
        try:
            self._connect()
        except StoreInUse as error:
            raise StoreUnavailable(str(error)) from error  # a migration: when it is done, the revision will tell
        except StoreMisconfigured as error:
            raise self._break(str(error)) from error

    def _must_be_engine(self) -> None:
        if self._role != "engine":
            raise RuntimeError("this store was opened to read")

    def _explained(self, error: psycopg.Error) -> StoreUnavailable | StoreBroken:
        meaning = explained(error)
        return self._break(str(meaning)) if isinstance(meaning, StoreBroken) else meaning

    def _break(self, words: str) -> StoreBroken:
        """From here on nothing is written or read: what the engine knows and what is stored may differ."""
        self._broken = StoreBroken(words)
        return self._broken

    def _noticed(self, notice: Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self._warnings.append(notice.message_primary or "")

    def _select(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        self._must_be_connected()
        try:
            return self._cursor.execute(query, values).fetchall()
        except psycopg.Error as error:
            self._roll_back()
            raise self._explained(error) from error

    def _rows(self, statement: Statement, **values: object) -> list[tuple[Any, ...]]:
        query, given = compiled(statement, DIALECT)
        return self._select(query, {**given, **values})

    def _revision(self) -> str | None:
        if self._select("select to_regclass('alembic_version')") == [(None,)]:
            return None
        rows = self._select("select version_num from alembic_version")
        return str(rows[0][0]) if rows else None


def transposed(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Columns as the arrays that `unnest` takes."""
    return [list(column) for column in zip(*rows, strict=True)]
