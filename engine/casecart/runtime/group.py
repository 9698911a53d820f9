"""One group commit's share of the intake: what waited, what arrived, and as much of their effect as time allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from casecart.runtime.listener import Arrival, Receipt
from casecart.store import Change, Count, Identity, Message, Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.runtime.identifier import Identifiers
    from casecart.runtime.pipeline import Pipeline, Result
    from casecart.runtime.window import Work

__all__ = ["Group", "Grouping"]

LEAST = 0.02
"""Seconds for what waited already, whatever the budget: it was acknowledged, and must get on."""


@dataclass(slots=True)
class Group:
    """The messages of one commit.

    `receipts` and `reuses` are by the place of an arrival; `find_duplicates` corrects them for a second build.
    """

    behind: list[Message]
    """Stored as waiting by an earlier commit of this process, to be mapped before anything new."""
    arrivals: list[Arrival]
    receipts: list[Receipt] = field(init=False)
    reuses: list[int] = field(init=False)
    works: list[Work] = field(default_factory=list)
    left: list[Message] = field(default_factory=list)
    """Still to be mapped when this is committed."""
    first: int = 0
    """The first position of this group's arrivals."""
    positions: dict[int, int] = field(default_factory=dict)
    """Place of an arrival → position of its message; of a duplicate, that of the message which it repeats."""

    def __post_init__(self) -> None:
        self.receipts = [Receipt.STORED] * len(self.arrivals)
        self.reuses = [0] * len(self.arrivals)

    def find_duplicates(self, store: Store) -> None:
        """Tell resends (same identity, same bytes) from control ids used again for other bytes."""
        named = [
            (index, Identity(arrival.facility, arrival.sender, arrival.control_id))
            for index, arrival in enumerate(self.arrivals)
            if not arrival.refused
        ]
        known: dict[Identity, dict[bytes, int]] = {}
        stored: dict[tuple[Identity, bytes], int] = {}
        for row in store.identities({identity for _, identity in named}):
            known.setdefault(row.identity, {})[row.digest] = row.reuse
            stored[row.identity, row.digest] = row.position
        for index, identity in named:
            digests = known.setdefault(identity, {})
            digest = _digest(self.arrivals[index].body)
            if digest in digests:
                self.receipts[index] = Receipt.DUPLICATE
                self.positions.pop(index, None)
                if (identity, digest) in stored:
                    self.positions[index] = stored[identity, digest]
            else:
                self.reuses[index] = digests[digest] = max(digests.values(), default=-1) + 1


class Grouping:
    """Builds the change of a group.

    Args:
        store: gives positions.
        pipeline: maps messages.
        identifiers: mints message ids.
        now: wall clock, µs since 1970.
        seconds: monotonic.
        budget: seconds that mapping what is new may take of one turn; 0: it is always stored first.
    """

    def __init__(
        self,
        *,
        store: Store,
        pipeline: Pipeline,
        identifiers: Identifiers,
        now: Callable[[], int],
        seconds: Callable[[], float],
        budget: float,
    ) -> None:
        self._store, self._pipeline, self._identifiers, self._now = store, pipeline, identifiers, now
        self._seconds, self._budget = seconds, budget

    def build(self, group: Group, change: Change, *, store_first: bool) -> None:
        """Adds the group to the change.

        Args:
            group: gets its works and what is left.
            change: is added to.
            store_first: leave everything that is new waiting, and not for this process's next turn.
        """
        began = self._seconds()
        until = began + max(self._budget, LEAST)
        results = self._pipeline.process(group.behind, change, until, least=1) if group.behind else []
        for message, result in zip(group.behind, results, strict=False):
            change.outcomes.append((result.outcome, result.notes, message.position))
        group.works = [work for result in results for work in result.works]
        group.left = group.behind[len(results) :]
        fresh = self._store_arrivals(group, change)
        if store_first:
            change.messages += fresh
            return
        mapped: list[Result] = []
        if fresh and not group.left:
            mapped = self._pipeline.process(fresh, change, began + self._budget)
        for message, result in zip(fresh, mapped, strict=False):
            change.messages.append(_became(message, result))
            group.works += result.works
        change.messages += fresh[len(mapped) :]
        group.left += fresh[len(mapped) :]

    def _store_arrivals(self, group: Group, change: Change) -> list[Message]:
        """Counts the arrivals and stores those that are refused; gives the others, in order."""
        fresh: list[Message] = []
        if not group.arrivals:
            return fresh
        first = group.first = self._store.reserve("message", len(group.arrivals))
        recorded_at = self._now()
        for index, arrival in enumerate(group.arrivals):
            scope = f"messages:{arrival.listener}"
            change.counts.append(Count(arrival.facility, scope, "received", 1))
            if group.receipts[index] is Receipt.DUPLICATE:
                change.counts.append(Count(arrival.facility, scope, "duplicate", 1))
                continue
            message = self._message(first + index, recorded_at, arrival, group.reuses[index])
            group.positions[index] = message.position
            if arrival.refused:
                change.counts.append(Count(arrival.facility, scope, "refused", 1))
                change.messages.append(message)
            else:
                fresh.append(message)
        return fresh

    def _message(self, position: int, recorded_at: int, arrival: Arrival, reuse: int) -> Message:
        notes = arrival.notes
        if reuse:
            notes = f"{notes} control-id-reused" if notes else "control-id-reused"
        return Message(
            position, self._identifiers.mint(), arrival.organisation, arrival.facility, None, None, None,
            arrival.occurred_at, recorded_at, arrival.peer, arrival.schema, arrival.listener, arrival.message_type,
            arrival.sender, arrival.control_id, None if arrival.refused else reuse, _digest(arrival.body),
            arrival.partition, "refused" if arrival.refused else "waiting", notes, arrival.source, arrival.charset,
            arrival.body,
        )  # fmt: skip


def _became(message: Message, result: Result) -> Message:
    """The message with its outcome and notes; cut by hand, since `_replace` costs twice as much."""
    return Message._make((*message[:_OUTCOME], result.outcome, result.notes, *message[_OUTCOME + 2 :]))


_OUTCOME = Message._fields.index("outcome")  # notes are next to it


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=16).digest()
