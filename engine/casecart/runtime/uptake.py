"""Which revision of the workspace this engine runs: it takes up the one that is wanted, and writes what it runs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThreadPool

from casecart.runtime.change_over import Stopped
from casecart.runtime.fault import told
from casecart.runtime.revision import channels_of, revised
from casecart.store import AuditRecord, Change, Damaged, Running, StoreBroken, StoreUnavailable
from casecart.workspace import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from casecart.runtime.difference import Difference
    from casecart.store import Store
    from casecart.workspace import Workspace

    Write = Callable[[Callable[[Change], None], Callable[[], None]], None]

__all__ = ["CHANGE", "Uptake", "why_not"]

CHANGE: Final = "engine.change"
"""The command of the audit record that says by what an engine works messages from then on."""

log = logging.getLogger(__name__)


class Uptake:
    """Of one engine.

    Args:
        store: has the revisions, and which is wanted.
        root: the workspace's folder.
        runs: what it runs, and who it is.
        reactor: has threads to load a revision in.
        now: wall clock, µs since 1970.
        write: makes additions to a change durable (`Journal.write`).
        change_to: has the engine run on another workspace (`Engine.change_to`).
        broken: told that the store failed for good.
    """

    def __init__(
        self,
        *,
        store: Store,
        root: Path,
        runs: Running,
        reactor: Any,  # noqa: ANN401 - zope interfaces say nothing to mypy
        now: Callable[[], int],
        write: Write,
        change_to: Callable[[Workspace], Deferred[Difference]],
        broken: Callable[[Exception], None],
    ) -> None:
        self._store, self._root, self._reactor, self._now = store, root, reactor, now
        self._write, self._change_to, self._broken = write, change_to, broken
        self._running = runs
        self._seen: int | None = None
        self._before: int | None = None  # what was wanted before what was refused
        self._busy = False

    def begins(self, number: int, seen: int | None, *, refused: int = 0, reason: str = "") -> Running:
        """Before the start, what it begins with; gives what is to be written of that.

        Args:
            number: the revision that it runs; 0: files that are none.
            seen: the one that was wanted when that was decided; None: nothing was.
            refused: that one, where it was not taken.
            reason: why.
        """
        self._seen = seen
        running = self._running._replace(number=number, since=self._now(), refused=refused, reason=reason)
        self._running = running
        return running

    def look(self) -> None:
        """Take up what is wanted, if that is another revision than at the last look. Raises `StoreUnavailable`."""
        if self._busy:
            return
        wanted = self._store.wanted_revision(self._now())
        if wanted is None or wanted == self._seen:
            return
        if self._running.refused == self._seen and wanted == self._before:
            # What it would not take was cancelled: what ran runs on, also where that are files that are no revision.
            self._seen = wanted
            self._say(self._running._replace(refused=0, reason=""))
            return
        self._busy = True
        self._taken(wanted).addErrback(self._failed).addBoth(self._over)

    def saved(self, workspace: Workspace) -> None:
        """The engine runs on files that are no revision, from now on."""
        self._runs(0, workspace)

    def _failed(self, failure: Failure) -> None:
        self._broken(cast("Exception", failure.value))

    def _over(self, _: object) -> None:
        self._busy = False

    @inlineCallbacks
    def _taken(self, wanted: int) -> Generator[Deferred[Any], Any, None]:
        try:
            revision = self._store.revision(wanted)
            if revision is None:
                return
            pool, began = self._reactor.getThreadPool(), self._reactor.seconds()
            taken = yield deferToThreadPool(self._reactor, pool, revised, revision, self._root)
            found = yield self._change_to(taken.workspace)
        except (StoreUnavailable, Stopped):
            return  # it is wanted still, at the next look or of the next engine
        except StoreBroken:
            raise
        except Exception as fault:  # noqa: BLE001 - whatever it is, the engine runs on what it ran on
            if self._running.refused != self._seen:
                self._before = self._seen
            self._seen, why = wanted, why_not(fault)
            log.error("revision %d was not taken, and what ran runs on: %s", wanted, why)  # noqa: TRY400 - its text is enough
            self._say(self._running._replace(refused=wanted, reason=why))
            return
        self._seen = wanted
        log.info(
            "revision %d runs: %s (%.1f s)", wanted, found.words or "nothing differs", self._reactor.seconds() - began
        )
        self._runs(wanted, taken.workspace)

    def _runs(self, number: int, workspace: Workspace) -> None:
        channels = {name: digest[:12] for name, digest in channels_of(workspace).items()}
        detail = msgspec.json.encode({"revision": number, "channels": channels}).decode()
        record = AuditRecord(self._now(), "engine", CHANGE, "engine", detail)
        self._say(self._running._replace(number=number, since=self._now(), refused=0, reason=""), record)

    def _say(self, running: Running, *audit: AuditRecord) -> None:
        """Have it written, with the next commit."""
        self._running = running

        def fill(change: Change) -> None:
            change.running.append(running)
            change.audit.extend(audit)

        self._write(fill, lambda: None)


def why_not(fault: Exception) -> str:
    """Why an engine did not take a workspace, in one line for the person who wants it."""
    if isinstance(fault, WorkspaceError):
        errors = [str(finding) for finding in fault.findings if finding.severity == "error"]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return f"{errors[0] if errors else fault}{more}"
    if isinstance(fault, OSError):
        return fault.strerror or str(fault)
    return str(fault) if isinstance(fault, Damaged) else f"the engine failed over it ({told(fault)})"
