"""An MLLP listener on a real port, and what plain sockets do to it."""

from __future__ import annotations

import socket
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from casecart.formats.mllp import Framer
from casecart.listeners.mllp import MllpListener
from casecart.runtime.listener import ListenerContext, Receipt
from support.listening import Intake, mllp_settings
from support.reactor import in_reactor, reactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from casecart.listeners.mllp_settings import MllpSettings
    from casecart.runtime.listener import Arrival

__all__ = ["Turn", "connected", "context", "listening", "received", "until"]


class Turn(Intake):
    """Answers at the end of the turn, as a group commit does; from `fail` on nothing is stored."""

    def __init__(self) -> None:
        super().__init__(None)
        self.fail = False

    def take(self, arrival: Arrival) -> None:
        """Remember it, and answer it soon."""
        super().take(arrival)
        reactor.callLater(0, arrival.reply, Receipt.NOT_STORED if self.fail else Receipt.STORED)


def context(intake: Intake, settings: MllpSettings, *, name: str = "or-mllp", root: Path = Path()) -> ListenerContext:
    """What the engine would make a listener with."""
    return ListenerContext(
        name=name,
        settings=settings,
        reactor=reactor,
        intake=intake,
        now=lambda: time.time_ns() // 1000,
        organisation="MERCY",
        time_zones={"NORTH": "America/Chicago"},
        root=root,
    )


@contextmanager
def listening(intake: Intake, settings: MllpSettings | None = None, *, root: Path = Path()) -> Iterator[MllpListener]:
    """An open port."""
    listener = MllpListener(context(intake, settings or mllp_settings(), root=root))
    in_reactor(listener.start)
    try:
        yield listener
    finally:
        in_reactor(listener.stop)


def connected(listener: MllpListener) -> closing[socket.socket]:
    """A plain socket, for what no library would send."""
    return closing(socket.create_connection(("127.0.0.1", listener.port), timeout=10))


def received(connection: socket.socket, count: int) -> list[bytes]:
    """So many answers."""
    framer = Framer(1_000_000)
    answers: list[bytes] = []
    while len(answers) < count:
        data = connection.recv(65_536)
        assert data, f"closed after {len(answers)} of {count} answers"
        answers += [answer for answer in framer.feed(data) if isinstance(answer, bytes)]
    return answers


def until(condition: Callable[[], bool]) -> None:
    """Waits until something that another thread does is done."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
