"""The listeners of an engine: made, opened and closed, and exchanged while it runs.

One that is not changed is not touched: its port and its connections stay. One that is takes nothing new, answers what
it has taken, closes, and begins anew on its port.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twisted.internet.defer import DeferredList, inlineCallbacks, maybeDeferred

from casecart.runtime.difference import Names
from casecart.runtime.fault import told

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from typing import Any

    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from casecart.runtime.gate import Gate
    from casecart.runtime.listener import Listener
    from casecart.runtime.parts import Parts

__all__ = ["Doors"]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _New:
    """Listeners that are made, and are none of the engine's yet: they take nothing."""

    names: Names
    made: dict[str, tuple[Listener, Gate]] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    """Those whose port is open."""
    left: bool = False
    """Whether those in whose place they come are closed."""


class Doors:
    """Those of one engine.

    Args:
        make: makes one, by the parts of a workspace, its name, and what it hands messages to.
        gate: makes the latter.
        ports: of listeners, in place of the configured ones.

    Attributes:
        listeners: by name.
    """

    def __init__(
        self,
        make: Callable[[Parts, str, Gate], Listener],
        gate: Callable[[], Gate],
        ports: Mapping[str, int],
    ) -> None:
        self._make, self._gate, self._ports = make, gate, ports
        self.listeners: dict[str, Listener] = {}
        self._closed: dict[str, Parts] = {}  # that could not be opened again
        self._new = _New(Names())

    def add(self, parts: Parts, names: Iterable[str]) -> None:
        """Makes the first ones. Raises `WorkspaceError`."""
        for name in names:
            self.listeners[name] = self._make(parts, name, self._gate())

    @inlineCallbacks
    def start(self) -> Generator[Deferred[None], None, None]:
        """Opens them. `OSError`: a port is taken."""
        for listener in self.listeners.values():
            yield listener.start()

    @inlineCallbacks
    def stop(self) -> Generator[Deferred[None], None, None]:
        """Take nothing new, answer what was taken, close."""
        self._closed = {}
        for listener in self.listeners.values():
            yield listener.stop()

    # --- exchanged
    @inlineCallbacks
    def prepare(self, parts: Parts, names: Names) -> Generator[Deferred[Any], None, None]:
        """Makes the new ones, and opens those that are added, which take nothing yet.

        Args:
            parts: of the new workspace.
            names: what is different.

        Raises:
            WorkspaceError: one can't be made.
            OSError: a port is taken, by somebody else.
        """
        new = self._new = _New(names)
        for name in sorted(names.begin):
            gate = self._gate()
            gate.shut = True
            new.made[name] = self._make(parts, name, gate), gate
        freed = {self.listeners[name].port for name in names.end if name in self.listeners} - {0}
        for name in sorted(names.added):
            settings = parts.workspace.engine.listeners[name].settings
            if self._ports.get(name, getattr(settings, "port", 0)) not in freed:
                yield self._open(name, None)

    @inlineCallbacks
    def leave(self, old: Parts) -> Generator[Deferred[Any], None, None]:
        """Closes those that are changed or gone, when what they took is answered, and opens the others on their ports.

        Whatever fails, the old ones are opened again, as their parts say. Raises as `prepare`.
        """
        new = self._new
        new.left = True
        yield _ended([self.listeners[name] for name in sorted(new.names.end) if name in self.listeners])
        for name in sorted(new.made.keys() - set(new.begun)):
            yield self._open(name, old)

    @inlineCallbacks
    def _open(self, name: str, old: Parts | None) -> Generator[Deferred[Any], None, None]:
        try:
            yield maybeDeferred(self._new.made[name][0].start)
        except BaseException:
            yield self.go_back(old)
            raise
        self._new.begun.append(name)

    @inlineCallbacks
    def go_back(self, old: Parts | None) -> Generator[Deferred[Any], None, None]:
        """The new ones are not wanted; those that were closed for them are opened again, if their parts are given."""
        new = self._new
        yield _ended([new.made[name][0] for name in new.begun])
        if old is not None and new.left:
            for name in sorted(new.names.end):
                yield self._open_again(name, old)

    @inlineCallbacks
    def _open_again(self, name: str, old: Parts) -> Generator[Deferred[Any], None, None]:
        self.listeners.pop(name, None)
        try:
            listener = self._make(old, name, self._gate())
            yield maybeDeferred(listener.start)
        except Exception as fault:  # noqa: BLE001 - such as a certificate that is not there any more, or a port
            if name not in self._closed:
                words = str(fault) if isinstance(fault, OSError) else told(fault)
                log.error("listener %s can't be opened again, and this is tried each second: %s", name, words)  # noqa: TRY400 - its text is enough
            self._closed[name] = old
            return
        self._closed.pop(name, None)
        self.listeners[name] = listener

    def exchange(self) -> None:
        """From now on those that were prepared are the engine's, and take messages."""
        new, self._new = self._new, _New(Names())
        for name in new.names.end:
            self.listeners.pop(name, None)
            self._closed.pop(name, None)
        for name, (listener, gate) in new.made.items():
            self.listeners[name] = listener
            gate.shut = False

    @inlineCallbacks
    def look(self) -> Generator[Deferred[Any], None, None]:
        """Opens what could not be opened again."""
        for name, parts in list(self._closed.items()):
            yield self._open_again(name, parts)


def _ended(listeners: Iterable[Listener]) -> Deferred[Any]:
    """Fires when all of them have stopped."""

    def failed(failure: Failure) -> None:
        log.error("a listener could not be stopped: %s", told(failure.value))

    return DeferredList([maybeDeferred(listener.stop).addErrback(failed) for listener in listeners])
