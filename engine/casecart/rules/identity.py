"""Keys and tokens: what stands for a case or a line outside the engine, from which nobody can work it out.

Both are keyed BLAKE2b (RFC 7693) under a secret that only the engine holds. Keys must stay the same for ever, or a
replay posts twice; tokens may be renewed. So each has a secret of its own.
"""

from __future__ import annotations

import hmac
from hashlib import blake2b
from typing import Final

__all__ = ["MINIMUM_SECRET", "Keys", "Tokens"]

MINIMUM_SECRET = 32
"""Bytes a secret must have at least."""

_SIZE: Final = 16
"""Bytes of a digest."""


class Keys:
    """Derives the ledger's keys. The secret is never rotated."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hmac.digest(secret, b"casecart key 2", "sha256")
        self.earlier_fingerprint = _fingerprint(hmac.digest(secret, b"casecart key 1", "sha256"))
        """Of the same secret, in the stores of earlier development versions, whose keys were other ones."""
        # A digest that has taken the key in is copied for each value: HMAC-SHA-256 costs four times as much.
        self._case = blake2b(key=self._secret, digest_size=_SIZE, person=b"case").copy
        self._book = blake2b(key=self._secret, digest_size=_SIZE, person=b"book").copy
        self._line = blake2b(key=self._secret, digest_size=_SIZE, person=b"line").copy
        self._order = blake2b(key=self._secret, digest_size=_SIZE, person=b"order").copy

    @property
    def fingerprint(self) -> int:
        """A number of 63 bits that tells this secret from another, without telling the secret."""
        return _fingerprint(self._secret)

    def case(self, facility: str, case: str, book: str = "") -> bytes:
        """The ledger's key of a case, 16 bytes, from the value as the sender wrote it.

        Args:
            facility: whose number it is.
            case: the number.
            book: which ledger, where it is not that of the stock: nothing of one is set off against the other.
        """
        if book:
            digest = self._book()
            digest.update(f"{book}\0{facility}\0{case}".encode())
            return digest.digest()
        digest = self._case()
        digest.update(f"{facility}\0{case}".encode())
        return digest.digest()

    def line(self, case_key: bytes, line: str) -> str:
        """What the keys of a line's postings begin with, 32 hexadecimal digits; a dot and the revision follow."""
        digest = self._line()
        digest.update(case_key + line.encode())
        return digest.hexdigest()

    def order(self, facility: str, field: str, value: str) -> bytes:
        """The outbox's order key for a value of a field that is not the case, 16 bytes."""
        digest = self._order()
        digest.update(f"{field}\0{facility}\0{value}".encode())
        return digest.digest()


class Tokens:
    """Derives the tokens that documents carry in place of patient identifiers."""

    def __init__(self, secret: bytes) -> None:
        secret = hmac.digest(secret, b"casecart token 2", "sha256")
        self._token = blake2b(key=secret, digest_size=_SIZE, person=b"token").copy

    def token(self, facility: str, kind: str, value: str) -> str:
        """Such as ``case-3f1c…``: the kind and 32 hexadecimal digits (128 bits)."""
        digest = self._token()
        digest.update(f"{kind}\0{facility}\0{value}".encode())
        return f"{kind}-{digest.hexdigest()}"


def _fingerprint(secret: bytes) -> int:
    return int.from_bytes(hmac.digest(secret, b"fingerprint", "sha256")[:8], "big") >> 1
