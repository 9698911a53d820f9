"""An engine with its listener on a real socket, in this process: what a sender is told, and what came of it."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from casecart.formats.mllp import Framer, frame
from casecart.runtime.engine import Engine
from casecart.store import open_store
from support.line import CHANNEL, SECRET, write_workspace
from support.loaded import loaded
from support.reactor import in_reactor, reactor
from support.store import new_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from twisted.internet.defer import Deferred

    from casecart.store import Store

__all__ = ["Answered", "Sender", "answered"]


class Sender:
    """One connection of a sender."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._framer = Framer(1_000_000)
        self._came: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, *bodies: bytes) -> None:
        """All in one write."""
        self._socket.sendall(b"".join(map(frame, bodies)))

    def no_more(self) -> None:
        """Close the way out; answers may still come."""
        self._socket.shutdown(socket.SHUT_WR)

    def answers(self, count: int) -> list[bytes]:
        """So many more answers; no other one has come."""
        while len(self._came) < count:
            data = self._socket.recv(65_536)
            assert data, f"closed after {len(self._came)} of {count} answers"
            self._came += [answer for answer in self._framer.feed(data) if isinstance(answer, bytes)]
        answers, self._came = self._came[:count], self._came[count:]
        assert not self._came
        return answers

    def codes(self, count: int) -> list[str]:
        """As `answers`: code and control id of each."""
        return [
            b" ".join(answer.split(b"\rMSA|")[1].split(b"\r")[0].split(b"|")[:2]).decode()
            for answer in self.answers(count)
        ]

    def closed(self) -> bool:
        """Whether the other side closes the connection and says nothing more."""
        return self._socket.recv(1) == b""


class Answered:
    """The engine."""

    def __init__(self, root: Path, url: str) -> None:
        self.failed: list[Exception] = []
        self.store: Store = open_store(url, role="engine")
        workspace = loaded(root)
        self.engine = Engine(workspace=workspace, store=self.store, reactor=reactor, failed=self.failed.append)

    @property
    def port(self) -> int:
        """Of its listener."""
        return self.engine.listeners["or-mllp"].port

    def sender(self) -> Sender:
        """A new connection."""
        return Sender(self.port)

    def start(self) -> Deferred[None]:
        """In the reactor's thread."""
        return self.engine.start()

    def stop(self) -> Deferred[None]:
        """In the reactor's thread."""
        stopped = self.engine.stop()
        stopped.addCallback(lambda _: self.store.close())
        return stopped


@contextmanager
def answered(root: Path, acknowledge: str, *, channel: str = CHANNEL, intake: str = "{}") -> Iterator[Answered]:
    """A running engine whose listener answers as `acknowledge` says."""
    url = f"sqlite:///{root}/casecart.db"
    write_workspace(root, channel=channel)
    settings = root / "config" / "engine.yaml"
    text = settings.read_text("utf-8").replace("    port: 0\n", f"    port: 0\n    acknowledge: {acknowledge}\n")
    settings.write_text(f"{text}store: {url}\nintake: {intake}\n", "utf-8")
    for name in ("keys", "tokens"):
        (root / name).write_text(SECRET, "utf-8")
    new_store(url)
    made = in_reactor(Answered, root, url)
    in_reactor(made.start)
    try:
        yield made
    finally:
        in_reactor(made.stop)
    assert made.failed == []
