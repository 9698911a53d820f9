"""Numbers under which the store finds the messages that name a lot or a serial number."""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

__all__ = ["lookup_hash"]


def lookup_hash(kind: Literal["lot", "serial"], value: str) -> int:
    """63 bits. Two values may share one: who looks by it compares the values themselves."""
    return int.from_bytes(blake2b(f"{kind}\0{value}".encode(), digest_size=8).digest(), "big") >> 1
