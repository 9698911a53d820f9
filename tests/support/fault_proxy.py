"""A TCP proxy that breaks connections as bad networks do: resets, ends in mid-frame, splits, lags."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from twisted.internet.protocol import ClientFactory, Factory, Protocol

from support.reactor import in_reactor, reactor

if TYPE_CHECKING:
    from random import Random

    from twisted.python.failure import Failure

__all__ = ["CALM", "FaultProxy", "Faults"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How likely each is, for every piece of data that comes.

    Attributes:
        reset: both connections are reset, and what was under way is lost.
        cut: a part of the data arrives, and the connection ends.
        split: the data arrives in pieces, each a little later.
        lag: it arrives up to `longest` seconds later.
    """

    reset: float = 0.0
    cut: float = 0.0
    split: float = 0.0
    lag: float = 0.0
    longest: float = 0.2


CALM = Faults()


class FaultProxy:
    """A context manager; it takes connections from its beginning, in the thread of `support.reactor`.

    Args:
        target: the port that it passes them on to.
        chance: decides what breaks.
        faults: how likely each fault is.

    Attributes:
        port: its own.
        target: as above; it may be changed.
        faults: as above; they may be changed.
        refusing: while true, connections end as soon as they are there.
        refused: when each of those came, on the monotonic clock.
        seen: how often each fault happened.
    """

    def __init__(self, target: int, chance: Random, faults: Faults = CALM) -> None:
        self.target, self.chance, self.faults = target, chance, faults
        self.refusing = False
        self.refused: list[float] = []
        self.seen: Counter[str] = Counter()
        self.open: set[_Side] = set()
        self.port = 0

    def __enter__(self) -> Self:
        factory = Factory.forProtocol(_Side)
        factory.proxy = self  # type: ignore[attr-defined]  # how a Twisted protocol finds what it belongs to
        self._door = in_reactor(lambda: reactor.listenTCP(0, factory, interface="127.0.0.1"))
        self.port = self._door.getHost().port
        return self

    def __exit__(self, *_: object) -> None:
        in_reactor(self._door.stopListening)
        self.reset()

    def reset(self) -> None:
        """End every connection that is open, the hard way."""
        in_reactor(self._reset)

    def _reset(self) -> None:
        for side in list(self.open):
            side.reset()

    def fault(self) -> str:
        """What happens to the next piece of data; empty: nothing."""
        drawn = self.chance.random()
        for name in ("reset", "cut", "split", "lag"):
            drawn -= getattr(self.faults, name)
            if drawn < 0:
                self.seen[name] += 1
                return name
        return ""


class _Side(Protocol):
    """One of the two connections of a pair; what comes in here goes out at `other`, in order."""

    factory: Any
    other: _Side | None = None

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, bytes | None]] = deque()  # None: the connection ends
        self._busy = False

    @property
    def _proxy(self) -> FaultProxy:
        proxy: FaultProxy = self.factory.proxy
        return proxy

    def connectionMade(self) -> None:
        proxy = self._proxy
        if proxy.refusing:
            proxy.refused.append(time.monotonic())
            self.reset()
            return
        proxy.open.add(self)
        self.transport.setTcpNoDelay(True)  # type: ignore[union-attr]  # it is a TCP transport
        if self.other is None:
            reactor.connectTCP("127.0.0.1", proxy.target, _Onward(self))

    def dataReceived(self, data: bytes) -> None:
        proxy = self._proxy
        chance = proxy.chance
        match proxy.fault():
            case "reset":
                self._reset_both()
            case "cut":
                self._pass_on(0.0, data[: chance.randrange(len(data))])
                self._pass_on(0.0, None)
            case "split":
                places = sorted(chance.randrange(len(data) + 1) for _ in range(3))
                for begin, end in zip([0, *places], [*places, len(data)], strict=True):
                    self._pass_on(0.002, data[begin:end])
            case "lag":
                self._pass_on(chance.uniform(0.0, proxy.faults.longest), data)
            case _:
                self._pass_on(0.0, data)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override] # noqa: ARG002 - Twisted's own default
        self._proxy.open.discard(self)
        self._pass_on(0.0, None)

    def reset(self) -> None:
        """End it the hard way."""
        self.transport.abortConnection()  # type: ignore[union-attr]  # it is a TCP transport

    def _reset_both(self) -> None:
        self._waiting.clear()
        self.reset()
        if self.other is not None:
            self.other.reset()

    def _pass_on(self, after: float, data: bytes | None) -> None:
        self._waiting.append((after, data))
        self.go_on()

    def go_on(self) -> None:
        """Give what waits to the other side, one after the other."""
        while self._waiting and not self._busy and self.other is not None:
            after, data = self._waiting.popleft()
            if after:
                self._busy = True
                reactor.callLater(after, self._give_late, data)
            else:
                self._give(data)

    def _give_late(self, data: bytes | None) -> None:
        self._busy = False
        self._give(data)
        self.go_on()

    def _give(self, data: bytes | None) -> None:
        transport: Any = self.other and self.other.transport
        if transport is None:
            return
        if data is None:
            transport.loseConnection()
        else:
            transport.write(data)


class _Onward(ClientFactory):
    """Makes the second connection of a pair."""

    noisy = False

    def __init__(self, inner: _Side) -> None:
        self.proxy, self._inner = inner._proxy, inner

    def buildProtocol(self, addr: object) -> _Side:  # noqa: ARG002 - Twisted's
        side = _Side()
        side.factory = self
        side.other, self._inner.other = self._inner, side
        reactor.callLater(0, self._inner.go_on)
        return side

    def clientConnectionFailed(self, connector: object, reason: object) -> None:  # noqa: ARG002, N802 - Twisted's
        self._inner.reset()
