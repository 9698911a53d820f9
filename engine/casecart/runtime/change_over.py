"""An engine goes over to another workspace while it runs: all is made ready first, and then exchanged in one turn."""

from __future__ import annotations

import gc
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import DeferredLock, inlineCallbacks
from twisted.internet.threads import deferToThreadPool

from casecart.runtime.difference import NEEDS_RESTART, Names, difference, needs_restart
from casecart.runtime.fault import told
from casecart.workspace import Finding, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator

    from twisted.internet.defer import Deferred

    from casecart.runtime.compiled import Compiled
    from casecart.runtime.difference import Difference
    from casecart.runtime.doors import Doors
    from casecart.runtime.hooks import Hooks
    from casecart.runtime.parts import Parts
    from casecart.runtime.ways_out import WayOut, WaysOut
    from casecart.workspace import Workspace

__all__ = ["ChangeOver", "Stopped"]

log = logging.getLogger(__name__)


class Stopped(Exception):
    """The engine is being stopped, and runs on what it ran on until it has."""


class ChangeOver:
    """Of one engine.

    Args:
        by: what messages are worked by now, its hooks started.
        parts: of the same workspace.
        reactor: has threads to make things ready in.
        prepared: makes all that a workspace needs, which does nothing yet.
        doors: the listeners; None: this engine has none.
        ways_out: the dispatchers; None: likewise.
        exchanged: has everybody else work by the new ones, in the same turn.
        changed: told what is different, behind that.
        failed: told when the engine can't go on.

    Attributes:
        by: as above, as it is now.
        parts: likewise.
    """

    def __init__(
        self,
        by: Compiled,
        parts: Parts,
        *,
        reactor: Any,  # noqa: ANN401 - zope interfaces say nothing to mypy
        prepared: Callable[[Workspace], tuple[Compiled, Parts]],
        doors: Doors | None,
        ways_out: WaysOut | None,
        exchanged: Callable[[Compiled], None],
        changed: Callable[[Difference], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self.by, self.parts, self._reactor, self._prepared = by, parts, reactor, prepared
        self._doors, self._ways_out, self._exchanged, self._failed = doors, ways_out, exchanged, failed
        self._changed = changed
        self._lock, self._stopping = DeferredLock(), False

    def to(self, workspace: Workspace) -> Deferred[Difference]:
        """As `Engine.change_to`."""
        return self._lock.run(self._to, workspace)

    @property
    def under_way(self) -> bool:
        """Whether something is being changed, or will be no more."""
        return bool(self._lock.locked)

    def stop(self) -> Deferred[Any]:
        """Change nothing any more; fires when what is under way is at its end, or taken back."""
        self._stopping = True
        return self._lock.acquire()

    @inlineCallbacks
    def _to(self, workspace: Workspace) -> Generator[Deferred[Any], Any, Difference]:
        old = self.by
        fixed = needs_restart(old.workspace, workspace)
        if fixed:
            raise WorkspaceError(list(_needing_restart(workspace, fixed)))
        self._must_go_on()
        pool = self._reactor.getThreadPool()
        by, parts = yield deferToThreadPool(self._reactor, pool, self._made_ready, workspace, old.hooks)
        made: dict[str, WayOut] = {}
        try:
            self._must_go_on()
            found = difference(old.workspace, workspace)
            if self._ways_out is not None:
                made = self._ways_out.make(parts, found.destinations.begin)
            if self._doors is not None:
                yield self._doors.prepare(parts, found.listeners)
                yield self._doors.leave(self.parts)
                if self._stopping:
                    yield self._doors.go_back(None)
            self._must_go_on()
        except BaseException:
            if self._ways_out is not None:
                self._ways_out.discard(made)
            by.hooks.stop(but=old.hooks)
            raise
        self._exchange(by, parts, made, found.destinations)
        old.hooks.stop(but=by.hooks)
        self._reactor.callLater(0, gc.collect)  # what was compiled refers to itself
        self._tell(found)
        return found

    def _tell(self, found: Difference) -> None:
        """What can't be told, such as to an output that nobody reads any more, has happened all the same."""
        try:
            self._changed(found)
        except Exception as fault:  # noqa: BLE001 - whatever it is, this workspace runs, and who asked must hear that
            log.error("the change is made, and could not be told: %s", told(fault))  # noqa: TRY400 - its text is enough

    def _made_ready(self, workspace: Workspace, hooks: Hooks) -> tuple[Compiled, Parts]:
        """In a thread: it takes as long as it takes, and nobody waits. Raises `WorkspaceError`."""
        by, parts = self._prepared(workspace)
        by.hooks.keep(hooks)
        by.hooks.start()
        # What was taken before may still wait, for a facility that is no more.
        return replace(by, time_zones={**self.by.time_zones, **by.time_zones}), parts

    def _must_go_on(self) -> None:
        if self._stopping:
            raise Stopped("the engine is being stopped")

    def _exchange(self, by: Compiled, parts: Parts, made: dict[str, WayOut], destinations: Names) -> None:
        """In this turn, all of it."""
        try:
            self.by, self.parts = by, parts
            self._exchanged(by)
            if self._ways_out is not None:
                self._ways_out.exchange(made, destinations, parts)
            if self._doors is not None:
                self._doors.exchange()
        except Exception as fault:  # it is half the one and half the other: only the store can be trusted
            self._failed(fault)
            raise


def _needing_restart(workspace: Workspace, names: Collection[str]) -> Iterator[Finding]:
    for name in names:
        words = f"{name} can't be changed while the engine runs: it needs a restart"
        yield Finding(workspace.engine.at(name), "error", NEEDS_RESTART, words)
