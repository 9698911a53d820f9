"""The window over a destination's outbox: what is in memory, in order per key, and which batch may go next.

Postings of a key go out one after the other: a key is in one batch at a time, and what comes later under it waits. A
line has at most one unconfirmed posting. Keys are served in the order in which they became free.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from casecart.runtime.states import OPEN, UNCERTAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from casecart.runtime.destination import Posting
    from casecart.store import Entry

__all__ = ["Batch", "Window", "Work"]


@dataclass(slots=True, eq=False)
class Work:
    """One row of the ledger with its postings decoded."""

    entry: Entry
    postings: list[Posting]
    alone: bool = False
    """Its postings go out one at a time, to find the one that makes the destination fail."""
    strikes: int = 0
    """Failures that can't be the destination's own, because it had answered others in between."""
    struck_at: int = -1
    """How many calls the destination had answered when it last failed."""
    called_at: float | None = None
    """When its postings were last on their way, in seconds of the monotonic clock; None: not that this engine knows."""

    @property
    def open(self) -> int:
        """How many of its postings are on their way."""
        return len([posting for posting in self.postings if posting.state in OPEN])

    @property
    def uncertain(self) -> int:
        """How many of its postings may have had their effect, and nobody knows yet."""
        return len([posting for posting in self.postings if posting.state in UNCERTAIN])


@dataclass(slots=True, eq=False)
class Batch:
    """What goes out in one call: postings, each with the work it belongs to."""

    items: list[tuple[Work, Posting]] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    began: int = 0
    """The round of failures in which its call began (`Backoff.round`)."""
    delay: float = 0.0
    """Seconds that its keys wait when it has ended."""

    @property
    def postings(self) -> list[Posting]:
        """The postings in order."""
        return [posting for _, posting in self.items]

    @property
    def works(self) -> Iterator[Work]:
        """Each work once, in order."""
        return iter(dict.fromkeys([work for work, _ in self.items]))


class Window:
    """Work by key, first in first out per key."""

    def __init__(self) -> None:
        self._queues: dict[bytes, deque[Work]] = {}
        self._ready: deque[bytes] = deque()
        self.size = 0
        """Works in memory."""
        self.ready = 0
        """About how many postings could go now."""

    def add(self, works: Iterable[Work]) -> None:
        """Put work behind what is there under its key."""
        for work in works:
            key = work.entry.order_key
            queue = self._queues.get(key)
            if queue is None:
                self._queues[key] = deque((work,))
                self._ready.append(key)
                self.ready += len(work.postings)
            else:
                queue.append(work)
            self.size += 1

    @property
    def uncertain(self) -> int:
        """How many postings may have had their effect, and nobody knows yet."""
        return sum(work.uncertain for queue in self._queues.values() for work in queue)

    def take_uncertain(self, most: int) -> Batch:
        """As `take`, of what may have had its effect only, and of what must go before it."""
        batch = Batch()
        for _ in range(len(self._ready)):
            queue = self._queues[self._ready[0]]
            unclear = [index for index, work in enumerate(queue) if work.uncertain]
            alone = queue[0].alone
            if not unclear or len(batch.items) >= most or (alone and batch.items):
                self._ready.rotate(-1)
                continue
            batch.keys.append(self._ready.popleft())
            self.ready -= len(queue[0].postings)
            before = len(batch.items)
            self._fill(batch, [queue[index] for index in range(unclear[-1] + 1)], 1 if alone else most)
            while len(batch.items) > before + 1 and batch.items[-1][1].state == "planned":
                batch.items.pop()
            if alone:
                break
        return batch

    def take(self, most: int) -> Batch:
        """The next batch of at most `most` postings; empty when every key is busy. Its keys are busy until `free`."""
        batch = Batch()
        while self._ready and len(batch.items) < most:
            work = self._queues[self._ready[0]][0]
            if work.alone and batch.items:
                break
            key = self._ready.popleft()
            self.ready -= len(work.postings)
            batch.keys.append(key)
            self._fill(batch, self._queues[key], 1 if work.alone else most)
            if work.alone:
                break
        return batch

    @staticmethod
    def _fill(batch: Batch, queue: Sequence[Work], most: int) -> None:
        lines: set[str] = set()
        planned = False
        for work in queue:
            if work.alone and batch.items and work is not queue[0]:
                return
            for posting in work.postings:
                if posting.state not in OPEN:
                    continue
                if len(batch.items) >= most or posting.line in lines:
                    return
                if planned and posting.state != "planned":
                    return  # to see it to its end now would let it overtake what must be sent again before it
                planned = posting.state == "planned"
                lines.add(posting.line)
                batch.items.append((work, posting))

    def free(self, keys: Iterable[bytes]) -> list[Work]:
        """The keys of a batch may go again; gives back the works that are settled and have left the window."""
        settled = []
        for key in keys:
            queue = self._queues[key]
            while queue and not queue[0].open:
                settled.append(queue.popleft())
            if queue:
                self._ready.append(key)
                self.ready += len(queue[0].postings)
            else:
                del self._queues[key]
        self.size -= len(settled)
        return settled
