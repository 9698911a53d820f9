"""Identifiers for messages and exceptions: UUID version 7, in order of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Identifiers", "shown"]

_MASK = (1 << 48) - 1
_MOST = 0xFFF  # of one millisecond: the counter has 12 bits


class Identifiers:
    """Mints UUIDs of version 7 (RFC 9562): milliseconds, then a counter, then random bits.

    Args:
        now: wall clock, µs since 1970.
        random: gives that many random bytes.
    """

    def __init__(self, now: Callable[[], int], random: Callable[[int], bytes]) -> None:
        self._now, self._random = now, random
        self._last = 0
        self._tail = b""
        self._count = 0

    def mint(self) -> bytes:
        """A new one, 16 bytes; later than every one before, even when the clock goes back."""
        at = self._now() // 1000
        if at > self._last or self._count >= _MOST:
            self._last = max(at, self._last + 1)
            self._count = 0
        else:
            self._count += 1
        if not self._count & 0xFF:  # random bytes are bought for a few hundred at a time
            self._tail = bytes((0x80 | self._random(1)[0] & 0x3F,)) + self._random(7)
        return (self._last & _MASK).to_bytes(6, "big") + (0x7000 | self._count).to_bytes(2, "big") + self._tail


def shown(identifier: bytes) -> str:
    """As people see it: ``0198c2f0-…`` with its dashes."""
    digits = identifier.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
