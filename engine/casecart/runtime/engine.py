"""The engine: puts the rooms together for one workspace, starts them in order and stops them in the other order.

On a store that is shared, a process may have one role, or all: a listener stores what arrives, a worker maps it, a
dispatcher sends postings. Any number of each share the work among them (`casecart.runtime.membership`).
"""

from __future__ import annotations

import os
import random
from contextlib import suppress
from dataclasses import replace
from functools import partial
from socket import gethostname
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.defer import inlineCallbacks

from casecart.master.catalogue import Catalogue
from casecart.runtime.backlog import Backlog
from casecart.runtime.certificate_marks import CertificateMarks
from casecart.runtime.change_over import ChangeOver
from casecart.runtime.clock import wall_clock
from casecart.runtime.compiled import compile_workspace, whole_works
from casecart.runtime.continuation import park
from casecart.runtime.disk_marks import DiskMarks
from casecart.runtime.doors import Doors
from casecart.runtime.follower import Follower
from casecart.runtime.gate import Gate
from casecart.runtime.heard import heard_in, heard_of
from casecart.runtime.identifier import Identifiers
from casecart.runtime.item_changes import Followed
from casecart.runtime.journal import Journal
from casecart.runtime.membership import Membership
from casecart.runtime.notices import LeftNotices
from casecart.runtime.parts import Parts
from casecart.runtime.pipeline import Pipeline
from casecart.runtime.replay import By, Replayer
from casecart.runtime.retention import Retention, due_of
from casecart.runtime.roles import ROLES, Roles
from casecart.runtime.secret_keys import keys_of, tokens_of
from casecart.runtime.shared_backlog import SharedBacklog
from casecart.runtime.sharing import Sharing
from casecart.runtime.strays import Strays
from casecart.runtime.unfinished import Unfinished
from casecart.runtime.uptake import Uptake
from casecart.runtime.ways_out import WaysOut
from casecart.store import ONLY_ENGINE, Cursor, Member, Running, Store, StoreBroken, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Mapping

    from twisted.internet.defer import Deferred

    from casecart.runtime.compiled import Compiled
    from casecart.runtime.difference import Difference
    from casecart.runtime.listener import Listener
    from casecart.runtime.roles import Role
    from casecart.runtime.window import Work
    from casecart.store import Fence, SharedStore
    from casecart.workspace import Workspace

__all__ = ["Engine"]

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
        uptake: takes up the revision of the workspace that is wanted.

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
        self._store, self._reactor, self._now = store, reactor, now
        self._roles = doing = Roles.of(roles)
        self.member = member = Member(os.urandom(16), doing.leases(workspace), f"{gethostname()}:{os.getpid()}", now())
        self._failed, self._environment = failed, environment
        self._chance = chance or random.SystemRandom()
        self._identifiers = identifiers = Identifiers(now, self._chance.randbytes)
        self._catalogue, self._keys = Catalogue(), keys_of(workspace, environment, store)
        by, parts = self._prepared(workspace)
        self._pipeline = Pipeline(
            store=store,
            catalogue=self._catalogue,
            keys=self._keys,
            tokens=tokens_of(workspace, environment),
            identifier=identifiers.mint,
            clock=reactor.seconds,
            by=by,
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
        self._ways_out = WaysOut(store, self._journal, reactor, failed)
        self._ways_out.add(self._ways_out.make(parts, doing.destinations(workspace)))
        self.dispatchers = self._ways_out.dispatchers
        self._retention = Retention(
            store=store,
            due=lambda today: due_of(self.workspace, today),
            reactor=reactor,
            now=now,
            broken=failed,
        )
        self._sharing: Sharing | None = None
        self._membership: Membership | None = None
        if store.shared:
            self._sharing, self._membership = self._shared(member)
        self._follower = Follower(
            store=store, catalogue=self._catalogue, reactor=reactor, defer=self._journal.defer, broken=failed
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
        self._strays = Strays(store, set(map(str, workspace.engine.listeners)), identifiers.mint, fences)
        self._replayer = Replayer(
            store=store,
            pipeline=self._pipeline,
            reactor=reactor,
            identifier=identifiers.mint,
            now=now,
            by=self._worked_by(by),
            settled=self._settled,
            ready=self._ready,
            defer=self._journal.defer,
            planned=self._planned,
            recovered=self._recovered,
            broken=failed,
            fences=fences,
        )
        self._watermark = parts.watermark()
        self._disk = DiskMarks(store, self._watermark, now)
        self._unfinished, self._ports = Unfinished(), ports
        self._doors = Doors(self._made_listener, partial(Gate, self._journal, self._watermark), ports)
        self._doors.add(parts, doing.listeners(workspace))
        self.listeners = self._doors.listeners
        by.hooks.start()
        self._change_over = ChangeOver(
            by,
            parts,
            reactor=reactor,
            prepared=self._prepared,
            doors=self._doors if doing.listens else None,
            ways_out=self._ways_out if doing.sends else None,
            exchanged=self._exchanged,
            changed=lambda found: self.changed(found),  # noqa: PLW0108 - whatever that is by then
            failed=failed,
        )
        self.changed: Callable[[Difference], None] = lambda _: None
        """Told when it runs on another workspace."""
        self.uptake = Uptake(
            store=store,
            root=workspace.root,
            runs=Running(member.id if store.shared else ONLY_ENGINE, member.place, 0, now()),
            reactor=reactor,
            now=now,
            write=self._journal.write,
            change_to=self.change_to,
            broken=failed,
        )
        self._certificates = CertificateMarks(store, self._with_certificates)

    # --- building
    @property
    def workspace(self) -> Workspace:
        """What it runs on now."""
        return self._change_over.by.workspace

    def _prepared(self, workspace: Workspace) -> tuple[Compiled, Parts]:
        """All that is made of a workspace and does nothing yet. Raises `WorkspaceError`."""
        by = compile_workspace(workspace, self._reactor.seconds)
        parts = Parts(
            workspace=workspace,
            store=self._store,
            reactor=self._reactor,
            now=self._now,
            chance=self._chance,
            identifiers=self._identifiers,
        )
        return replace(by, heard=heard_in(workspace)), parts

    def _worked_by(self, by: Compiled) -> By:
        return By(
            by.revisions,
            whole_works(
                by,
                store=self._store,
                catalogue=self._catalogue,
                keys=self._keys,
                identifier=self._identifiers.mint,
                now=self._now,
            ),
        )

    def _made_listener(self, parts: Parts, name: str, gate: Gate) -> Listener:
        return parts.listener(
            name,
            intake=gate,
            unfinished=self._unfinished,
            ports=self._ports,
            followed=Followed(self._store, self._journal.write, partial(self._follows, name)),
            note=self._noted,
            notices=LeftNotices(
                name,
                heard_of(parts.workspace, name),
                store=self._store,
                journal=self._journal,
                identifier=self._identifiers.mint,
                now=self._now,
                mine=partial(self._follows, name),
                fence=partial(self._followed_under, name),
            ),
        )

    def _with_certificates(self) -> Mapping[str, object]:
        return {f"listener:{name}": listener for name, listener in self.listeners.items()} | {
            f"destination:{name}": dispatcher.destination for name, dispatcher in self.dispatchers.items()
        }

    def _shared(self, member: Member) -> tuple[Sharing, Membership]:
        store = cast("SharedStore", self._store)
        sharing = self._ways_out.sharing = Sharing(
            store=store,
            reactor=self._reactor,
            dispatchers=self.dispatchers,
            journals=self._ways_out.journals,
            retention=self._retention,
            died=self._beware,
        )
        sharing.finish = self._ways_out.finish
        return sharing, Membership(store, member, self._reactor, sharing, self._failed)

    def _made_backlog(self, member: bytes, **parts: Any) -> Backlog:  # noqa: ANN401 - passed on
        sharing = self._sharing
        if sharing is None:
            return Backlog(**parts)
        sharing.backlog = SharedBacklog(
            member=member, partitions=sharing.partitions, lost=self._lost, maps=self._roles.works, **parts
        )
        return sharing.backlog

    def _noted(self, name: str, position: int, epoch: int, done: Callable[[], None]) -> None:
        self._journal.write(lambda change: change.cursors.append(Cursor(name, 0, position, epoch)), done)

    # --- what listeners and the journal call
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
        if self._roles.works:
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

    # --- another workspace
    def change_to(self, workspace: Workspace) -> Deferred[Difference]:
        """Run on another workspace from now on; fires when it does, with what is different.

        All is made ready first. Then listeners that are changed or gone answer what they have taken, and close; no
        other one is touched. In one turn of the reactor everything else goes over: a message is worked wholly by the
        one workspace or by the other. What is on its way to a destination that is changed is seen to its end behind
        that, before its new settings take the queue. Who asks while a change is under way comes behind it.

        Args:
            workspace: loaded without findings, from the folder of the one before.

        Fails, and the engine runs on as before:
            WorkspaceError: it can't be run like this, or needs a restart (`needs-restart`).
            OSError: a listener's port is taken.
            StoreUnavailable: the store does not answer.
            Stopped: the engine is being stopped.
        """
        return self._change_over.to(workspace)

    def _exchanged(self, by: Compiled) -> None:
        """Everybody who asks the workspace for something is given it anew."""
        workspace = by.workspace
        self._pipeline.work_by(by)
        self._replayer.work_by(self._worked_by(by))
        self._journal.map_within(workspace.engine.intake.time_budget)
        self._watermark.wanted = workspace.engine.intake.disk_reserve
        self._strays.listeners = set(map(str, workspace.engine.listeners))
        if self._membership is not None:
            self._membership.member = self._membership.member._replace(roles=self._roles.leases(workspace))

    # --- life
    @inlineCallbacks
    def start(self) -> Generator[Deferred[None], None, None]:
        """Destinations first, then the backlog and the catalogue, then the doors. `OSError`: a port is taken."""
        self._switch()
        if self._membership is not None and self._sharing is not None:
            self._membership.start()
            self._sharing.start()
        else:
            self._ways_out.start()
            self._retention.start()
        if self._roles.works:
            self._backlog.begin()
            self._follower.start()
        else:
            self._journal.store_first = True
        self._disk.look(first=True)
        yield self._doors.start()
        self._look_again()

    def _look_again(self) -> None:
        self._looking = self._reactor.callLater(LOOK, self._look)

    def _look(self) -> None:
        try:
            with suppress(StoreUnavailable):  # the journal meets the same trouble, and tells it
                self._disk.look()
                self._look_for_wishes()
                self._certificates.look()
                if not self._change_over.under_way:
                    self._doors.look()
                self.uptake.look()
                if self._roles.works:
                    park(self._store, self._now(), self._identifiers.mint)
        except StoreBroken as broken:  # the journal may have nothing to write for hours
            self._failed(broken)
            return
        self._look_again()

    def _look_for_wishes(self) -> None:
        self._switch()
        if self._roles.works:
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
    def stop(self) -> Generator[Deferred[Any], None, None]:
        """Close the doors, answer what was taken, see what is on its way to its end, and let go of everything."""
        if hasattr(self, "_looking") and self._looking.active():
            self._looking.cancel()
        yield self._change_over.stop()
        yield self._doors.stop()
        self._follower.stop()
        self._replayer.stop()
        self._retention.stop()
        self._journal.flush()
        yield self._ways_out.stop(DRAIN)
        self._journal.flush()
        if self._roles.works:
            self._backlog.end()
        if self._membership is not None and self._sharing is not None:
            self._sharing.stop()
            self._membership.stop()
        self._change_over.by.hooks.stop()
        yield self._ways_out.let_go()
