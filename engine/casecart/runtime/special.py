"""Arrivals that are more than a message by itself: parts of longer ones, and such as have a sequence number.

What decides about them is in the store and read under one lock, so that it makes no difference at which of several
engines they arrive; what follows is written with them, in one change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from casecart.runtime.continuation import Parts, lock
from casecart.runtime.listener import Receipt
from casecart.store import Change, Count, Cursor, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from casecart.runtime.group import Group
    from casecart.runtime.listener import Arrival, Numbered, Part
    from casecart.store import Message

__all__ = ["ASSEMBLED", "SEQUENCE", "Specials"]

ASSEMBLED: Final = "assembled"
"""Note and counter of a message that was put together of its parts."""

SEQUENCE: Final = "sequence:"
"""Cursor, with listener and peer behind it. Position: the last sequence number that was accepted; -1: none is known."""


class Specials:
    """Those of one group, in their order.

    Args:
        store: what decides is read from it.
        change: is added to.
        group: that they are in.
        now: µs since 1970.
        message: makes the row of an arrival.
    """

    def __init__(
        self, store: Store, change: Change, group: Group, now: int, message: Callable[[Arrival], Message]
    ) -> None:
        self._store, self._change, self._group, self._now, self._message = store, change, group, now, message
        lock(store)
        self._numbers: dict[str, int] | None = None
        self._given: dict[str, int] = {}
        self._kept: Parts | None = None
        self._compared = False

    @property
    def _parts(self) -> Parts:
        if self._kept is None:
            self._kept = Parts(self._store, self._change, self._now)
        return self._kept

    def look(self, index: int, arrival: Arrival) -> None:
        """Before it is stored: whether it is one that can be taken; else it becomes a refused one."""
        special = arrival.special
        if special is None:
            return
        numbered = special.numbered
        if numbered is not None and numbered.number <= 0:
            self._ask(numbered)  # also when the group is built again
            self._group.refuse(index, "sequence-number")
        elif arrival.refused:
            return
        elif special.part is not None and self._parts.full(special.part) and not self._came_before(index):
            self._group.refuse(index, "too-many-parts")
            special.reject("too-many-parts")
        elif numbered is not None and not self._in_sequence(index, numbered):
            self._group.refuse(index, "sequence-number")
            special.reject("sequence-number")

    def came(self, message: Message, arrival: Arrival) -> Message | None:
        """It is stored with this change. Gives what is processed of it: itself, the whole it completes, or nothing."""
        part = arrival.special.part if arrival.special is not None else None
        if part is None:
            return message
        bodies = self._parts.add(message._replace(outcome="part"), part)
        return self._whole(part, bodies) if bodies else None

    def came_again(self, index: int, arrival: Arrival) -> Message | None:
        """It is stored already. Gives the whole, where the others of its message came only now."""
        part = arrival.special.part if arrival.special is not None else None
        position = self._group.positions.get(index)
        if part is None or position is None:
            return None
        bodies = self._parts.again(position, part)
        return self._whole(part, bodies) if bodies else None

    def _whole(self, part: Part, bodies: Sequence[bytes]) -> Message | None:
        """Its identity is that of the first part, which keeps it: resends are told by the parts alone.

        None: it is stored, and what the parts make is nothing that can be processed.
        """
        message = self._message(part.whole(bodies))
        notes = f"{message.notes} {ASSEMBLED}" if message.notes else ASSEMBLED
        self._change.counts.append(Count(message.facility, f"messages:{message.listener}", ASSEMBLED, 1))
        message = message._replace(reuse=None, notes=notes)
        if message.outcome != "refused":
            return message
        self._change.counts.append(Count(message.facility, f"messages:{message.listener}", "refused", 1))
        self._change.messages.append(message)
        return None

    def close(self) -> None:
        """No more comes in this group."""
        self._change.cursors += [Cursor(of, 0, number, 0) for of, number in self._given.items()]
        if self._kept is not None:
            self._kept.close()

    def _last(self, numbered: Numbered) -> int:
        """The number that was accepted last; -1: any may follow."""
        name = f"{SEQUENCE}{numbered.of}"
        if self._numbers is None:
            self._numbers = {cursor.name: cursor.position for cursor in self._store.cursors()}
        return self._given.get(name, self._numbers.get(name, -1))

    def _ask(self, numbered: Numbered) -> None:
        """It asks which number is expected, or begins anew."""
        if numbered.number < 0:
            self._given[f"{SEQUENCE}{numbered.of}"] = -1
        last = self._last(numbered)
        numbered.expected = last + 1 if last >= 0 else -1

    def _in_sequence(self, index: int, numbered: Numbered) -> bool:
        """Whether the message with this number is to be taken (HL7 v2.8.2 §2.9.1)."""
        last = self._last(numbered)
        if last < 0 or numbered.number == last + 1:
            self._given[f"{SEQUENCE}{numbered.of}"] = numbered.expected = numbered.number
            return True
        numbered.expected = last + 1
        return self._came_before(index)

    def _came_before(self, index: int) -> bool:
        """Whether it is stored already; once known of one of the group, it is of all."""
        if not self._compared:
            self._group.find_duplicates(self._store)
            self._compared = True
        return self._group.receipts[index] is Receipt.DUPLICATE
