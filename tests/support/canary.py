"""A port on loopback that nobody has any business at, on IPv4 and IPv6: whoever connects was led there."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Self

__all__ = ["Canary"]


class Canary:
    """It listens; a context manager.

    Attributes:
        port: the same of both.
    """

    def __init__(self) -> None:
        self._sockets = [socket.create_server(("127.0.0.1", 0))]
        self.port: int = self._sockets[0].getsockname()[1]
        with suppress(OSError):  # a machine without IPv6
            self._sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        for each in self._sockets:
            each.settimeout(0)

    @property
    def came(self) -> int:
        """How many connected since it was asked last; they wait in the system's queue until then."""
        count = 0
        for each in self._sockets:
            with suppress(BlockingIOError):
                while True:
                    each.accept()[0].close()
                    count += 1
        return count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._sockets:
            each.close()
