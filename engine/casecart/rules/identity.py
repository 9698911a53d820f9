"""Keys and tokens: what stands for a case or a line outside the engine, from which nobody can work it out.

Both are HMAC-SHA-256 under a secret that only the engine holds. Keys must stay the same for ever, or a replay posts
twice; tokens may be renewed. So each has a secret of its own.
"""

from __future__ import annotations

import hmac

__all__ = ["MINIMUM_SECRET", "Keys", "Tokens"]

MINIMUM_SECRET = 32
"""Bytes a secret must have at least."""


class Keys:
    """Derives the ledger's keys. The secret is never rotated."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hmac.digest(secret, b"casecart key 1", "sha256")

    @property
    def fingerprint(self) -> int:
        """A number of 63 bits that tells this secret from another, without telling the secret."""
        return int.from_bytes(hmac.digest(self._secret, b"fingerprint", "sha256")[:8], "big") >> 1

    def case(self, facility: str, case: str) -> bytes:
        """The ledger's key of a case, 16 bytes, from the value as the sender wrote it."""
        return hmac.digest(self._secret, f"case\0{facility}\0{case}".encode(), "sha256")[:16]

    def line(self, case_key: bytes, line: str) -> str:
        """What the keys of a line's postings begin with, 32 hexadecimal digits; a dot and the revision follow."""
        return hmac.digest(self._secret, case_key + line.encode(), "sha256")[:16].hex()

    def order(self, facility: str, field: str, value: str) -> bytes:
        """The outbox's order key for a value of a field that is not the case, 16 bytes."""
        return hmac.digest(self._secret, f"{field}\0{facility}\0{value}".encode(), "sha256")[:16]


class Tokens:
    """Derives the tokens that documents carry in place of patient identifiers."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hmac.digest(secret, b"casecart token 1", "sha256")

    def token(self, facility: str, kind: str, value: str) -> str:
        """Such as ``case-3f1c…``: the kind and 32 hexadecimal digits (128 bits)."""
        digest = hmac.digest(self._secret, f"{kind}\0{facility}\0{value}".encode(), "sha256")
        return f"{kind}-{digest[:16].hex()}"
