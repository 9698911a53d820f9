"""The journal: one group commit a turn for all that arrived and all that was settled while the last one ran.

An arrival is answered after the commit that holds it. Mapping runs in the same turn and shares that commit, inside a
time budget; what does not fit is committed as it came and mapped in the next turns, before anything newer. What arrives
while the backlog is being worked off is left to the backlog.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from casecart.runtime.awaited import Awaited, answer, unanswered
from casecart.runtime.group import Group, Grouping
from casecart.runtime.listener import Arrival, Receipt
from casecart.store import (
    Change,
    Cursor,
    DuplicateIdentity,
    Fence,
    LeaseLost,
    Message,
    Store,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from casecart.runtime.clock import Call, Clock
    from casecart.runtime.identifier import Identifiers
    from casecart.runtime.pipeline import Pipeline
    from casecart.runtime.window import Work

__all__ = ["Journal"]

MOST_BEHIND = 5_000  # messages that may wait in memory to be mapped in a later turn
MOST_BYTES_BEHIND = 64 * 1024 * 1024  # of their bodies

COMPANY = 0.002
"""Seconds that what was settled waits for arrivals to be committed with: a commit costs as much as ten messages."""

AGAIN = 1.0  # seconds until a store that was unavailable is tried again
NUMBER = "journal:commit"  # cursor that numbers the commits, to tell after a lost connection whether one was made

Fill = Callable[[Change], None]
Done = Callable[[], None]
Write = tuple[Fill, Done, Fence | None]


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
        broken: told that the store failed for good, or the engine did; it must stop.
        recovered: told that the store takes changes again; what was last written is uncertain.
        member: tells this engine's commits from those of others at work on the store.
        lost: told of leases that are over: what was to be written under them was not.
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
        broken: Callable[[Exception], None],
        recovered: Callable[[], None],
        member: str = "",
        lost: Callable[[Collection[Fence]], None] = lambda _: None,
    ) -> None:
        self._store, self._pipeline, self._reactor = store, pipeline, reactor
        self._commits, self._lost = f"{NUMBER}{member}", lost
        self._grouping = Grouping(
            store=store, pipeline=pipeline, identifiers=identifiers, now=now, seconds=reactor.seconds, budget=budget
        )
        self._planned, self._broken, self._recovered = planned, broken, recovered
        self._arrivals: list[Arrival] = []
        self._behind: list[Message] = []
        self._writes: list[Write] = []
        self._turn: Call | None = None
        self._later: Call | None = None
        self._awaited = Awaited(store, reactor)
        self._number = self._committed()
        self._uncertain: list[Write] = []
        self.store_first = False
        """While true, messages are stored as waiting and left to the backlog."""
        self.overran: Callable[[], None] = lambda: None
        """Told when messages were left waiting that this journal will not map itself."""
        self.open = True
        """Whether the store takes changes."""

    def map_within(self, budget: float) -> None:
        """Seconds that mapping may take of one turn, from the next on."""
        self._grouping.budget = budget

    # --- what others hand in
    def take(self, arrival: Arrival) -> None:
        """Store an arrival with the next commit, then answer it."""
        if not self.open:
            arrival.reply(Receipt.NOT_STORED)
            return
        self._arrivals.append(arrival)
        self._soon()

    def write(self, fill: Fill, done: Done, fence: Fence | None = None) -> None:
        """Have `fill` add to the next change, and call `done` once it is durable. Kept until the store takes it.

        Under a fence that is over by then, nothing happens but that `lost` is told.
        """
        self._writes.append((fill, done, fence))
        if self.open and self._turn is None and self._later is None:
            self._later = self._reactor.callLater(COMPANY, self._flush)

    def processed(self, position: int) -> None:
        """The work of a message that was stored earlier is committed; who waits for it is answered."""
        self._awaited.processed(position)

    def defer(self) -> None:
        """Store what comes; what is still to be mapped is the backlog's from here on, read from the store."""
        self._behind = []
        if not self.store_first:
            self.store_first = True
            self.overran()

    # --- the turn
    def _soon(self) -> None:
        if self._turn is None:
            self._turn = self._reactor.callLater(0, self._flush)

    def flush(self) -> None:
        """Commit now what has been handed in; if the store was away, only after a look at what became of it."""
        self._cancel_turn()
        if not self.open:
            self._reopen()
            self._cancel_turn()
        if self.open:
            self._flush()

    def _cancel_turn(self) -> None:
        for call in (self._turn, self._later):
            if call is not None and call.active():
                call.cancel()
        self._turn = self._later = None

    def _flush(self) -> None:
        self._cancel_turn()
        arrivals, self._arrivals = self._arrivals, []
        writes, self._writes = self._writes, []
        try:
            self._commit(arrivals, writes)
        except StoreUnavailable:
            self._uncertain = writes
            self._close(arrivals)
            # Before anybody else commits: what this commit made, if it did, comes before what the backlog makes now.
            self._recovered()
            self._turn = self._reactor.callLater(AGAIN, self._reopen)
        except Exception as fault:  # noqa: BLE001 - a broken store, or a fault of the engine: memory can't be trusted
            self._close(arrivals)
            self._broken(fault)

    def _close(self, arrivals: list[Arrival]) -> None:
        """Nothing of these arrivals is durable for certain, so nobody is answered."""
        self.open = False
        if self._behind:
            # They are in the store as waiting, or mapped by a commit that seemed to fail: only the store knows.
            self.defer()
        for arrival in arrivals + self._arrivals:
            answer(arrival.reply, Receipt.NOT_STORED)
        self._arrivals = []

    def _reopen(self) -> None:
        """Find out whether the commit that failed was made after all, then go on."""
        self._turn = None
        try:
            made = self._committed() == self._number
        except StoreUnavailable:
            self._turn = self._reactor.callLater(AGAIN, self._reopen)
            return
        except Exception as fault:  # noqa: BLE001 - as above
            self._broken(fault)
            return
        uncertain, self._uncertain = self._uncertain, []
        if made:
            for _, done, _ in uncertain:
                done()
        else:
            self._writes = uncertain + self._writes
        self.open = True
        self._recovered()
        self._soon()

    def _committed(self) -> int:
        return next((cursor.position for cursor in self._store.cursors() if cursor.name == self._commits), 0)

    def _commit(self, arrivals: list[Arrival], writes: list[Write]) -> None:
        group = Group(self._behind, arrivals)
        # The second round happens only when a message was in the log already; the first costs no look-up.
        while True:
            # Taken first: a store that fails before the commit must not look as if this commit had been made.
            self._number += 1
            change = Change()
            self._grouping.build(group, change, store_first=self.store_first)
            for fill, _, fence in writes:
                fill(change)
                if fence is not None:
                    change.fences.append(fence)
            if not change:
                self._store.let_go()
                break  # there is nothing that could be lost: who waits for it is told
            change.cursors.append(Cursor(self._commits, 0, self._number, 0))
            if self._written(change, group, writes):
                break
        self._behind = group.left
        self._answer(group)
        arrivals.clear()  # whatever fails now, nobody is answered twice
        if group.works:
            self._planned(group.works)
        for _, done, _ in writes:
            done()
        if len(self._behind) > MOST_BEHIND or sum(len(left.body) for left in self._behind) > MOST_BYTES_BEHIND:
            self.defer()
        elif self._behind:
            self._soon()

    def _written(self, change: Change, group: Group, writes: list[Write]) -> bool:
        """Whether it is durable; else the group or the writes are corrected, to be tried again."""
        try:
            self._store.write(change)
        except DuplicateIdentity:
            group.find_duplicates(self._store)
            return False
        except LeaseLost as error:
            writes[:] = [write for write in writes if write[2] not in error.lost]
            self._lost(error.lost)
            return False
        return True

    def _answer(self, group: Group) -> None:
        """Tell senders what they may be told, and those that wait for what was mapped now."""
        left = {message.position for message in group.left}
        for message in group.behind:
            if message.position not in left:
                self.processed(message.position)
        for index, arrival in enumerate(group.arrivals):
            if arrival.complete_within is None or arrival.refused:
                try:  # as `answer` does, without a call for each message
                    arrival.reply(group.receipts[index])
                except Exception as fault:  # noqa: BLE001 - as there
                    unanswered(group.receipts[index], fault)
                continue
            position = group.positions[index]
            # Of a resend whose message is of an earlier commit, only the store knows.
            earlier = group.receipts[index] is Receipt.DUPLICATE and index not in group.repeats
            waits = None if earlier else position in left or position in group.waiting
            self._awaited.arrived(arrival, group.receipts[index], position, waits=waits)
