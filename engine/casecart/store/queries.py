"""The reads that both stores share, said once in SQLAlchemy's terms; a store runs them through its own driver."""

# ruff: noqa: D102 - what a caller may rely on stands in `Store`

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import LargeBinary, bindparam, cast, func, literal_column, select, tuple_

from casecart.store import schema
from casecart.store.applied_queries import AppliedQueries
from casecart.store.change import AUDIT_HEAD, AuditEntry, AuditRecord
from casecart.store.column import NUMBER
from casecart.store.interface import ALL_POSTINGS, MessageFilter, MessageHead, OpenCount
from casecart.store.lookup import decode_tokens, lookup_key
from casecart.store.master import MasterQueries
from casecart.store.records import Count, Cursor, Entry, Event, KnownCase, Message, Run, Switch, Timer, Token
from casecart.store.retention import RetentionQueries
from casecart.store.seal import checked
from casecart.store.tail import Tail, unpacked
from casecart.store.worklist import WorklistQueries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import BindParameter, Column, Select
    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import TextClause

    from casecart.store.change import Change
    from casecart.store.interface import Role

    Statement = Select[*tuple[Any, ...]]

__all__ = ["CLOCK_SLACK", "Queries", "compiled", "must_be_allowed"]

CLOCK_SLACK = 3_600_000_000
"""How far, in µs, a clock may have been set back without hiding messages from a query that says since or until when."""

LAST_POSITION = (1 << 63) - 1
LAST_MOMENT = 1 << 48
"""Ids have 48 bits for their time in ms."""

message, ledger = schema.message, schema.ledger

# A scalar of its own, not a join: PostgreSQL then looks into the one partition that can have it. Empty: it is gone.
BODY = func.coalesce(
    select(schema.body.c.data).where(schema.body.c.position == message.c.position).scalar_subquery(),
    cast(literal_column("''"), LargeBinary),
)
MESSAGE = [*(message.c[name] for name in Message._fields[:-1]), BODY]
HEAD = [*(message.c[name] for name in MessageHead._fields[:-1]), func.length(BODY).label("size")]
TIMER = [schema.timer.c[name] for name in Timer._fields]

# The partial indexes' conditions stand in the statement word by word: a planner can't prove them of a parameter.
UNUSUAL = message.c.outcome != literal_column("'processed'")
WAITING = (message.c.outcome == literal_column("'waiting'")) & UNUSUAL
OPEN = ledger.c.open > literal_column("0")
AFTER: BindParameter[int] = bindparam("after")
LIMIT: BindParameter[int] = bindparam("limit")
POSITION: BindParameter[int] = bindparam("position")

WAITING_MESSAGES = select(*MESSAGE).where(WAITING, message.c.position > AFTER).order_by(message.c.position).limit(LIMIT)
# How much there is to read is told by the index alone, before anything of it is read.
_FIRST_OPEN = (
    select(ledger.c.sequence, ledger.c.open)
    .where(OPEN, ledger.c.destination == bindparam("destination"), ledger.c.sequence > AFTER)
    .order_by(ledger.c.sequence)
    .limit(LIMIT)
    .subquery()
)
_WEIGHED = select(
    _FIRST_OPEN.c.sequence,
    (func.sum(_FIRST_OPEN.c.open).over(order_by=_FIRST_OPEN.c.sequence) - _FIRST_OPEN.c.open).label("before"),
).subquery()
OPEN_ENTRIES = (
    select(*ledger.c)
    .where(ledger.c.sequence.in_(select(_WEIGHED.c.sequence).where(_WEIGHED.c.before < bindparam("postings"))))
    .order_by(ledger.c.sequence)
)
ENTRIES_OF = (
    select(*ledger.c)
    .where(ledger.c.destination == bindparam("destination"), ledger.c.sequence > AFTER)
    .order_by(ledger.c.sequence)
    .limit(LIMIT)
)
CURSORS = (
    select(*schema.cursor.c)
    .where(schema.cursor.c.name != AUDIT_HEAD)
    .order_by(schema.cursor.c.name, schema.cursor.c.partition)
)
TIMERS = select(*TIMER).order_by(schema.timer.c.due_at, schema.timer.c.owner, schema.timer.c.key)
TIMERS_OF = TIMERS.where(schema.timer.c.owner == bindparam("owner"))
SWITCHES = select(*schema.switch.c).order_by(schema.switch.c.destination)
MESSAGE_AT = select(*MESSAGE).where(message.c.position == POSITION)
MESSAGE_WITH = select(*MESSAGE).where(message.c.id == bindparam("id"))
LAST_BEFORE = select(message.c.position).where(message.c.id < bindparam("id")).order_by(message.c.id.desc()).limit(1)
FIRST_FROM = select(message.c.position).where(message.c.id >= bindparam("id")).order_by(message.c.id).limit(1)
RUNS = (
    select(*(schema.run.c[name] for name in Run._fields))
    .where(schema.run.c.position == POSITION)
    .order_by(schema.run.c.channel, schema.run.c.attempt)
)
ENTRIES = select(*ledger.c).where(ledger.c.position == POSITION).order_by(ledger.c.sequence)
COUNTER = [schema.balance.c[name] for name in Count._fields[:-1]]
COUNTS = select(*COUNTER, cast(func.sum(schema.balance.c.amount), NUMBER)).group_by(*COUNTER).order_by(*COUNTER)
MESSAGES_AFTER = select(*MESSAGE).where(message.c.position > AFTER).order_by(message.c.position).limit(LIMIT)
RUNS_BETWEEN = (
    select(*(schema.run.c[name] for name in Run._fields))
    .where(schema.run.c.position >= POSITION, schema.run.c.position <= bindparam("last"))
    .order_by(schema.run.c.position, schema.run.c.channel, schema.run.c.attempt)
)
ENTRIES_AFTER = select(*ledger.c).where(ledger.c.sequence > AFTER).order_by(ledger.c.sequence).limit(LIMIT)
_KNOWN_KEY = (schema.known_case.c.case_key, schema.known_case.c.channel, schema.known_case.c.field)
KNOWN_AFTER = (
    select(*schema.known_case.c)
    .where(tuple_(*_KNOWN_KEY) > tuple_(bindparam("case_key"), bindparam("channel"), bindparam("field")))
    .order_by(*_KNOWN_KEY)
    .limit(LIMIT)
)
WAITING_COUNTS = select(message.c.listener, func.count()).where(WAITING).group_by(message.c.listener)
OPEN_COUNTS = (
    select(
        ledger.c.destination,
        func.count(),
        cast(func.sum(ledger.c.open), NUMBER),
        func.min(ledger.c.recorded_at),
    )
    .where(OPEN)
    .group_by(ledger.c.destination)
    .order_by(ledger.c.destination)
)
EVENT = select(schema.event.c.position, schema.event.c.count, schema.event.c.data).where(
    schema.event.c.partition == bindparam("partition")
)
EVENT_ROW_WITH = EVENT.where(schema.event.c.position <= POSITION).order_by(schema.event.c.position.desc()).limit(1)
EVENT_ROWS = EVENT.where(schema.event.c.position >= POSITION).order_by(schema.event.c.position).limit(LIMIT)
NEXT_EVENT_PARTITION = (
    select(schema.event.c.partition).where(schema.event.c.partition > AFTER).order_by(schema.event.c.partition).limit(1)
)
NEWEST_EVENT = EVENT.order_by(schema.event.c.position.desc()).limit(1)
AUDIT = (
    select(*(schema.audit.c[name] for name in AuditRecord._fields))
    .order_by(schema.audit.c.position.desc())
    .limit(LIMIT)
)
AUDIT_AFTER = (
    select(*schema.audit.c).where(schema.audit.c.position > AFTER).order_by(schema.audit.c.position).limit(LIMIT)
)
AUDIT_BEFORE = (
    select(*schema.audit.c)
    .where(schema.audit.c.position < POSITION)
    .order_by(schema.audit.c.position.desc())
    .limit(LIMIT)
)
KEPT_HEAD = select(schema.cursor.c.position, schema.cursor.c.epoch).where(schema.cursor.c.name == AUDIT_HEAD)
NEWEST_AUDIT = select(schema.audit.c.position, schema.audit.c.digest).order_by(schema.audit.c.position.desc()).limit(1)


MOST_SHARING = 1_000
"""Messages that are read for one token: all but a few are of its case."""


@lru_cache(maxsize=128)
def compiled(statement: Statement | TextClause, dialect: Dialect) -> tuple[str, dict[str, Any]]:
    """A statement as a driver takes it, and the values of those parameters that have one already."""
    made = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    return str(made), dict(made.params)


def must_be_allowed(role: Role, change: Change) -> None:
    """Raises RuntimeError for a change that a store opened in this role may not write: a fault of the caller."""
    if role == "reader":
        raise RuntimeError("this store was opened to read")
    if role == "person" and not change.personal:
        words = "a person writes switches, exceptions, master data, revisions and audit records, and nothing else"
        raise RuntimeError(words)


def _entry(row: tuple[Any, ...]) -> AuditEntry:
    return AuditEntry(row[0], AuditRecord._make(row[1:-1]), row[-1])


class Queries(WorklistQueries, MasterQueries, RetentionQueries, AppliedQueries, ABC):
    """What people and a starting engine ask of a store: all of `Store` that only reads and is not the hot path."""

    @abstractmethod
    def _rows(self, statement: Statement, **values: object) -> list[tuple[Any, ...]]:
        """Runs a statement with its parameters' values."""

    @abstractmethod
    def looked_up(self, keys: Iterable[int], *, limit: int) -> list[int]: ...

    def waiting(self, after: int, limit: int) -> list[Message]:
        return [checked(Message._make(row)) for row in self._rows(WAITING_MESSAGES, after=after, limit=limit)]

    def open_entries(self, destination: str, after: int, limit: int, postings: int = ALL_POSTINGS) -> list[Entry]:
        rows = self._rows(OPEN_ENTRIES, destination=destination, after=after, limit=limit, postings=postings)
        return [Entry._make(row) for row in rows]

    def entries_of(self, destination: str, after: int, limit: int) -> list[Entry]:
        rows = self._rows(ENTRIES_OF, destination=destination, after=after, limit=limit)
        return [Entry._make(row) for row in rows]

    def cursors(self) -> list[Cursor]:
        return [Cursor._make(row) for row in self._rows(CURSORS)]

    def timers(self, owner: str | None = None) -> list[Timer]:
        found = self._rows(TIMERS) if owner is None else self._rows(TIMERS_OF, owner=owner)
        return [Timer._make(row) for row in found]

    def switches(self) -> list[Switch]:
        return [Switch._make(row) for row in self._rows(SWITCHES)]

    def messages(self, wanted: MessageFilter, before: int | None, limit: int) -> list[MessageHead]:
        statement = select(*HEAD).order_by(message.c.position.desc()).limit(limit)
        if before is not None:
            statement = statement.where(message.c.position < before)
        if wanted.positions is not None:
            statement = statement.where(message.c.position.in_(wanted.positions))
        for name in ("listener", "facility", "message_type"):
            if (value := getattr(wanted, name)) is not None:
                statement = statement.where(message.c[name] == value)
        if wanted.outcome is not None:
            statement = statement.where(message.c.outcome == wanted.outcome)
            if wanted.outcome != "processed":
                statement = statement.where(UNUSUAL)
        statement = self._within_time(statement, wanted)
        if wanted.control_id is None:
            return [MessageHead._make(row) for row in self._rows(statement)]
        # Control ids stand in the index of identities, behind facility and sender, and of these there are few.
        found: list[MessageHead] = []
        for facility, sender in self._prefixes(message.c.facility, message.c.sender):
            its_own = (message.c.facility == facility, message.c.sender == sender)
            rows = self._rows(statement.where(*its_own, message.c.control_id == wanted.control_id))
            found += [MessageHead._make(row) for row in rows]
        return sorted(found, reverse=True)[:limit]

    def message(self, reference: int | bytes) -> Message | None:
        if isinstance(reference, int):
            rows = self._rows(MESSAGE_AT, position=reference)
        else:
            rows = self._rows(MESSAGE_WITH, id=reference)
        return checked(Message._make(rows[0])) if rows else None

    def runs(self, position: int) -> list[Run]:
        return [Run._make(row) for row in self._rows(RUNS, position=position)]

    def entries(self, position: int) -> list[Entry]:
        return [Entry._make(row) for row in self._rows(ENTRIES, position=position)]

    def token(self, token: str) -> Token | None:
        for position in self.looked_up([lookup_key("token", token)], limit=MOST_SHARING):
            for run in self.runs(position):
                for known in decode_tokens(run.tokens):
                    if known.token == token:
                        return known
        return None

    def counts(self) -> list[Count]:
        return [Count._make(row) for row in self._rows(COUNTS)]

    def waiting_counts(self) -> Mapping[str, int]:
        return dict(self._rows(WAITING_COUNTS))

    def open_counts(self) -> list[OpenCount]:
        return [OpenCount._make(row) for row in self._rows(OPEN_COUNTS)]

    def events(self, after: int, limit: int, *, partition: int = 0) -> list[tuple[int, Event]]:
        # A row carries all events of one commit, so the one that is wanted first may stand in the middle of a row.
        start = self._rows(EVENT_ROW_WITH, partition=partition, position=after + 1)
        first = start[0][0] if start else after + 1
        rows = self._rows(EVENT_ROWS, partition=partition, position=first, limit=limit + 1)
        found: list[tuple[int, Event]] = []
        for first, count, data in rows:
            if first + count - 1 > after and len(found) < limit:
                found += (event for event in unpacked(first, data) if event[0] > after)
        return found[:limit]

    def event_heads(self) -> dict[int, int]:
        found: dict[int, int] = {}
        partition = -1
        # From one partition to the next by the key: there are a few, with millions of rows.
        while rows := self._rows(NEXT_EVENT_PARTITION, after=partition):
            partition = rows[0][0]
            ((first, count, _),) = self._rows(NEWEST_EVENT, partition=partition)
            found[partition] = first + count - 1
        return found

    def audit(self, limit: int) -> Sequence[AuditRecord]:
        return [AuditRecord._make(row) for row in self._rows(AUDIT, limit=limit)]

    def messages_after(self, after: int, limit: int) -> list[Message]:
        return [checked(Message._make(row)) for row in self._rows(MESSAGES_AFTER, after=after, limit=limit)]

    def runs_between(self, first: int, last: int) -> list[Run]:
        return [Run._make(row) for row in self._rows(RUNS_BETWEEN, position=first, last=last)]

    def entries_after(self, after: int, limit: int) -> list[Entry]:
        return [Entry._make(row) for row in self._rows(ENTRIES_AFTER, after=after, limit=limit)]

    def known_cases_after(self, after: tuple[bytes, str, str], limit: int) -> list[KnownCase]:
        case_key, channel, field = after
        rows = self._rows(KNOWN_AFTER, case_key=case_key, channel=channel, field=field, limit=limit)
        return [KnownCase._make(row) for row in rows]

    def audit_after(self, after: int, limit: int) -> list[AuditEntry]:
        return [_entry(row) for row in self._rows(AUDIT_AFTER, after=after, limit=limit)]

    def audit_before(self, before: int | None, limit: int) -> list[AuditEntry]:
        position = before if before is not None else LAST_POSITION
        return [_entry(row) for row in self._rows(AUDIT_BEFORE, position=position, limit=limit)]

    def audit_head(self) -> tuple[int, int] | None:
        rows = self._rows(KEPT_HEAD)
        return (rows[0][0], rows[0][1]) if rows else None

    def _read_tail(self, partition: int = 0) -> Tail:
        """The ends of the dense logs."""
        event, audit = self._rows(NEWEST_EVENT, partition=partition), self._rows(NEWEST_AUDIT)
        position, digest = audit[0] if audit else (0, b"")
        return Tail(partition, event[0][0] + event[0][1] - 1 if event else 0, position, digest)

    def _with_newest_audit(self, tail: Tail) -> Tail:
        """With the end of the trail as it is now: persons write to it beside the engine. Ask within the transaction."""
        rows, kept = self._rows(NEWEST_AUDIT), self.audit_head()
        tail = replace(tail, audit=rows[0][0], digest=rows[0][1]) if rows else tail
        # Where records were cut off, the trail goes on behind them, so that they are missed for ever.
        return replace(tail, audit=kept[0]) if kept is not None and kept[0] > tail.audit else tail

    def _within_time(self, statement: Statement, wanted: MessageFilter) -> Statement:
        """With bounds of positions, so that the log isn't read beyond."""
        if wanted.since is not None:
            first = self._first_since(wanted.since)
            statement = statement.where(message.c.recorded_at >= wanted.since, message.c.position >= first)
        if wanted.until is not None:
            statement = statement.where(message.c.recorded_at < wanted.until)
            if (end := self._first_after(wanted.until)) is not None:
                statement = statement.where(message.c.position < end)
        return statement

    def _first_since(self, since: int) -> int:
        """A position that no message recorded at `since` or later lies below; ids begin with their time in ms.

        What came before a message that is older than that by the clock's slack was recorded before `since` too.
        """
        earliest = max(since - CLOCK_SLACK, 0) // 1000
        rows = self._rows(LAST_BEFORE, id=earliest.to_bytes(6, "big") + bytes(10))
        return int(rows[0][0]) + 1 if rows else 0

    def _first_after(self, until: int) -> int | None:
        """A position that all messages recorded before `until` lie below; None where none is known. As above."""
        latest = max(until + CLOCK_SLACK, 0) // 1000 + 1
        rows = self._rows(FIRST_FROM, id=latest.to_bytes(6, "big") + bytes(10)) if latest < LAST_MOMENT else []
        return int(rows[0][0]) if rows else None

    def _prefixes(self, first: Column[str], second: Column[str]) -> Iterator[tuple[str, str]]:
        """The different values of an index's first two columns, at two steps into the index each, however many rows."""
        step = select(first, second).order_by(first, second).limit(1)
        rows = self._rows(step)
        while rows:
            one, other = rows[0]
            yield one, other
            # Not as one comparison of pairs: SQLite walks through all that is equal before it comes to what is greater.
            rows = self._rows(step.where(first == one, second > other)) or self._rows(step.where(first > one))
