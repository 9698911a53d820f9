"""The journal: one group commit a turn for all that arrived and all that was settled while the last one ran.

An arrival is answered after the commit that holds it. Mapping runs in the same turn and shares that commit, inside a
time budget; what does not fit, and all that arrives while a backlog is being worked off, is committed as it came and
mapped afterwards, in order.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING

from casecart.runtime.fault import told
from casecart.runtime.listener import Arrival, Receipt
from casecart.store import (
    Change,
    Count,
    Cursor,
    DuplicateIdentity,
    Identity,
    Message,
    Store,
    StoreBroken,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from casecart.runtime.clock import Call, Clock
    from casecart.runtime.identifier import Identifiers
    from casecart.runtime.pipeline import Pipeline
    from casecart.runtime.window import Work

__all__ = ["Journal"]

AGAIN = 1.0  # seconds until a store that was unavailable is tried again
NUMBER = "journal:commit"  # cursor that numbers the commits, to tell after a lost connection whether one was made

Fill = Callable[[Change], None]
Done = Callable[[], None]


class Journal:
    """Collects, commits, answers.

    Args:
        store: the durable store.
        pipeline: maps messages.
        reactor: schedules the next turn and measures the budget.
        now: wall clock, µs since 1970.
        identifiers: mints message ids.
        budget: seconds that mapping may take of one turn.
        planned: told of work for destinations, after its commit.
        broken: told that the store failed for good; the engine must stop.
        recovered: told that the store takes changes again; what was last written is uncertain.
    """

    def __init__(
        self,
        *,
        store: Store,
        pipeline: Pipeline,
        reactor: Clock,
        now: Callable[[], int],
        identifiers: Identifiers,
        budget: float,
        planned: Callable[[list[Work]], None],
        broken: Callable[[StoreBroken], None],
        recovered: Callable[[], None],
    ) -> None:
        self._store, self._pipeline, self._reactor, self._now = store, pipeline, reactor, now
        self._identifiers, self._budget = identifiers, budget
        self._planned, self._broken, self._recovered = planned, broken, recovered
        self._arrivals: list[Arrival] = []
        self._writes: list[tuple[Fill, Done]] = []
        self._turn: Call | None = None
        self._awaited: dict[int, tuple[Arrival, Receipt, Call]] = {}
        self._number = self._committed()
        self._uncertain: list[tuple[Fill, Done]] = []
        self.store_first = False
        """While true, messages are stored as waiting and left to the backlog."""
        self.overran: Callable[[], None] = lambda: None
        """Told when messages were left waiting although `store_first` was false."""
        self.open = True
        """Whether the store takes changes."""

    # --- what others hand in
    def take(self, arrival: Arrival) -> None:
        """Store an arrival with the next commit, then answer it."""
        if not self.open:
            arrival.reply(Receipt.NOT_STORED)
            return
        self._arrivals.append(arrival)
        self._soon()

    def write(self, fill: Fill, done: Done) -> None:
        """Have `fill` add to the next change, and call `done` once it is durable. Kept until the store takes it."""
        self._writes.append((fill, done))
        if self.open:
            self._soon()

    def processed(self, position: int) -> None:
        """The work of a message that was stored earlier is committed; who waits for it is answered."""
        awaited = self._awaited.pop(position, None)
        if awaited is not None:
            arrival, receipt, limit = awaited
            if limit.active():
                limit.cancel()
            arrival.reply(receipt)

    # --- the turn
    def _soon(self) -> None:
        if self._turn is None:
            self._turn = self._reactor.callLater(0, self._flush)

    def flush(self) -> None:
        """Commit now what has been handed in."""
        if self._turn is not None:
            self._turn.cancel()
        self._flush()

    def _flush(self) -> None:
        self._turn = None
        arrivals, self._arrivals = self._arrivals, []
        writes, self._writes = self._writes, []
        try:
            self._commit(arrivals, writes)
        except StoreUnavailable:
            self._uncertain = writes
            self._close(arrivals)
            self._turn = self._reactor.callLater(AGAIN, self._reopen)
        except StoreBroken as fault:
            self._close(arrivals)
            self._broken(fault)
        except Exception as fault:  # noqa: BLE001 - stopping is the only safe answer to any of them
            # A fault of the engine: what is in memory can't be trusted to be what is in the store.
            self._close(arrivals)
            self._broken(StoreBroken(f"the commit failed by a fault of the engine ({told(fault)})"))

    def _close(self, arrivals: list[Arrival]) -> None:
        """Nothing of these arrivals is durable for certain, so nobody is answered."""
        self.open = False
        self._pipeline.forget()
        for arrival in arrivals + self._arrivals:
            arrival.reply(Receipt.NOT_STORED)
        self._arrivals = []

    def _reopen(self) -> None:
        """Find out whether the commit that failed was made after all, then go on."""
        self._turn = None
        try:
            made = self._committed() == self._number
        except StoreUnavailable:
            self._turn = self._reactor.callLater(AGAIN, self._reopen)
            return
        uncertain, self._uncertain = self._uncertain, []
        if made:
            for _, done in uncertain:
                done()
        else:
            self._writes = uncertain + self._writes
        self.open = True
        self._recovered()
        self._soon()

    def _committed(self) -> int:
        return next((cursor.position for cursor in self._store.cursors() if cursor.name == NUMBER), 0)

    def _commit(self, arrivals: list[Arrival], writes: list[tuple[Fill, Done]]) -> None:
        receipts = [Receipt.STORED] * len(arrivals)
        reuses = [0] * len(arrivals)
        # The second round happens only when a message was in the log already; the first costs no look-up.
        while True:
            change = Change()
            works, waiting = self._fill(change, arrivals, receipts, reuses)
            for fill, _ in writes:
                fill(change)
            if not change:
                break
            self._number += 1
            change.cursors.append(Cursor(NUMBER, 0, self._number, 0))
            try:
                self._store.write(change)
            except DuplicateIdentity:
                self._pipeline.forget()
                self._find_duplicates(arrivals, receipts, reuses)
                continue
            break
        for arrival, receipt in zip(arrivals, receipts, strict=True):
            if arrival.complete_within is not None and id(arrival) in waiting:
                self._await(waiting[id(arrival)], arrival, receipt, arrival.complete_within)
            else:
                arrival.reply(receipt)
        if works:
            self._planned(works)
        for _, done in writes:
            done()
        if waiting and not self.store_first:
            self.store_first = True
            self.overran()

    def _fill(
        self, change: Change, arrivals: list[Arrival], receipts: list[Receipt], reuses: list[int]
    ) -> tuple[list[Work], dict[int, int]]:
        """Put arrivals and, as far as the budget goes, their effects into the change."""
        works: list[Work] = []
        waiting: dict[int, int] = {}
        if not arrivals:
            return works, waiting
        position = self._store.reserve("message", len(arrivals))
        recorded_at = self._now()
        mappable: list[Message] = []
        for index, arrival in enumerate(arrivals):
            scope = f"messages:{arrival.listener}"
            change.counts.append(Count(arrival.facility, scope, "received", 1))
            if receipts[index] is Receipt.DUPLICATE:
                change.counts.append(Count(arrival.facility, scope, "duplicate", 1))
                continue
            message = self._message(position + index, recorded_at, arrival, reuses[index])
            if arrival.refused:
                change.counts.append(Count(arrival.facility, scope, "refused", 1))
                change.messages.append(message)
            else:
                mappable.append(message)
                waiting[id(arrival)] = message.position
        if self.store_first:
            change.messages += mappable
            return works, waiting
        results = self._pipeline.process(mappable, change, self._reactor.seconds() + self._budget)
        done = {message.position for message, _ in zip(mappable, results, strict=False)}
        for message, result in zip(mappable, results, strict=False):
            change.messages.append(message._replace(outcome=result.outcome, notes=result.notes))
            works += result.works
        change.messages += mappable[len(results) :]
        return works, {arrival: place for arrival, place in waiting.items() if place not in done}

    def _message(self, position: int, recorded_at: int, arrival: Arrival, reuse: int) -> Message:
        notes = arrival.notes
        if reuse:
            notes = f"{notes} control-id-reused" if notes else "control-id-reused"
        return Message(
            position, self._identifiers.mint(), arrival.organisation, arrival.facility, None, None, None,
            arrival.occurred_at, recorded_at, arrival.peer, arrival.schema, arrival.listener, arrival.message_type,
            arrival.sender, arrival.control_id, None if arrival.refused else reuse,
            blake2b(arrival.body, digest_size=16).digest(), arrival.partition,
            "refused" if arrival.refused else "waiting", notes, arrival.source, arrival.charset, arrival.body,
        )  # fmt: skip

    def _find_duplicates(self, arrivals: list[Arrival], receipts: list[Receipt], reuses: list[int]) -> None:
        """Tell resends (same identity, same bytes) from control ids used again for other bytes."""
        named = [
            (index, Identity(arrival.facility, arrival.sender, arrival.control_id))
            for index, arrival in enumerate(arrivals)
            if not arrival.refused
        ]
        known: dict[Identity, dict[bytes, int]] = {}
        for row in self._store.identities({identity for _, identity in named}):
            known.setdefault(row.identity, {})[row.digest] = row.reuse
        for index, identity in named:
            digests = known.setdefault(identity, {})
            digest = blake2b(arrivals[index].body, digest_size=16).digest()
            if digest in digests:
                receipts[index] = Receipt.DUPLICATE
            else:
                reuses[index] = max(digests.values(), default=-1) + 1
                digests[digest] = reuses[index]

    def _await(self, position: int, arrival: Arrival, receipt: Receipt, within: float) -> None:
        limit = self._reactor.callLater(within, self._late, position)
        self._awaited[position] = (arrival, receipt, limit)

    def _late(self, position: int) -> None:
        arrival, _, _ = self._awaited.pop(position)
        arrival.reply(Receipt.LATE)
