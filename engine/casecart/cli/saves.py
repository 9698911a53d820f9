"""`casecart run --watch`: the files of a workspace are taken into use whenever they are saved."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThreadPool

from casecart.cli.failure import explained
from casecart.cli.watching import POLL, saved
from casecart.commands.workspace import load_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from casecart.runtime.engine import Engine

__all__ = ["Saves"]

log = logging.getLogger("casecart")


class Saves:
    """Of one engine.

    Args:
        root: the workspace.
        engine: that runs on it.
        reactor: has threads, to look at files in.
    """

    def __init__(self, root: Path, engine: Engine, reactor: Any) -> None:  # noqa: ANN401 - zope interfaces say nothing to mypy
        self._root, self._engine, self._reactor = root, engine, reactor
        self._before: object = dict(saved(root))
        self._call: Any = None
        self._stopped = False

    def start(self) -> None:
        """Look from now on."""
        self._call = self._reactor.callLater(POLL, self._look)

    def stop(self) -> None:
        """Look no more."""
        self._stopped = True
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _look(self) -> None:
        self._looked().addErrback(self._failed).addBoth(lambda _: None if self._stopped else self.start())

    @inlineCallbacks
    def _looked(self) -> Generator[Deferred[Any], Any, None]:
        now = yield self._in_thread(lambda: dict(saved(self._root)))
        if now == self._before or self._stopped:
            return
        self._before, began = now, self._reactor.seconds()
        workspace = yield self._in_thread(load_workspace, self._root)
        found = yield self._engine.change_to(workspace)
        took = self._reactor.seconds() - began
        log.info("saved: %s (%.1f s)", found.words or "nothing differs", took)
        self._engine.uptake.saved(workspace)

    def _in_thread(self, function: Callable[..., object], *arguments: object) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), function, *arguments)

    def _failed(self, failure: Failure) -> None:
        """Tell what is wrong; the next save may mend it."""
        if self._stopped or not isinstance(failure.value, Exception):
            return
        log.error("saved, and not taken: what ran runs on\n%s", explained(failure.value)[1])
