"""Verify a store: read all of it, and see that it is as it was written, and the counters what the rows come to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Literal

import msgspec

from casecart.canonical.master import decode_document
from casecart.commands.audit import VerifyAudit
from casecart.commands.balance import LINES, MESSAGES
from casecart.commands.desk import Query
from casecart.runtime.copy import decode_decision
from casecart.runtime.known_cases import decode_known
from casecart.runtime.made import decode_made, decode_postings
from casecart.runtime.revision import files_of
from casecart.runtime.stated import decode_statements
from casecart.runtime.states import OPEN
from casecart.store import Damaged, DamagedBody, decode_channels
from casecart.store.lookup import decode_tokens
from casecart.store.seal import opened_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from casecart.commands.desk import View
    from casecart.store import Count, Entry, Message, Run, Store

__all__ = ["StoreFinding", "VerifiedStore", "VerifyStore"]

BODIES = 64
"""Messages that are in memory at once: each may have some megabytes."""

UNUSED = 8
"""Partitions of the event log without an event, behind which there is none."""
ROWS = 1_000
"""Rows of any other kind."""

MOST = 1_000
"""Findings that are told."""

ALL = 1_000_000

Kind = Literal[
    "file", "message", "run", "ledger", "master", "case", "decision", "proposal", "event", "revision", "audit",
    "balance"
]  # fmt: skip


class StoreFinding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it was written."""

    kind: Kind
    where: str
    words: str


class VerifiedStore(msgspec.Struct, frozen=True, kw_only=True):
    """What a store looks like."""

    store: str
    looked_at: dict[str, int]
    """Kind → how many."""
    sound: bool
    counted: bool
    """Whether the counters were held against the rows; not while an engine changes both."""
    findings: list[StoreFinding]
    findings_left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyStore(Query[VerifiedStore]):
    """Is all as it was written?

    Attributes:
        told: what is being looked at, and how many of it by now.
    """

    told: Callable[[str, int], None] = lambda _, __: None

    def answer(self, view: View) -> VerifiedStore:
        """Reads everything, some of it at a time."""
        store = view.store
        scan = _Scan(store, self.told)
        before = store.counts()
        for look in (
            scan.file,
            scan.messages,
            scan.ledger,
            scan.master,
            scan.cases,
            scan.worklist,
            scan.events,
            scan.revisions,
        ):
            look()
        audit = VerifyAudit().answer(view)
        scan.seen["audit"] = audit.records
        for each in audit.findings:
            scan.found("audit", f"record {each.first}", f"{each.kind}: {each.words}")
        counted = store.counts() == before
        if counted:
            scan.balances(before)
        return VerifiedStore(
            store=view.site.store_place,
            looked_at=dict(scan.seen),
            sound=not scan.findings,
            counted=counted,
            findings=scan.findings[:MOST],
            findings_left_out=max(0, len(scan.findings) - MOST),
        )


class _Scan:
    """Goes through a store.

    Args:
        store: opened to read.
        told: as in `VerifyStore`.
    """

    def __init__(self, store: Store, told: Callable[[str, int], None]) -> None:
        self._store, self._told = store, told
        self.seen: Counter[str] = Counter()
        self.findings: list[StoreFinding] = []
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._posted = self._open = 0

    def found(self, kind: Kind, where: str, words: str) -> None:
        """Note it."""
        self.findings.append(StoreFinding(kind=kind, where=where, words=words))

    def file(self) -> None:
        """The database's own files."""
        self._told("file", 0)
        for words in self._store.unsound():
            self.found("file", "database", words)

    def messages(self) -> None:
        """The intake log, and what channels made of it."""
        after = 0
        while messages := self._store.messages_after(after, BODIES):
            for message in messages:
                self._message(message)
            last = messages[-1].position
            for run in self._store.runs_between(after + 1, last):
                self._run(run)
            after = last
            self._counted("message", len(messages))

    def _message(self, message: Message) -> None:
        self._outcomes[message.listener, message.outcome] += 1
        if isinstance(message.body, DamagedBody):
            self.found("message", f"position {message.position}", "the body is not the one whose digest is stored")

    def _run(self, run: Run) -> None:
        self.seen["run"] += 1
        where = f"position {run.position}, channel {run.channel}, attempt {run.attempt}"
        self._sound("run", where, partial(decode_made, run.documents))
        self._sound("run", where, partial(decode_tokens, run.tokens))

    def ledger(self) -> None:
        """What was stated and posted."""
        after = 0
        while entries := self._store.entries_after(after, ROWS):
            for entry in entries:
                self._entry(entry)
            after = entries[-1].sequence
            self._counted("ledger", len(entries))

    def _entry(self, entry: Entry) -> None:
        where = f"row {entry.sequence}, position {entry.position}"
        self._open += entry.open
        try:
            states = [posting.state for posting in decode_postings(entry.postings)]
            verdicts = decode_statements(entry.statements)[1]
        except Damaged as damage:
            self.found("ledger", where, str(damage))
            return
        self._posted += states.count("posted") + sum(verdict.outcome == "posted" for verdict in verdicts)
        on_their_way = sum(state in OPEN for state in states)
        if on_their_way != entry.open:
            words = f"{on_their_way} of its postings are on their way, and {entry.open} are noted"
            self.found("ledger", where, words)

    def master(self) -> None:
        """Every version of the master data."""
        after = 0
        while versions := self._store.master(after, ROWS, current=False):
            for version in versions:
                if version.data:
                    read = partial(decode_document, version.kind, version.data)
                    self._sound("master", f"version {version.position}", read)
            after = versions[-1].position
            self._counted("master", len(versions))

    def cases(self) -> None:
        """What is known of cases."""
        after = (b"", "", "")
        while rows := self._store.known_cases_after(after, ROWS):
            for row in rows:
                where = f"position {row.position}, channel {row.channel}, {row.field}"
                self._sound("case", where, partial(decode_known, row.value))
            after = rows[-1][:3]
            self._counted("case", len(rows))

    def worklist(self) -> None:
        """What people decided and was not worked yet, and what waits for them."""
        left = (wish for name in self._store.left_counts() for wish in self._store.left(name, ALL))
        for wish in (*self._store.replays(ALL), *left):
            where = f"position {wish.position}, {wish.channel or 'all channels'} {wish.place}".rstrip()
            self._sound("decision", where, partial(decode_decision, wish.decision))
        for hold in self._store.holds(code="not-owner", limit=ALL):
            if hold.proposal:
                self._sound(
                    "proposal", f"exception {hold.id.hex()}", partial(opened_text, hold.proposal, "What was said")
                )

    def events(self) -> None:
        """The event log: readable and dense, but for what is deleted at its beginning when its time is over."""
        deleted = any(expiry.kind == "events" for expiry in self._store.expiries())
        # Engines that share a store take the partitions from the first on; of some that were there nothing came.
        empty = 0
        for partition in count():
            empty = 0 if self._partition(partition, deleted=deleted) else empty + 1
            if empty > UNUSED or not self._store.shared:
                return

    def _partition(self, partition: int, *, deleted: bool) -> bool:
        """One of the event log; whether anything is there."""
        after, first = 0, deleted
        try:
            while events := self._store.events(after, ROWS, partition=partition):
                for position, _ in events:
                    if position != after + 1 and not first:
                        self.found("event", f"position {after + 1}", f"the log goes on at {position}")
                    after, first = position, False
                self._counted("event", len(events))
        except msgspec.MsgspecError:
            self.found("event", f"position {after + 1}", "the events from here on can't be read")
            return True
        return after > 0

    def revisions(self) -> None:
        """What was applied: whole, and numbered without a gap."""
        after: int | None = None
        while heads := self._store.revisions(after, ROWS):
            for head in heads:
                if after is not None and head.number != after - 1:
                    self.found(
                        "revision", f"revision {after - 1}", f"it is missing: {head.number} comes before {after}"
                    )
                revision = self._store.revision(head.number)
                if revision is not None:
                    where = f"revision {head.number}"
                    self._sound("revision", where, partial(files_of, revision))
                    self._sound("revision", where, partial(decode_channels, revision.channels))
                after = head.number
            self._counted("revision", len(heads))
        if after is not None and after != 1:
            self.found("revision", f"revision {after - 1}", f"it is missing: {after} is the first that is there")

    def balances(self, counts: list[Count]) -> None:
        """The counters against the rows, where rows tell."""
        terms: Counter[tuple[str, str]] = Counter()
        posted = 0
        for _, scope, name, amount in counts:
            if scope.startswith(MESSAGES):
                terms[scope.removeprefix(MESSAGES), name] += amount
            elif scope.startswith(LINES) and ":" not in scope.removeprefix(LINES) and name == "posted":
                posted += amount
        for listener in sorted({name for name, _ in (*terms, *self._outcomes)}):
            for term, said, there in self._terms(listener, terms):
                if said != there:
                    words = f"{term}: the counters say {said:,}, and {there:,} are there"
                    self.found("balance", f"messages of {listener}", words)
        if posted != self._posted:
            words = f"posted: the counters say {posted:,}, and {self._posted:,} are there"
            self.found("balance", "lines", words)
        on_their_way = sum(each.postings for each in self._store.open_counts())
        if on_their_way != self._open:
            words = f"on their way: the index says {on_their_way:,}, and {self._open:,} are there"
            self.found("balance", "lines", words)

    def _terms(self, listener: str, terms: Counter[tuple[str, str]]) -> Iterator[tuple[str, int, int]]:
        there = self._outcomes
        rows = sum(number for (name, _), number in there.items() if name == listener)
        yield (
            "received",
            terms[listener, "received"] - terms[listener, "duplicate"] + terms[listener, "assembled"],
            rows,
        )
        yield (
            "processed",
            terms[listener, "processed"] - terms[listener, "copied"],
            there[listener, "processed"],
        )
        for term in ("unrouted", "refused", "quarantined", "part", "joined"):
            yield term, terms[listener, term], there[listener, term]

    def _sound(self, kind: Kind, where: str, read: Callable[[], object]) -> None:
        if kind in {"decision", "proposal"}:
            self.seen[kind] += 1
        try:
            read()
        except Damaged as damage:
            self.found(kind, where, str(damage))

    def _counted(self, kind: str, number: int) -> None:
        self.seen[kind] += number
        self._told(kind, self.seen[kind])
