"""The outbox where several engines write what is to be sent: what is open is found in the store, whoever wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from casecart.runtime.made import decode_postings
from casecart.runtime.outbox import POSTINGS, Outbox
from casecart.runtime.window import Work
from casecart.store import Damaged, StoreBroken, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from casecart.runtime.window import Batch
    from casecart.store import Entry, SharedStore, Store

__all__ = ["SharedOutbox", "outbox_of"]


class SharedOutbox(Outbox):
    """Takes the open rows that it does not have yet, the lowest sequences first.

    It does not go on from the last sequence it saw: another engine may commit a lower one later. A row of a case has a
    higher sequence than all rows of that case that were written before it (`Store.reserve`), so that whoever sees it
    sees those too.
    """

    def __init__(self, *, destination: str, store: Store, most: int, damaged: Callable[[list[Entry]], None]) -> None:
        super().__init__(destination=destination, store=store, most=most, damaged=damaged)
        self._known: set[int] = set()
        self._fresh: dict[int, Work] = {}
        self._fed = 0  # postings in them

    def feed(self, works: Iterable[Work]) -> None:
        """Spares reading them, and nothing else: where they stand among those of others is looked up."""
        for work in works:
            if self._fed >= self._most:
                self._behind = True
                return
            self._fresh[work.entry.sequence] = work
            self._fed += len(work.postings)

    @property
    def any(self) -> bool:
        """As above."""
        return super().any or bool(self._fresh)

    def full(self, batch: int) -> bool:
        """As above."""
        return super().full(batch) or self._window.ready + self._fed >= batch

    def take(self, most: int, *, uncertain: bool = False) -> Batch:
        """As above."""
        self._behind = self._behind or bool(self._fresh)
        return super().take(most, uncertain=uncertain)

    def free(self, keys: Iterable[bytes]) -> None:
        """As above."""
        for work in self._window.free(keys):
            self._known.discard(work.entry.sequence)
            self._postings -= len(work.postings)

    def _refill(self, room: int) -> None:
        store = cast("SharedStore", self._store)
        try:
            there = store.open_sequences(self._destination, self._most)
            new = self._fitting([row for row in there if row[0] not in self._known], room)
            unread = [sequence for sequence in new if sequence not in self._fresh]
            read = {entry.sequence: entry for entry in store.entries_at(unread)} if unread else {}
        except (StoreUnavailable, StoreBroken):  # as above
            self.failed = True
            return
        self.failed = self.unread = False
        damaged = []
        for sequence in new:
            work = self._fresh.get(sequence)
            if work is None and sequence in read:
                try:
                    work = Work(read[sequence], decode_postings(read[sequence].postings))
                except Damaged:
                    damaged.append(read[sequence])
                    self._known.add(sequence)  # until it is settled, which is under way
            if work is not None:
                self._add(work)
                self._known.add(sequence)
        self._fresh, self._fed = {}, 0
        if damaged:
            self._damaged(damaged)
        self._behind = len(there) == self._most or any(sequence not in self._known for sequence, _ in there)

    def _fitting(self, rows: list[tuple[int, int]], room: int) -> list[int]:
        """The first of these rows that memory is to hold."""
        most = POSTINGS * self._most - self._postings
        fitting: list[int] = []
        for sequence, count in rows[:room]:
            if most <= 0:
                break
            fitting.append(sequence)
            most -= count
        return fitting


def outbox_of(destination: str, store: Store, most: int, damaged: Callable[[list[Entry]], None]) -> Outbox:
    """The outbox that fits the store."""
    make = SharedOutbox if store.shared else Outbox
    return make(destination=destination, store=store, most=most, damaged=damaged)
