"""What is past its time, and not needed any more: the part of a store that deletes, in bounded steps."""

# ruff: noqa: D102 - what a caller may rely on stands in `Store`

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from sqlalchemy import select, text

from casecart.store import schema
from casecart.store.due import DAY, Aged, Freed, Held, past_of, rule_of
from casecart.store.lookup import lookup_key
from casecart.store.records import Expiry, LegalHold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Select
    from sqlalchemy.sql.elements import TextClause

    from casecart.store.due import Due

__all__ = ["END", "Kind", "RetentionQueries"]

ALL: Final = 1_000_000
"""More messages than a case can have."""

END: Final = (1 << 63) - 1

LOOKED_AT: Final = 5_000
"""Rows that are read at once where nobody waits for them."""

MOST: Final = 500
"""Rows that are looked at in one step where each is looked up by itself."""

Kind = Literal["bodies", "documents"]

HOLDS = select(*schema.legal_hold.c).order_by(schema.legal_hold.c.recorded_at, schema.legal_hold.c.id)
EXPIRIES = (
    select(*schema.expiry.c)
    .where(schema.expiry.c.day >= text(":since"))
    .order_by(schema.expiry.c.recorded_at.desc(), schema.expiry.c.kind, schema.expiry.c.rule)
)
EXPIRED = (
    select(*schema.expiry.c)
    .where(schema.expiry.c.first <= text(":position"), schema.expiry.c.last >= text(":position"))
    .order_by(schema.expiry.c.recorded_at.desc(), schema.expiry.c.kind, schema.expiry.c.rule)
)
NEEDED = text(
    "select position from exception where position between :first and :last and state in ('new', 'assigned', 'parked') "
    "union select position from ledger where position between :first and :last and open > 0 "
    "union select position from replay where position between :first and :last"
)
CHANNELS = text("select distinct position, channel from run where position between :first and :last")
MARK = text("select position, epoch from cursor where name = :name and partition = 0")
SET_MARK = text(
    "insert into cursor (name, partition, position, epoch) values (:name, 0, :position, :epoch) "
    "on conflict (name, partition) do update set position = excluded.position, epoch = excluded.epoch"
)
RETAIN = text("insert into retained (position) values (:position) on conflict (position) do nothing")
RETAINED = text("select position from retained where position > :after order by position limit :limit")
LET_GO = text("delete from retained where position = :position")
REPORT = text(
    "insert into expiry (day, kind, rule, first, last, amount, bytes, recorded_at) "
    "values (:day, :kind, :rule, :first, :last, :amount, :bytes, :recorded_at) "
    "on conflict (day, kind, rule) do update set "
    "first = case when excluded.first < expiry.first then excluded.first else expiry.first end, "
    "last = case when excluded.last > expiry.last then excluded.last else expiry.last end, "
    "amount = expiry.amount + excluded.amount, bytes = expiry.bytes + excluded.bytes, "
    "recorded_at = excluded.recorded_at"
)
EVENTS = text(
    "select position, recorded_at, length(data) from event where partition = 0 and position > :after and position < "
    "(select max(position) from event where partition = 0) order by position limit :limit"
)
DELETE_EVENTS = text("delete from event where partition = 0 and position <= :last")
BODIES = text(
    "select body.position, recorded_at, outcome, facility, length(body.data), length(body.data) > 0 "
    "from body join message on message.position = body.position "
    "where body.position > :after and body.position < :until order by body.position limit :limit"
)
DOCUMENTS = text(
    "select run.position, message.recorded_at, outcome, facility, length(documents) + coalesce(length(tokens), 0), "
    "exists (select 1 from body where body.position = run.position) "
    "from run join message on message.position = run.position "
    "where run.position > :after and run.position < :until order by run.position limit :limit"
)
NAMED = text(
    "select position, recorded_at, outcome, facility, "
    "coalesce((select length(data) from body where body.position = message.position), 0), (select "
    "coalesce(sum(length(documents) + coalesce(length(tokens), 0)), 0) from run where run.position = message.position) "
    "from message where position = :position"
)
OLD_CASES = text(
    "select known_case.position, recorded_at, outcome, facility, sum(length(value)) "
    "from known_case join message on message.position = known_case.position where known_case.position > :after "
    "group by known_case.position, recorded_at, outcome, facility order by known_case.position limit :limit"
)
DELETE_CASES = text("delete from known_case where position = :position")
DONE_EXCEPTIONS = text("""
select exception.id, exception.position, exception.facility, length(cause) + length(proposal) + length(reason)
from exception join message on message.position = exception.position
where exception.state = :state and exception.id > :after and exception.id < :id and exception.recorded_at < :before
  and exception.changed_at < :before and not exists (select 1 from body where body.position = exception.position)
order by exception.id limit :limit
""")
DELETE_EXCEPTION = text("delete from exception where id = :id")


class RetentionQueries(ABC):
    """The part of `Store` that is about how long things are kept, in SQL that both databases speak."""

    @abstractmethod
    def _rows(self, statement: Select[*tuple[Any, ...]], **values: object) -> list[tuple[Any, ...]]:
        """Runs a statement with its parameters' values."""

    @abstractmethod
    def _run(self, statement: TextClause, rows: Sequence[Mapping[str, object]]) -> None:
        """Runs a statement that changes something for each of these."""

    @abstractmethod
    def _step(self) -> AbstractContextManager[None]:
        """A transaction of one step."""

    @abstractmethod
    def looked_up(self, keys: Iterable[int], *, limit: int) -> list[int]: ...

    @abstractmethod
    def _remove_bodies(self, positions: Sequence[int]) -> None: ...

    @abstractmethod
    def _remove_documents(self, positions: Sequence[int]) -> None: ...

    def _open_end(self, kind: Kind, due: Due) -> int:  # noqa: ARG002 - for a store that has partitions
        """The position up to which messages are deleted one by one."""
        return END

    def _whole(self, due: Due, limit: Callable[[], int]) -> Iterator[list[Freed]]:  # noqa: ARG002 - as above
        """What goes without looking at each row of it."""
        yield from ()

    def _give_back(self, limit: Callable[[], int]) -> Iterator[list[Freed]]:  # noqa: ARG002 - as above
        """Room that is free goes back to the file system."""
        yield from ()

    def _look(self, query: TextClause, **values: object) -> list[tuple[Any, ...]]:
        return self._rows(cast("Select[*tuple[Any, ...]]", query), **values)

    # --- what people ask
    def legal_holds(self) -> list[LegalHold]:
        return [LegalHold._make(row) for row in self._rows(HOLDS)]

    def expiries(self, since: int = 0) -> list[Expiry]:
        return [Expiry._make(row) for row in self._rows(EXPIRIES, since=since)]

    def expired(self, position: int) -> list[Expiry]:
        return [Expiry._make(row) for row in self._rows(EXPIRED, position=position)]

    def overdue(self, due: Due) -> list[Freed]:
        held = self._held()
        sums: dict[tuple[str, str], list[int]] = {}
        needed: set[int] = set()
        spans: dict[Kind, int] = {"bodies": due.spans[0], "documents": due.documents_span}
        for kind, span in spans.items():
            mark, going = (0, 0), True
            while going:
                found = self._aged(kind, mark[0], END, LOOKED_AT)
                past, mark = past_of(found, mark, due.now - span, due.now)
                decided, kept = self._decided(kind, past, due, held, None)
                needed.update(kept)
                for rule, messages in decided.items():
                    total = sums.setdefault((kind, rule), [0, 0])
                    total[0] += len(messages)
                    total[1] += sum(message.size for message in messages)
                going = bool(past) and len(past) == len(found)
        freed = [Freed(kind, rule, amount, size) for (kind, rule), (amount, size) in sums.items()]
        return [*freed, Freed("needed", "needed", len(needed), 0)] if needed else freed

    # --- what goes
    def expire(self, due: Due, limit: Callable[[], int]) -> Iterator[list[Freed]]:
        yield from self._whole(due, limit)
        for span in due.spans:
            yield from self._sweep("bodies", span, due, limit)
        yield from self._sweep("documents", due.documents_span, due, limit)
        if due.again:
            yield from self._look_again(due, limit)
        yield from self._old_events(due, limit)
        yield from self._done_exceptions(due, limit)
        yield from self._old_cases(due, limit)
        yield from self._give_back(limit)

    def _sweep(self, kind: Kind, span: int, due: Due, limit: Callable[[], int]) -> Iterator[list[Freed]]:
        """From where the last sweep of this span ended, up to the first message that is younger."""
        name, end, held = f"retention:{kind}:{span // 1_000_000}", self._open_end(kind, due), self._held()
        going = True
        while going:
            with self._step():
                held = self._held(held)
                wanted = limit()
                mark = self._look(MARK, name=name)
                before = (int(mark[0][0]), int(mark[0][1])) if mark else (0, 0)
                found = self._aged(kind, before[0], end, wanted)
                past, after = past_of(found, before, due.now - span, due.now)
                freed = self._delete(kind, past, due, held, only=span if kind == "bodies" else None)
                if after != before:
                    self._run(SET_MARK, [{"name": name, "position": after[0], "epoch": after[1]}])
                going = bool(past) and len(past) == len(found)
            yield freed

    def _aged(self, kind: Kind, after: int, until: int, limit: int) -> list[Aged]:
        query = BODIES if kind == "bodies" else DOCUMENTS
        rows = self._look(query, after=after, until=until, limit=limit)
        found: dict[int, Aged] = {}
        for row in rows:
            aged = Aged._make((*row[:5], bool(row[5])))
            known = found.get(aged.position)
            found[aged.position] = aged if known is None else known._replace(size=known.size + aged.size)
        return list(found.values())

    def _decided(
        self, kind: Kind, past: Sequence[Aged], due: Due, held: Held, only: int | None
    ) -> tuple[dict[str, list[Aged]], list[int]]:
        """What may go, by rule; and the positions of what is past its time and needed.

        Args:
            kind: of what they would lose.
            past: messages in order.
            due: how long what is kept.
            held: what stands under a legal hold.
            only: look at bodies that are kept for this span, no other; None: at all of them, by their own age.
        """
        if not past:
            return {}, []
        reach = {"first": past[0].position, "last": past[-1].position}
        needed = {int(row[0]) for row in self._look(NEEDED, **reach)}
        channels: dict[int, list[str]] = {}
        if kind == "bodies" and due.channels:
            for position, channel in self._look(CHANNELS, **reach):
                channels.setdefault(position, []).append(channel)
        going: dict[str, list[Aged]] = {}
        kept: list[int] = []
        for message in past:
            rule, span = "documents", due.documents_span
            if kind == "bodies":
                rule, span = rule_of(message.outcome, channels.get(message.position, ()), due)
                if (only is not None and span != only) or not message.body_there:
                    continue
                if only is None and due.now >= message.recorded_at > due.now - span:
                    continue
            if (
                message.outcome in ("waiting", "part")
                or message.position in needed
                or held.has(message)
                or (kind == "documents" and message.body_there)
            ):
                kept.append(message.position)
            else:
                going.setdefault(rule, []).append(message)
        return going, kept

    def _delete(self, kind: Kind, past: Sequence[Aged], due: Due, held: Held, *, only: int | None) -> list[Freed]:
        going, kept = self._decided(kind, past, due, held, only)
        positions = [message.position for messages in going.values() for message in messages]
        if positions:
            (self._remove_bodies if kind == "bodies" else self._remove_documents)(positions)
        if kept:
            self._run(RETAIN, [{"position": position} for position in kept])
        return self._report(kind, going, due.now)

    def _report(self, kind: str, going: Mapping[str, Sequence[Aged]], now: int) -> list[Freed]:
        freed = [
            Freed(
                kind,
                rule,
                len(messages),
                sum(message.size for message in messages),
                messages[0].position,
                messages[-1].position,
            )
            for rule, messages in going.items()
        ]
        self._record(freed, now)
        return freed

    def _record(self, freed: Sequence[Freed], now: int) -> None:
        self._run(REPORT, [{**each._asdict(), "day": now // DAY, "recorded_at": now} for each in freed])

    def _look_again(self, due: Due, limit: Callable[[], int]) -> Iterator[list[Freed]]:
        """At what was kept because it was needed: perhaps it no longer is."""
        after = 0
        while True:
            with self._step():
                held = self._held()
                found = [int(row[0]) for row in self._look(RETAINED, after=after, limit=min(limit(), MOST))]
                freed = self._again(found, due, held)
            yield freed
            if not found:
                return
            after = found[-1]

    def _again(self, positions: Sequence[int], due: Due, held: Held) -> list[Freed]:
        rows = [row for at in positions for row in self._look(NAMED, position=at)]
        bodies = [Aged._make((*row[:5], row[4] > 0)) for row in rows]
        going, kept = self._decided("bodies", bodies, due, held, None)
        gone = {message.position for messages in going.values() for message in messages}
        if gone:
            self._remove_bodies(sorted(gone))
        freed = self._report("bodies", going, due.now)
        old = [
            Aged._make((*row[:4], row[5], row[4] > 0 and row[0] not in gone))
            for row in rows
            if row[5] and not due.now >= row[1] > due.now - due.documents_span
        ]
        going, still = self._decided("documents", old, due, held, None)
        if gone := {message.position for messages in going.values() for message in messages}:
            self._remove_documents(sorted(gone))
        freed += self._report("documents", going, due.now)
        # A younger body stays by a rule that has become longer: the sweep of that rule comes to it.
        done = set(positions) - {*kept, *still}
        self._run(LET_GO, [{"position": position} for position in sorted(done)])
        return freed

    def _old_events(self, due: Due, limit: Callable[[], int]) -> Iterator[list[Freed]]:
        going = True
        mark = (0, 0)
        while going:
            with self._step():
                rows = self._look(EVENTS, after=mark[0], limit=limit())
                found = [Aged(row[0], row[1], "", "", row[2], body_there=False) for row in rows]
                past, mark = past_of(found, mark, due.now - due.events, due.now)
                if past:
                    self._run(DELETE_EVENTS, [{"last": past[-1].position}])
                freed = [Freed("events", "events", len(past), sum(each.size for each in past))] if past else []
                self._record(freed, due.now)
                going = bool(past) and len(past) == len(found)
            yield freed

    def _done_exceptions(self, due: Due, limit: Callable[[], int]) -> Iterator[list[Freed]]:
        before = due.now - due.exceptions
        newest = max(before // 1000, 0).to_bytes(6, "big") + bytes(10)
        for state in ("fixed", "rejected"):
            after = b""
            while True:
                with self._step():
                    held = self._held()
                    asked = {"state": state, "after": after, "id": newest, "before": before}
                    rows = self._look(DONE_EXCEPTIONS, **asked, limit=min(limit(), MOST))
                    free = [row for row in rows if not held.has(Aged(row[1], 0, "", row[2], 0, body_there=False))]
                    self._run(DELETE_EXCEPTION, [{"id": row[0]} for row in free])
                    size = sum(int(row[3]) for row in free)
                    freed = [Freed("exceptions", "exceptions", len(free), size)] if free else []
                    self._record(freed, due.now)
                yield freed
                if not rows:
                    break
                after = bytes(rows[-1][0])

    def _old_cases(self, due: Due, limit: Callable[[], int]) -> Iterator[list[Freed]]:
        """What was told of cases goes with the documents of the message that told it."""
        going = True
        mark = (0, 0)
        while going:
            with self._step():
                held = self._held()
                rows = self._look(OLD_CASES, after=mark[0], limit=min(limit(), MOST))
                found = [Aged._make((*row[:4], int(row[4]), False)) for row in rows]
                past, mark = past_of(found, mark, due.now - due.documents_span, due.now)
                free = [message for message in past if not held.has(message)]
                self._run(DELETE_CASES, [{"position": message.position} for message in free])
                freed = self._report("cases", {"cases": free} if free else {}, due.now)
                going = bool(past) and len(past) == len(found)
            yield freed

    def _held(self, before: Held | None = None) -> Held:
        """What stands under a legal hold now; as before, if nobody set or released one since."""
        holds = tuple(self.legal_holds())
        if before is not None and before.holds == holds:
            return before
        positions = {int(hold.value) for hold in holds if hold.kind == "message"}
        cases = [lookup_key("token", hold.value) for hold in holds if hold.kind == "case"]
        positions.update(self.looked_up(cases, limit=ALL))
        facilities = frozenset(hold.value for hold in holds if hold.kind == "facility")
        return Held(holds, facilities, frozenset(positions))
