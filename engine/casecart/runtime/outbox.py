"""The outbox of one destination: a window in memory over the open rows of the ledger in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.runtime.made import decode_postings
from casecart.runtime.window import Batch, Window, Work
from casecart.store import Damaged, Store, StoreBroken, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from casecart.store import Entry

__all__ = ["POSTINGS", "Outbox"]

POSTINGS = 4
"""Times as many postings as ledger rows may be in memory: a row can hold those of thousands of lines."""


class Outbox:
    """Gives work in the order of its coming; what does not fit into memory is fetched when there is room.

    Args:
        destination: its name.
        store: holds everything that is open.
        damaged: told of rows that can't be trusted: they are not put into the window.
        most: ledger rows in memory; of their postings there are `POSTINGS` times as many, and one row more.
    """

    def __init__(self, *, destination: str, store: Store, most: int, damaged: Callable[[list[Entry]], None]) -> None:
        self._destination, self._store, self._most, self._damaged = destination, store, most, damaged
        self._window = Window()
        self._postings = 0  # in memory
        self._loaded = 0  # every ledger row up to this sequence has been in the window
        self._behind = True  # the store has work beyond it
        self.unread = True
        """Whether the store was never looked into."""
        self.failed = False
        """Whether the store did not answer when it was last looked into: look again later."""

    def feed(self, works: Iterable[Work]) -> None:
        """Work that has just been committed; spares a look into the store."""
        if self._behind:
            return
        for work in works:
            if work.entry.sequence <= self._loaded:
                continue
            if self._window.size >= self._most or self._postings >= POSTINGS * self._most:
                self._behind = True
                return
            self._add(work)

    def resync(self) -> None:
        """The store may have taken work that was not fed: look there."""
        self._behind = True

    @property
    def any(self) -> bool:
        """Whether anything could go now."""
        return self._window.ready > 0

    @property
    def ready(self) -> int:
        """About how many postings could go now."""
        return self._window.ready

    @property
    def uncertain(self) -> int:
        """How many postings may have had their effect, and nobody knows yet.

        All of them are in the window: nothing is sent that is not, and after a start it begins with the oldest.
        """
        return self._window.uncertain

    def full(self, batch: int) -> bool:
        """Whether there is about as much as goes out in one call, or the store has more."""
        return self._behind or self._window.ready >= batch

    def take(self, most: int, *, uncertain: bool = False) -> Batch:
        """The next batch of at most `most` postings; empty when every key is busy or the store does not answer.

        Args:
            most: postings.
            uncertain: only what may have had its effect.
        """
        room = self._most - self._window.size
        # A row with many postings may be there alone, and be half through: that is room enough.
        roomy = self._postings <= POSTINGS * self._most // 2
        if self._behind and roomy and room >= min(self._most, 2 * most):
            self._refill(room)
        return self._window.take_uncertain(most) if uncertain else self._window.take(most)

    def free(self, keys: Iterable[bytes]) -> None:
        """The keys of a batch may go again."""
        self._postings -= sum(len(work.postings) for work in self._window.free(keys))

    def _add(self, work: Work) -> None:
        self._window.add((work,))
        self._postings += len(work.postings)
        self._loaded = work.entry.sequence

    def _refill(self, room: int) -> None:
        most = POSTINGS * self._most - self._postings
        try:
            entries = self._store.open_entries(self._destination, self._loaded, room, most)
        except (StoreUnavailable, StoreBroken):  # the engine's next look ends it, where the store is broken
            self.failed = True
            return
        self.failed = self.unread = False
        damaged = []
        for entry in entries:
            self._loaded = entry.sequence
            try:
                self._add(Work(entry, decode_postings(entry.postings)))
            except Damaged:
                damaged.append(entry)
        if damaged:
            self._damaged(damaged)
        self._behind = len(entries) == room or sum(entry.open for entry in entries) >= most
