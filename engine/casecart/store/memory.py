"""The store as plain Python, lost when the process ends: for tests and simulations, and as the others' measure."""

# ruff: noqa: D102 - what a caller may rely on stands in `Store`

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from casecart.store.applied import RevisionHead
from casecart.store.change import PUBLISHED, AuditEntry, AuditRecord, Change
from casecart.store.failure import DuplicateIdentity, RevisionTaken, StoreBroken
from casecart.store.interface import ALL_POSTINGS, Identity, KnownIdentity, MessageFilter, MessageHead, OpenCount
from casecart.store.lookup import decode_tokens
from casecart.store.memory_retention import MemoryRetention
from casecart.store.records import LEFT_TO, CaseRow, Count, Expiry, HoldGroup
from casecart.store.tail import added_up, chained, head_mark
from casecart.store.worklist import SAME

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence

    from casecart.store.applied import Revision, Running
    from casecart.store.records import (
        Cursor,
        Entry,
        Event,
        Hold,
        KnownCase,
        LegalHold,
        MasterVersion,
        Message,
        Replay,
        Run,
        Switch,
        Timer,
        Token,
    )

__all__ = ["MemoryStore"]

Row = TypeVar("Row")

ALL = 1_000_000
"""More messages than a case can have."""


class MemoryStore(MemoryRetention):
    """A `Store` that keeps its rows in dictionaries. It passes the test-suite of the others, and is not durable."""

    def __init__(self) -> None:
        self._next = {"message": 1, "entry": 1}
        self._messages: dict[int, Message] = {}
        self._identities: dict[Identity, dict[int, int]] = {}
        self._ids: dict[bytes, int] = {}
        self._runs: dict[tuple[int, str, int], Run] = {}
        self._entries: dict[int, Entry] = {}
        self._holds: dict[bytes, Hold] = {}
        self._counts: dict[tuple[str, str, str], int] = {}
        self._events: list[Event] = []
        self._timers: dict[tuple[str, str], Timer] = {}
        self._cursors: dict[tuple[str, int], Cursor] = {}
        self._switches: dict[str, Switch] = {}
        self._audit: list[AuditRecord] = []
        self._lookups: set[tuple[int, int]] = set()
        self._replays: dict[bytes, Replay] = {}
        self._legal_holds: dict[bytes, LegalHold] = {}
        self._expiries: list[Expiry] = []
        self._known: dict[tuple[bytes, str, str], KnownCase] = {}
        self._master: list[MasterVersion] = []
        self._revisions: dict[int, Revision] = {}
        self._running: dict[bytes, Running] = {}

    def close(self) -> None:
        pass

    @property
    def shared(self) -> bool:
        return False

    def reserve(self, kind: Literal["message", "entry"], count: int) -> range:
        first = self._next[kind]
        self._next[kind] += count
        return range(first, first + count)

    def lock(self, keys: Collection[int]) -> None:
        """One engine is at work."""

    def let_go(self) -> None:
        """As above."""

    def write(self, change: Change) -> None:
        self._refuse(change)
        for message in change.messages:
            self._messages[message.position] = message
            self._ids[message.id] = message.position
            if message.reuse is not None:
                known = self._identities.setdefault(Identity(message.facility, message.sender, message.control_id), {})
                known[message.reuse] = message.position
        for outcome, notes, position in change.outcomes:
            self._messages[position] = self._messages[position]._replace(outcome=outcome, notes=notes)
        self._runs |= {(run.position, run.channel, run.attempt): run for run in change.runs}
        self._entries |= {entry.sequence: entry for entry in change.entries}
        for still_open, postings, sequence in change.settlements:
            settled = self._entries[sequence]._replace(open=still_open, postings=postings)
            self._entries[sequence] = settled
        self._holds |= {hold.id: hold for hold in change.holds}
        for facility, scope, name, amount in added_up(change.counts):
            key = (facility, scope, name)
            self._counts[key] = self._counts.get(key, 0) + amount
        self._events += change.events
        for done in change.timers_done:
            self._timers.pop(done, None)
        self._timers |= {(timer.owner, timer.key): timer for timer in change.timers}
        self._cursors |= {(cursor.name, cursor.partition): cursor for cursor in change.cursors}
        self._switches |= {switch.destination: switch for switch in change.switches}
        self._audit += change.audit
        self._write_worklist(change)

    def _write_worklist(self, change: Change) -> None:
        self._lookups |= set(change.lookups)
        for state, assignee, reason, changed_at, identifier in change.hold_changes:
            changed = self._holds[identifier]._replace(
                state=state, assignee=assignee, reason=reason, changed_at=changed_at
            )
            self._holds[identifier] = changed
        for replay in change.replays:
            self._replays.setdefault(replay.hold, replay)
        for (hold,) in change.replays_done:
            self._replays.pop(hold, None)
        for row in change.known_cases:
            before = self._known.get(row[:3])
            if before is None or (row.told_at, row.position) >= (before.told_at, before.position):
                self._known[row[:3]] = row
        self._legal_holds |= {hold.id: hold for hold in change.legal_holds}
        for (hold,) in change.releases:
            self._legal_holds.pop(hold, None)
        self._revisions |= {revision.number: revision for revision in change.revisions}
        for cancelled_at, number in change.cancellations:
            if number in self._revisions and self._revisions[number].cancelled_at is None:
                self._revisions[number] = self._revisions[number]._replace(cancelled_at=cancelled_at)
        self._running |= {row.member: row for row in change.running}

    def revisions(self, before: int | None, limit: int) -> list[RevisionHead]:
        found = [row for row in reversed(in_order(self._revisions)) if before is None or row.number < before]
        return [RevisionHead._make(row[:-1]) for row in found[:limit]]

    def revision(self, number: int) -> Revision | None:
        return self._revisions.get(number)

    def wanted_revision(self, now: int) -> int | None:
        rows = (row for row in self._revisions.values() if row.kind != "start" and row.cancelled_at is None)
        return max((row.number for row in rows if row.due_at is None or row.due_at <= now), default=None)

    def running(self) -> list[Running]:
        return in_order(self._running)

    def known_cases(self, case_keys: Collection[bytes]) -> list[KnownCase]:
        return [row for row in in_order(self._known) if row.case_key in case_keys]

    def known_cases_after(self, after: tuple[bytes, str, str], limit: int) -> list[KnownCase]:
        return [row for row in in_order(self._known) if row[:3] > after][:limit]

    def looked_up(self, keys: Iterable[int], *, limit: int) -> list[int]:
        found: set[int] = set()
        for key in keys:
            found.update(sorted(position for known, position in self._lookups if known == key)[-limit:])
        return sorted(found)

    @contextmanager
    def master_lock(self) -> Iterator[None]:
        del self._master[self.published_master() :]
        yield

    def append_master(self, versions: Sequence[MasterVersion]) -> int:
        for version in versions:
            self._master.append(version._replace(position=len(self._master) + 1))
        return len(self._master)

    def tidy_master(self, limit: int) -> int:  # noqa: ARG002 - there is nothing to tidy
        return 0

    def published_master(self) -> int:
        cursor = self._cursors.get((PUBLISHED, 0))
        return cursor.position if cursor else 0

    def master(self, after: int, limit: int, *, current: bool) -> list[MasterVersion]:
        found = [version for version in self._master[after : self.published_master()] if version.data or not current]
        return found[:limit]

    def master_history(self, kind: str, key: str) -> list[MasterVersion]:
        public = self._master[: self.published_master()]
        return [version for version in reversed(public) if (version.kind, version.key) == (kind, key)]

    def master_holding(self, kind: str, pieces: Collection[bytes]) -> list[MasterVersion]:
        public = self._master[: self.published_master()]
        found = [version for version in public if version.kind == kind]
        return [version for version in found if not pieces or any(piece in version.data for piece in pieces)]

    def identities(self, identities: Iterable[Identity]) -> list[KnownIdentity]:
        return [
            KnownIdentity(identity, reuse, self._messages[position].digest, position)
            for identity in dict.fromkeys(identities)
            for reuse, position in sorted(self._identities.get(identity, {}).items())
        ]

    def case_rows(self, cases: Iterable[tuple[str, bytes]]) -> list[CaseRow]:
        wanted = set(cases)
        return [
            CaseRow(*(getattr(row, name) for name in CaseRow._fields))
            for row in in_order(self._entries)
            if (row.facility, row.case_key) in wanted
        ]

    def waiting(self, after: int, limit: int) -> list[Message]:
        return [message for message in self._all_waiting() if message.position > after][:limit]

    def open_entries(self, destination: str, after: int, limit: int, postings: int = ALL_POSTINGS) -> list[Entry]:
        found = [row for row in self._open() if row.destination == destination and row.sequence > after][:limit]
        before = accumulate((row.open for row in found), initial=0)
        return [row for row, already in zip(found, before, strict=False) if already < postings]

    def entries_of(self, destination: str, after: int, limit: int) -> list[Entry]:
        found = [row for row in in_order(self._entries) if row.destination == destination and row.sequence > after]
        return found[:limit]

    def cursors(self) -> list[Cursor]:
        return in_order(self._cursors)

    def timers(self, owner: str | None = None) -> list[Timer]:
        found = [timer for timer in self._timers.values() if owner is None or timer.owner == owner]
        return sorted(found, key=lambda timer: (timer.due_at, timer.owner, timer.key))

    def switches(self) -> list[Switch]:
        return in_order(self._switches)

    def messages(self, wanted: MessageFilter, before: int | None, limit: int) -> list[MessageHead]:
        found = [
            message
            for message in reversed(in_order(self._messages))
            if (before is None or message.position < before)
            and (wanted.since is None or message.recorded_at >= wanted.since)
            and (wanted.until is None or message.recorded_at < wanted.until)
            and (wanted.positions is None or message.position in wanted.positions)
            and all(
                getattr(wanted, name) in (None, getattr(message, name))
                for name in ("outcome", "listener", "facility", "message_type", "control_id")
            )
        ]
        return [
            MessageHead._make((*(getattr(message, name) for name in MessageHead._fields[:-1]), len(message.body)))
            for message in found[:limit]
        ]

    def message(self, reference: int | bytes) -> Message | None:
        position = self._ids.get(reference) if isinstance(reference, bytes) else reference
        return None if position is None else self._messages.get(position)

    def runs(self, position: int) -> list[Run]:
        return [run for run in in_order(self._runs) if run.position == position]

    def entries(self, position: int) -> list[Entry]:
        return [row for row in in_order(self._entries) if row.position == position]

    def hold(self, identifier: bytes) -> Hold | None:
        return self._holds.get(identifier)

    def holds(
        self, *, states: Collection[str] = (), group: HoldGroup | None = None, limit: int = 100, **equal: str | int
    ) -> list[Hold]:
        if group is not None:
            equal |= {name: getattr(group, name) for name in SAME}
        found = [
            hold
            for hold in reversed(in_order(self._holds))
            if (not states or hold.state in states)
            and all(getattr(hold, name) == value for name, value in equal.items())
        ]
        return found[:limit]

    def hold_groups(self, states: Collection[str], limit: int) -> list[HoldGroup]:
        groups: dict[tuple[str, ...], list[Hold]] = {}
        for hold in in_order(self._holds):
            if hold.state in states:
                groups.setdefault(tuple(getattr(hold, name) for name in HoldGroup._fields[:8]), []).append(hold)
        found = []
        for key, holds in groups.items():
            times, people = [hold.recorded_at for hold in holds], {hold.assignee for hold in holds}
            messages = len({hold.position for hold in holds})
            assignee = people.pop() if len(people) == 1 else ""
            found.append(HoldGroup._make((*key, len(holds), messages, min(times), max(times), assignee)))
        return sorted(found, key=lambda group: (-group.exceptions, group.oldest, group[:8]))[:limit]

    def replays(self, limit: int) -> list[Replay]:
        wishes = (wish for wish in self._replays.values() if not wish.channel.startswith(LEFT_TO))
        return sorted(wishes, key=lambda wish: (wish.recorded_at, wish.hold))[:limit]

    def left(self, listener: str, limit: int, after: int = 0) -> list[Replay]:
        own = (wish for wish in self._replays.values() if wish.channel == f"{LEFT_TO}{listener}")
        above = (wish for wish in own if wish.position > after)
        return sorted(above, key=lambda wish: (wish.position, wish.hold))[:limit]

    def left_counts(self) -> Mapping[str, int]:
        wishes = (wish.channel for wish in self._replays.values() if wish.channel.startswith(LEFT_TO))
        return Counter(channel.removeprefix(LEFT_TO) for channel in wishes)

    def token(self, token: str) -> Token | None:
        runs = (self._runs[key] for key in sorted(self._runs))
        return next((kept for run in runs for kept in decode_tokens(run.tokens) if kept.token == token), None)

    def counts(self) -> list[Count]:
        return [Count(*key, amount) for key, amount in sorted(self._counts.items())]

    def waiting_counts(self) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        for message in self._all_waiting():
            counts[message.listener] = counts.get(message.listener, 0) + 1
        return counts

    def open_counts(self) -> list[OpenCount]:
        rows: dict[str, list[Entry]] = {}
        for row in self._open():
            rows.setdefault(row.destination, []).append(row)
        return [
            OpenCount(name, len(found), sum(row.open for row in found), min(row.recorded_at for row in found))
            for name, found in sorted(rows.items())
        ]

    def engine_at_work(self) -> bool:
        return True  # who has it is the engine

    def held_count(self) -> int:
        return sum(hold.state in ("new", "assigned") for hold in self._holds.values())

    def events(self, after: int, limit: int, *, partition: int = 0) -> list[tuple[int, Event]]:
        del partition  # one engine writes one
        return list(enumerate(self._events, 1))[after : after + limit]

    def event_heads(self) -> dict[int, int]:
        return {0: len(self._events)} if self._events else {}

    def audit(self, limit: int) -> Sequence[AuditRecord]:
        return self._audit[::-1][:limit]

    def messages_after(self, after: int, limit: int) -> list[Message]:
        return [row for row in in_order(self._messages) if row.position > after][:limit]

    def runs_between(self, first: int, last: int) -> list[Run]:
        return [row for row in in_order(self._runs) if first <= row.position <= last]

    def entries_after(self, after: int, limit: int) -> list[Entry]:
        return [row for row in in_order(self._entries) if row.sequence > after][:limit]

    def unsound(self) -> list[str]:
        return []

    def audit_after(self, after: int, limit: int) -> list[AuditEntry]:
        return self._chain()[after : after + limit]

    def audit_before(self, before: int | None, limit: int) -> list[AuditEntry]:
        return self._chain()[: None if before is None else before - 1][::-1][:limit]

    def audit_head(self) -> tuple[int, int] | None:
        return (len(self._audit), head_mark(self._chain()[-1].digest)) if self._audit else None

    def _chain(self) -> list[AuditEntry]:
        digest, entries = b"", []
        for position, record in enumerate(self._audit, 1):
            digest = chained(digest, position, record)
            entries.append(AuditEntry(position, record, digest))
        return entries

    def _refuse(self, change: Change) -> None:
        """Everything that a database would refuse, before anything is written."""
        identities = {
            (Identity(message.facility, message.sender, message.control_id), message.reuse): message
            for message in change.messages
            if message.reuse is not None
        }
        if len(identities) < sum(message.reuse is not None for message in change.messages) or any(
            reuse in self._identities.get(identity, {}) for identity, reuse in identities
        ):
            raise DuplicateIdentity("A message of the change is in the log already")
        if any(revision.number in self._revisions for revision in change.revisions):
            raise RevisionTaken("A revision of the change is there already")
        must_be_new(self._messages, [message.position for message in change.messages])
        must_be_new(self._ids, [message.id for message in change.messages])
        must_be_new(self._runs, [(run.position, run.channel, run.attempt) for run in change.runs])
        must_be_new(self._entries, [row.sequence for row in change.entries])
        must_be_new(self._holds, [hold.id for hold in change.holds])
        positions = {message.position for message in change.messages} | self._messages.keys()
        sequences = {row.sequence for row in change.entries} | self._entries.keys()
        if not positions.issuperset(position for _, _, position in change.outcomes):
            raise StoreBroken("A message that an outcome is for is not there")
        if not sequences.issuperset(settlement.sequence for settlement in change.settlements):
            raise StoreBroken("A ledger row that a settlement is for is not there")
        holds = {hold.id for hold in change.holds} | self._holds.keys()
        if not holds.issuperset(changed.id for changed in change.hold_changes):
            raise StoreBroken("An exception that a change is for is not there")

    def _all_waiting(self) -> list[Message]:
        return [message for message in in_order(self._messages) if message.outcome == "waiting"]

    def _open(self) -> list[Entry]:
        return [row for row in in_order(self._entries) if row.open > 0]


def in_order(rows: Mapping[Any, Row]) -> list[Row]:
    """Rows in the order of their keys."""
    return [rows[key] for key in sorted(rows)]


def must_be_new(there: Mapping[Any, object], keys: Sequence[Hashable]) -> None:
    """Raises `StoreBroken` when a key is there or comes twice."""
    if len(set(keys)) < len(keys) or not there.keys().isdisjoint(keys):
        raise StoreBroken("A number or an id was given twice")
