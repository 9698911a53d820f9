"""The engine: puts the rooms together for one workspace, starts them in order and stops them in the other order.

On a store that is shared, a process may have one role, or all: a listener stores what arrives, a worker maps it, a
dispatcher sends postings. Any number of each share the work among them (`casecart.runtime.membership`).
"""

from __future__ import annotations

import logging
import os
import random
from contextlib import suppress
from functools import partial
from socket import gethostname
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from zoneinfo import ZoneInfo

from twisted.internet.defer import inlineCallbacks

from casecart.master.catalogue import Catalogue
from casecart.runtime.backlog import Backlog
from casecart.runtime.bringing import bringing_of
from casecart.runtime.case_channel import compile_case_channels
from casecart.runtime.certificate_marks import CertificateMarks
from casecart.runtime.channel import compile_channels
from casecart.runtime.clock import wall_clock
from casecart.runtime.continuation import park
from casecart.runtime.follower import Follower
from casecart.runtime.heard import heard_in, heard_of
from casecart.runtime.hooks import Hooks
from casecart.runtime.identifier import Identifiers
from casecart.runtime.item_changes import Followed
from casecart.runtime.item_channel import compile_item_channels
from casecart.runtime.item_sending import ItemSending
from casecart.runtime.journal import Journal
from casecart.runtime.kinds import listener_specs
from casecart.runtime.listener import Arrival, Receipt
from casecart.runtime.marks import DISK, DISPATCH, FOLLOW, LISTENER, REPLAY, RETAIN, WORK
from casecart.runtime.master_channel import compile_master_channels
from casecart.runtime.membership import Membership
from casecart.runtime.notices import LeftNotices
from casecart.runtime.parts import Parts
from casecart.runtime.pipeline import Pipeline
from casecart.runtime.replay import Replayer
from casecart.runtime.retention import Retention, due_of, megabytes
from casecart.runtime.secret_keys import keys_of, tokens_of
from casecart.runtime.shared_backlog import SharedBacklog
from casecart.runtime.sharing import LeasedJournal, Sharing
from casecart.runtime.strays import Strays
from casecart.runtime.unfinished import Unfinished
from casecart.runtime.waiting import tries_of
from casecart.store import Change, Cursor, Event, Member, Store, StoreBroken, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Mapping

    from twisted.internet.defer import Deferred

    from casecart.runtime.window import Work
    from casecart.store import Fence, SharedStore
    from casecart.workspace import Workspace

__all__ = ["ROLES", "Engine", "Role"]

Role = Literal["listener", "worker", "dispatcher"]
ROLES: Final[tuple[Role, ...]] = ("listener", "worker", "dispatcher")

log = logging.getLogger(__name__)

DRAIN = 10.0  # seconds that a stop waits for answers
LOOK = 1.0  # seconds between looks at what people want of destinations


class Engine:
    """Everything between listeners and destinations, in one process.

    Args:
        workspace: loaded without findings.
        store: opened in the role of the engine.
        reactor: its clock is monotonic.
        environment: where secrets that name a variable are found.
        now: wall clock, µs since 1970.
        failed: told when the engine can't go on.
        roles: what it does; less than all only on a store that is shared.
        ports: of listeners, in place of the configured ones.
        chance: makes identifiers, and the jitter of what is tried again; None: the system's.

    Attributes:
        member: this engine, as others on its store know it.

    Raises:
        WorkspaceError: a channel does not compile, a secret is missing or too short, or the secret of keys is not the
            one that this store was filled with.
    """

    def __init__(
        self,
        *,
        workspace: Workspace,
        store: Store,
        reactor: Any,  # noqa: ANN401 - zope interfaces say nothing to mypy
        environment: Mapping[str, str] = os.environ,
        now: Callable[[], int] = wall_clock,
        failed: Callable[[Exception], None],
        roles: Collection[Role] = ROLES,
        ports: Mapping[str, int] = MappingProxyType({}),
        chance: random.Random | None = None,
    ) -> None:
        self._workspace, self._store, self._reactor, self._now = workspace, store, reactor, now
        self._works = "worker" in roles
        names = [str(name) for name in workspace.engine.destinations] if "dispatcher" in roles else []
        doors = workspace.engine.listeners if "listener" in roles else {}
        specs = listener_specs()
        leases = [
            *((LISTENER,) if "listener" in roles else ()),
            *(f"{FOLLOW}{name}" for name, door in doors.items() if specs[door.kind].one_at_a_time),
            *((WORK, REPLAY, RETAIN) if self._works else ()),
            *(f"{DISPATCH}{name}" for name in names),
        ]
        self.member = member = Member(os.urandom(16), " ".join(leases), f"{gethostname()}:{os.getpid()}", now())
        self._failed, chance = failed, chance or random.SystemRandom()
        self._identifiers = identifiers = Identifiers(now, chance.randbytes)
        channels, masters = compile_channels(workspace), compile_master_channels(workspace)
        cases, items = compile_case_channels(workspace), compile_item_channels(workspace)
        parts = Parts(
            workspace=workspace, store=store, reactor=reactor, now=now, chance=chance, identifiers=identifiers
        )
        catalogue = Catalogue()
        keys = keys_of(workspace, environment, store)
        self._hooks = Hooks(workspace.channels, workspace.hooks, reactor.seconds)
        self._pipeline = Pipeline(
            store=store,
            channels=list(channels.values()),
            catalogue=catalogue,
            keys=keys,
            tokens=tokens_of(workspace, environment),
            time_zones={name: ZoneInfo(facility.time_zone) for name, facility in workspace.engine.facilities.items()},
            identifier=identifiers.mint,
            clock=reactor.seconds,
            time_limit=workspace.engine.intake.time_limit,
            hooks=self._hooks,
            wholes=[*masters.values(), *items.values()],
            cases=list(cases.values()),
            heard=heard_in(workspace),
        )
        self._journal = Journal(
            store=store,
            pipeline=self._pipeline,
            reactor=reactor,
            now=now,
            identifiers=identifiers,
            budget=workspace.engine.intake.time_budget,
            planned=self._planned,
            broken=failed,
            recovered=self._recovered,
            member=member.id.hex() if store.shared else "",
            lost=self._lost,
        )
        journals = {name: LeasedJournal(self._journal) for name in names} if store.shared else {}
        self.dispatchers = {name: parts.dispatcher(name, journals.get(name, self._journal)) for name in names}
        self._retention = Retention(
            store=store,
            due=lambda today: due_of(workspace, today),
            reactor=reactor,
            now=now,
            broken=failed,
        )
        self._sharing: Sharing | None = None
        self._membership: Membership | None = None
        if store.shared:
            self._sharing, self._membership = self._shared(member, journals, failed)
        self._follower = Follower(
            store=store, catalogue=catalogue, reactor=reactor, defer=self._journal.defer, broken=failed
        )
        self._backlog = self._made_backlog(
            member.id,
            store=store,
            journal=self._journal,
            pipeline=self._pipeline,
            reactor=reactor,
            identifier=identifiers.mint,
            now=now,
            planned=self._planned,
            broken=failed,
            recovered=self._recovered,
            ready=self._ready,
        )
        fences = self._sharing.fences_of_replays if self._sharing is not None else tuple
        self._strays = Strays(store, {str(name) for name in workspace.engine.listeners}, identifiers.mint, fences)
        self._replayer = Replayer(
            store=store,
            pipeline=self._pipeline,
            reactor=reactor,
            identifier=identifiers.mint,
            now=now,
            revisions={each.name: each.revision for known in (channels, cases) for each in known.values()},
            settled=self._settled,
            ready=self._ready,
            defer=self._journal.defer,
            planned=self._planned,
            recovered=self._recovered,
            broken=failed,
            fences=fences,
            wholes=(
                bringing_of(workspace, store, masters, catalogue, identifiers.mint, now),
                ItemSending(store=store, channels=items, keys=keys, identifier=identifiers.mint, now=now),
            ),
        )
        self._watermark = parts.watermark()
        self._hooks.start()
        unfinished = Unfinished()
        self.listeners = {
            str(name): parts.listener(
                str(name),
                intake=self,
                unfinished=unfinished,
                ports=ports,
                followed=Followed(store, self._journal.write, partial(self._follows, str(name))),
                note=self._noted,
                notices=LeftNotices(
                    str(name),
                    heard_of(workspace, name),
                    store=store,
                    journal=self._journal,
                    identifier=identifiers.mint,
                    now=now,
                    mine=partial(self._follows, str(name)),
                    fence=partial(self._followed_under, str(name)),
                ),
            )
            for name in doors
        }
        self._certificates = CertificateMarks(
            store,
            {f"listener:{name}": listener for name, listener in self.listeners.items()}
            | {f"destination:{name}": dispatcher.destination for name, dispatcher in self.dispatchers.items()},
        )

    # --- building
    def _shared(
        self, member: Member, journals: Mapping[str, LeasedJournal], failed: Callable[[Exception], None]
    ) -> tuple[Sharing, Membership]:
        store = cast("SharedStore", self._store)
        sharing = Sharing(
            store=store,
            reactor=self._reactor,
            dispatchers=self.dispatchers,
            journals=journals,
            retention=self._retention,
            died=self._beware,
        )
        return sharing, Membership(store, member, self._reactor, sharing, failed)

    def _made_backlog(self, member: bytes, **parts: Any) -> Backlog:  # noqa: ANN401 - passed on
        sharing = self._sharing
        if sharing is None:
            return Backlog(**parts)
        sharing.backlog = SharedBacklog(
            member=member, partitions=sharing.partitions, lost=self._lost, maps=self._works, **parts
        )
        return sharing.backlog

    def _noted(self, name: str, position: int, epoch: int, done: Callable[[], None]) -> None:
        self._journal.write(lambda change: change.cursors.append(Cursor(name, 0, position, epoch)), done)

    # --- what listeners and the journal call
    def take(self, arrival: Arrival) -> None:
        """Store it with the next group commit, then call its `reply`."""
        if self._watermark.low:
            arrival.reply(Receipt.NOT_STORED)
        else:
            self._journal.take(arrival)

    @property
    def open(self) -> bool:
        """Whether the store takes messages, and its disk has room for them."""
        return self._journal.open and not self._watermark.low

    def _follows(self, listener: str) -> bool:
        """Whether this engine hands in the changes of master data for a listener, or follows up what it hears."""
        return self._sharing is None or listener in self._sharing.follows

    def _followed_under(self, listener: str) -> Fence | None:
        return None if self._sharing is None else self._sharing.follows.get(listener)

    def _settled(self) -> int:
        if self._sharing is not None:  # another engine may have it settled: ask each second
            return int(self._reactor.seconds())
        return sum(dispatcher.settled for dispatcher in self.dispatchers.values())

    def _lost(self, fences: Collection[Fence]) -> None:
        assert self._membership is not None  # noqa: S101 - nothing is fenced otherwise
        self._membership.over(fences)

    def _beware(self) -> None:
        """An engine was killed, perhaps by a message that was not stored: from now on it is stored first."""
        if self._works:
            self._backlog.beware()
            self._journal.defer()

    def _ready(self) -> bool:
        return self._follower.ready

    def _planned(self, works: list[Work]) -> None:
        for name, dispatcher in self.dispatchers.items():
            if self._sharing is not None and name not in self._sharing.sends:
                continue
            mine = [work for work in works if work.entry.destination == name]
            if mine:
                dispatcher.feed(mine)

    def _recovered(self) -> None:
        for dispatcher in self.dispatchers.values():
            dispatcher.resync()

    # --- life
    @inlineCallbacks
    def start(self) -> Generator[Deferred[None], None, None]:
        """Destinations first, then the backlog and the catalogue, then the doors. `OSError`: a port is taken."""
        self._switch()
        if self._membership is not None and self._sharing is not None:
            self._membership.start()
            self._sharing.start()
        else:
            tries = tries_of(self._store)
            for name, dispatcher in self.dispatchers.items():
                dispatcher.start(*tries.get(name, ()))
            self._retention.start()
        if self._works:
            self._backlog.begin()
            self._follower.start()
        else:
            self._journal.store_first = True
        self._look_at_disk(first=True)
        for listener in self.listeners.values():
            yield listener.start()
        self._look_again()

    def _look_again(self) -> None:
        self._looking = self._reactor.callLater(LOOK, self._look)

    def _look_at_disk(self, *, first: bool = False) -> None:
        """Take nothing more below the mark, and again above it; say so once, in the log and for `casecart status`."""
        watermark = self._watermark
        changed = watermark.look()
        if first and not watermark.low:  # an engine that ended meanwhile may have left its mark
            changed = any(cursor.name == DISK and cursor.position for cursor in self._store.cursors())
        if not changed:
            return
        free, reserve, now = megabytes(watermark.free), megabytes(watermark.reserve), self._now()
        if watermark.low:
            log.error(
                "the disk of the store has %s left, and %s are its reserve: nothing is taken or acknowledged until "
                "there is room again; senders keep their messages, and what was taken goes out",
                free,
                reserve,
            )
        else:
            log.warning("the disk of the store has %s left: messages are taken again", free)
        kind = "casecart.intake.closed" if watermark.low else "casecart.intake.opened"
        self._store.write(
            Change(
                cursors=[Cursor(DISK, 0, now if watermark.low else 0, watermark.free)],
                events=[Event(kind, "disk", "", now, {"free": str(watermark.free), "reserve": str(watermark.reserve)})],
            )
        )

    def _look(self) -> None:
        try:
            with suppress(StoreUnavailable):  # the journal meets the same trouble, and tells it
                self._look_at_disk()
                self._look_for_wishes()
                self._certificates.look()
                if self._works:
                    park(self._store, self._now(), self._identifiers.mint)
        except StoreBroken as broken:  # the journal may have nothing to write for hours
            self._failed(broken)
            return
        self._look_again()

    def _look_for_wishes(self) -> None:
        self._switch()
        if self._works:
            # In this order: by what is read of the master data after a wish, the wish can be worked off.
            ours = self._sharing is None or self._sharing.replays is not None
            wishes = self._replayer.wishes() if ours else []
            if ours:
                self._strays.look()
            self._follower.look()
            self._replayer.work(wishes)

    def _switch(self) -> None:
        """Do what people want of destinations; they say it in the store, from another process."""
        wanted = {switch.destination: switch for switch in self._store.switches()}
        for name, dispatcher in self.dispatchers.items():
            dispatcher.obey(wanted.get(name))

    @inlineCallbacks
    def stop(self) -> Generator[Deferred[None], None, None]:
        """Close the doors, answer what was taken, see what is on its way to its end, and let go of everything."""
        if hasattr(self, "_looking") and self._looking.active():
            self._looking.cancel()
        for listener in self.listeners.values():
            yield listener.stop()
        self._follower.stop()
        self._replayer.stop()
        self._retention.stop()
        self._journal.flush()
        for dispatcher in self.dispatchers.values():
            yield dispatcher.stop(DRAIN)
        self._journal.flush()
        if self._works:
            self._backlog.end()
        if self._membership is not None and self._sharing is not None:
            self._sharing.stop()
            self._membership.stop()
        self._hooks.stop()
        for dispatcher in self.dispatchers.values():
            yield dispatcher.destination.stop()
