"""One sender that doesn't wait for an answer before it sends on: as many messages as come through one connection."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

from support.charge import frame

__all__ = ["flood"]

ANSWER_LIMIT = 60.0
CHUNK = 64  # messages a write


def flood(port: int, bodies: Iterable[bytes]) -> int:
    """Sends messages in their order; gives how many were acknowledged as stored, once all are answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_LIMIT) as connection:
        reader = _Reader(connection)
        reader.start()
        sent = 0
        chunk: list[bytes] = []
        for body in bodies:
            chunk.append(frame(body))
            if len(chunk) == CHUNK:
                connection.sendall(b"".join(chunk))
                sent, chunk = sent + CHUNK, []
        connection.sendall(b"".join(chunk))
        reader.expect(sent + len(chunk))
        reader.join()
    return reader.accepted


class _Reader(threading.Thread):
    """Reads the answers, so that the engine never has to wait for us."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(daemon=True)
        self._connection = connection
        self._expected: int | None = None
        self.answers = self.accepted = 0

    def expect(self, count: int) -> None:
        """Nothing more is sent: the connection ends with so many answers."""
        self._expected = count
        self._connection.shutdown(socket.SHUT_WR)

    def run(self) -> None:
        """Until all are there."""
        rest = b""
        while self._expected is None or self.answers < self._expected:
            try:
                came = self._connection.recv(1 << 20)
            except OSError:
                return
            if not came:
                return
            *whole, rest = (rest + came).split(b"\x1c\r")
            self.answers += len(whole)
            self.accepted += sum(b"\rMSA|AA|" in answer for answer in whole)
