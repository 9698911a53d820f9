"""How messages are found by a value that stands in them: keys of the look-up table, and the tokens of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zlib import crc32

import msgspec

from casecart.store.records import Lookup, Token

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casecart.store.interface import Change

__all__ = ["case_hash", "decode_tokens", "encode_tokens", "key_of", "keys_of", "looked_up", "lookup_hash"]

_KINDS: Final = ("case", "token", "lot", "serial", "item")
_CODES: Final = {kind: code << 32 for code, kind in enumerate(_KINDS)}
_HASH: Final = 0xFFFFFFFF


def lookup_hash(value: str) -> int:
    """32 bits. Several values may share one, by chance or on purpose: who looks by it compares the values themselves.

    A digest of 64 bits would cost seven times as much, and spare a look at one document in a hundred searches.
    """
    return crc32(value.encode())


def case_hash(case_key: bytes) -> int:
    """32 bits of the ledger's key of a case."""
    return int.from_bytes(case_key[:4], "big")


def key_of(kind: str, value: int) -> int:
    """The table's key for a kind and a hash."""
    return _CODES[kind] | value


def looked_up(key: int, position: int) -> Lookup:
    """A row of the table as a record."""
    return Lookup(_KINDS[key >> 32], key & _HASH, position)


def keys_of(change: Change) -> set[tuple[int, int]]:
    """The rows (key, position) that a change adds to the table: its look-ups, and the cases of its ledger rows."""
    codes, case = _CODES, _CODES["case"]
    rows = {(codes[kind] | value, position) for kind, value, position in change.lookups}
    rows.update([(case | case_hash(entry.case_key), entry.position) for entry in change.entries])
    return rows


_encode = msgspec.msgpack.Encoder().encode
_tokens = msgspec.msgpack.Decoder(list[tuple[str, str, str]]).decode


def encode_tokens(tokens: Iterable[tuple[str, str, str]]) -> bytes | None:
    """For a run: (token, kind, value) of what stands for something in its documents; None if nothing does."""
    return _encode(tokens) if tokens else None


def decode_tokens(data: bytes | None) -> list[Token]:
    """From a run."""
    return [] if data is None else [Token(*each) for each in _tokens(data)]
