"""The real reactor in a thread of its own, for tests with real sockets; it runs from the first use to the end."""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet import reactor as installed
from twisted.internet.threads import blockingCallFromThread

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["in_reactor", "reactor"]

T = TypeVar("T")

reactor: Any = installed


@cache
def _run() -> None:
    started = threading.Event()
    reactor.callWhenRunning(started.set)
    threading.Thread(target=reactor.run, kwargs={"installSignalHandlers": False}, daemon=True).start()
    started.wait(10)


def in_reactor(function: Callable[..., T], *arguments: object) -> Any:  # noqa: ANN401 - what the Deferred fires with
    """Calls a function in the reactor's thread, and waits for what it returns; for a Deferred, until it has fired."""
    _run()
    return blockingCallFromThread(reactor, function, *arguments)
