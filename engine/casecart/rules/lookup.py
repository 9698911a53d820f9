"""Numbers under which the store finds the messages that name a lot or a serial number."""

from __future__ import annotations

from zlib import crc32

__all__ = ["lookup_hash"]


def lookup_hash(value: str) -> int:
    """32 bits. Several values may share one, by chance or on purpose: who looks by it compares the values themselves.

    A digest of 64 bits would cost seven times as much, and spare a look at one document in a thousand searches.
    """
    return crc32(value.encode())
