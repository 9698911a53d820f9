"""Parts of messages: each is stored and answered by itself, and when all are there, the whole is a message of its own.

A part that waits for others is a row of the log with the outcome `part`, and a timer that says where it belongs. The
change that stores the last one also stores the whole, behind it in the log, and makes the parts `joined`: so the whole
is there exactly once, whatever is sent again and whoever dies. Who looks at parts holds a lock, so that it makes no
difference at which of several engines they arrive.

Parts belong together where each pointer stands in exactly two of them. Where it stands in more, nothing is guessed:
they wait. What waits for longer than its listener allows is *parked*: an exception tells a person, and the part takes
no part in anything until its sender sends it again.
"""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from casecart.rules import Trouble
from casecart.runtime.effect import event, hold
from casecart.store import OPEN_STATES, Change, Count, HoldChange, Message, Store, Timer, lookup_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.runtime.listener import Part

__all__ = ["OWNER", "Parts", "lock", "park"]

log = logging.getLogger(__name__)

OWNER: Final = "continuation"
"""Of the timers of parts; their key is the part's position."""

_LOCK: Final = (lookup_key("token", OWNER),)

_FORGOTTEN: Final = 7 * 86_400_000_000
"""µs after which a parked part can't be completed any more."""

_MOST: Final = 1_000
"""Parts of one sender that may wait: each arrival of a part looks at all of them."""

_UNFINISHED: Final = Trouble(
    "message-unfinished",
    "",
    "This is a part of a longer message, and the others did not come in time, or can't be told from those of another "
    "one. Nothing of it was processed: have its sender send all parts again.",
    "",
)


class _Place(msgspec.Struct, array_like=True, frozen=True):
    """Where a part belongs, as its timer keeps it."""

    chain: str
    follows: str
    pointer: str
    size: int
    parked: bool = False
    told: bool = False
    """An exception tells of it."""


Standing: TypeAlias = "defaultdict[tuple[str, str], list[int]]"
"""Chain and pointer → the positions of the parts in which that stands."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Place).decode


def lock(store: Store) -> None:
    """Before anything is read that decides about special arrivals."""
    store.lock(_LOCK)


def _waiting(store: Store) -> dict[int, tuple[int, _Place]]:
    """Position → when its time is over, and where it belongs."""
    return {int(timer.key): (timer.due_at, _decode(timer.data)) for timer in store.timers(OWNER)}


def _timer(position: int, due_at: int, place: _Place) -> Timer:
    return Timer(OWNER, str(position), due_at, _encode(place).decode())


class Parts:
    """The parts that wait, for one change.

    Args:
        store: locked; has those that came before.
        change: is added to, when the last one was taken.
        now: µs since 1970.
    """

    def __init__(self, store: Store, change: Change, now: int) -> None:
        self._store, self._change, self._now = store, change, now
        self._waiting = _waiting(store)
        self._new: dict[int, Message] = {}
        self._moved: set[int] = set()

    def full(self, part: Part) -> bool:
        """Whether so many parts of its sender wait that no more is taken."""
        return sum(place.chain == part.chain for _, place in self._waiting.values()) >= _MOST

    def add(self, message: Message, part: Part) -> list[bytes]:
        """A part that came; the bodies of all parts, in order, when it is the last one, else nothing."""
        self._new[message.position] = message
        place = _Place(part.chain, part.follows, part.pointer, len(message.body))
        self._waiting[message.position] = (self._now + part.within, place)
        return self._whole(message.position, part)

    def again(self, position: int, part: Part) -> list[bytes]:
        """One that came again; the same."""
        if position not in self._waiting:
            return []
        place = msgspec.structs.replace(self._waiting[position][1], parked=False)
        self._waiting[position] = (self._now + part.within, place)
        self._moved.add(position)
        return self._whole(position, part)

    def _whole(self, position: int, part: Part) -> list[bytes]:
        chain = _chain(position, self._fresh(part.chain))
        if not chain or sum(self._waiting[each][1].size for each in chain) > part.maximum:
            return []
        messages: list[Message] = []
        for each in chain:
            message = self._new.get(each) or self._store.message(each)
            if message is None or len(message.body) != self._waiting[each][1].size:
                return []  # deleted or damaged: it is parked when its time is over
            messages.append(message)
        for message in messages:
            self._join(message)
        return [bytes(message.body) for message in messages]

    def _fresh(self, chain: str) -> dict[int, _Place]:
        return {
            position: place
            for position, (_, place) in self._waiting.items()
            if place.chain == chain and not place.parked
        }

    def _join(self, message: Message) -> None:
        change, position = self._change, message.position
        _, place = self._waiting.pop(position)
        if position in self._new:
            self._new[position] = message._replace(outcome="joined")
        else:
            change.outcomes.append(("joined", message.notes, position))
            change.timers_done.append((OWNER, str(position)))
            change.counts.append(Count(message.facility, f"messages:{message.listener}", "part", -1))
        change.counts.append(Count(message.facility, f"messages:{message.listener}", "joined", 1))
        if place.told:
            change.hold_changes += [
                HoldChange("fixed", told.assignee, "The other parts came", self._now, told.id)
                for told in self._store.holds(position=position, states=OPEN_STATES)
                if told.code == _UNFINISHED.code
            ]

    def close(self) -> None:
        """No more comes with this change."""
        change = self._change
        for message in self._new.values():
            change.messages.append(message)
            if message.outcome == "part":
                change.counts.append(Count(message.facility, f"messages:{message.listener}", "part", 1))
        for position in self._new.keys() | self._moved:
            if position in self._waiting:
                change.timers.append(_timer(position, *self._waiting[position]))


def _standing(places: dict[int, _Place]) -> Standing:
    """Where each pointer stands."""
    found: Standing = defaultdict(list)
    for position, place in places.items():
        for pointer in {place.follows, place.pointer} - {""}:
            found[place.chain, pointer].append(position)
    return found


def _chain(position: int, places: dict[int, _Place]) -> list[int]:
    """The parts of a whole message in their order, of which this is one; none where one is missing or in doubt."""
    standing, chain, known = _standing(places), deque([position]), {position}

    def links(*, back: bool) -> bool:
        """Lengthens the chain in one direction; whether it comes to its end there."""
        while True:
            end = chain[0] if back else chain[-1]
            pointer = places[end].follows if back else places[end].pointer
            if not pointer:
                return True
            found = [each for each in standing[places[end].chain, pointer] if each != end]
            if len(found) != 1 or found[0] in known:
                return False
            if pointer != (places[found[0]].pointer if back else places[found[0]].follows):
                return False
            known.add(found[0])
            (chain.appendleft if back else chain.append)(found[0])

    return list(chain) if links(back=True) and links(back=False) else []


def park(store: Store, now: int, identifier: Callable[[], bytes]) -> None:
    """Tell a person of the parts whose others did not come in time, once for those that belong together.

    Args:
        store: has them; this writes to it.
        now: µs since 1970.
        identifier: mints ids of exceptions.
    """
    if not any(timer.due_at <= now for timer in store.timers(OWNER)):
        return
    lock(store)
    waiting = _waiting(store)  # only now: another engine may have done it
    change = Change()
    fresh = {position: place for position, (_, place) in waiting.items() if not place.parked}
    standing, looked = _standing(fresh), set[int]()
    for position in sorted(waiting):
        due_at, place = waiting[position]
        if due_at > now or position in looked:
            continue
        if place.parked:
            _forget(store, position, change)
            continue
        together = _together(position, fresh, standing)
        looked.update(together)
        if all(waiting[each][0] <= now for each in together):
            told = any(waiting[each][1].told for each in together)
            first = min(together, key=lambda each: (bool(waiting[each][1].follows), each))
            if not told:
                _tell(store, first, now, identifier, change)
            for each in together:
                said = waiting[each][1].told or (each == first and not told)
                parked = msgspec.structs.replace(waiting[each][1], parked=True, told=said)
                waiting[each] = (now + _FORGOTTEN, parked)
                change.timers.append(_timer(each, *waiting[each]))
    if change:
        store.write(change)
    else:
        store.let_go()


def _together(position: int, places: dict[int, _Place], standing: Standing) -> list[int]:
    """The parts that pointers connect with one, directly or not, also where there is more than one way."""
    found, look = {position}, [position]
    while look:
        place = places[look.pop()]
        for pointer in {place.follows, place.pointer} - {""}:
            more = standing.pop((place.chain, pointer), ())  # each is looked at once: it leads to all where it stands
            look += [each for each in more if each not in found]
            found.update(more)
    return sorted(found)


def _tell(store: Store, position: int, now: int, identifier: Callable[[], bytes], change: Change) -> None:
    message = store.message(position)
    if message is None:
        return
    log.error("the message at position %d is a part of one whose other parts did not come", position)
    change.holds.append(hold(message, identifier(), _UNFINISHED)._replace(recorded_at=now))
    change.events.append(event("casecart.message.unfinished", message, {})._replace(recorded_at=now))


def _forget(store: Store, position: int, change: Change) -> None:
    """It can't be completed any more: it counts as refused."""
    change.timers_done.append((OWNER, str(position)))
    message = store.message(position)
    if message is None:
        return
    scope = f"messages:{message.listener}"
    change.outcomes.append(("refused", message.notes, position))
    change.counts += [Count(message.facility, scope, name, n) for name, n in (("part", -1), ("refused", 1))]
