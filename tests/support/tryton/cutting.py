"""A door in front of a Tryton that lets a request through and its answer not, or not even the request."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol

from support.reactor import in_reactor, reactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

__all__ = ["STEPS", "Cuts", "How", "cutting", "resetting"]

How = Literal["cut", "silence", "lost", "reset"]
"""The answer is cut off; it never comes, nor does the end of the connection; the request itself is lost on its way; the
connection is reset in place of the answer."""

STEPS = ("POST create", "POST wait", "POST assign_try", "POST do", "GET read after do")
"""Of a posting: each is carried out by Tryton, and then nobody hears of it."""


class Cutter(Protocol):
    """Passes requests on, and cuts the connection instead of passing on the answer to the one that it looks for."""

    transport: Any

    def __init__(self, cutting: Cutting) -> None:
        self.cutting, self.cut, self.ended = cutting, False, False
        self.server: Any = None

    def connectionMade(self) -> None:
        self.waiting = b""
        behind = Protocol()
        behind.dataReceived = self._answered  # type: ignore[method-assign]  # the shortest way
        behind.connectionLost = self._hung_up  # type: ignore[method-assign,assignment]  # as above
        endpoint = HostnameEndpoint(reactor, "127.0.0.1", self.cutting.port)
        connectProtocol(endpoint, behind).addCallbacks(self._connected, self._hung_up)

    def _connected(self, behind: Any) -> None:  # noqa: ANN401 - a protocol with a transport
        self.server = behind
        behind.transport.write(self.waiting)

    def dataReceived(self, data: bytes) -> None:
        self.cut = self.cut or self.cutting.wanted(data)
        if self.cut and self.cutting.how == "lost":
            self._end()
        elif self.server is None:
            self.waiting += data
        else:
            self.server.transport.write(data)

    def _answered(self, data: bytes) -> None:
        if self.cut:
            self._end()
        else:
            self.transport.write(data)

    def _hung_up(self, _: object = None) -> None:
        if not (self.cut and self.cutting.how == "silence"):
            self.transport.loseConnection()

    def _end(self) -> None:
        if self.ended:  # an answer may come in several pieces
            return
        self.ended = True
        self.cutting.then()
        self.cutting.cut.set()
        if self.cutting.how == "reset":
            self.transport.abortConnection()
        elif self.cutting.how != "silence":
            self.transport.loseConnection()


class Cutting(Factory):
    """Cuts after one request of a kind, once, and calls `then` before anything else happens."""

    def __init__(self, port: int, step: str, then: Callable[[], None], how: How) -> None:
        self.port, self.step, self.how, self.done, self.seen = port, step, how, False, False
        self.then, self.cut = then, threading.Event()

    def buildProtocol(self, addr: object) -> Protocol:  # noqa: ARG002 - as Twisted has it
        return Cutter(self)

    def wanted(self, data: bytes) -> bool:
        line = data.split(b"\r\n", 1)[0].decode()
        method, path = line.split()[:2] if line.startswith(("GET ", "POST ")) else ("", "")
        action = path.partition("?")[0].rpartition("/")[2]
        kind = f"{method} {'create' if action == 'stock.shipment.internal' else action}"
        after = self.step == "GET read after do" and self.seen and method == "GET"
        self.seen = self.seen or kind == "POST do"
        if self.done or not (after or kind == self.step):
            return False
        self.done = True
        return True


class Cuts(Cutting):
    """Resets after some requests that change something, by chance: Tryton has carried them out."""

    def __init__(self, port: int, chance: Random, rate: float) -> None:
        super().__init__(port, "", lambda: None, "reset")
        self.chance, self.rate, self.requests, self.resets = chance, rate, 0, 0

    def wanted(self, data: bytes) -> bool:
        if not data.startswith(b"POST "):
            return False
        self.requests += 1
        wanted = self.chance.random() < self.rate
        self.resets += wanted
        return wanted


@contextmanager
def resetting(port: int, chance: Random, rate: float) -> Iterator[tuple[int, Cuts]]:
    """A port in front of Tryton's that resets so many of the connections when a request has been carried out.

    Args:
        port: Tryton's.
        chance: which.
        rate: of the requests that change something.
    """
    factory = Cuts(port, chance, rate)
    door = in_reactor(lambda: reactor.listenTCP(0, factory, interface="127.0.0.1"))
    try:
        yield door.getHost().port, factory
    finally:
        in_reactor(door.stopListening)


@contextmanager
def cutting(
    port: int, step: str, then: Callable[[], None] = lambda: None, *, how: How = "cut"
) -> Iterator[tuple[int, threading.Event]]:
    """A port in front of Tryton's, and the event that the answer was cut off.

    Args:
        port: Tryton's.
        step: one of `STEPS`.
        then: called when the answer is there, in place of passing it on.
        how: what becomes of the answer, or of the request.
    """
    factory = Cutting(port, step, then, how)
    door = in_reactor(lambda: reactor.listenTCP(0, factory, interface="127.0.0.1"))
    try:
        yield door.getHost().port, factory.cut
    finally:
        in_reactor(door.stopListening)
