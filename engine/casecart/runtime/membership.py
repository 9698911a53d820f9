"""Who does what where several engines are at work on one store: each shows that it lives, and holds its leases.

No clock of another machine is asked, and no wall clock: an engine is dead when its count of beats stands still for a
while of one's own, or when the server has no session of it any more. That it only seemed dead does no harm, because it
can't write under a lease that somebody else took.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol
from zlib import crc32

from casecart.runtime.fault import told
from casecart.runtime.marks import DISPATCH, FOLLOW, REPLAY, RETAIN, WORK
from casecart.runtime.shared_backlog import marks_of
from casecart.store import Fence, Lease, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from twisted.internet.defer import Deferred

    from casecart.runtime.clock import Call, Clock
    from casecart.store import Member, SharedStore

__all__ = ["PARTITIONS", "Holding", "Membership"]

log = logging.getLogger(__name__)

BEAT: Final = 1.0  # seconds between signs of life
DEAD: Final = 5.0  # seconds without one
FORGOTTEN: Final = 300.0  # seconds until a dead one is known to nobody any more

PARTITIONS: Final = 64


class Holding(Protocol):
    """What an engine does with its leases."""

    def taken(self, lease: Lease, dead: bytes | None) -> None:
        """It is ours. It was held by a member that was killed, or by nobody."""

    def given(self, lease: Lease) -> Deferred[None]:
        """It shall go to another one: see what is in hand to its end; fires when it may go."""

    def lost(self, lease: Lease) -> None:
        """It is another one's already."""

    def died(self, member: bytes) -> None:
        """An engine was killed, here or elsewhere."""


@dataclass(slots=True)
class _Sign:
    """When a member was last seen to live."""

    beat: int
    at: float
    dead: bool = False


@dataclass(slots=True)
class Membership:
    """This engine among others.

    Args:
        store: where they meet.
        member: this engine; its roles are the names of the leases that it can hold.
        reactor: for the beat.
        holding: told what is ours.
        broken: told that the store failed for good, or the engine did; it must stop.
    """

    store: SharedStore
    member: Member
    reactor: Clock
    holding: Holding
    broken: Callable[[Exception], None]
    held: dict[tuple[str, int], Lease] = field(default_factory=dict)
    _giving: set[tuple[str, int]] = field(default_factory=set)
    _signs: dict[bytes, _Sign] = field(default_factory=dict)
    _call: Call | None = None
    _alone: bool = False
    """Whether the store did not answer at the last beat."""

    def start(self) -> None:
        """Join the others. Raises `StoreUnavailable`."""
        self._meet()
        self._call = self.reactor.callLater(BEAT, self._beat)

    def stop(self) -> None:
        """Leave; what was held is anybody's. All that is done under the leases must have come to its end."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        self.store.part(self.member.id, self._marks(self.member.id))

    def fence(self, name: str, partition: int = 0) -> Fence | None:
        """What is to be written under a lease; None when it is not ours."""
        lease = self.held.get((name, partition))
        return None if lease is None else Fence(name, partition, lease.epoch)

    def over(self, fences: Collection[Fence]) -> None:
        """A write told that these leases are another one's."""
        for fence in fences:
            lease = self.held.get((fence.name, fence.partition))
            if lease is not None and lease.epoch == fence.epoch:
                self._lose(lease)

    def _beat(self) -> None:
        self._call = self.reactor.callLater(BEAT, self._beat)
        try:
            self._meet()
        except StoreUnavailable as trouble:
            if not self._alone:
                log.warning("the store does not answer: %s; what others do is not known", trouble)
            self._alone = True
        except Exception as fault:  # noqa: BLE001 - a broken store, or a fault of the engine
            self.broken(fault)
        else:
            if self._alone:
                log.warning("the store answers again")
            self._alone = False

    def _meet(self) -> None:
        members, leases = self.store.meet(self.member)
        living = self._living(members)
        known = {(lease.name, lease.partition): lease for lease in leases}
        for place, lease in list(self.held.items()):
            if known.get(place) != lease:
                self._lose(lease)
        ours = {place for place in self._places(living) if self._owner(place, living) == self.member.id}
        for place, lease in list(self.held.items()):
            if place not in ours and place not in self._giving:
                self._give(lease)
        alive = {member.id for member in living}
        free = [
            known.get(place, Lease(*place, None, 0))
            for place in sorted(ours - self.held.keys())
            if place not in known or known[place].holder not in alive or known[place].holder == self.member.id
        ]
        before = {(lease.name, lease.partition): lease.holder for lease in free}
        for lease in self.store.take(free, self.member.id) if free else ():
            place = (lease.name, lease.partition)
            self.held[place] = lease
            self.holding.taken(lease, before[place])

    def _living(self, members: list[Member]) -> list[Member]:
        """Those that live, in an order that all of them see."""
        now = self.reactor.seconds()
        living = []
        for member in members:
            sign = self._signs.get(member.id)
            if sign is None or sign.beat != member.beat:
                sign = self._signs[member.id] = _Sign(member.beat, now)
            dead = member.id != self.member.id and (not member.connected or now - sign.at > DEAD)
            if not dead:
                living.append(member)
            elif not sign.dead:
                log.warning("engine %s does not give signs of life any more", member.place)
                sign.dead = True
                self.holding.died(member.id)
            elif now - sign.at > FORGOTTEN:
                self.store.part(member.id, self._marks(member.id))
        self._signs = {member.id: self._signs[member.id] for member in members}
        return living

    @staticmethod
    def _marks(member: bytes) -> Collection[str]:
        return (*marks_of(member), f"journal:commit{member.hex()}")

    @staticmethod
    def _places(living: list[Member]) -> set[tuple[str, int]]:
        roles = {role for member in living for role in member.roles.split()}
        places = {(role, 0) for role in roles if role in {REPLAY, RETAIN} or role.startswith((DISPATCH, FOLLOW))}
        return places | {(WORK, partition) for partition in range(PARTITIONS) if WORK in roles}

    @staticmethod
    def _owner(place: tuple[str, int], living: list[Member]) -> bytes:
        """Whose it should be: spread evenly, and the same whoever asks."""
        able = [member.id for member in living if place[0] in member.roles.split()]
        return able[(crc32(place[0].encode()) + place[1]) % len(able)]

    def _lose(self, lease: Lease) -> None:
        place = (lease.name, lease.partition)
        del self.held[place]
        self._giving.discard(place)
        self.holding.lost(lease)

    def _give(self, lease: Lease) -> None:
        place = (lease.name, lease.partition)
        self._giving.add(place)
        giving = self.holding.given(lease)
        giving.addCallback(lambda _: self._gone(lease))
        giving.addErrback(lambda failure: self.broken(RuntimeError(told(failure.value))))

    def _gone(self, lease: Lease) -> None:
        place = (lease.name, lease.partition)
        if self.held.get(place) != lease:
            return  # lost meanwhile
        del self.held[place]
        self._giving.discard(place)
        with suppress(StoreUnavailable):  # or it is found to be ours, and not held, at the next beat
            self.store.give_back([lease])
