"""One group commit's share of the intake: what waited, what arrived, and as much of their effect as time allows."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from casecart.runtime.listener import Arrival, Receipt
from casecart.runtime.special import Specials
from casecart.store import Change, Count, Identity, Message, Store
from casecart.store.seal import body_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.runtime.identifier import Identifiers
    from casecart.runtime.pipeline import Pipeline, Result
    from casecart.runtime.window import Work
    from casecart.store import SharedStore

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
    """Still to be mapped when this is committed, in the next turn."""
    waiting: set[int] = field(default_factory=set)
    """Positions of those that are to be mapped from the store, by whoever works their partition."""
    positions: dict[int, int] = field(default_factory=dict)
    """Place of an arrival → position of its message; of a duplicate, that of the message which it repeats."""
    repeats: dict[int, int] = field(default_factory=dict)
    """Place of a duplicate → place of the arrival of this group which it repeats."""

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
        first: dict[tuple[Identity, bytes], int] = {}
        for row in store.identities({identity for _, identity in named}):
            known.setdefault(row.identity, {})[row.digest] = row.reuse
            stored[row.identity, row.digest] = row.position
        for index, identity in named:
            digests = known.setdefault(identity, {})
            digest = body_digest(self.arrivals[index].body)
            if digest in digests:
                self.receipts[index] = Receipt.DUPLICATE
                if (identity, digest) in stored:
                    self.positions[index] = stored[identity, digest]
                    self.repeats.pop(index, None)
                else:
                    self.repeats[index] = first[identity, digest]
            else:
                first[identity, digest] = index
                self.reuses[index] = digests[digest] = max(digests.values(), default=-1) + 1

    def refuse(self, index: int, code: str) -> None:
        """Make an arrival the record of one that is not taken; who repeats it in this group is looked at anew."""
        self.arrivals[index].refused, self.arrivals[index].notes = True, code
        again = sorted(each for each, first in self.repeats.items() if first == index)
        for each in again[:1]:
            del self.repeats[each]
            self.receipts[each], self.reuses[each] = Receipt.STORED, self.reuses[index]
        self.repeats.update(dict.fromkeys(again[1:], again[0]) if again else {})


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
        self._seconds, self.budget = seconds, budget

    def build(self, group: Group, change: Change, *, store_first: bool) -> None:
        """Adds the group to the change.

        Args:
            group: gets its works and what is left.
            change: is added to.
            store_first: leave everything that is new waiting, and not for this process's next turn.
        """
        began = self._seconds()
        until = began + max(self.budget, LEAST)
        results = self._pipeline.process(group.behind, change, until, least=1) if group.behind else []
        for message, result in zip(group.behind, results, strict=False):
            change.outcomes.append((result.outcome, result.notes, message.position))
        group.works = [work for result in results for work in result.works]
        group.left = group.behind[len(results) :]
        fresh = self._store_arrivals(group, change)
        ours, others = ([], fresh) if store_first or group.left else self._divided(fresh)
        mapped = self._pipeline.process(ours, change, began + self.budget) if ours else []
        for message, result in zip(ours, mapped, strict=False):
            change.messages.append(_became(message, result))
            group.works += result.works
        left = ours[len(mapped) :] + others
        change.messages += left
        if store_first or self._store.shared:
            group.waiting = {message.position for message in left}
        else:
            group.left += left

    def _divided(self, fresh: list[Message]) -> tuple[list[Message], list[Message]]:
        """Those that can be mapped now, and those of whose partition something else waits in the store."""
        if not self._store.shared or not fresh:
            return fresh, []
        busy = cast("SharedStore", self._store).busy({message.partition for message in fresh})
        if not busy:
            return fresh, []
        return (
            [message for message in fresh if message.partition not in busy],
            [message for message in fresh if message.partition in busy],
        )

    def _store_arrivals(self, group: Group, change: Change) -> list[Message]:
        """Counts the arrivals and stores those that are refused; gives the others, in order."""
        fresh: list[Message] = []
        if not group.arrivals:
            return fresh
        positions = deque(self._store.reserve("message", len(group.arrivals)))
        recorded_at = self._now()
        specials: Specials | None = None
        for index, arrival in enumerate(group.arrivals):
            scope = f"messages:{arrival.listener}"
            change.counts.append(Count(arrival.facility, scope, "received", 1))
            if arrival.special is not None:
                specials = specials or self._specials(group, change, recorded_at, positions)
                specials.look(index, arrival)
            if group.receipts[index] is Receipt.DUPLICATE:
                change.counts.append(Count(arrival.facility, scope, "duplicate", 1))
                if specials is not None and (whole := specials.came_again(index, arrival)) is not None:
                    fresh.append(whole)
                continue
            message = self._message(positions.popleft(), recorded_at, arrival, group.reuses[index])
            group.positions[index] = message.position
            if arrival.refused:
                change.counts.append(Count(arrival.facility, scope, "refused", 1))
                change.messages.append(message)
            elif specials is None:
                fresh.append(message)
            elif (whole := specials.came(message, arrival)) is not None:
                fresh.append(whole)
                group.positions[index] = whole.position
        group.positions.update({index: group.positions[first] for index, first in group.repeats.items()})
        if specials is not None:
            specials.close()
        return fresh

    def _specials(self, group: Group, change: Change, recorded_at: int, positions: deque[int]) -> Specials:
        # Before anything is locked: all that come after a whole move up by one.
        parts = sum(each.special is not None and each.special.part is not None for each in group.arrivals)
        if parts:
            positions.extend(self._store.reserve("message", parts))

        def made(whole: Arrival) -> Message:
            return self._message(positions.popleft(), recorded_at, whole, 0)

        return Specials(self._store, change, group, recorded_at, made)

    def _message(self, position: int, recorded_at: int, arrival: Arrival, reuse: int) -> Message:
        notes = arrival.notes
        if reuse:
            notes = f"{notes} control-id-reused" if notes else "control-id-reused"
        return Message(
            position, self._identifiers.mint(), arrival.organisation, arrival.facility, None, None, None,
            arrival.occurred_at, recorded_at, arrival.peer, arrival.schema, arrival.listener, arrival.message_type,
            arrival.sender, arrival.control_id, None if arrival.refused else reuse, body_digest(arrival.body),
            arrival.partition, "refused" if arrival.refused else "waiting", notes, arrival.source, arrival.charset,
            arrival.body,
        )  # fmt: skip


def _became(message: Message, result: Result) -> Message:
    """The message with its outcome and notes; cut by hand, since `_replace` costs twice as much."""
    return Message._make((*message[:_OUTCOME], result.outcome, result.notes, *message[_OUTCOME + 2 :]))


_OUTCOME = Message._fields.index("outcome")  # notes are next to it
