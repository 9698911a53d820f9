"""Our own control ids (MSH-10): in the order of time, never used twice, 20 characters."""

from __future__ import annotations

import base64
import hashlib

__all__ = ["ControlIds"]


class ControlIds:
    """Makes control ids: 16 digits of time in microseconds, and 4 letters and digits that tell who made them.

    The digits grow with every id, also when the clock goes back or more than one is made in a microsecond. After a
    restart they go on from the clock; should it have gone back, the end is another one.

    Args:
        maker: who makes them, a different one for every listener and start.
    """

    __slots__ = ("_end", "_last")

    def __init__(self, maker: str) -> None:
        self._end = base64.b32encode(hashlib.blake2b(maker.encode(), digest_size=5).digest())[:4]
        self._last = 0

    def next(self, now: int) -> bytes:
        """A new one.

        Args:
            now: µs since 1970.
        """
        last = self._last
        self._last = now = now if now > last else last + 1
        return b"%d%b" % (now, self._end)
